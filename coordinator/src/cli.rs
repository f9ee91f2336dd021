//! The command line.

use std::process::ExitCode;

use clap::{ArgAction, Parser};

use crate::{commands::Command, exit, screen::Screen};

/// Runs I/O scenarios on one or more machines and reports the conclusions.
#[derive(Debug, Parser)]
#[command(name = "coordinator", version, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    /// Log more (repeat for even more). RUST_LOG gives detailed control.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version go to standard output with code 0, bad usage to standard error with code 2.
        Err(error) => error.exit(),
    };
    let screen = Screen::new();
    if !matches!(cli.command, Command::Agent { .. }) {
        screen.log(cli.verbose);
    }
    cli.command.execute(&screen)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn refuses_conflicting_options() {
        let refused = |args: &[&str]| Cli::try_parse_from([&["coordinator"], args].concat()).unwrap_err();
        for args in [
            &["run", "a.yaml", "--agents", "a:1", "--inventory", "b"][..],
            &["run", "a.yaml", "--agents", "a:1", "--data-dir", "b"],
            &["run"],
            &["run", "a.yaml", "--format", "xml"],
            &["calibrate", "a.yaml", "--format", "csv"],
            &["calibrate", "a.yaml", "b.yaml"],
        ] {
            assert_eq!(refused(args).exit_code(), 2);
        }
    }
}
