//! `coordinator verify`: checks that the files of a run fit together.

use std::path::PathBuf;

use clap::Args;
use miette::miette;
use proto::plain::clean;

use super::{
    print,
    report::{find, stored},
};
use crate::{
    exit::Exit,
    history::{RESULTS, resolve::LATEST},
    screen::Screen,
    store::{RunDir, verify::Verified},
    units::some,
};

/// Check that the files of a run are complete and unchanged.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  coordinator verify results/latest

Prints each file that does not fit. Exits with 0 if all fit, and with 4 if any does not.")]
pub struct VerifyArgs {
    /// The run, as in `coordinator report`.
    #[arg(value_name = "RUN", default_value = LATEST)]
    pub run: PathBuf,
    /// The directory that contains the runs.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
}

/// Runs the command.
#[must_use]
pub fn verify(args: &VerifyArgs, screen: &Screen) -> Exit {
    let opened = find(&args.run, &args.dir).and_then(|run| RunDir::open(&run).map_err(stored));
    let verified = match opened {
        Ok(directory) => directory.verify(),
        Err(error) => {
            screen.error(&error);
            return Exit::Usage;
        }
    };
    let exit = print(screen, &text(&verified));
    if verified.findings.is_empty() {
        return exit;
    }
    screen.error(&miette!(
        help = "restore the files named above from a copy, or run the scenario again",
        "{} not fit",
        if verified.findings.len() == 1 {
            "1 file or line does".into()
        } else {
            format!("{} files or lines do", verified.findings.len())
        }
    ));
    exit.strongest(Exit::Incomplete)
}

/// The findings, line by line, and what was checked.
fn text(verified: &Verified) -> String {
    let findings = verified.findings.iter().map(|finding| format!("does not fit: {finding}"));
    let leftovers = verified.leftovers.iter().map(|left| format!("left by an interruption: {left}"));
    let mut lines: Vec<String> = findings.chain(leftovers).map(|line| clean(&line)).collect();
    let (trials, logs) = (some(verified.trials, "trial"), some(verified.logs, "histogram log"));
    let how = if verified.sealed { "" } else { " (made by an earlier release, without checksums)" };
    let fit = if verified.findings.is_empty() { "; all fit" } else { "" };
    lines.push(format!("checked {trials} and {logs}{how}{fit}"));
    lines.join("\n") + "\n"
}
