//! `coordinator calibrate`: an arm against itself, and what can be seen on this rig.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use miette::miette;

use super::{
    args::MeasuringArgs,
    on_runtime, print,
    report::{Conclusion, appearance, conclusion, stored},
    run::{Place, measured, planned_for},
};
use crate::{
    analysis::calibration::{BLOCKS, Subject, measure},
    exit::Exit,
    plan::{self, Plan},
    report::{Format, render_calibration},
    scenario::{self, Loaded, ScenarioError, SelfComparison, compare_with_itself},
    screen::Screen,
    store::RunDir,
    summary::calibration::Calibration,
};

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

/// How a calibration is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CalibrateFormat {
    /// For a terminal.
    #[default]
    Table,
    /// As in `calibration.json`.
    Json,
}

/// Runs the command.
#[must_use]
pub fn calibrate(args: &CalibrateArgs, screen: &Screen) -> Exit {
    let (scenario, compared, plan) = match planned(args) {
        Ok(planned) => planned,
        Err(error) => {
            screen.error(&error.into());
            return Exit::Usage;
        }
    };
    if let Some(Err(error)) = args.out.as_deref().map(RunDir::check_free) {
        screen.error(&stored(error));
        return Exit::Usage;
    }
    on_runtime(screen, async |stop| {
        let out = args.out.clone();
        let place = Place { measuring: &args.measuring, out, calibration: None };
        match measured(&place, screen, &stop, &compared.loaded, &plan).await {
            Ok((directory, exit)) => {
                let found = found(&directory, &scenario, &compared, &plan);
                exit.strongest(told(args, screen, &directory, found))
            }
            Err(exit) => exit,
        }
    })
}

/// The scenario as it was read, its arm against itself, and what is going to be run.
fn planned(args: &CalibrateArgs) -> Result<(Loaded, SelfComparison, Plan), ScenarioError> {
    let overrides = &args.measuring.overrides;
    let scenario = scenario::load(&args.scenario, &overrides.set, overrides.quick)?;
    let usual = scenario.scenario.trials;
    // A smoke test is to be short.
    let blocks = args.trials.unwrap_or(if scenario.quick { usual } else { usual.max(BLOCKS) });
    let compared = compare_with_itself(&scenario, args.arm.as_deref(), blocks)?;
    let plan = planned_for(&args.measuring, &compared.loaded)?;
    Ok((scenario, compared, plan))
}

/// Concludes twice: as from every run, and what can be seen. Both are left in the directory.
fn found(
    directory: &RunDir,
    scenario: &Loaded,
    compared: &SelfComparison,
    plan: &Plan,
) -> miette::Result<(Calibration, Exit)> {
    let Conclusion { exit, trustworthy, unwritten, .. } =
        conclusion(directory, &compared.loaded, Format::default())?;
    let subject = Subject {
        scenario: &scenario.scenario,
        // Where precision decides, so many are sure.
        trials: scenario.scenario.precision.map_or(scenario.scenario.trials, |precision| precision.min),
        comparisons: plan::plan(scenario, plan.seed)?.comparisons(scenario.scenario.baseline_arm()),
        arm: &compared.arm,
        again: &compared.again,
        plan,
        hosts: &directory.hosts().map_err(stored)?,
        trustworthy,
    };
    let found = measure(&subject, directory).map_err(stored)?;
    directory.write_calibration(&found).map_err(stored)?;
    match unwritten {
        Some(error) => Err(stored(error)),
        None => Ok((found, exit)),
    }
}

fn told(
    args: &CalibrateArgs,
    screen: &Screen,
    directory: &RunDir,
    found: miette::Result<(Calibration, Exit)>,
) -> Exit {
    let (found, exit) = match found {
        Ok(found) => found,
        Err(error) => {
            screen.error(&error);
            return Exit::Incomplete;
        }
    };
    let text = match args.format {
        CalibrateFormat::Table => {
            let (width, colour) = appearance();
            render_calibration(&found, directory.path(), width, colour)
        }
        CalibrateFormat::Json => match serde_json::to_string_pretty(&found) {
            Ok(text) => text + "\n",
            Err(error) => {
                screen.error(&miette!("cannot print the calibration: {error}"));
                return Exit::Incomplete;
            }
        },
    };
    let exit = exit.strongest(print(screen, &text));
    let biased: Vec<String> = found
        .biased()
        .map(|(point, metric)| {
            let point = crate::params::point(&point.params);
            format!("{}{}{point}", metric.metric, if point.is_empty() { "" } else { " at " })
        })
        .collect();
    if !biased.is_empty() {
        screen.error(&miette!(
            help = "find what changes from one trial to the next (heat, a cache, other load, a disk that fills up), \
                    and calibrate again; until then trust no small difference",
            "THIS RIG IS BIASED: `{}` differs from itself beyond chance ({})",
            found.arm,
            biased.join("; ")
        ));
    }
    let visible = found.points.iter().all(|point| !point.metrics.is_empty());
    if biased.is_empty() && visible { exit } else { exit.strongest(Exit::Incomplete) }
}
