//! The common part of warnings and refusals: a code, the facts, and the text made of them.
//!
//! [`notices!`](crate::notices) declares an enum of notices on one subject. A variant is the only place that knows its
//! code, its condition, its facts, its message and its remedy. [`notice_groups!`](crate::notice_groups) makes one closed
//! enum of several subjects, with the variant [`Recorded`] for notices of other releases.
//!
//! In JSON, a notice has the keys `code`, `message`, `remedy`, `field` (refusals) and `facts`. When it is read, code and
//! facts determine the variant, and its text is made anew. If this release does not understand the facts, the recorded
//! text is shown as it is; no decision depends on that text.

mod macros;
mod os_error;
mod text;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::{
    os_error::OsError,
    text::{CpuList, plural, rough},
};

/// A warning or a refusal.
pub trait Notice {
    /// A stable word for programs, such as `too-few-cpus`.
    fn code(&self) -> &str;

    /// One sentence for people.
    fn message(&self) -> String;

    /// The remedy; empty if there is none.
    fn remedy(&self) -> String;

    /// The field of the trial at fault, such as `engine.depth`; empty if there is none.
    fn field(&self) -> String {
        String::new()
    }

    /// The weight among notices of the same code. Of merged notices, the one of the most weight is shown.
    fn weight(&self) -> f64 {
        0.0
    }

    /// Whether a verdict may be wrong, or is missing, because of what the notice is about. One whose effect is not known
    /// counts as affecting verdicts.
    fn affects_verdicts(&self) -> bool {
        true
    }

    /// The facts as JSON; `None` if only the text is known.
    fn facts(&self) -> Option<Value>;

    /// Its written form.
    fn written(&self) -> Written {
        Written {
            code: self.code().to_owned(),
            message: self.message(),
            remedy: self.remedy(),
            field: self.field(),
            facts: self.facts(),
        }
    }
}

/// A notice in the list of all notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stable word.
    pub code: &'static str,
    /// Its condition, as one sentence.
    pub when: &'static str,
    /// Its remedies, as format strings whose arguments are facts. The facts decide which one is shown.
    pub remedies: &'static [&'static str],
    /// Whether it affects verdicts: `true`, `false`, or an expression of the facts that decide.
    pub affects_verdicts: &'static str,
}

/// The notices on one subject, as the list of all notices shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What they are about, as a sentence.
    pub title: &'static str,
    /// The notices.
    pub entries: &'static [Entry],
}

/// A notice as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The stable word.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// The remedy.
    pub remedy: String,
    /// The field of the trial at fault.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The facts; absent in files of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Value>,
}

/// A notice of another release, of which only the text is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The stable word.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// The remedy.
    pub remedy: String,
    /// The field of the trial at fault.
    pub field: String,
}

impl From<Written> for Recorded {
    fn from(Written { code, message, remedy, field, .. }: Written) -> Self {
        Self { code, message, remedy, field }
    }
}

impl Notice for Recorded {
    fn code(&self) -> &str {
        &self.code
    }

    fn message(&self) -> String {
        self.message.clone()
    }

    fn remedy(&self) -> String {
        self.remedy.clone()
    }

    fn field(&self) -> String {
        self.field.clone()
    }

    fn facts(&self) -> Option<Value> {
        None
    }
}

/// The only element, or `true`.
#[doc(hidden)]
#[must_use]
pub const fn given_or_true(given: &[&'static str]) -> &'static str {
    match given {
        [given] => given,
        _ => "true",
    }
}

/// The facts of a notice that serialises as its code and its facts.
#[doc(hidden)]
pub fn facts_of(notice: &impl Serialize) -> Option<Value> {
    match serde_json::to_value(notice) {
        Ok(Value::Object(mut parts)) => parts.shift_remove("facts"),
        _ => None,
    }
}

/// The notice that has this code and these facts, if it is one of `T`.
#[doc(hidden)]
pub fn typed<T: DeserializeOwned>(code: &str, facts: &Value) -> Option<T> {
    serde_json::from_value(serde_json::json!({"code": code, "facts": facts})).ok()
}

#[cfg(test)]
mod tests;
