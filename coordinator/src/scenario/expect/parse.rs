//! Parses an expectation. The parser is hand-written, so that every error has its place and its remedy.

use std::ops::Range;

use super::{
    Claim, Condition, Edge, ExpectError, Expectation, Expr, Literal, Op, Place, Quantity, Statement, Unit,
    expr::Arithmetic,
    lex::{SHAPE, Token, Tokens},
};
use crate::{
    metric,
    scenario::keys::{nearest, one_of},
    summary::Verdict,
};

/// The token expected between two values.
const COMPARISON: &str = "a comparison (>=, <=, > or <)";

/// A part of an expression with its unit and place.
struct Part {
    expr: Expr,
    unit: Unit,
    at: Range<usize>,
}

impl Part {
    /// A constant without a unit, which takes the unit of the other side.
    fn is_bare(&self) -> bool {
        self.unit == Unit::Count && self.expr.is_constant()
    }
}

/// `ARM.METRIC`. A number may also contain a dot, but no letter after it.
fn quantity(word: &str, range: &Range<usize>) -> Result<Option<Quantity>, ExpectError> {
    let Some((arm, metric)) = word.rsplit_once('.') else { return Ok(None) };
    if !metric.starts_with(|c: char| c.is_alphabetic()) || arm.is_empty() {
        return Ok(None);
    }
    let from = range.start + arm.len() + 1;
    let Some(found) = metric::find(metric) else {
        let names: Vec<&str> = metric::claimable().map(|metric| metric.name).collect();
        let message = format!("there is no metric `{metric}`");
        let help = match metric.split_once('-') {
            Some((name, _)) if metric::find(name).is_some() => "put spaces around the minus sign".to_owned(),
            _ => one_of("the metrics are", metric, &names),
        };
        return Err(ExpectError::new(from..range.end, message, help));
    };
    let arm_at = Place(range.start..range.start + arm.len());
    Ok(Some(Quantity { arm: arm.to_owned(), metric: found, arm_at }))
}

/// Parses an expectation. [`Expectation::check`] checks the names of arms and axes.
///
/// # Errors
/// The first problem, with its place.
pub fn parse(text: &str) -> Result<Expectation, ExpectError> {
    let mut tokens = Tokens::of(text)?;
    let (statement, unit) =
        if tokens.calls("verdict") { (verdict(&mut tokens)?, Unit::Count) } else { compare(&mut tokens)? };
    let mut conditions = Vec::new();
    if tokens.take_if(Token::Word("at")) {
        conditions.push(condition(&mut tokens)?);
        while tokens.take_if(Token::Word("and")) {
            conditions.push(condition(&mut tokens)?);
        }
    }
    if tokens.peek().is_some() {
        let what = if conditions.is_empty() { "`at` or the end" } else { "`and` or the end" };
        return Err(tokens.expected(what));
    }
    Ok(Expectation { text: text.to_owned(), claim: Claim { statement, unit, conditions } })
}

/// `EXPR OP EXPR`, and the unit of both sides.
fn compare(tokens: &mut Tokens<'_>) -> Result<(Statement, Unit), ExpectError> {
    let left = sum(tokens)?;
    let (op, op_at) = tokens.op(COMPARISON)?;
    if matches!(op, Op::Equal | Op::Differs) {
        let message = "measured values are never exactly equal";
        let help = "compare with >=, <=, > or <; only verdicts can be tested for equality: verdict(uring.iops) == \
                    faster";
        return Err(ExpectError::new(op_at, message, help));
    }
    let right = sum(tokens)?;
    if left.expr.is_constant() && right.expr.is_constant() {
        let message = "the expectation contains no measured value";
        return Err(ExpectError::new(left.at.start..right.at.end, message, SHAPE));
    }
    let unit = same_unit(tokens, &left, &right)?;
    Ok((Statement::Compare { left: left.expr, op, right: right.expr }, unit))
}

/// The common unit of two values that are added or compared.
fn same_unit(tokens: &Tokens<'_>, left: &Part, right: &Part) -> Result<Unit, ExpectError> {
    match (left.is_bare(), right.is_bare()) {
        (true, _) => return Ok(right.unit),
        (_, true) => return Ok(left.unit),
        _ if left.unit == right.unit => return Ok(left.unit),
        _ => {}
    }
    // Report the constant, because it can be changed.
    let (odd, other) = if left.expr.is_constant() { (left, right) } else { (right, left) };
    let (odd_text, other_text) = (tokens.slice(&odd.at), tokens.slice(&other.at));
    let (message, help) = if odd.expr.is_constant() {
        let message =
            format!("`{odd_text}` does not have the unit of {other_text}, which is in {}", other.unit.name());
        (message, other.unit.remedy())
    } else {
        let message = format!("{other_text} and {odd_text} have different units");
        (message, "compare a metric with the same metric of another arm")
    };
    Err(ExpectError::new(odd.at.clone(), message, help))
}

/// Terms with `+` and `-` between them.
fn sum(tokens: &mut Tokens<'_>) -> Result<Part, ExpectError> {
    let mut left = product(tokens)?;
    while let Some(Token::Arithmetic(sign @ (Arithmetic::Add | Arithmetic::Subtract))) = tokens.peek() {
        tokens.take();
        let right = product(tokens)?;
        let unit = same_unit(tokens, &left, &right)?;
        left = both(sign, left, right, unit);
    }
    Ok(left)
}

/// Factors with `*` and `/` between them.
fn product(tokens: &mut Tokens<'_>) -> Result<Part, ExpectError> {
    let mut left = factor(tokens)?;
    while let Some(Token::Arithmetic(sign @ (Arithmetic::Multiply | Arithmetic::Divide))) = tokens.peek() {
        tokens.take();
        let right = factor(tokens)?;
        let (plain_left, plain_right) = (left.unit == Unit::Count, right.unit == Unit::Count);
        let unit = match sign {
            Arithmetic::Divide if left.unit == right.unit => Unit::Count,
            Arithmetic::Divide if plain_right => left.unit,
            Arithmetic::Multiply if plain_left => right.unit,
            Arithmetic::Multiply if plain_right => left.unit,
            _ => {
                let what = if sign == Arithmetic::Divide { "divided by" } else { "multiplied by" };
                let message =
                    format!("{} {what} {} have no meaning as a metric", left.unit.name(), right.unit.name());
                let help = "divide a metric by the same metric of another arm, or multiply by a bare number";
                return Err(ExpectError::new(left.at.start..right.at.end, message, help));
            }
        };
        left = both(sign, left, right, unit);
    }
    Ok(left)
}

fn both(sign: Arithmetic, left: Part, right: Part, unit: Unit) -> Part {
    let at = left.at.start..right.at.end;
    Part { expr: Expr::Both(sign, Box::new(left.expr), Box::new(right.expr)), unit, at }
}

/// A constant, a measured value, an edge of an interval, or an expression in parentheses.
fn factor(tokens: &mut Tokens<'_>) -> Result<Part, ExpectError> {
    for (name, edge) in [("low", Edge::Low), ("high", Edge::High)] {
        if !tokens.calls(name) {
            continue;
        }
        let start = tokens.take().start;
        tokens.take();
        let of = sum(tokens)?;
        let end = tokens.place().end;
        tokens.close()?;
        if !of.expr.has_interval() {
            let message = format!("`{}` has no interval", tokens.slice(&of.at));
            let help = "a metric with a value per trial has an interval, and so has the ratio of one metric of two \
                        arms: low(uring.iops / sync.iops)";
            return Err(ExpectError::new(of.at, message, help));
        }
        return Ok(Part { expr: Expr::Edge(edge, Box::new(of.expr)), unit: of.unit, at: start..end });
    }
    if tokens.peek() == Some(Token::Open) {
        let start = tokens.take().start;
        let inner = sum(tokens)?;
        let end = tokens.place().end;
        tokens.close()?;
        return Ok(Part { at: start..end, ..inner });
    }
    let (word, at) = tokens.word("a number or ARM.METRIC")?;
    if let Some(quantity) = quantity(word, &at)? {
        return Ok(Part { unit: quantity.unit(), expr: Expr::Quantity(quantity), at });
    }
    if let Some(literal) = Literal::parse(word) {
        return Ok(Part { expr: Expr::Literal(literal), unit: literal.unit, at });
    }
    if tokens.peek() == Some(Token::Open) {
        let message = format!("there is no `{word}(…)`");
        return Err(ExpectError::new(
            at,
            message,
            one_of("the functions are", word, &["low", "high", "verdict"]),
        ));
    }
    Err(ExpectError::new(at, format!("`{word}` is neither a number nor ARM.METRIC"), SHAPE))
}

/// `verdict(ARM.METRIC) == VERDICT`, or of `ARM.METRIC / ARM.METRIC`.
fn verdict(tokens: &mut Tokens<'_>) -> Result<Statement, ExpectError> {
    tokens.take();
    tokens.take();
    let measured = |tokens: &mut Tokens<'_>| {
        let (word, at) = tokens.word("ARM.METRIC")?;
        let refuse = || ExpectError::new(at.clone(), format!("`{word}` is not ARM.METRIC"), SHAPE);
        Ok::<_, ExpectError>((quantity(word, &at)?.ok_or_else(refuse)?, at.clone()))
    };
    let (of, _) = measured(tokens)?;
    let mut against = None;
    if tokens.take_if(Token::Arithmetic(Arithmetic::Divide)) {
        let (other, at) = measured(tokens)?;
        if other.metric != of.metric || other.arm == of.arm {
            let message = "a verdict compares one metric of two arms";
            let help = format!("write {}.{}, or another arm", other.arm, of.metric.name);
            return Err(ExpectError::new(at, message, help));
        }
        against = Some(other);
    }
    tokens.close()?;
    let (op, op_at) = tokens.op("== or !=").map_err(|error| ExpectError {
        help: "a verdict has the form: verdict(uring.iops) == faster".to_owned(),
        ..error
    })?;
    let is = match op {
        Op::Equal => true,
        Op::Differs => false,
        _ => {
            return Err(ExpectError::new(op_at, "verdicts are not ordered", "compare with == or !="));
        }
    };
    Ok(Statement::Verdict { of, against, is, verdict: verdict_word(tokens)? })
}

/// A verdict; `no difference` with or without quotes, or as one word.
fn verdict_word(tokens: &mut Tokens<'_>) -> Result<Verdict, ExpectError> {
    let (text, at) = match tokens.peek() {
        Some(Token::Quoted(text)) => (text, tokens.take()),
        _ => tokens.word("a verdict")?,
    };
    if text == "no" && tokens.take_if(Token::Word("difference")) {
        return Ok(Verdict::NoDifference);
    }
    let named = |verdict: &Verdict| verdict.as_str() == text || verdict.as_str().replace(' ', "_") == text;
    Verdict::ALL.into_iter().find(named).ok_or_else(|| {
        let meant = nearest(text, &Verdict::ALL.map(Verdict::as_str)).filter(|meant| !meant.contains(' '));
        let all = "the verdicts are: faster, slower, \"no difference\", inconclusive";
        let help = meant.map_or_else(|| all.to_owned(), |meant| format!("did you mean `{meant}`?"));
        ExpectError::new(at, format!("there is no verdict `{text}`"), help)
    })
}

fn condition(tokens: &mut Tokens<'_>) -> Result<Condition, ExpectError> {
    let (axis, axis_at) = tokens.word("the name of an axis")?;
    let (op, op_at) = tokens.op(COMPARISON)?;
    let (value, value_at) = tokens.word("a value of the axis")?;
    let literal = Literal::parse(value);
    if literal.is_none() && !matches!(op, Op::Equal | Op::Differs) {
        let message = format!("`{value}` is not a number, so it can only be compared with = or !=");
        return Err(ExpectError::new(op_at, message, "write = or !="));
    }
    let (axis_at, value_at) = (Place(axis_at), Place(value_at));
    Ok(Condition { axis: axis.to_owned(), axis_at, op, value: value.to_owned(), value_at, literal })
}
