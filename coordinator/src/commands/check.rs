//! `coordinator check`: reports mistakes in scenarios, and the size of their plans.

use std::path::PathBuf;

use clap::Args;

use super::{args::OverrideArgs, outcome::takes, print};
use crate::{exit::Exit, plan, scenario, screen::Screen};

/// Check scenarios without running them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  coordinator check scenarios/*.yaml")]
pub struct CheckArgs {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Changes to the scenarios, as for `run`.
    #[command(flatten)]
    pub overrides: OverrideArgs,
}

/// Runs the command.
#[must_use]
pub fn check(args: &CheckArgs, screen: &Screen) -> Exit {
    let mut exit = Exit::Done;
    let mut text = String::new();
    for path in &args.scenarios {
        let planned = scenario::load(path, &args.overrides.set, args.overrides.quick)
            .and_then(|loaded| plan::plan(&loaded, loaded.scenario.seed.unwrap_or(0)));
        match planned {
            Ok(plan) => text.push_str(&format!(
                "{}: ok: {} cells, {}{} trials, takes about {}\n",
                path.display(),
                plan.cells.len(),
                if plan.stopping.is_some() { "at most " } else { "" },
                plan.trials.len(),
                takes(&plan)
            )),
            Err(error) => {
                screen.error(&error.into());
                exit = Exit::Usage;
            }
        }
    }
    exit.strongest(print(screen, &text))
}
