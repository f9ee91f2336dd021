//! `coordinator run`: runs scenarios and prints their comparisons.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use miette::miette;

use super::{
    args::MeasuringArgs,
    execute::{RunSettings, Views, measured},
    on_runtime, print,
    report::{Conclusion, conclusion, find, stored},
    views,
};
use crate::{
    exit::Exit,
    history::RESULTS,
    plan::{self, Plan},
    report::{Detail, Format},
    scenario::{self, Loaded, ScenarioError},
    screen::Screen,
    stop::Stop,
    store::{RunDir, StoreError, journal::Purpose},
    summary::calibration::Calibration,
};

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
    /// Options of all measuring commands.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// The run directory. Default: results/TIME-NAME. With several scenarios, each gets a directory inside DIR.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// How much the table shows.
    #[command(flatten)]
    pub detail: Detail,
    /// A run of `calibrate`. Differences below this rig's detection limit then count as "no difference".
    #[arg(long, value_name = "RUN")]
    pub calibration: Option<PathBuf>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &RunArgs, screen: &Screen) -> Exit {
    if let Err(exit) = views::check(&args.measuring.views, screen) {
        return exit;
    }
    // All scenarios are loaded before the first runs, so that a mistake in the last shows at once.
    let mut loaded = Vec::new();
    let mut exit = Exit::Done;
    for path in &args.scenarios {
        let overrides = &args.measuring.overrides;
        let planned = scenario::load(path, &overrides.set, overrides.quick).and_then(|scenario| {
            let plan = planned_for(&args.measuring, &scenario)?;
            Ok((scenario, plan))
        });
        match planned {
            Ok(planned) => loaded.push(planned),
            Err(error) => {
                screen.error(&error.into());
                exit = Exit::Usage;
            }
        }
    }
    if exit != Exit::Done {
        return exit;
    }
    if let Err(error) = check_directories(args, &loaded) {
        screen.error(&error);
        return Exit::Usage;
    }
    let calibration = match calibration(args, &loaded) {
        Ok(calibration) => calibration,
        Err(error) => {
            screen.error(&error);
            return Exit::Usage;
        }
    };
    on_runtime(screen, async |stop| {
        let exporter = match views::exporter(&args.measuring.views, screen).await {
            Ok(exporter) => exporter,
            Err(exit) => return exit,
        };
        let views = Views::new(screen, &args.measuring.views, exporter.as_ref());
        let mut exit = Exit::Done;
        let join = args.format.join().filter(|_| loaded.len() > 1);
        let mut texts = Vec::new();
        for (scenario, plan) in &loaded {
            let (text, result) = one(args, calibration.as_ref(), views, &stop, scenario, plan).await;
            exit = exit.strongest(result);
            match text {
                // A result that is a document by itself is printed at once.
                Some(text) if join.is_none() => exit = exit.strongest(print(screen, &text)),
                text => texts.extend(text),
            }
            if stop.is_requested() {
                exit = exit.strongest(Exit::Interrupted);
                break;
            }
        }
        match join {
            Some(join) if !texts.is_empty() => exit.strongest(print(screen, &join(&texts))),
            _ => exit,
        }
    })
}

/// The directory given with `--out`: DIR itself, or a directory in DIR if there are several scenarios.
fn directory_of(args: &RunArgs, plan: &Plan) -> Option<PathBuf> {
    let out = args.out.as_ref()?;
    Some(if args.scenarios.len() == 1 { out.clone() } else { out.join(&plan.scenario) })
}

/// Checks that the directories given with `--out` are free and distinct.
fn check_directories(args: &RunArgs, loaded: &[(Loaded, Plan)]) -> miette::Result<()> {
    let mut known = BTreeSet::new();
    for (_, plan) in loaded {
        let Some(directory) = directory_of(args, plan) else { continue };
        RunDir::check_free(&directory).map_err(stored)?;
        if !known.insert(directory) {
            return Err(miette!(
                help = "rename one, or run them separately",
                "two scenarios have the name `{}`, so they would share a directory in --out",
                plan.scenario
            ));
        }
    }
    Ok(())
}

/// Loads the calibration given with `--calibration`, and checks that it fits the scenarios.
fn calibration(args: &RunArgs, loaded: &[(Loaded, Plan)]) -> miette::Result<Option<Calibration>> {
    let Some(run) = &args.calibration else { return Ok(None) };
    let run = find(run, Path::new(RESULTS))?;
    let found = RunDir::open(&run).and_then(|run| run.calibration()).map_err(|error| match error {
        StoreError::NotARun { .. } => {
            miette!(help = "name the directory of a run of `coordinator calibrate`", "{error}")
        }
        error => stored(error),
    })?;
    for (scenario, _) in loaded {
        found.check(&scenario.scenario)?;
    }
    Ok(Some(found))
}

/// The plan of a scenario with the chosen seed.
pub(super) fn planned_for(args: &MeasuringArgs, scenario: &Loaded) -> Result<Plan, ScenarioError> {
    let seed = args.seed.or(scenario.scenario.seed).unwrap_or_else(fresh_seed);
    plan::plan(scenario, seed)
}

/// A new seed. The plan records it.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to type.
    now.as_nanos() as u64 % 1_000_000
}

/// Runs a scenario; returns its result in the chosen format, if there is one.
async fn one(
    args: &RunArgs,
    calibration: Option<&Calibration>,
    views: Views<'_>,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
) -> (Option<String>, Exit) {
    let screen = views.screen;
    let out = directory_of(args, plan);
    let settings = RunSettings { measuring: &args.measuring, out, calibration, views, purpose: Purpose::Run };
    let (directory, exit) = match measured(&settings, screen, stop, scenario, plan).await {
        Ok(measured) => measured,
        Err(exit) => return (None, exit),
    };
    let (text, judged) = concluded(&directory, scenario, args.format, args.detail, screen);
    (text, exit.strongest(judged))
}

/// Analyses a run that has just ended, and writes its summary. Returns the comparison, if there is one.
pub(super) fn concluded(
    directory: &RunDir,
    scenario: &Loaded,
    format: Format,
    detail: Detail,
    screen: &Screen,
) -> (Option<String>, Exit) {
    match conclusion(directory, scenario, format, detail) {
        Ok(Conclusion { text, exit, unwritten, .. }) => {
            let Some(error) = unwritten else { return (Some(text), exit) };
            screen.error(&stored(error));
            (Some(text), exit.strongest(Exit::Incomplete))
        }
        Err(error) => {
            screen.error(&error);
            (None, Exit::Incomplete)
        }
    }
}
