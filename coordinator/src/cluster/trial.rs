//! One trial on its hosts: prepare on all, start together, collect until the last has finished.

use std::{future::pending, time::Duration};

use proto::{
    outcome::{Finished, Interval, Ready, Refusal},
    trial::Trial,
};
use tokio::time::{Instant, sleep_until};

use super::{
    Cluster, Timing, clock,
    lease::{Event, FromHost},
};
use crate::{cluster::clock::ClockOffset, stop::Stop};

/// The word with which an agent answers a trial that was cancelled before it began.
pub const CANCELLED: &str = "cancelled";

/// Watches a trial while it runs.
pub trait Watch {
    /// A host is still preparing, such as filling its file.
    fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64);
    /// A host has finished a slice of the measured window.
    fn interval(&mut self, host: &str, interval: &Interval);
}

/// Nobody watches.
impl Watch for () {
    fn preparing(&mut self, _: &str, _: &str, _: u64, _: u64) {}
    fn interval(&mut self, _: &str, _: &Interval) {}
}

/// How a trial went.
#[derive(Clone, Debug)]
pub struct TrialRun {
    /// Host by host, in the order in which they were given.
    pub hosts: Vec<HostRun>,
    /// Whether it was ended because we were asked to stop.
    pub interrupted: bool,
}

/// How a trial went on one host.
#[derive(Clone, Debug, Default)]
pub struct HostRun {
    /// Index of the host in the cluster.
    pub host: usize,
    /// By which its start was placed.
    pub clock: ClockOffset,
    /// What it granted.
    pub ready: Option<Ready>,
    /// When it was told to begin its warmup, on its own clock.
    pub start_ns: Option<u64>,
    /// What arrived.
    pub intervals: Vec<Interval>,
    /// Its account of the whole.
    pub finished: Option<Finished>,
    /// Why it refused, or was lost.
    pub refusal: Option<Refusal>,
    /// Whether it is lost, rather than having refused this trial.
    pub lost: bool,
}

struct Host {
    run: HostRun,
    ended: bool,
    last_event: Instant,
}

struct Running<'a> {
    trial: &'a Trial,
    timing: Timing,
    hosts: Vec<Host>,
    /// When the measured window should be over, once all have been started.
    planned_end: Option<Instant>,
    /// Since when we wait for the answers to our Cancel, and how long.
    cancelled: Option<(Instant, Duration)>,
    interrupted: bool,
}

impl Cluster {
    /// Runs a trial on some hosts. It always comes back with all that is known, whatever happens meanwhile.
    pub async fn run_trial(
        &mut self,
        trial: &Trial,
        hosts: &[usize],
        watch: &mut dyn Watch,
        stop: &Stop,
    ) -> TrialRun {
        let now = Instant::now();
        let started = |&host: &usize| Host {
            run: HostRun { host, clock: self.hosts[host].clock, ..HostRun::default() },
            ended: false,
            last_event: now,
        };
        let mut running = Running {
            trial,
            timing: self.timing,
            hosts: hosts.iter().map(started).collect(),
            planned_end: None,
            cancelled: None,
            interrupted: false,
        };
        for (i, &host) in hosts.iter().enumerate() {
            if !self.lease(host, |lease| lease.prepare(trial)) {
                running.lose(i, self.hosts[host].lost.clone().unwrap_or_else(gone));
            }
        }
        while !running.hosts.iter().all(|host| host.ended) {
            running.advance(self);
            let deadline = running.deadline();
            let expiry = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => running.take(event, self, watch),
                    // We hold a sender ourselves, so that this cannot be; but it must not spin either.
                    None => running.expire(true),
                },
                () = stop.requested(), if !running.interrupted => {
                    running.interrupted = true;
                    running.cancel(self, running.timing.cancel_grace);
                }
                () = expiry => running.expire(false),
            }
        }
        for host in &running.hosts {
            if let Some(refusal) = host.run.refusal.as_ref().filter(|_| host.run.lost) {
                self.lose(host.run.host, refusal.clone());
            }
        }
        self.explain_losses(&mut running.hosts.iter_mut().map(|host| &mut host.run)).await;
        TrialRun {
            interrupted: running.interrupted,
            hosts: running.hosts.into_iter().map(|host| host.run).collect(),
        }
    }
}

impl Running<'_> {
    /// Starts the trial when all are ready, or gives it up when one is not going to be.
    fn advance(&mut self, cluster: &Cluster) {
        if self.cancelled.is_some() {
            return;
        }
        let broken = self.hosts.iter().any(|host| host.run.refusal.is_some());
        let early = self.planned_end.is_none() && self.hosts.iter().any(|host| host.ended);
        if broken || early {
            self.cancel(cluster, self.timing.overrun);
        } else if self.planned_end.is_none() && self.hosts.iter().all(|host| host.run.ready.is_some()) {
            self.start(cluster);
        }
    }

    fn start(&mut self, cluster: &Cluster) {
        let round_trip = self.hosts.iter().map(|host| host.run.clock.error_ns * 2).max().unwrap_or(0);
        let lead = Duration::from_nanos(round_trip.saturating_mul(4)).max(self.timing.min_lead);
        let at_ns = clock::now_ns() + u64::try_from(lead.as_nanos()).unwrap_or(u64::MAX / 2);
        for i in 0..self.hosts.len() {
            let run = &mut self.hosts[i].run;
            let host_ns = clock::to_host(at_ns, run.clock);
            run.start_ns = Some(host_ns);
            if !cluster.lease(run.host, |lease| lease.start(&self.trial.id, host_ns)) {
                self.lose(i, gone());
            }
        }
        self.planned_end = Some(Instant::now() + lead + self.planned());
    }

    fn planned(&self) -> Duration {
        self.trial.workload.warmup.as_duration() + self.trial.workload.runtime.as_duration()
    }

    fn cancel(&mut self, cluster: &Cluster, grace: Duration) {
        self.cancelled = Some((Instant::now(), grace));
        for i in 0..self.hosts.len() {
            let host = &self.hosts[i];
            if !host.ended && !cluster.lease(host.run.host, |lease| lease.cancel(&self.trial.id)) {
                self.lose(i, gone());
            }
        }
    }

    /// When one of the hosts is overdue.
    fn deadline(&self) -> Option<Instant> {
        self.hosts.iter().filter_map(|host| self.overdue_at(host)).min()
    }

    /// When a host is to be given up, unless it is heard of before. One that is ready and waits for the others is
    /// never overdue; and a connection that is dead shows itself by its missing signs of life.
    fn overdue_at(&self, host: &Host) -> Option<Instant> {
        if host.ended {
            return None;
        }
        match (self.cancelled, self.planned_end) {
            (Some((since, grace)), _) => Some(since + grace),
            (None, Some(end)) => {
                let patience = self.timing.overrun.max(self.planned() * 2);
                Some(host.last_event.max(end) + patience)
            }
            (None, None) if host.run.ready.is_none() => Some(host.last_event + self.timing.prepare),
            (None, None) => None,
        }
    }

    /// Gives up the hosts that are overdue, or all.
    fn expire(&mut self, all: bool) {
        let now = Instant::now();
        for i in 0..self.hosts.len() {
            let overdue = self.overdue_at(&self.hosts[i]).is_some_and(|at| at <= now);
            let host = &mut self.hosts[i];
            if host.ended || !(all || overdue) {
                continue;
            }
            if self.interrupted && !all {
                // We are leaving: how the host ends is not our concern, and not its fault.
                host.ended = true;
                host.run.refusal = Some(Refusal::new(
                    CANCELLED,
                    "did not answer in time when the run was interrupted",
                    "run it again",
                ));
                continue;
            }
            let what = match (self.cancelled, self.planned_end) {
                (Some(_), _) => "did not end a cancelled trial",
                (None, Some(_)) => "is silent",
                (None, None) => "does not become ready",
            };
            let message =
                format!("{what}: nothing was heard of it for {:.0} s", (now - host.last_event).as_secs_f64());
            let remedy = "look at the agent's log and at `dmesg` there: a worker may hang in the kernel";
            self.lose(i, Refusal::new("silent", message, remedy));
        }
    }

    fn lose(&mut self, i: usize, refusal: Refusal) {
        let host = &mut self.hosts[i];
        host.ended = true;
        host.run.lost = true;
        host.run.refusal = Some(refusal);
    }

    fn take(&mut self, from: FromHost, cluster: &mut Cluster, watch: &mut dyn Watch) {
        let FromHost { host: index, trial, event } = from;
        let at = self.hosts.iter().position(|host| host.run.host == index);
        if let Event::Lost(refusal) = event {
            match at {
                Some(i) if !self.hosts[i].ended => self.lose(i, refusal),
                // A host that is idle, or done with this trial: the next one that needs it must know.
                _ => cluster.lose(index, refusal),
            }
            return;
        }
        // What is left over from an earlier trial is of no use to anybody any more.
        let Some(i) = at.filter(|&i| trial == self.trial.id && !self.hosts[i].ended) else { return };
        let name = &cluster.hosts[index].name;
        let cancelled = self.cancelled.is_some();
        let host = &mut self.hosts[i];
        host.last_event = Instant::now();
        match event {
            Event::Progress { what, done, total } => watch.preparing(name, &what, done, total),
            Event::Ready(ready) => host.run.ready = Some(ready),
            Event::Interval(interval) => {
                watch.interval(name, &interval);
                host.run.intervals.push(interval);
            }
            Event::Finished(finished) => {
                host.run.finished = Some(*finished);
                host.ended = true;
            }
            Event::Failed(refusal) => {
                host.ended = true;
                // What we asked for is no refusal.
                if !(cancelled && refusal.code() == CANCELLED) {
                    host.run.refusal = Some(refusal);
                }
            }
            Event::Lost(_) => {}
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(
        "lost",
        "the connection is gone",
        "is the agent still running there? its log says why it ended; finished trials are kept",
    )
}
