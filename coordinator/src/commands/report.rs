//! `coordinator report`: a run directory, analysed and rendered again.

use std::io::{self, IsTerminal as _};

use super::print;
use crate::{
    analysis::{self, AnalysisInput, set},
    cli::ReportArgs,
    exit::Exit,
    report::{self, Format},
    scenario::{self, Loaded},
    screen::Screen,
    store::{RunDir, SCENARIO, StoreError},
};

/// Columns where standard output is no terminal.
const WIDTH: u16 = 100;

/// Runs the command.
#[must_use]
pub fn report(args: &ReportArgs, screen: &Screen) -> Exit {
    let concluded =
        RunDir::open(&args.run).map_err(stored).and_then(|directory| conclude_again(&directory, args.format));
    match concluded {
        Ok((text, exit)) => exit.strongest(print(screen, &text)),
        Err(error) => {
            screen.error(&error);
            Exit::Usage
        }
    }
}

fn conclude_again(directory: &RunDir, format: Format) -> miette::Result<(String, Exit)> {
    let plan = directory.plan().map_err(stored)?;
    let text = directory.scenario().map_err(stored)?;
    let path = directory.path().join(SCENARIO);
    let scenario = scenario::load_text(text, &path, &plan.overrides, plan.quick)?;
    conclusion(directory, &scenario, format)
}

/// Analyses what a run directory holds, writes its summary, and renders it.
pub(super) fn conclusion(
    directory: &RunDir,
    loaded: &Loaded,
    format: Format,
) -> miette::Result<(String, Exit)> {
    let (plan, hosts) = (directory.plan().map_err(stored)?, directory.hosts().map_err(stored)?);
    let scenario = &loaded.scenario;
    let input = AnalysisInput {
        plan: &plan,
        question: scenario.question.as_deref(),
        baseline: Some(scenario.baseline_arm()),
        hosts: &hosts,
        run_id: &directory.id(),
    };
    let mut set = analysis::analyse(&input, directory).map_err(stored)?;
    let lookup = |arm: &str, metric: &str, point: &_| set.metric(arm, metric, point);
    let points = plan.points();
    let judged = scenario.expect.iter().map(|expectation| {
        let outcome = expectation.evaluate(&lookup, &points);
        set::Expectation { text: expectation.text.clone(), passed: outcome.passed, detail: outcome.detail }
    });
    set.expectations = judged.collect();
    directory.write_summary(&set).map_err(stored)?;

    let mut exit = if set.trustworthy { Exit::Done } else { Exit::Incomplete };
    for expectation in &set.expectations {
        exit = exit.strongest(match expectation.passed {
            Some(true) => Exit::Done,
            Some(false) => Exit::ExpectationFailed,
            None => Exit::Incomplete,
        });
    }
    let terminal = io::stdout().is_terminal();
    let width = if terminal { terminal_width() } else { WIDTH };
    // https://no-color.org
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Ok((report::render(&set, format, width, colour), exit))
}

fn terminal_width() -> u16 {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(WIDTH, |size| size.ws_col.max(40))
}

/// An error of the store, with its remedy.
pub(super) fn stored(error: StoreError) -> miette::Report {
    miette::miette!(help = error.remedy(), "{error}")
}
