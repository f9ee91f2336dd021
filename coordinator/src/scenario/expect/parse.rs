//! Text to claim. A small hand-written parser, so that every refusal knows its column and its remedy.

use std::ops::Range;

use proto::units::{ByteSize, Nanos};

use super::{Claim, Condition, Expectation, Literal, METRICS, Op, Quantity, Right, Unit, metric_unit};
use crate::scenario::keys::one_of;

/// Why a text is no expectation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpectError {
    /// Bytes of the text that are meant.
    pub part: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl ExpectError {
    pub(super) fn new(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into() }
    }
}

const SHAPE: &str = "an expectation reads like: uring.iops >= 1.5 * sync.iops at depth >= 32";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Op(Op),
    Times,
    Word(&'a str),
}

struct Tokens<'a> {
    text: &'a str,
    list: Vec<(Token<'a>, Range<usize>)>,
    next: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Result<Self, ExpectError> {
        let mut list = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if c.is_whitespace() {
                at += c.len_utf8();
                continue;
            }
            let (token, length) = if is_word(c) {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            } else if c == '*' {
                (Token::Times, 1)
            } else if let Some((sign, op)) = Op::SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                (Token::Op(*op), sign.len())
            } else {
                let message = format!("`{c}` has no meaning in an expectation");
                return Err(ExpectError::new(at..at + c.len_utf8(), message, SHAPE));
            };
            list.push((token, at..at + length));
            at += length;
        }
        Ok(Self { text, list, next: 0 })
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.list.get(self.next).map(|(token, _)| *token)
    }

    /// Where the next token is, or the end of the text.
    fn place(&self) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.list.get(self.next).map_or(end..end, |(_, range)| range.clone())
    }

    fn take(&mut self) -> Option<(Token<'a>, Range<usize>)> {
        let taken = self.list.get(self.next).cloned();
        self.next += 1;
        taken
    }

    fn expected(&self, what: &str) -> ExpectError {
        let found = match self.list.get(self.next) {
            Some((_, range)) => format!("`{}` stands here", &self.text[range.clone()]),
            None => "the text ends here".to_owned(),
        };
        ExpectError::new(self.place(), format!("{found}, where {what} is expected"), SHAPE)
    }

    fn word(&mut self, what: &str) -> Result<(&'a str, Range<usize>), ExpectError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let range = self.place();
                self.next += 1;
                Ok((word, range))
            }
            _ => Err(self.expected(what)),
        }
    }

    fn op(&mut self) -> Result<(Op, Range<usize>), ExpectError> {
        match self.peek() {
            Some(Token::Op(op)) => {
                let range = self.place();
                self.next += 1;
                Ok((op, range))
            }
            _ => Err(self.expected("a comparison (>=, <=, > or <)")),
        }
    }
}

/// `ARM.METRIC`; a number may have a point too, but no letter after it.
fn quantity(word: &str, range: &Range<usize>) -> Result<Option<Quantity>, ExpectError> {
    let Some((arm, metric)) = word.rsplit_once('.') else { return Ok(None) };
    if !metric.starts_with(|c: char| c.is_alphabetic()) || arm.is_empty() {
        return Ok(None);
    }
    let from = range.start + arm.len() + 1;
    if metric_unit(metric).is_none() {
        let names: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no metric `{metric}`");
        return Err(ExpectError::new(from..range.end, message, one_of("the metrics are", metric, &names)));
    }
    let arm_at = range.start..range.start + arm.len();
    Ok(Some(Quantity { arm: arm.to_owned(), metric: metric.to_owned(), arm_at }))
}

/// A number, a size or a duration.
pub(super) fn literal(word: &str) -> Option<Literal> {
    if !word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let plain = word.parse::<f64>().ok().filter(|number| number.is_finite());
    plain
        .map(|number| (number, Unit::Count))
        .or_else(|| word.parse::<Nanos>().ok().map(|time| (time.0 as f64, Unit::Nanos)))
        .or_else(|| word.parse::<ByteSize>().ok().map(|size| (size.0 as f64, Unit::Bytes)))
        .map(|(number, unit)| Literal { number, unit })
}

fn condition(tokens: &mut Tokens<'_>) -> Result<Condition, ExpectError> {
    let (axis, axis_at) = tokens.word("the name of an axis")?;
    let (op, op_at) = tokens.op()?;
    let (value, value_at) = tokens.word("a value of the axis")?;
    let literal = literal(value);
    if literal.is_none() && !matches!(op, Op::Equal | Op::Differs) {
        let message = format!("`{value}` is not a number, so it can only be equal or not");
        return Err(ExpectError::new(op_at, message, "write = or !="));
    }
    Ok(Condition { axis: axis.to_owned(), axis_at, op, value: value.to_owned(), value_at, literal })
}

/// Reads an expectation. Names of arms and axes are checked by [`Expectation::check`].
///
/// # Errors
/// What is wrong first, with its place.
pub fn parse(text: &str) -> Result<Expectation, ExpectError> {
    let mut tokens = Tokens::of(text)?;
    let (word, range) = tokens.word("ARM.METRIC")?;
    let left = quantity(word, &range)?.ok_or_else(|| {
        ExpectError::new(range.clone(), format!("`{word}` is not of the form ARM.METRIC"), SHAPE)
    })?;
    let (op, op_at) = tokens.op()?;
    if matches!(op, Op::Equal | Op::Differs) {
        let message = "measured values are never exactly equal";
        return Err(ExpectError::new(op_at, message, "compare with >=, <=, > or <"));
    }
    let right = right(&mut tokens, &left)?;
    let mut conditions = Vec::new();
    if tokens.peek() == Some(Token::Word("at")) {
        tokens.take();
        conditions.push(condition(&mut tokens)?);
        while tokens.peek() == Some(Token::Word("and")) {
            tokens.take();
            conditions.push(condition(&mut tokens)?);
        }
    }
    if tokens.peek().is_some() {
        let what = if conditions.is_empty() { "`at` or the end" } else { "`and` or the end" };
        return Err(tokens.expected(what));
    }
    Ok(Expectation { text: text.to_owned(), claim: Claim { left, op, right, conditions } })
}

fn right(tokens: &mut Tokens<'_>, left: &Quantity) -> Result<Right, ExpectError> {
    let (word, range) = tokens.word("a number or ARM.METRIC")?;
    let unit = left.unit();
    let same_unit = |other: Quantity, factor: f64, range: &Range<usize>| {
        if other.unit() != unit {
            let message = format!("{} and {} are not of one kind", left.metric, other.metric);
            let help = "compare a metric with the same metric of another arm";
            return Err(ExpectError::new(range.clone(), message, help));
        }
        Ok(Right::Other { factor, quantity: other })
    };
    if let Some(other) = quantity(word, &range)? {
        return same_unit(other, 1.0, &range);
    }
    let Some(value) = literal(word) else {
        let message = format!("`{word}` is neither a number nor of the form ARM.METRIC");
        return Err(ExpectError::new(range, message, SHAPE));
    };
    if tokens.peek() == Some(Token::Times) {
        if value.unit != Unit::Count {
            let message = "a factor has no unit";
            return Err(ExpectError::new(range, message, "write a bare number before the `*`"));
        }
        tokens.take();
        let (word, range) = tokens.word("ARM.METRIC")?;
        let other = quantity(word, &range)?.ok_or_else(|| {
            ExpectError::new(range.clone(), format!("`{word}` is not of the form ARM.METRIC"), SHAPE)
        })?;
        return same_unit(other, value.number, &range);
    }
    if value.unit != Unit::Count && value.unit != unit {
        let message =
            format!("`{word}` does not go with {}, which is counted in {}", left.metric, unit.name());
        let help = match unit {
            Unit::Count => "write a bare number",
            Unit::Nanos => "write a duration, such as 200us",
            Unit::Bytes => "write a size a second, such as 100MiB",
        };
        return Err(ExpectError::new(range, message, help));
    }
    Ok(Right::Number(value.number))
}
