//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::{
    cluster::EMBEDDED_SUBCOMMAND,
    commands::{self, compare::CompareArgs, list::ListArgs},
    exit,
    history::RESULTS,
    report::Format,
    screen::Screen,
};

/// Runs I/O scenarios on one machine or several, and says what can be concluded.
#[derive(Debug, Parser)]
#[command(name = "coordinator", version, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    /// Log more (twice: still more). RUST_LOG decides in detail.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Calibrate(CalibrateArgs),
    Check(CheckArgs),
    Agents(AgentsArgs),
    Report(ReportArgs),
    Compare(CompareArgs),
    List(ListArgs),
    Import(ImportArgs),
    Schema(SchemaArgs),
    /// The embedded agent, on the socket that is its standard input.
    #[command(name = EMBEDDED_SUBCOMMAND, hide = true)]
    Agent {
        #[arg(long)]
        data_dir: PathBuf,
    },
}

/// Run scenarios, and print the comparison.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator run scenarios/qd-sweep.yaml
  coordinator run scenarios/qd-sweep.yaml --quick --set target.file.size=64MiB
  coordinator run scenarios/qd-sweep.yaml --agents n1:7420,n2:7420 --format json
  coordinator run scenarios/qd-sweep.yaml --inventory cluster.yaml

The comparison goes to standard output; progress and logs go to standard error.")]
pub struct RunArgs {
    /// Scenario files, run one after another.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Where, and what of the scenario.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// The run directory; by default results/TIME-NAME. Of several scenarios each gets one in DIR.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How the comparison is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// A run of `calibrate`: verdicts on differences that are too small for this rig are "no difference".
    #[arg(long, value_name = "RUN")]
    pub calibration: Option<PathBuf>,
}

/// Run an arm of a scenario against itself, and print the smallest difference that this rig can see.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator calibrate scenarios/qd-sweep.yaml --out results/calibration
  coordinator run scenarios/qd-sweep.yaml --calibration results/calibration

Exits with 4 where the arm differs from itself beyond chance: then the order of trials matters on this rig.")]
pub struct CalibrateArgs {
    /// The scenario file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The arm; by default the scenario's baseline.
    #[arg(long, value_name = "NAME")]
    pub arm: Option<String>,
    /// Blocks, each of which runs the arm twice at every point; by default the scenario's trials, and 16 at least.
    #[arg(long, value_name = "N")]
    pub trials: Option<u32>,
    /// Where, and what of the scenario.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// The run directory; by default results/TIME-calibrate-NAME.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: CalibrateFormat,
}

/// What all commands that measure have in common.
#[derive(Clone, Debug, Args)]
pub struct MeasuringArgs {
    /// On which hosts.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// Which scenario to run.
    #[command(flatten)]
    pub overrides: OverrideArgs,
    /// Show no progress: only warnings and errors.
    #[arg(long)]
    pub no_progress: bool,
    /// Decides the order of the trials and their offsets; by default the scenario's, or a new one each time.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// How a calibration is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CalibrateFormat {
    /// For a terminal.
    #[default]
    Table,
    /// As in `calibration.json`.
    Json,
}

/// Check scenarios without running them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator check scenarios/*.yaml")]
pub struct CheckArgs {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// As they would be run.
    #[command(flatten)]
    pub overrides: OverrideArgs,
}

/// Show what each host is, what it can do, and what to do about the rest.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator agents
  coordinator agents --agents n1:7420,n2:7420
  coordinator agents --inventory cluster.yaml --json")]
pub struct AgentsArgs {
    /// Which hosts.
    #[command(flatten)]
    pub hosts: HostArgs,
    /// As JSON, with every fact.
    #[arg(long)]
    pub json: bool,
}

/// Analyse a run that is on disk, and print its comparison.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator report results/latest --format markdown")]
pub struct ReportArgs {
    /// The run: its directory, its name or the beginning of it, `latest`, `latest~1` (the one before), or `NAME~1`
    /// (of the scenario NAME).
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The directory that runs are in.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
    /// How the comparison is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Make a scenario of a job file of fio.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  coordinator import job.fio > job.yaml

The scenario goes to standard output; what it does not have of the job file is said on standard error, by line,
and in its comments.")]
pub struct ImportArgs {
    /// The job file.
    #[arg(value_name = "JOB.fio")]
    pub job: PathBuf,
    /// Take this section only; may be given several times. By default all that can be compared.
    #[arg(long, value_name = "NAME")]
    pub section: Vec<String>,
}

/// Print the JSON Schema of scenarios, of summary.json or of calibration.json.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator schema scenario > scenario.schema.json")]
pub struct SchemaArgs {
    /// Of what.
    #[arg(value_enum)]
    pub of: Schema,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// A scenario, for completion in an editor.
    Scenario,
    /// summary.json.
    Summary,
    /// calibration.json.
    Calibration,
}

/// How a scenario is changed.
#[derive(Clone, Debug, Args)]
pub struct OverrideArgs {
    /// Replace a value of the scenario, such as `workload.runtime=5s` or `sweep.depth=[1,8]`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Shorten it to a smoke test: small files, short trials, two of each; verdicts mean little.
    #[arg(long)]
    pub quick: bool,
}

/// Which hosts.
#[derive(Clone, Debug, Args)]
pub struct HostArgs {
    /// The agents to use. Without this and --inventory, the coordinator starts one of its own, on this machine.
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with = "inventory")]
    pub agents: Option<String>,
    /// A file that names the hosts, with their labels.
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Where its own agent makes files: a directory on the disk to measure; by default the current one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["agents", "inventory"])]
    pub data_dir: Option<PathBuf>,
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
    let exit = match cli.command {
        // A process of its own in all but its file: it logs for itself.
        Command::Agent { data_dir } => return agent::server::serve_embedded(&data_dir),
        Command::Agents(args) => commands::agents::agents(&args, &screen),
        Command::Run(args) => commands::run::run(&args, &screen),
        Command::Calibrate(args) => commands::calibrate::calibrate(&args, &screen),
        Command::Check(args) => commands::check::check(&args, &screen),
        Command::Report(args) => commands::report::report(&args, &screen),
        Command::Compare(args) => commands::compare::compare(&args, &screen),
        Command::List(args) => commands::list::list(&args, &screen),
        Command::Import(args) => commands::import::import(&args, &screen),
        Command::Schema(args) => commands::schema::schema(&args, &screen),
    };
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
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
