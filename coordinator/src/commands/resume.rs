//! `coordinator resume`: runs what is missing of a run.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use proto::notice::Notice as _;

use super::{
    args::{SecurityArgs, ViewArgs},
    execute::{Views, entries, leased, run_in, write_calibration},
    on_runtime,
    outcome::{announce_rest, conclude},
    print,
    reach::{embedded, served},
    report::{find, loaded, stored},
    run::concluded,
    views,
};
use crate::{
    cluster::{Cluster, inventory::HostSpec},
    exit::Exit,
    history::{RESULTS, resolve::LATEST},
    plan::Plan,
    report::{Detail, Format},
    run::{
        RunOutcome,
        host_changes::{self, FACTS},
        recorded::Recorded,
        refusal::ResumeRefusal,
    },
    scenario::Loaded,
    screen::Screen,
    stop::Stop,
    store::{
        HOSTS, RunDir, SCENARIO, SUMMARY, StoreError,
        journal::{Agents, Journal, Purpose},
        now,
    },
    summary::course::{HostChange, Pause, PauseReason},
};

/// Run what is missing of a run, and print the comparison.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator resume
  coordinator resume results/20261122T081501Z-qd-sweep
  coordinator resume latest --trials 5
  coordinator resume latest --accept-change kernel.release
  coordinator resume --tls-dir pki/coordinators/alice

The run continues on the hosts on which it began. Trials that ran to their end are not run again.")]
pub struct ResumeArgs {
    /// The run, as in `coordinator report`.
    #[arg(value_name = "RUN", default_value = LATEST)]
    pub run: PathBuf,
    /// The directory that contains the runs.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
    /// Add N trials to every cell. Verdicts are corrected for the repeated look at the results.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub trials: Option<u32>,
    /// Resume although this fact of a host changed, and mark the run. May be given several times.
    #[arg(long, value_name = "FACT", value_parser = PossibleValuesParser::new(FACTS))]
    pub accept_change: Vec<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// How much the table shows.
    #[command(flatten)]
    pub detail: Detail,
    /// Views of the running trials.
    #[command(flatten)]
    pub views: ViewArgs,
    /// Certificates and tokens for the agents.
    #[command(flatten)]
    pub security: SecurityArgs,
}

/// A run that can be resumed.
struct Resumable {
    directory: RunDir,
    journal: Journal,
    scenario: Loaded,
    /// With the trials that are added.
    plan: Plan,
    looks: u32,
    pause: Pause,
}

/// Runs the command.
#[must_use]
pub fn resume(args: &ResumeArgs, screen: &Screen) -> Exit {
    if let Err(exit) = views::check(&args.views, screen) {
        return exit;
    }
    let resumable = match opened(args, screen) {
        Ok(resumable) => resumable,
        Err(error) => {
            screen.error(&error);
            return Exit::Usage;
        }
    };
    on_runtime(screen, async |stop| {
        let exporter = match views::exporter(&args.views, screen).await {
            Ok(exporter) => exporter,
            Err(exit) => return exit,
        };
        let views = Views::new(screen, &args.views, exporter.as_ref());
        let (plan, scenario) = (resumable.plan.clone(), resumable.scenario.clone());
        match resumed(args, resumable, views, screen, &stop).await {
            Err(exit) => exit,
            Ok((directory, outcome)) => {
                let exit = conclude(screen, &plan, &outcome);
                let (text, judged) = concluded(&directory, &scenario, args.format, args.detail, screen);
                let printed = text.map_or(Exit::Done, |text| print(screen, &text));
                exit.strongest(judged).strongest(printed)
            }
        }
    })
}

/// Locks the run and decides what is missing.
fn opened(args: &ResumeArgs, screen: &Screen) -> miette::Result<Resumable> {
    let path = find(&args.run, &args.dir)?;
    let mut directory = RunDir::open(&path).map_err(stored)?;
    let journal = check(&mut directory).map_err(refused)?;
    let mut plan = directory.plan().map_err(stored)?;
    let scenario = loaded(&directory, &plan)?;
    let trials = directory.read_trials().map_err(stored)?;
    if let Some(torn) = trials.torn {
        screen.line(&format!("{}; the incomplete line is removed", torn.message()));
    }
    let previous = directory.previous_writer();
    let reason = previous.and_then(|writer| writer.ended).unwrap_or(PauseReason::Killed);
    let stopped_at = previous.map_or_else(|| journal.started_at.clone(), |writer| writer.recorded_at.clone());
    let after_trial = trials.records.last().map(|record| record.id.clone());
    let all = Recorded::read(&plan, &directory, reason).map_err(stored)?.is_all();
    let mut looks = journal.looks;
    match args.trials {
        None if all => {
            let trials = plan.trials.iter().filter(|planned| planned.block <= plan.blocks()).count();
            return Err(refused(ResumeRefusal::Complete { path, trials }));
        }
        None => {}
        Some(_) if plan.stopping.is_some() => return Err(refused(ResumeRefusal::ByPrecision { path })),
        Some(more) => {
            plan.extend(more);
            // Results that nobody has seen did not influence the decision to continue.
            looks += u32::from(all && directory.path().join(SUMMARY).exists());
        }
    }
    let pause = Pause { stopped_at, resumed_at: now(), reason, after_trial };
    Ok(Resumable { directory, journal, scenario, plan, looks, pause })
}

/// Locks a run and checks that it can be resumed at all.
fn check(directory: &mut RunDir) -> Result<Journal, ResumeRefusal> {
    let path = directory.path().to_owned();
    let Some(journal) = directory.journal()? else { return Err(ResumeRefusal::EarlierRelease { path }) };
    if journal.purpose == Purpose::Calibration {
        return Err(ResumeRefusal::Calibration { path });
    }
    directory.lock()?;
    // Again, because the process that held the lock may have changed it.
    let journal = directory.journal()?.unwrap_or(journal);
    if directory.sha256(SCENARIO)? != journal.scenario_sha256 {
        return Err(ResumeRefusal::Edited { path: path.join(SCENARIO) });
    }
    if directory.sha256(HOSTS)? != journal.hosts_sha256 {
        return Err(StoreError::changed(path.join(HOSTS), "contents").into());
    }
    Ok(journal)
}

fn refused(refusal: ResumeRefusal) -> miette::Report {
    miette::miette!(help = refusal.remedy(), "{refusal}")
}

/// Connects to the hosts of the run and runs what is missing.
async fn resumed(
    args: &ResumeArgs,
    resumable: Resumable,
    views: Views<'_>,
    screen: &Screen,
    stop: &Stop,
) -> Result<(RunDir, RunOutcome), Exit> {
    let hosts = resumable.directory.hosts().map_err(|error| {
        screen.error(&stored(error));
        Exit::Incomplete
    })?;
    let connect = async {
        match &resumable.journal.agents {
            Agents::Embedded { data_dir } => embedded(data_dir, screen).await,
            Agents::Served => {
                let mut specs = Vec::new();
                for host in &hosts {
                    let address = host.address.parse().map_err(|error| {
                        screen.error(&miette::miette!("host {}: {error}", host.name));
                        Exit::Usage
                    })?;
                    let (name, tls_name) = (host.name.clone(), host.tls_name.clone());
                    specs.push(HostSpec { name, address, tls_name, labels: host.labels.clone() });
                }
                served(specs, &args.security, screen).await
            }
        }
    };
    let Some(reached) = stop.or(connect).await else { return Err(Exit::Interrupted) };
    let (mut cluster, exit) = reached?;
    let ran = if exit == Exit::Done {
        let changes = host_changes::changes(&hosts, &entries(&cluster));
        match accepted(args, &resumable.journal, changes) {
            Ok(changes) => on_cluster(args, resumable, changes, &mut cluster, views, stop).await,
            Err(refusal) => {
                screen.error(&refused(refusal));
                Err(Exit::Host)
            }
        }
    } else {
        Err(exit)
    };
    cluster.close().await;
    ran
}

/// The changes to record: those that are accepted and not recorded yet.
fn accepted(
    args: &ResumeArgs,
    journal: &Journal,
    changes: Vec<HostChange>,
) -> Result<Vec<HostChange>, ResumeRefusal> {
    let known = |change: &HostChange| {
        let same = |known: &&HostChange| (&known.host, &known.fact) == (&change.host, &change.fact);
        journal.changes.iter().rev().find(same).is_some_and(|known| known.is == change.is)
    };
    let new = changes.into_iter().filter(|change| !known(change));
    let (accepted, refused): (Vec<_>, Vec<_>) =
        new.partition(|change| args.accept_change.contains(&change.fact));
    if refused.is_empty() { Ok(accepted) } else { Err(ResumeRefusal::Changed { changes: refused }) }
}

async fn on_cluster(
    args: &ResumeArgs,
    resumable: Resumable,
    mut changes: Vec<HostChange>,
    cluster: &mut Cluster,
    views: Views<'_>,
    stop: &Stop,
) -> Result<(RunDir, RunOutcome), Exit> {
    let screen = views.screen;
    let Resumable { mut directory, scenario, plan, looks, pause, .. } = resumable;
    let cell_hosts = leased(&plan, cluster, screen, stop).await?;
    let reason = pause.reason;
    changes.iter_mut().for_each(|change| change.after_trial.clone_from(&pause.after_trial));
    let mut prepare = || {
        directory.go_on(pause.clone(), changes.clone(), looks)?;
        directory.note(None)?;
        directory.remove_leftovers()?;
        if args.trials.is_some() {
            directory.write_plan(&plan)?;
            if let Some(calibration) = directory.calibrated_by()? {
                write_calibration(&mut directory, calibration, &plan, &scenario)?;
            }
        }
        Recorded::read(&plan, &directory, reason)
    };
    let recorded = prepare().map_err(|error| {
        screen.error(&stored(error));
        Exit::Incomplete
    })?;
    if !args.views.no_progress {
        screen.line(&announce_rest(&plan, recorded.missing(), directory.path()));
    }
    run_in(directory, &plan, recorded, cluster, &cell_hosts, views, stop).await
}
