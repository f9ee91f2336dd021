//! Runs a plan on its hosts into a run directory: a new one, or one that is resumed.

use std::path::PathBuf;

use miette::Report;
use proto::outcome::{Interval, Refusal};

use super::{
    args::{MeasuringArgs, ViewArgs},
    outcome::{announce, conclude},
    reach::{data_dir, reach, report_errors},
    report::stored,
};
use crate::{
    cluster::{Cluster, select},
    exit::Exit,
    exporter::Exporter,
    plan::Plan,
    run::{
        RunOutcome, TrialSink,
        progress::{Progress, Show},
        recorded::Recorded,
        run_plan,
    },
    scenario::Loaded,
    screen::Screen,
    stop::Stop,
    store::{
        HOSTS, HostEntry, RunDir, SCENARIO, StoreError,
        journal::{Agents, FORMAT, Journal, LostHost, Purpose},
        now,
        record::TrialRecord,
    },
    summary::{calibration::Calibration, course::PauseReason},
    tui::Tui,
};

/// Settings of a run besides its scenario.
pub(super) struct RunSettings<'a> {
    /// Options of all measuring commands.
    pub(super) measuring: &'a MeasuringArgs,
    /// The run directory; by default one named after the time.
    pub(super) out: Option<PathBuf>,
    /// The calibration that bounds the verdicts.
    pub(super) calibration: Option<&'a Calibration>,
    /// Views of the running trials.
    pub(super) views: Views<'a>,
    /// What the run is for.
    pub(super) purpose: Purpose,
}

/// Connects to the hosts, runs the plan on them into a new run directory, and reports problems.
pub(super) async fn measured(
    settings: &RunSettings<'_>,
    screen: &Screen,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
) -> Result<(RunDir, Exit), Exit> {
    let Some(reached) = stop.or(reach(&settings.measuring.hosts, screen)).await else {
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
    let measured = measure(settings, screen, stop, scenario, plan, &mut cluster).await;
    // The agents clean up before the analysis starts.
    cluster.close().await;
    let (directory, outcome) = measured?;
    let exit = conclude(screen, plan, &outcome);
    Ok((directory, exit))
}

async fn measure(
    settings: &RunSettings<'_>,
    screen: &Screen,
    stop: &Stop,
    scenario: &Loaded,
    plan: &Plan,
    cluster: &mut Cluster,
) -> Result<(RunDir, RunOutcome), Exit> {
    // Leases come before the directory, so that a busy host does not cause an empty run directory.
    let cell_hosts = leased(plan, cluster, screen, stop).await?;
    let directory = begin(settings, scenario, plan, cluster).map_err(|error| {
        let exit = if error.is_full() { Exit::Incomplete } else { Exit::Usage };
        screen.error(&stored(error));
        exit
    })?;
    if !settings.measuring.views.no_progress {
        screen.line(&announce(plan, cluster, directory.path()));
    }
    run_in(directory, plan, Recorded::nothing(plan), cluster, &cell_hosts, settings.views, stop).await
}

/// Selects the hosts of each cell and opens the leases of all hosts.
pub(super) async fn leased(
    plan: &Plan,
    cluster: &mut Cluster,
    screen: &Screen,
    stop: &Stop,
) -> Result<Vec<Vec<usize>>, Exit> {
    let cell_hosts = select::resolve(plan, &cluster.labels()).map_err(|error| {
        screen.error(&Report::from(error));
        Exit::Usage
    })?;
    match stop.or(cluster.open(&lease_name(plan))).await {
        None => Err(Exit::Interrupted),
        Some(Err(errors)) => Err(report_errors(screen, errors)),
        Some(Ok(())) => Ok(cell_hosts),
    }
}

/// Makes the directory of a run, and writes everything that is known before its first trial.
fn begin(
    settings: &RunSettings<'_>,
    scenario: &Loaded,
    plan: &Plan,
    cluster: &Cluster,
) -> Result<RunDir, StoreError> {
    let mut directory = RunDir::create(settings.out.as_deref(), &plan.scenario, &scenario.text)?;
    directory.write_plan(plan)?;
    directory.write_hosts(&entries(cluster))?;
    if let Some(calibration) = settings.calibration {
        write_calibration(&mut directory, calibration.clone(), plan, scenario)?;
    }
    let hosts = &settings.measuring.hosts;
    let served = hosts.agents.is_some() || hosts.inventory.is_some();
    directory.write_journal(&Journal {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        purpose: settings.purpose,
        started_at: now(),
        agents: if served { Agents::Served } else { Agents::Embedded { data_dir: data_dir(hosts) } },
        scenario_sha256: directory.sha256(SCENARIO)?,
        hosts_sha256: directory.sha256(HOSTS)?,
        ..Journal::default()
    })?;
    Ok(directory)
}

/// Records the calibration that bounds the verdicts, with the differences that are visible with the trials of the plan.
pub(super) fn write_calibration(
    directory: &mut RunDir,
    calibration: Calibration,
    plan: &Plan,
    scenario: &Loaded,
) -> Result<(), StoreError> {
    let comparisons = plan.comparisons(&scenario.scenario);
    directory.write_calibrated_by(&calibration.for_run(plan.trials_per_cell, plan.length(), comparisons))
}

/// The views of the running trials.
#[derive(Clone, Copy)]
pub(super) struct Views<'a> {
    /// The screen.
    pub(super) screen: &'a Screen,
    /// As requested.
    args: &'a ViewArgs,
    exporter: Option<&'a Exporter>,
}

impl<'a> Views<'a> {
    /// The views of runs on this screen.
    pub(super) fn new(screen: &'a Screen, args: &'a ViewArgs, exporter: Option<&'a Exporter>) -> Self {
        Self { screen, args, exporter }
    }

    fn progress(&self) -> Show {
        match self.args {
            ViewArgs { no_progress: true, .. } => Show::Nothing,
            ViewArgs { tui: true, .. } => Show::Problems,
            ViewArgs { .. } => Show::Plain,
        }
    }

    /// Shows a run on the requested views. If the terminal view fails, the run goes on without it.
    fn show(&self, progress: &mut Progress, stop: &Stop) -> Option<Tui> {
        if let Some(exporter) = self.exporter {
            exporter.show(progress.live());
        }
        if !self.args.tui {
            return None;
        }
        Tui::start(progress.live(), stop.clone())
            .map_err(|error| self.screen.line(&format!("the terminal view cannot be shown: {error}")))
            .ok()
    }
}

/// Runs what is not recorded of a plan, and notes in the directory why it ended.
pub(super) async fn run_in(
    directory: RunDir,
    plan: &Plan,
    recorded: Recorded<'_>,
    cluster: &mut Cluster,
    cell_hosts: &[Vec<usize>],
    views: Views<'_>,
    stop: &Stop,
) -> Result<(RunDir, RunOutcome), Exit> {
    let mut sink = Store(directory);
    let names = cluster.hosts().iter().map(|host| host.name.clone());
    let mut progress = Progress::new(views.screen, plan, names, views.progress());
    let tui = views.show(&mut progress, stop);
    let ran = run_plan(plan, recorded, cluster, cell_hosts, &mut sink, &mut progress, stop).await;
    drop(progress);
    // The report is printed on the primary screen.
    if let Some(tui) = tui {
        tui.end();
    }
    let reason = ran.as_ref().map_or(PauseReason::NotStored, RunOutcome::reason);
    let noted = sink.0.note(Some(reason)).map_err(stored);
    match ran.and_then(|outcome| noted.map(|()| outcome)) {
        Ok(outcome) => Ok((sink.0, outcome)),
        Err(error) => {
            views.screen.error(&error);
            Err(Exit::Incomplete)
        }
    }
}

/// The name of this coordinator, which another one sees if the agent is busy.
fn lease_name(plan: &Plan) -> String {
    let machine = rustix::system::uname();
    format!("{}@{}:{}", plan.scenario, machine.nodename().to_string_lossy(), std::process::id())
}

/// The hosts as they are recorded.
pub(super) fn entries(cluster: &Cluster) -> Vec<HostEntry> {
    cluster.hosts().iter().map(HostEntry::from).collect()
}

struct Store(RunDir);

impl TrialSink for Store {
    fn trial(&mut self, record: TrialRecord) -> miette::Result<TrialRecord> {
        self.0.append_trial(record).map_err(stored)
    }

    fn interval(
        &mut self,
        trial: &str,
        started_at: &str,
        host: &str,
        interval: Interval,
    ) -> miette::Result<()> {
        self.0.append_interval(trial, host, started_at, interval).map_err(stored)
    }

    fn directory(&self) -> Option<&RunDir> {
        Some(&self.0)
    }

    fn lost(&mut self, host: &str, refusal: &Refusal) -> miette::Result<()> {
        self.0.lose(LostHost { host: host.into(), refusal: refusal.clone() }).map_err(stored)
    }

    fn returned(&mut self, host: &str) -> miette::Result<()> {
        self.0.regain(host).map_err(stored)
    }

    fn stopped(&mut self, plan: &Plan, after: u32) -> miette::Result<()> {
        self.0.write_plan(&Plan { stopped_after: Some(after), ..plan.clone() }).map_err(stored)
    }
}
