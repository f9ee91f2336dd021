//! Splits the text of an expectation into tokens.

use std::ops::Range;

use super::{ExpectError, Op, expr::Arithmetic};

/// The maximum number of tokens. It bounds the recursion of the parser.
const MOST: usize = 300;

pub(super) const SHAPE: &str = "an expectation has the form: uring.iops >= 1.5 * sync.iops at depth >= 32";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Op(Op),
    Arithmetic(Arithmetic),
    Open,
    Close,
    /// A name, a keyword or a constant.
    Word(&'a str),
    /// A quoted text.
    Quoted(&'a str),
}

pub(super) struct Tokens<'a> {
    text: &'a str,
    list: Vec<(Token<'a>, Range<usize>)>,
    next: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, ExpectError> {
        let mut list: Vec<(Token<'a>, Range<usize>)> = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if c.is_whitespace() {
                at += c.len_utf8();
                continue;
            }
            // A minus sign at the start of a constant, not between two values.
            let after_value =
                matches!(list.last(), Some((Token::Word(_) | Token::Close | Token::Quoted(_), _)));
            let negative = rest[c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
            let (token, length) = match c {
                '-' if after_value || !negative => (Token::Arithmetic(Arithmetic::Subtract), 1),
                '+' => (Token::Arithmetic(Arithmetic::Add), 1),
                '*' => (Token::Arithmetic(Arithmetic::Multiply), 1),
                '/' => (Token::Arithmetic(Arithmetic::Divide), 1),
                '(' => (Token::Open, 1),
                ')' => (Token::Close, 1),
                '"' | '\'' => {
                    let Some(length) = rest[1..].find(c) else {
                        let message = "this quote is not closed";
                        return Err(ExpectError::new(at..text.len(), message, format!("end it with {c}")));
                    };
                    (Token::Quoted(&rest[1..=length]), length + 2)
                }
                c if is_word(c) => {
                    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                    (Token::Word(&rest[..length]), length)
                }
                _ => match Op::SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                    Some((sign, op)) => (Token::Op(*op), sign.len()),
                    None => {
                        let message = format!("`{c}` has no meaning in an expectation");
                        return Err(ExpectError::new(at..at + c.len_utf8(), message, SHAPE));
                    }
                },
            };
            if list.len() == MOST {
                let message = "the expectation is too long";
                return Err(ExpectError::new(at..text.len(), message, "write several shorter ones"));
            }
            list.push((token, at..at + length));
            at += length;
        }
        Ok(Self { text, list, next: 0 })
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.list.get(self.next).map(|(token, _)| *token)
    }

    /// The place of the next token, or the end of the text.
    pub(super) fn place(&self) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.list.get(self.next).map_or(end..end, |(_, range)| range.clone())
    }

    /// The text at a place.
    pub(super) fn slice(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Consumes the next token.
    pub(super) fn take(&mut self) -> Range<usize> {
        let place = self.place();
        self.next += 1;
        place
    }

    /// Consumes the next token if it is this one.
    pub(super) fn take_if(&mut self, token: Token<'_>) -> bool {
        let is = self.peek() == Some(token);
        self.next += usize::from(is);
        is
    }

    /// Whether a call of this function starts here, as in `low(`.
    pub(super) fn calls(&self, name: &str) -> bool {
        self.peek() == Some(Token::Word(name))
            && self.list.get(self.next + 1).is_some_and(|(token, _)| *token == Token::Open)
    }

    pub(super) fn expected(&self, what: &str) -> ExpectError {
        let found = match self.list.get(self.next) {
            Some((_, range)) => format!("found `{}`", self.slice(range)),
            None => "the text ends".to_owned(),
        };
        ExpectError::new(self.place(), format!("{found}, expected {what}"), SHAPE)
    }

    pub(super) fn word(&mut self, what: &str) -> Result<(&'a str, Range<usize>), ExpectError> {
        match self.peek() {
            Some(Token::Word(word)) => Ok((word, self.take())),
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn op(&mut self, what: &str) -> Result<(Op, Range<usize>), ExpectError> {
        match self.peek() {
            Some(Token::Op(op)) => Ok((op, self.take())),
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn close(&mut self) -> Result<(), ExpectError> {
        if self.take_if(Token::Close) { Ok(()) } else { Err(self.expected("`)`")) }
    }
}
