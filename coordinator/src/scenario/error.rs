//! What is wrong with a scenario, as miette renders it: the place, the snippet, the remedy.

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    message: String,
    help: Option<String>,
    source: Option<Box<NamedSource<Arc<str>>>>,
    labels: Vec<LabeledSpan>,
    engine: bool,
}

impl Problem {
    /// A problem that lies in no text.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, source: None, labels: Vec::new(), engine: false }
    }

    /// The text that labels point into.
    #[must_use]
    pub(crate) fn within(mut self, name: &str, text: &Arc<str>) -> Self {
        self.source = Some(Box::new(NamedSource::new(name, Arc::clone(text))));
        self
    }

    /// Points at a range of the text.
    #[must_use]
    pub(crate) fn label(mut self, range: Range<usize>, text: impl Into<String>) -> Self {
        let length = range.end.saturating_sub(range.start);
        self.labels.push(LabeledSpan::new(Some(text.into()), range.start, length));
        self
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Marks it as one of an arm's engine, without which the arm cannot be read.
    #[must_use]
    pub(crate) fn of_engine(mut self) -> Self {
        self.engine = true;
        self
    }

    /// Whether it is one of an arm's engine.
    pub(crate) fn is_engine(&self) -> bool {
        self.engine
    }

    /// Whether the other says the same of the same place.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.message == other.message && self.labels == other.labels
    }
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

/// All that is wrong with a scenario; never empty.
#[derive(Clone, Debug)]
pub struct ScenarioError {
    path: String,
    problems: Vec<Problem>,
}

impl ScenarioError {
    /// Of what was found in the scenario at `path`.
    pub(crate) fn new(path: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { path: path.into(), problems }
    }

    /// What was found, one by one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The one problem, if it is one: it is then shown without a heading.
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
            None => write!(f, "{} has {} problems", self.path, self.problems.len()),
        }
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only()?.help()
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
