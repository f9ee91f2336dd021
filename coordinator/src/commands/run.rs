//! `coordinator run`: from scenarios to comparisons.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use miette::{Report, miette};
use proto::outcome::Interval;

use super::{
    args::MeasuringArgs,
    on_runtime,
    outcome::{announce, conclude},
    print,
    reach::{reach, say},
    report::{Conclusion, conclusion, find, stored},
};
use crate::{
    cluster::{Cluster, Host, select},
    exit::Exit,
    history::RESULTS,
    plan::{self, Plan},
    report::Format,
    run::{RunOutcome, TrialSink, drive, progress::Progress},
    scenario::{self, Loaded, ScenarioError},
    screen::Screen,
    stop::Stop,
    store::{HostEntry, RunDir, StoreError, record::TrialRecord},
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

/// Runs the command.
#[must_use]
pub fn run(args: &RunArgs, screen: &Screen) -> Exit {
    // All are read before the first is run: a slip in the last must not show after an hour.
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
        let mut exit = Exit::Done;
        for (scenario, plan) in &loaded {
            exit = exit.strongest(one(args, calibration.as_ref(), screen, &stop, scenario, plan).await);
            if stop.is_requested() {
                return exit.strongest(Exit::Interrupted);
            }
        }
        exit
    })
}

/// The directory that was asked for: DIR itself, or of several scenarios one in DIR for each.
fn directory_of(args: &RunArgs, plan: &Plan) -> Option<PathBuf> {
    let out = args.out.as_ref()?;
    Some(if args.scenarios.len() == 1 { out.clone() } else { out.join(&plan.scenario) })
}

/// Whether each run can have the directory that was asked for.
fn check_directories(args: &RunArgs, loaded: &[(Loaded, Plan)]) -> miette::Result<()> {
    let mut known = BTreeSet::new();
    for (_, plan) in loaded {
        let Some(directory) = directory_of(args, plan) else { continue };
        RunDir::check_free(&directory).map_err(stored)?;
        if !known.insert(directory) {
            return Err(miette!(
                help = "rename one, or run them apart",
                "two scenarios are called `{}`, and --out has one directory for that name",
                plan.scenario
            ));
        }
    }
    Ok(())
}

/// The calibration that was named, if it is one of what is going to be measured.
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

/// The plan of a scenario, by the seed that was asked for.
pub(super) fn planned_for(args: &MeasuringArgs, scenario: &Loaded) -> Result<Plan, ScenarioError> {
    let seed = args.seed.or(scenario.scenario.seed).unwrap_or_else(fresh_seed);
    plan::plan(scenario, seed)
}

/// Any number serves; it is written down with the plan.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed again.
    now.as_nanos() as u64 % 1_000_000
}

/// Where a plan is run, and what is kept of it.
pub(super) struct Place<'a> {
    /// On which hosts, and whether only warnings and errors are shown.
    pub(super) measuring: &'a MeasuringArgs,
    /// The run directory; by default one named by the time.
    pub(super) out: Option<PathBuf>,
    /// What the verdicts are to heed.
    pub(super) calibration: Option<&'a Calibration>,
}

async fn one(
    args: &RunArgs,
    calibration: Option<&Calibration>,
    screen: &Screen,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
) -> Exit {
    let out = directory_of(args, plan);
    let place = Place { measuring: &args.measuring, out, calibration };
    let (directory, exit) = match measured(&place, screen, stop, scenario, plan).await {
        Ok(measured) => measured,
        Err(exit) => return exit,
    };
    match conclusion(&directory, scenario, args.format) {
        Ok(Conclusion { text, exit: judged, unwritten, .. }) => {
            let exit = exit.strongest(judged).strongest(print(screen, &text));
            let Some(error) = unwritten else { return exit };
            screen.error(&stored(error));
            exit.strongest(Exit::Incomplete)
        }
        Err(error) => {
            screen.error(&error);
            exit.strongest(Exit::Incomplete)
        }
    }
}

/// Reaches the hosts, runs the plan on them into a run directory, and says what did not go as planned.
pub(super) async fn measured(
    place: &Place<'_>,
    screen: &Screen,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
) -> Result<(RunDir, Exit), Exit> {
    let Some(reached) = stop.or(reach(&place.measuring.hosts, screen)).await else {
        return Err(Exit::Interrupted);
    };
    let mut cluster = match reached {
        Ok((cluster, Exit::Done)) => cluster,
        Ok((cluster, exit)) => {
            cluster.close().await;
            return Err(exit);
        }
        Err(exit) => return Err(exit),
    };
    let measured = measure(place, screen, stop, scenario, plan, &mut cluster).await;
    // The agents tidy up before anything is computed here.
    cluster.close().await;
    let (directory, outcome) = measured?;
    let exit = conclude(screen, plan, &outcome);
    Ok((directory, exit))
}

async fn measure(
    place: &Place<'_>,
    screen: &Screen,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
    cluster: &mut Cluster,
) -> Result<(RunDir, RunOutcome), Exit> {
    let usage = |error: Report| {
        screen.error(&error);
        Exit::Usage
    };
    let cell_hosts = select::resolve(plan, &cluster.labels()).map_err(|error| usage(error.into()))?;
    // Before the directory is made: a host that is busy leaves no empty run behind.
    match stop.or(cluster.open(&lease_name(plan))).await {
        None => return Err(Exit::Interrupted),
        Some(Err(errors)) => return Err(say(screen, errors)),
        Some(Ok(())) => {}
    }
    let directory =
        RunDir::create(place.out.as_deref(), &plan.scenario, &scenario.text).and_then(|mut directory| {
            directory.write_plan(plan)?;
            directory.write_hosts(&cluster.hosts().iter().map(entry).collect::<Vec<_>>())?;
            if let Some(calibration) = place.calibration {
                let comparisons = plan.comparisons(scenario.scenario.baseline_arm());
                let own = calibration.clone().for_run(plan.trials_per_cell, plan.length(), comparisons);
                directory.write_calibrated_by(&own)?;
            }
            Ok(directory)
        });
    let directory = directory.map_err(|error| usage(stored(error)))?;
    if !place.measuring.no_progress {
        screen.line(&announce(plan, cluster, directory.path()));
    }
    let mut sink = Store(directory);
    let mut progress = Progress::new(screen, plan, place.measuring.no_progress);
    match drive(plan, cluster, &cell_hosts, &mut sink, &mut progress, stop).await {
        Ok(outcome) => Ok((sink.0, outcome)),
        Err(error) => {
            drop(progress);
            screen.error(&error);
            Err(Exit::Incomplete)
        }
    }
}

/// What another coordinator is told when it finds the agent busy.
fn lease_name(plan: &Plan) -> String {
    let machine = rustix::system::uname();
    format!("{}@{}:{}", plan.scenario, machine.nodename().to_string_lossy(), std::process::id())
}

fn entry(host: &Host) -> HostEntry {
    HostEntry {
        name: host.name.clone(),
        address: host.address.clone(),
        labels: host.labels.clone(),
        description: host.description.clone(),
    }
}

struct Store(RunDir);

impl TrialSink for Store {
    fn trial(&mut self, record: TrialRecord, intervals: &[(usize, Vec<Interval>)]) -> miette::Result<()> {
        self.0.append_trial(record, intervals).map(drop).map_err(stored)
    }

    fn stopped(&mut self, plan: &Plan, after: u32) -> miette::Result<()> {
        self.0.write_plan(&Plan { stopped_after: Some(after), ..plan.clone() }).map_err(stored)
    }
}
