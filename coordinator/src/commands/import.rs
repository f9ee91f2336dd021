//! `coordinator import`: converts a fio job file to a scenario on standard output.

use std::path::PathBuf;

use clap::Args;
use miette::miette;

use super::print;
use crate::{
    exit::Exit,
    import::{self, Imported, Note, Source},
    screen::Screen,
};

/// Convert a fio job file to a scenario.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  coordinator import job.fio > job.yaml

The scenario goes to standard output. Options that were not imported, or not as they are, are listed with their lines
on standard error, and in comments of the scenario.")]
pub struct ImportArgs {
    /// The job file.
    #[arg(value_name = "JOB.fio")]
    pub job: PathBuf,
    /// Import only this section (may be repeated). Default: all sections that can be compared.
    #[arg(long, value_name = "NAME")]
    pub section: Vec<String>,
}

/// Runs the command. The exit code is 0 even if options were not imported; they are listed on standard error.
#[must_use]
pub fn import(args: &ImportArgs, screen: &Screen) -> Exit {
    let path = args.job.as_path();
    let text = match import::read(path) {
        Ok(text) => text,
        Err(error) => {
            let help = "name a fio job file, as in `coordinator import job.fio > job.yaml`";
            screen.error(&miette!(help = help, "cannot read the job file {}: {error}", path.display()));
            return Exit::Usage;
        }
    };
    let source = Source { path, variable: &|name| std::env::var(name).ok() };
    match import::import(&text, &source, &args.section) {
        Ok(Imported { yaml, notes, .. }) => {
            for note in &notes {
                say(screen, note);
            }
            print(screen, &yaml)
        }
        Err(error) => {
            for note in &error.notes {
                say(screen, note);
            }
            let help = "change these lines in a copy of the file, or write a scenario: docs/scenario.md";
            screen.error(&miette!(help = help, "{error}"));
            Exit::Usage
        }
    }
}

fn say(screen: &Screen, note: &Note) {
    let caution = if note.grave { "caution: " } else { "" };
    screen.line(&format!("{caution}{}: {note}", note.fate()));
}
