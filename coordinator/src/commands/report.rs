//! `coordinator report`: a run directory, analysed and rendered again.

use std::io::{self, IsTerminal as _};

use super::{print, run::stored};
use crate::{
    analysis,
    cli::{Format, ReportArgs},
    exit::Exit,
    report,
    screen::Screen,
    store::RunDir,
};

/// Columns where standard output is no terminal.
const WIDTH: usize = 120;

/// Runs the command.
#[must_use]
pub fn report(args: &ReportArgs, screen: &Screen) -> Exit {
    let concluded = RunDir::open(&args.run)
        .map_err(stored)
        .and_then(|directory| conclusion(&directory, args.format, io::stdout().is_terminal()));
    match concluded {
        Ok((text, exit)) => exit.strongest(print(screen, &text)),
        Err(error) => {
            screen.error(&error);
            Exit::Usage
        }
    }
}

/// Analyses what a run directory holds, writes its summary, and renders it.
pub(super) fn conclusion(
    directory: &RunDir,
    format: Format,
    terminal: bool,
) -> miette::Result<(String, Exit)> {
    let set = analysis::analyse(directory)?;
    directory.write_summary(&set).map_err(stored)?;
    let mut exit = Exit::Done;
    if set.expectations.iter().any(|expectation| !expectation.passed) {
        exit = exit.strongest(Exit::ExpectationFailed);
    }
    if !set.trustworthy {
        exit = exit.strongest(Exit::Incomplete);
    }
    let format = match format {
        Format::Table => report::Format::Table,
        Format::Json => report::Format::Json,
        Format::Csv => report::Format::Csv,
        Format::Markdown => report::Format::Markdown,
    };
    let width = if terminal { terminal_width() } else { WIDTH };
    // https://no-color.org
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Ok((report::render(&set, format, width, colour), exit))
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(WIDTH, |size| usize::from(size.ws_col).max(40))
}
