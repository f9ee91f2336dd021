//! Warnings, marks and losses by code.

/// Codes that are told apart. Codes are a closed set, but an agent of another release may send its own.
pub const MAX_CODES: usize = 64;
/// The code of all others.
const OTHER: &str = "other";

/// What was found with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The code, such as `too-few-cpus`; `marked` for a mark of a trial.
    pub code: String,
    /// How often.
    pub count: u64,
    /// The last one.
    pub last: String,
}

/// What was found, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Finding> + ExactSizeIterator {
        self.0.iter()
    }

    pub(super) fn add(&mut self, code: &str, text: &str) {
        let place = |code: &str| self.0.iter().position(|finding| finding.code == code);
        let code = if place(code).is_none() && self.0.len() >= MAX_CODES { OTHER } else { code };
        let mut finding = match place(code) {
            Some(at) => self.0.remove(at),
            None => Finding { code: code.to_owned(), count: 0, last: String::new() },
        };
        finding.count += 1;
        text.clone_into(&mut finding.last);
        self.0.push(finding);
    }
}
