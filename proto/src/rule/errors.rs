//! Collects broken rules.

use super::{FieldError, Quantity, Rule};

/// Collects the rules that a trial breaks.
#[derive(Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    /// Records a rule that a field breaks unless it is kept.
    pub(crate) fn check(&mut self, kept: bool, field: &str, rule: impl FnOnce() -> Rule) {
        if !kept {
            self.0.push(FieldError::new(field, rule()));
        }
    }

    /// Records a value outside its range.
    pub(crate) fn range<T: PartialOrd + Copy>(
        &mut self,
        field: &str,
        unit: impl Fn(T) -> Quantity,
        value: T,
        range: (T, T),
    ) {
        self.0.extend(Rule::range(unit, value, range).map(|rule| FieldError::new(field, rule)));
    }
}

#[cfg(test)]
impl Errors {
    /// All messages.
    pub(crate) fn texts(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// A count, for [`Errors::range`].
pub(crate) fn count(count: u32) -> Quantity {
    Quantity::Count(u64::from(count))
}
