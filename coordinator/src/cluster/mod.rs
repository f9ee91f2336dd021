//! The hosts of a run: connections, handshake, clocks, leases, and one trial at a time on all of them.
//!
//! * [`address`], [`inventory`], [`select`]: which hosts there are, and which of them run what.
//! * `connect`, `embedded`, `lease`: how a host is reached and held.
//! * [`clock`]: placing its clock on ours.
//! * [`trial`]: barrier, common start, collection.

pub mod address;
mod affinity;
pub mod clock;
mod connect;
mod embedded;
pub mod inventory;
mod lease;
pub mod select;
pub mod trial;

use std::{collections::BTreeMap, time::Duration};

use proto::outcome::{HostDescription, Refusal};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

pub use self::embedded::{EmbeddedOptions, SUBCOMMAND as EMBEDDED_SUBCOMMAND};
use self::{
    affinity::Narrowed,
    connect::Client,
    embedded::Embedded,
    inventory::HostSpec,
    lease::{FromHost, Lease},
    trial::HostRun,
};
use crate::{cluster::clock::ClockOffset, screen::Screen};

/// The name of the embedded agent's host.
pub const LOCAL: &str = "local";

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A connection.
    pub connect: Duration,
    /// The answer to a question that costs the agent little.
    pub answer: Duration,
    /// The shortest time between the order to start and the start.
    pub min_lead: Duration,
    /// How long a host may be silent while it prepares a trial. It tells of each 64 MiB that it fills, so what is
    /// allowed for is the longest single step: a slow disk that writes back what the page cache took.
    pub prepare: Duration,
    /// How long a host may be silent past the planned end of a trial; at least twice its length is allowed.
    pub overrun: Duration,
    /// How long a host may take to end a trial when the run is interrupted, and to end a lease.
    pub cancel_grace: Duration,
    /// How often a silent connection is asked for a sign of life.
    pub keepalive: Duration,
    /// How long that may take.
    pub keepalive_timeout: Duration,
    /// Age at which a clock is read again before a trial.
    pub clock_age: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            min_lead: Duration::from_millis(20),
            prepare: Duration::from_secs(600),
            overrun: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(2),
            keepalive: proto::KEEPALIVE_INTERVAL,
            keepalive_timeout: proto::KEEPALIVE_TIMEOUT,
            clock_age: Duration::from_secs(10),
        }
    }
}

/// A host that could not be reached, was lost, or refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host {host}: {refusal}")]
pub struct HostError {
    /// Its name.
    pub host: String,
    /// What happened, and what to do about it.
    pub refusal: Refusal,
}

impl miette::Diagnostic for HostError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.refusal.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let remedy = self.refusal.remedy();
        (!remedy.is_empty()).then(|| Box::new(remedy) as Box<dyn std::fmt::Display>)
    }
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Its name and labels.
    pub name: String,
    /// Where its agent listens; for people.
    pub address: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it is and can do.
    pub description: HostDescription,
    /// Where its clock stands.
    pub clock: ClockOffset,
    /// Why it is lost, if it is.
    pub lost: Option<Refusal>,
    clock_read: Instant,
    client: Client,
    lease: Option<Lease>,
}

/// All hosts of a run.
#[derive(Debug)]
pub struct Cluster {
    hosts: Vec<Host>,
    timing: Timing,
    events: mpsc::Receiver<FromHost>,
    sender: mpsc::Sender<FromHost>,
    embedded: Option<Embedded>,
    narrowed: Option<Narrowed>,
}

impl Cluster {
    /// Connects to all hosts at once, learns what they are, and places their clocks.
    ///
    /// # Errors
    /// Every host that could not be reached or that speaks another protocol.
    pub async fn connect(specs: Vec<HostSpec>, timing: Timing) -> Result<Self, Vec<HostError>> {
        let (cluster, errors) = Self::connect_some(specs, timing).await;
        if errors.is_empty() { Ok(cluster) } else { Err(errors) }
    }

    /// The same, but contents itself with the hosts that can be reached, and names the others.
    pub async fn connect_some(specs: Vec<HostSpec>, timing: Timing) -> (Self, Vec<HostError>) {
        let mut tasks = JoinSet::new();
        for (index, spec) in specs.into_iter().enumerate() {
            tasks.spawn(async move {
                let HostSpec { name, address, labels } = spec;
                let reached = async {
                    let client = connect::tcp(&address, &timing).await?;
                    Host::meet(name.clone(), address.to_string(), labels, client, timing).await
                };
                (index, reached.await.map_err(|refusal| HostError { host: name, refusal }))
            });
        }
        let mut results = tasks.join_all().await;
        results.sort_by_key(|(index, _)| *index);
        let (mut hosts, mut errors) = (Vec::new(), Vec::new());
        for (_, result) in results {
            match result {
                Ok(host) => hosts.push(host),
                Err(error) => errors.push(error),
            }
        }
        (Self::new(hosts, timing), errors)
    }

    /// Starts an agent of our own, and connects to it alone. The threads of this process then keep to the
    /// CPU of the agent's runtime, off those on which it measures.
    ///
    /// # Errors
    /// Where the agent does not start, or dies at once: with its last words.
    pub async fn embedded(
        options: &EmbeddedOptions,
        timing: Timing,
        screen: &Screen,
    ) -> Result<Self, HostError> {
        let named = |refusal| HostError { host: LOCAL.to_owned(), refusal };
        let (mut embedded, stream) = Embedded::spawn(options, screen).map_err(named)?;
        let met = async {
            let client = connect::socket(stream, &timing).await?;
            Host::meet(LOCAL.to_owned(), "embedded".to_owned(), BTreeMap::new(), client, timing).await
        };
        let host = match met.await {
            Ok(host) => host,
            Err(mut refusal) => {
                if let Some(words) = embedded.post_mortem().await {
                    let remedy = "start `agent serve` yourself, and name it with --agents";
                    refusal = Refusal::new("embedded-agent", words, remedy);
                }
                embedded.end(Duration::ZERO).await;
                return Err(named(refusal));
            }
        };
        let narrowed = Narrowed::to(host.description.runtime_cpu);
        Ok(Self { embedded: Some(embedded), narrowed, ..Self::new(vec![host], timing) })
    }

    fn new(hosts: Vec<Host>, timing: Timing) -> Self {
        // A slow reader of events holds the agents' streams back, which hold nothing of the measurement.
        let (sender, events) = mpsc::channel(1024);
        Self { hosts, timing, events, sender, embedded: None, narrowed: None }
    }

    /// The hosts, in the order of the inventory.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Names and labels, for [`select::resolve`].
    #[must_use]
    pub fn labels(&self) -> Vec<(&str, &BTreeMap<String, String>)> {
        self.hosts.iter().map(|host| (host.name.as_str(), &host.labels)).collect()
    }

    /// Opens the lease of every host.
    ///
    /// # Errors
    /// Every host that does not grant it, such as one that is busy with another run.
    pub async fn open(&mut self, run_id: &str) -> Result<(), Vec<HostError>> {
        let mut tasks = JoinSet::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let (client, events, limit) = (host.client.clone(), self.sender.clone(), self.timing.answer);
            let run_id = run_id.to_owned();
            tasks.spawn(async move { (index, Lease::open(client, index, &run_id, events, limit).await) });
        }
        let mut results = tasks.join_all().await;
        results.sort_by_key(|(index, _)| *index);
        let mut errors = Vec::new();
        for (index, result) in results {
            match result {
                Ok(lease) => self.hosts[index].lease = Some(lease),
                Err(refusal) => {
                    errors.push(HostError { host: self.hosts[index].name.clone(), refusal });
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Reads the clocks of some hosts again, where the last reading has become old: clocks drift apart. A
    /// host that does not answer keeps its old reading; if it is dead, its lease will show.
    pub async fn refresh_clocks(&mut self, hosts: &[usize]) {
        let mut tasks = JoinSet::new();
        for &index in hosts {
            let host = &self.hosts[index];
            if host.lost.is_none() && host.clock_read.elapsed() >= self.timing.clock_age {
                let (mut client, limit) = (host.client.clone(), self.timing.answer / 2);
                tasks.spawn(async move {
                    (index, timeout(limit, connect::read_clock(&mut client, CLOCK_SAMPLES)).await)
                });
            }
        }
        for (index, read) in tasks.join_all().await {
            let host = &mut self.hosts[index];
            match read {
                Ok(Ok(clock)) => {
                    host.clock = clock;
                    host.clock_read = Instant::now();
                }
                _ => tracing::warn!("host {} did not answer when its clock was read", host.name),
            }
        }
    }

    /// Ends all leases in order, closes the connections, and sees the embedded agent off.
    pub async fn close(mut self) {
        let grace = self.timing.cancel_grace;
        let leases = self.hosts.iter_mut().filter_map(|host| host.lease.take());
        let closing: JoinSet<()> = leases.map(|lease| lease.close(grace)).collect();
        // What a reader still has to say is of no use any more, and must not keep it from its end.
        self.events.close();
        closing.join_all().await;
        self.hosts.clear();
        if let Some(embedded) = self.embedded.take() {
            embedded.end(grace).await;
        }
        drop(self.narrowed.take());
    }

    fn lease(&self, host: usize, ask: impl FnOnce(&Lease) -> bool) -> bool {
        self.hosts[host].lease.as_ref().is_some_and(ask)
    }

    /// Notes that a host is lost, and why it first was.
    fn lose(&mut self, host: usize, refusal: Refusal) {
        let host = &mut self.hosts[host];
        tracing::info!("lost host {}: {refusal}", host.name);
        host.lost.get_or_insert(refusal);
        host.lease = None;
    }

    /// A broken connection to the embedded agent says little; how the child ended says more.
    async fn explain_losses(&mut self, runs: &mut dyn Iterator<Item = &mut HostRun>) {
        let Some(embedded) = self.embedded.as_mut() else { return };
        for run in runs.filter(|run| run.lost) {
            if let Some(words) = embedded.post_mortem().await {
                let refusal = Refusal::new(
                    "lost",
                    words,
                    "was it killed, such as for want of memory? see `dmesg`; finished trials are kept",
                );
                self.hosts[run.host].lost = Some(refusal.clone());
                run.refusal = Some(refusal);
            }
        }
    }
}

/// Round trips of which the shortest counts.
const CLOCK_SAMPLES: usize = 16;

impl Host {
    /// The handshake: what is it, and where does its clock stand?
    async fn meet(
        name: String,
        address: String,
        labels: BTreeMap<String, String>,
        mut client: Client,
        timing: Timing,
    ) -> Result<Self, Refusal> {
        let description = connect::describe(&name, &mut client, &timing).await?;
        let read = timeout(timing.answer, connect::read_clock(&mut client, CLOCK_SAMPLES)).await;
        let clock = match read {
            Ok(Ok(clock)) => clock,
            Ok(Err(status)) => {
                let message = format!("its clock cannot be read: {}", connect::status_text(&status));
                return Err(Refusal::new("no-clock", message, "look at the agent's log"));
            }
            Err(_) => {
                return Err(Refusal::new(
                    "no-answer",
                    "did not answer when its clock was read",
                    "the agent hangs or is stopped: look at its log, and start it again",
                ));
            }
        };
        let (clock_read, lost, lease) = (Instant::now(), None, None);
        Ok(Self { name, address, labels, description, clock, lost, clock_read, client, lease })
    }
}
