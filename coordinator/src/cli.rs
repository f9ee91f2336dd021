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
    agent::signals::ignore_file_size_limit();
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
    fn the_usage_page_lists_the_commands() {
        let line = |command: &clap::Command| {
            let mut usage = command.get_name().to_owned();
            for argument in command.get_positionals() {
                let name = argument.get_value_names().unwrap_or_default().join(" ");
                let many = argument.get_num_args().is_some_and(|count| count.max_values() > 1);
                usage.push_str(&format!(" {name}{}", if many { "…" } else { "" }));
            }
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            format!("| `{usage}` | {about} |\n")
        };
        // Building the command fills in how many values each argument takes.
        let mut cli = Cli::command();
        cli.build();
        let shown =
            cli.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        let lines: String = shown.map(line).collect();
        let table = format!("| command | purpose |\n|---|---|\n{lines}");
        crate::docs::check("docs/usage.md", &[("commands", &table)]);
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
