//! `coordinator report`: analyses and renders a run directory again.

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::print;
use crate::{
    analysis::{self, AnalysisInput, expectations},
    exit::Exit,
    history::{self, RESULTS, resolve::resolve},
    plan::Plan,
    report::{self, Detail, Format, Source},
    scenario::{self, Loaded},
    screen::Screen,
    store::{RunDir, SCENARIO, StoreError},
};

/// Analyse a stored run, and print its comparison.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator report results/latest --format markdown")]
pub struct ReportArgs {
    /// The run: its directory, its name or a unique prefix of it, `latest`, `latest~1` (the run before the latest), or
    /// `NAME~1` (the run before the latest of the scenario NAME).
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The directory that contains the runs.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// How much the table shows.
    #[command(flatten)]
    pub detail: Detail,
}

/// The width in columns if standard output is not a terminal.
const WIDTH: u16 = 100;

/// Runs the command.
#[must_use]
pub fn report(args: &ReportArgs, screen: &Screen) -> Exit {
    let opened = find(&args.run, &args.dir).and_then(|run| RunDir::open(&run).map_err(stored));
    let directory = match opened {
        Ok(directory) => directory,
        Err(error) => {
            screen.error(&error);
            return Exit::Usage;
        }
    };
    match conclude_again(&directory, args.format, args.detail) {
        Ok(Conclusion { text, exit, unwritten, .. }) => {
            // A run in a read-only directory can still be shown.
            if let Some(error) = unwritten {
                screen.line(&format!("the summary in the run directory was not updated: {error}"));
            }
            exit.strongest(print(screen, &text))
        }
        Err(error) => {
            screen.error(&error);
            Exit::Incomplete
        }
    }
}

/// The conclusion of a run.
pub(super) struct Conclusion {
    /// The comparison.
    pub(super) text: String,
    /// The exit code for the run's data.
    pub(super) exit: Exit,
    /// Whether every planned trial counts.
    pub(super) trustworthy: bool,
    /// The error with which writing the summary failed. The comparison is shown anyway.
    pub(super) unwritten: Option<StoreError>,
}

/// The scenario of a run.
pub(super) fn loaded(directory: &RunDir, plan: &Plan) -> miette::Result<Loaded> {
    let text = directory.scenario().map_err(stored)?;
    Ok(scenario::load_text(text, &directory.path().join(SCENARIO), &plan.overrides, plan.quick)?)
}

fn conclude_again(directory: &RunDir, format: Format, detail: Detail) -> miette::Result<Conclusion> {
    let scenario = loaded(directory, &directory.plan().map_err(stored)?)?;
    conclusion(directory, &scenario, format, detail)
}

/// Analyses a run directory, writes its summary, and renders it; with `explain`, with explanations, the full legend and all
/// warnings.
pub(super) fn conclusion(
    directory: &RunDir,
    loaded: &Loaded,
    format: Format,
    detail: Detail,
) -> miette::Result<Conclusion> {
    let (plan, hosts) = (directory.plan().map_err(stored)?, directory.hosts().map_err(stored)?);
    let scenario = &loaded.scenario;
    let input = AnalysisInput {
        plan: &plan,
        question: scenario.question.as_deref(),
        baseline: Some(scenario.baseline_arm()),
        further: &scenario.compare,
        margin: scenario.margin,
        ladder: &scenario.ladder,
        hosts: &hosts,
        run_id: &directory.id(),
    };
    let mut set = analysis::analyse(&input, directory).map_err(stored)?;
    set.expectations = expectations::judge(&scenario.expect, &set, &plan.points());
    set.trend = history::trend(directory.path(), &plan, &set);
    let unwritten = report::write_summary(directory, &set).err();
    if let Some(results) = history::results_of(directory.path()) {
        history::refresh(&results);
    }
    let exit = Exit::of(&set);
    let (width, colour) = appearance();
    let text = format
        .render(&Source { set: &set, plan: &plan, run: directory, width, colour, detail })
        .map_err(stored)?;
    Ok(Conclusion { text, exit, trustworthy: set.trustworthy, unwritten })
}

/// The width of standard output in columns, and whether to use colour.
pub(super) fn appearance() -> (u16, bool) {
    let terminal = io::stdout().is_terminal();
    let width = if terminal { terminal_width() } else { WIDTH };
    // https://no-color.org
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    (width, colour)
}

/// The directory of a run.
pub(super) fn find(run: &Path, dir: &Path) -> miette::Result<PathBuf> {
    resolve(run, dir).map_err(|error| miette::miette!(help = error.help.clone(), "{error}"))
}

fn terminal_width() -> u16 {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(WIDTH, |size| size.ws_col.max(40))
}

/// An error of the store, with its remedy.
pub(super) fn stored(error: StoreError) -> miette::Report {
    error.into_report()
}
