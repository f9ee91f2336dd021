//! One trial on its hosts: prepare on all, start together, collect until the last has finished.

use std::{collections::BTreeMap, future::pending, time::Duration};

use proto::{
    outcome::{Direction, Finished, Interval, Ready},
    refusal::{CancelledWhen, HostRefusal, LossCause, Refusal, SessionRefusal, SilentWhile},
    trial::Trial,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Cluster, Timing, clock,
    clocks::{Reading, Readings},
    lease::{Event, FromHost},
    probe,
};
use crate::{cluster::clock::ClockOffset, stop::Stop};

/// Age at which a clock is read again because the preparation took long.
const STALE: Duration = Duration::from_secs(1);

/// Observes a running trial.
pub trait Watch {
    /// A host is still preparing, for example filling its file.
    fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64);
    /// A host has finished a slice of the measured window. It is handed over: a histogram takes 216 KiB, so nobody
    /// else keeps it.
    fn interval(&mut self, host: &str, interval: Interval);
}

/// Ignores all events.
impl Watch for () {
    fn preparing(&mut self, _: &str, _: &str, _: u64, _: u64) {}
    fn interval(&mut self, _: &str, _: Interval) {}
}

/// The result of a trial.
#[derive(Clone, Debug)]
pub struct TrialRun {
    /// The results by host, in the given order.
    pub hosts: Vec<HostRun>,
    /// Whether it was ended because the run was interrupted.
    pub interrupted: bool,
}

/// The result of a trial on one host.
#[derive(Clone, Debug, Default)]
pub struct HostRun {
    /// Index of the host in the cluster.
    pub host: usize,
    /// Its clock offset: for its start, then with the reading after the trial.
    pub clock: ClockOffset,
    /// The granted options.
    pub ready: Option<Ready>,
    /// The requested start of the warm-up, on the host's clock in nanoseconds.
    pub start_ns: Option<u64>,
    /// The sum of the intervals that arrived.
    pub arrived: Arrived,
    /// Its totals.
    pub finished: Option<Finished>,
    /// Why it refused or was lost.
    pub refusal: Option<Refusal>,
    /// Whether the host is lost; `false` if it only refused this trial.
    pub lost: bool,
}

/// The sum of the intervals that arrived from a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Their number.
    pub intervals: u64,
    /// Operations.
    pub ops: u64,
    /// Syncs, which are not operations.
    pub syncs: u64,
}

impl Arrived {
    /// Adds an interval.
    pub fn add(&mut self, interval: &Interval) {
        let syncs = interval.series.iter().filter(|series| series.direction == Direction::Sync);
        self.intervals += 1;
        self.ops += interval.ops();
        self.syncs += syncs.map(|series| series.latency.len()).sum::<u64>();
    }
}

struct Host {
    run: HostRun,
    ended: bool,
    last_event: Instant,
    /// What was reported last while it prepared, and how much of it was done.
    progress: (String, u64),
}

struct Running<'a> {
    trial: &'a Trial,
    timing: Timing,
    hosts: Vec<Host>,
    begun: Instant,
    /// Where a host of the cluster is in `hosts`.
    places: BTreeMap<usize, usize>,
    /// How many hosts have not ended, and how many are ready. Counted, because with a thousand hosts an event must not
    /// look at all of them.
    open: usize,
    ready: usize,
    /// Whether a host refused or was lost.
    broken: bool,
    /// No host is overdue before this; `None` if it must be found out. Events only move deadlines later.
    quiet_until: Option<Option<Instant>>,
    /// The expected end of the measured window, once all hosts have been started.
    planned_end: Option<Instant>,
    /// When the start requests were sent, on the coordinator's clock in nanoseconds.
    started_ns: u64,
    /// Readings of clocks under way.
    readings: Readings,
    /// Whether clocks were read again because the preparation took long.
    read_again: bool,
    /// When silent hosts are asked whether they still listen, and the questions under way: each gives the host's place
    /// and whether it refused.
    next_probe: Instant,
    probes: JoinSet<(usize, bool)>,
    /// Since when the coordinator waits for the replies to Cancel, and for how long.
    cancelled: Option<(Instant, Duration)>,
    interrupted: bool,
}

impl Cluster {
    /// Runs a trial on some hosts. It always returns everything that arrived, whatever happens meanwhile.
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
            progress: (String::new(), 0),
        };
        let mut running = Running {
            trial,
            timing: self.timing,
            hosts: hosts.iter().map(started).collect(),
            begun: now,
            places: hosts.iter().enumerate().map(|(place, &host)| (host, place)).collect(),
            open: hosts.len(),
            ready: 0,
            broken: false,
            quiet_until: None,
            planned_end: None,
            started_ns: 0,
            readings: Readings::new(),
            read_again: false,
            next_probe: now + probe::PERIOD,
            probes: JoinSet::new(),
            cancelled: None,
            interrupted: false,
        };
        for (i, &host) in hosts.iter().enumerate() {
            if !self.lease(host, |lease| lease.prepare(trial)) {
                running.lose(i, self.hosts[host].lost.clone().unwrap_or_else(gone));
            }
        }
        // Clocks are read while the hosts prepare.
        hosts.iter().for_each(|&host| self.read_clock(&mut running.readings, host, self.timing.clock_age));
        while running.is_under_way() {
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
                    // Cannot happen, because a sender is held here; but it must not spin.
                    None => running.expire(true),
                },
                () = stop.requested(), if !running.interrupted => {
                    running.interrupted = true;
                    running.cancel(self, running.timing.cancel_grace);
                }
                () = expiry => running.expire(false),
                Some(reading) = running.readings.next() => running.keep(reading, self),
                () = sleep_until(running.next_probe) => running.probe(self),
                Some(Ok((i, refused))) = running.probes.join_next(), if !running.probes.is_empty() => {
                    running.probed(i, refused, self);
                }
            }
        }
        running.conclude(self);
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

impl Host {
    /// Whether an event brings the trial closer to its end.
    fn advances(&mut self, event: &Event) -> bool {
        let Event::Progress { what, done, .. } = event else { return true };
        let advances = *what != self.progress.0 || *done > self.progress.1;
        self.progress = (what.clone(), *done);
        advances
    }
}

impl Running<'_> {
    /// Whether a host or, unless the run was interrupted, the reading of a clock is not done.
    fn is_under_way(&self) -> bool {
        let reads = !self.interrupted && !self.readings.is_empty();
        reads || self.open > 0
    }

    fn keep(&mut self, reading: Reading, cluster: &mut Cluster) {
        let index = reading.0;
        cluster.keep_reading(reading);
        let clock = cluster.hosts[index].clock;
        if let Some(place) = self.places.get(&index).filter(|_| self.planned_end.is_none()) {
            self.hosts[*place].run.clock = clock;
        }
    }

    /// Asks silent hosts whether an agent still listens there.
    fn probe(&mut self, cluster: &Cluster) {
        let now = Instant::now();
        self.next_probe = now + probe::PERIOD;
        if !self.probes.is_empty() {
            return;
        }
        for (i, host) in self.hosts.iter().enumerate() {
            let silent = !host.ended && now - host.last_event >= probe::PERIOD;
            let spec = cluster.hosts[host.run.host].spec.as_ref().filter(|_| silent);
            if let Some(address) = spec.map(|spec| spec.address.clone()) {
                self.probes.spawn(async move { (i, probe::refuses(&address).await) });
            }
        }
    }

    fn probed(&mut self, i: usize, refused: bool, cluster: &Cluster) {
        if refused && !self.hosts[i].ended {
            let address = cluster.hosts[self.hosts[i].run.host].address.clone();
            self.lose(i, HostRefusal::Lost { cause: LossCause::Refused { address } }.into());
        }
    }

    /// Relates the clocks of hosts at the start with all readings, and learns how long start requests took.
    fn conclude(&mut self, cluster: &mut Cluster) {
        let mut longest = None;
        for host in self.hosts.iter_mut().filter(|host| host.run.start_ns.is_some()) {
            host.run.clock = cluster.hosts[host.run.host].track.at(self.started_ns);
            let release = host.run.finished.as_ref().and_then(|finished| finished.release);
            if let Some(release) = release {
                let armed = release.armed_ns.saturating_add_signed(host.run.clock.offset_ns.saturating_neg());
                longest = longest.max(Some(armed.saturating_sub(self.started_ns)));
            }
        }
        if let Some(longest) = longest {
            cluster.lead.record(self.hosts.len(), Duration::from_nanos(longest));
        }
    }

    /// Starts the trial when all hosts are ready, or cancels it if one cannot become ready.
    fn advance(&mut self, cluster: &Cluster) {
        if self.cancelled.is_some() {
            return;
        }
        let early = self.planned_end.is_none() && self.open < self.hosts.len();
        if self.broken || early {
            self.cancel(cluster, self.timing.overrun);
        } else if self.planned_end.is_none() && self.readings.is_empty() && self.ready == self.hosts.len() {
            if !std::mem::replace(&mut self.read_again, true) {
                // The preparation may have taken minutes.
                for host in &self.hosts {
                    cluster.read_clock(&mut self.readings, host.run.host, STALE);
                }
            }
            if self.readings.is_empty() {
                self.start(cluster);
            }
        }
    }

    fn start(&mut self, cluster: &Cluster) {
        let error_ns = self.hosts.iter().map(|host| host.run.clock.error_ns).max().unwrap_or(0);
        let round_trip = Duration::from_nanos(error_ns.saturating_mul(2));
        let lead = cluster.lead.of(self.hosts.len(), round_trip, &self.timing);
        self.started_ns = clock::now_ns();
        let at_ns = self.started_ns + u64::try_from(lead.as_nanos()).unwrap_or(u64::MAX / 2);
        for i in 0..self.hosts.len() {
            let run = &mut self.hosts[i].run;
            let host_ns = clock::to_host(at_ns, run.clock);
            run.start_ns = Some(host_ns);
            if !cluster.lease(run.host, |lease| lease.start(&self.trial.id, host_ns)) {
                self.lose(i, gone());
            }
        }
        self.planned_end = Some(Instant::now() + lead + self.planned());
        self.quiet_until = None;
    }

    fn planned(&self) -> Duration {
        self.trial.workload.warmup.as_duration() + self.trial.workload.runtime.as_duration()
    }

    fn cancel(&mut self, cluster: &Cluster, grace: Duration) {
        self.cancelled = Some((Instant::now(), grace));
        self.quiet_until = None;
        for i in 0..self.hosts.len() {
            let host = &self.hosts[i];
            if !host.ended && !cluster.lease(host.run.host, |lease| lease.cancel(&self.trial.id)) {
                self.lose(i, gone());
            }
        }
    }

    /// A time before which no host is overdue.
    fn deadline(&mut self) -> Option<Instant> {
        let earliest = || self.hosts.iter().filter_map(|host| self.overdue_at(host)).min();
        let until = self.quiet_until.unwrap_or_else(earliest);
        self.quiet_until = Some(until);
        until
    }

    /// When a host is given up unless it sends an event before. A host that is ready and waits for the others is
    /// never overdue; keep-alive pings detect a dead connection.
    fn overdue_at(&self, host: &Host) -> Option<Instant> {
        if host.ended {
            return None;
        }
        match (self.cancelled, self.planned_end) {
            (Some((since, grace)), _) => Some(since + grace),
            (None, Some(end)) => {
                let patience = self.timing.overrun.max(self.planned() * 2);
                Some((host.last_event.max(end) + patience).min(end + patience + self.timing.longest))
            }
            (None, None) if host.run.ready.is_none() => {
                Some((host.last_event + self.timing.prepare).min(self.begun + self.timing.longest))
            }
            (None, None) => None,
        }
    }

    /// Gives up the hosts that are overdue, or all.
    fn expire(&mut self, all: bool) {
        self.quiet_until = None;
        let now = Instant::now();
        for i in 0..self.hosts.len() {
            let overdue = self.overdue_at(&self.hosts[i]).is_some_and(|at| at <= now);
            let host = &mut self.hosts[i];
            if host.ended || !(all || overdue) {
                continue;
            }
            if self.interrupted && !all {
                // The coordinator is shutting down; the host is not at fault.
                let when = CancelledWhen::Unanswered;
                host.run.refusal = Some(SessionRefusal::Cancelled { when }.into());
                self.end(i);
                continue;
            }
            let during = match (self.cancelled, self.planned_end) {
                (Some(_), _) => SilentWhile::Cancelled,
                (None, Some(_)) => SilentWhile::Running,
                (None, None) => SilentWhile::Preparing,
            };
            let silence = (now - host.last_event).into();
            self.lose(i, HostRefusal::Silent { during, silence }.into());
        }
    }

    fn lose(&mut self, i: usize, refusal: Refusal) {
        let host = &mut self.hosts[i];
        host.run.lost = true;
        host.run.refusal = Some(refusal);
        self.end(i);
    }

    /// The trial has ended on a host.
    fn end(&mut self, i: usize) {
        let host = &mut self.hosts[i];
        self.open -= usize::from(!host.ended);
        host.ended = true;
        self.broken |= host.run.refusal.is_some();
    }

    fn take(&mut self, from: FromHost, cluster: &mut Cluster, watch: &mut dyn Watch) {
        let FromHost { host: index, trial, event } = from;
        let at = self.places.get(&index).copied();
        if let Event::Lost(refusal) = event {
            match at {
                Some(i) if !self.hosts[i].ended => self.lose(i, refusal),
                // The host is idle or done with this trial. The loss matters to the next trial on it.
                _ => cluster.lose(index, refusal),
            }
            return;
        }
        // Events of an earlier trial are ignored.
        let Some(i) = at.filter(|&i| trial == self.trial.id && !self.hosts[i].ended) else { return };
        let name = &cluster.hosts[index].name;
        let cancelled = self.cancelled.is_some();
        let host = &mut self.hosts[i];
        // Progress that does not advance is no sign of life.
        if host.advances(&event) {
            host.last_event = Instant::now();
        }
        match event {
            Event::Progress { what, done, total } => watch.preparing(name, &what, done, total),
            Event::Ready(ready) => {
                self.ready += usize::from(host.run.ready.is_none());
                host.run.ready = Some(ready);
            }
            Event::Interval(interval) => {
                host.run.arrived.add(&interval);
                watch.interval(name, interval);
            }
            Event::Finished(finished) => {
                host.run.finished = Some(*finished);
                self.end(i);
                if !self.interrupted {
                    cluster.read_clock(&mut self.readings, index, Duration::ZERO);
                }
            }
            Event::Failed(refusal) => {
                // A requested cancellation is not a refusal.
                if !(cancelled && is_cancellation(&refusal)) {
                    host.run.refusal = Some(refusal);
                }
                self.end(i);
            }
            Event::Lost(_) => {}
        }
    }
}

fn is_cancellation(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Session(SessionRefusal::Cancelled { .. }))
}

fn gone() -> Refusal {
    HostRefusal::Lost { cause: LossCause::Gone }.into()
}
