//! Problems in a scenario, for miette to render: place, snippet, remedy.

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use proto::plain::clean;

/// The number of problems that are shown; the others are counted.
pub const MAX_SHOWN: usize = 20;
/// The longest line that is shown, in bytes.
const MAX_LINE: usize = 1000;

/// One problem.
#[derive(Clone, Debug)]
pub struct Problem {
    message: String,
    key: Option<String>,
    help: Option<String>,
    source: Option<Box<NamedSource<Arc<str>>>>,
    labels: Vec<LabeledSpan>,
}

impl Problem {
    /// A problem without a place in a text.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), key: None, help: None, source: None, labels: Vec::new() }
    }

    /// Sets the key that the problem is about.
    #[must_use]
    pub(crate) fn about(mut self, key: Option<&str>) -> Self {
        self.key = key.map(str::to_owned);
        self
    }

    /// Sets the text that labels point into; it must be plain.
    #[must_use]
    pub(crate) fn within(mut self, name: &str, text: &Arc<str>) -> Self {
        self.source = Some(Box::new(NamedSource::new(clean(name), Arc::clone(text))));
        self
    }

    /// Adds a label at a byte range of the text. A very long line is not shown.
    #[must_use]
    pub(crate) fn label(mut self, range: Range<usize>, text: impl Into<String>) -> Self {
        if let Some(source) = &self.source
            && line_length(source.inner(), range.start) > MAX_LINE
        {
            self.source = None;
            self.message.push_str(&format!(" (byte {} of a line too long to show)", range.start));
            return self;
        }
        if self.source.is_none() {
            return self;
        }
        let length = range.end.saturating_sub(range.start);
        self.labels.push(LabeledSpan::new(Some(text.into()), range.start, length));
        self
    }

    /// Adds the remedy.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The key that the problem is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The problem in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the other problem has the same message at the same place.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.message == other.message && self.labels == other.labels
    }
}

/// The length in bytes of the line of a place.
fn line_length(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let start = text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let end =
        text.as_bytes()[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |after| at + after);
    end - start
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_deref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }
}

/// All problems of a scenario; never empty.
#[derive(Clone, Debug)]
pub struct ScenarioError {
    path: String,
    /// At most [`MAX_SHOWN`].
    problems: Vec<Problem>,
    /// The number of further problems.
    more: usize,
}

impl ScenarioError {
    /// The problems of the scenario at `path`.
    pub(crate) fn new(path: impl Into<String>, mut problems: Vec<Problem>) -> Self {
        let more = problems.len().saturating_sub(MAX_SHOWN);
        problems.truncate(MAX_SHOWN);
        Self { path: path.into(), problems, more }
    }

    /// The problems; the first `MAX_SHOWN` if there are more.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problem if there is exactly one; it is then shown without a heading.
    fn only(&self) -> Option<&Problem> {
        match self.problems.as_slice() {
            [problem] => Some(problem),
            _ => None,
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(problem) => problem.fmt(f),
            None => write!(f, "{} has {} problems", self.path, self.problems.len() + self.more),
        }
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.only() {
            Some(problem) => problem.help(),
            None if self.more > 0 => {
                let help = format!("the first {MAX_SHOWN} are shown; {} more", self.more);
                Some(Box::new(help))
            }
            None => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self.only() {
            Some(_) => None,
            None => Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic))),
        }
    }
}

#[cfg(test)]
impl ScenarioError {
    /// The error as a terminal without colour shows it.
    pub(super) fn rendered(&self) -> String {
        let mut out = String::new();
        let theme = miette::GraphicalTheme::unicode_nocolor();
        let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(100);
        handler.render_report(&mut out, self).unwrap();
        out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}
