//! `coordinator calibrate`: compares an arm with itself to find the smallest difference this rig can detect.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use miette::miette;

use super::{
    args::MeasuringArgs,
    execute::{RunSettings, Views, measured},
    on_runtime, print,
    report::{Conclusion, appearance, conclusion, stored},
    run::planned_for,
    views,
};
use crate::{
    analysis::calibration::{BLOCKS, Subject, measure},
    exit::Exit,
    plan::{self, Plan},
    report::{Detail, Format, render_calibration},
    scenario::{self, Loaded, ScenarioError, SelfComparison, compare_with_itself},
    screen::Screen,
    store::{RunDir, journal::Purpose},
    summary::calibration::Calibration,
};

/// Compare an arm with itself, and print the smallest difference that this rig can detect.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator calibrate scenarios/qd-sweep.yaml --out results/calibration
  coordinator run scenarios/qd-sweep.yaml --calibration results/calibration

Exits with 4 if the arm differs from itself beyond chance: the order of trials then affects results on this rig.")]
pub struct CalibrateArgs {
    /// The scenario file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The arm. Default: the scenario's baseline.
    #[arg(long, value_name = "NAME")]
    pub arm: Option<String>,
    /// The number of blocks; each block runs the arm twice at every point. Default: the scenario's trials, at least 16.
    #[arg(long, value_name = "N")]
    pub trials: Option<u32>,
    /// Options of all measuring commands.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// The run directory. Default: results/TIME-calibrate-NAME.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: CalibrateFormat,
}

/// Output formats of a calibration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CalibrateFormat {
    /// A table for a terminal.
    #[default]
    Table,
    /// The contents of `calibration.json`.
    Json,
}

/// Runs the command.
#[must_use]
pub fn calibrate(args: &CalibrateArgs, screen: &Screen) -> Exit {
    if let Err(exit) = views::check(&args.measuring.views, screen) {
        return exit;
    }
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
        let exporter = match views::exporter(&args.measuring.views, screen).await {
            Ok(exporter) => exporter,
            Err(exit) => return exit,
        };
        let views = Views::new(screen, &args.measuring.views, exporter.as_ref());
        let settings = RunSettings {
            measuring: &args.measuring,
            out: args.out.clone(),
            calibration: None,
            views,
            purpose: Purpose::Calibration,
        };
        match measured(&settings, screen, &stop, &compared.loaded, &plan).await {
            Ok((directory, exit)) => {
                let found = conclude_calibration(&directory, &scenario, &compared, &plan);
                exit.strongest(print_calibration(args, screen, &directory, found))
            }
            Err(exit) => exit,
        }
    })
}

/// The loaded scenario, the comparison of its arm with itself, and the plan of that comparison.
fn planned(args: &CalibrateArgs) -> Result<(Loaded, SelfComparison, Plan), ScenarioError> {
    let overrides = &args.measuring.overrides;
    let scenario = scenario::load(&args.scenario, &overrides.set, overrides.quick)?;
    let usual = scenario.scenario.trials;
    // A smoke test stays short.
    let blocks = args.trials.unwrap_or(if scenario.quick { usual } else { usual.max(BLOCKS) });
    let compared = compare_with_itself(&scenario, args.arm.as_deref(), blocks)?;
    let plan = planned_for(&args.measuring, &compared.loaded)?;
    Ok((scenario, compared, plan))
}

/// Writes the usual conclusion of a run and the calibration to the run directory.
fn conclude_calibration(
    directory: &RunDir,
    scenario: &Loaded,
    compared: &SelfComparison,
    plan: &Plan,
) -> miette::Result<(Calibration, Exit)> {
    let Conclusion { exit, trustworthy, unwritten, .. } =
        conclusion(directory, &compared.loaded, Format::default(), Detail::default())?;
    let subject = Subject {
        scenario: &scenario.scenario,
        // If precision decides the number of trials, only the minimum is certain.
        trials: scenario.scenario.precision.map_or(scenario.scenario.trials, |precision| precision.min),
        comparisons: plan::plan(scenario, plan.seed)?.comparisons(&scenario.scenario),
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

fn print_calibration(
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
            help = "find what changes between trials (heat, caches, other load, a disk that fills up), then \
                    calibrate again; do not trust small differences until then",
            "THIS RIG IS BIASED: `{}` differs from itself beyond chance ({})",
            found.arm,
            biased.join("; ")
        ));
    }
    let visible = found.points.iter().all(|point| !point.metrics.is_empty());
    if biased.is_empty() && visible { exit } else { exit.strongest(Exit::Incomplete) }
}
