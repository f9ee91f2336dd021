//! An error as a terminal may show it: all its texts are plain, whatever file or machine they come from. Excerpts of
//! files are cleaned by those that attach them, because places in them must stay valid.

use std::{error::Error, fmt};

use miette::{Diagnostic, LabeledSpan, MietteHandlerOpts, ReportHandler as _, SourceCode};

use proto::plain::clean_lines;

/// Renders an error with its causes, places and remedies.
pub(super) fn rendered(error: &miette::Report) -> String {
    Shown(&Cleaned::of(error.as_ref())).to_string()
}

struct Shown<'a>(&'a Cleaned<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MietteHandlerOpts::new().build().debug(self.0, f)
    }
}

/// A copy of a diagnostic with plain texts.
struct Cleaned<'a> {
    message: String,
    code: Option<String>,
    help: Option<String>,
    labels: Vec<LabeledSpan>,
    source: Option<&'a dyn SourceCode>,
    related: Vec<Cleaned<'a>>,
    cause: Option<Cause>,
}

impl<'a> Cleaned<'a> {
    fn of(error: &'a dyn Diagnostic) -> Self {
        let label =
            |label: LabeledSpan| LabeledSpan::new_with_span(label.label().map(clean_lines), *label.inner());
        Self {
            message: clean_lines(&error.to_string()),
            code: error.code().map(|code| clean_lines(&code.to_string())),
            help: error.help().map(|help| clean_lines(&help.to_string())),
            labels: error.labels().into_iter().flatten().map(label).collect(),
            source: error.source_code(),
            related: error.related().into_iter().flatten().map(Self::of).collect(),
            cause: error.source().map(Cause::of),
        }
    }
}

impl fmt::Display for Cleaned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Cleaned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Cleaned<'_> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl Diagnostic for Cleaned<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }

    fn related<'b>(&'b self) -> Option<Box<dyn Iterator<Item = &'b dyn Diagnostic> + 'b>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|error| error as &dyn Diagnostic)))
    }
}

/// The chain of causes.
#[derive(Debug)]
struct Cause {
    message: String,
    next: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let next = error.source().map(|next| Box::new(Self::of(next)));
        Self { message: clean_lines(&error.to_string()), next }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_deref().map(|next| next as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_an_error_controls_the_terminal() {
        let cause = miette::miette!(help = "h\x1b]0;x\x07", "m\u{202E}\x1b[2Jm").wrap_err("w\x1b[2J");
        let text = rendered(&cause);
        let plain = |c: char| c == '\n' || (!c.is_control() && !proto::plain::changes_direction(c));
        let bare = text.replace("\x1b[", "");
        assert!(bare.chars().all(plain) || std::io::IsTerminal::is_terminal(&std::io::stderr()), "{text:?}");
        assert!(text.contains("m  [2Jm") && !text.contains("\x1b[2J") && !text.contains("\x1b]"), "{text:?}");
    }
}
