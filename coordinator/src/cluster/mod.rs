//! The hosts of a run: connections, handshake, clocks, leases, and one trial at a time on all of them.
//!
//! * [`address`], [`inventory`], [`select`]: the hosts, and which cells each of them runs; [`open_files`]: how many there
//!   may be.
//! * [`security`]: how the coordinator proves who it is.
//! * `connect`, `embedded`, `lease`: connections to hosts and their leases.
//! * [`clock`], `clocks`: relating a host's clock to the coordinator's.
//! * [`trial`], `lead`: barrier, common start, collection.
//! * `probe`, `regain`: hosts that are silent or lost.

pub mod address;
mod affinity;
mod at_once;
pub mod clock;
mod clocks;
mod connect;
mod embedded;
pub mod holder;
pub mod inventory;
mod lead;
mod lease;
pub mod open_files;
mod probe;
mod regain;
pub mod security;
pub mod select;
pub mod trial;

use std::{collections::BTreeMap, time::Duration};

use proto::{
    outcome::HostDescription,
    refusal::{HostRefusal, LossCause, Question, Refusal},
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

pub use self::embedded::{EmbeddedOptions, SUBCOMMAND as EMBEDDED_SUBCOMMAND};
use self::{
    affinity::Narrowed,
    clock::{ClockOffset, ClockTrack},
    connect::{Client, Link},
    embedded::Embedded,
    inventory::HostSpec,
    lead::Lead,
    lease::{FromHost, Lease},
    security::Security,
    trial::HostRun,
};
use crate::screen::Screen;

/// The name of the embedded agent's host.
pub const LOCAL: &str = "local";

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// To connect.
    pub connect: Duration,
    /// To answer a cheap request.
    pub answer: Duration,
    /// The shortest time between the start request and the start.
    pub min_lead: Duration,
    /// The addition to it for each further host.
    pub lead_per_host: Duration,
    /// How long a host may be silent while it prepares a trial. It reports after each 64 MiB that it fills, so the
    /// limit covers the longest single step: a slow disk that writes back the page cache.
    pub prepare: Duration,
    /// How long a host may be silent past the planned end of a trial; at least twice its length is allowed.
    pub overrun: Duration,
    /// How long a trial may take at most, however often its host reports progress: to become ready, and again from the
    /// planned end of its window.
    pub longest: Duration,
    /// How long a host may take to end a trial when the run is interrupted, and to end a lease.
    pub cancel_grace: Duration,
    /// The interval of keep-alive pings on a silent connection.
    pub keepalive: Duration,
    /// How long the reply to a ping may take.
    pub keepalive_timeout: Duration,
    /// Age at which a clock is read again before a trial.
    pub clock_age: Duration,
    /// How long a run waits for a lost host (`on_host_loss: retry`).
    pub host_return: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            min_lead: Duration::from_millis(20),
            // 32 agents on two CPUs began up to 144 ms late with 20 ms for all of them.
            lead_per_host: Duration::from_millis(6),
            prepare: Duration::from_secs(600),
            overrun: Duration::from_secs(30),
            longest: Duration::from_secs(24 * 3600),
            cancel_grace: Duration::from_secs(2),
            keepalive: proto::KEEPALIVE_INTERVAL,
            keepalive_timeout: proto::KEEPALIVE_TIMEOUT,
            clock_age: Duration::from_millis(200),
            host_return: Duration::from_secs(120),
        }
    }
}

/// A host that could not be reached, was lost, or refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host {host}: {refusal}")]
pub struct HostError {
    /// Its name.
    pub host: String,
    /// The refusal, with its remedy.
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
    /// The address of its agent, for people.
    pub address: String,
    /// The name in its certificate, if the inventory names one.
    pub tls_name: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its fingerprint and capabilities.
    pub description: HostDescription,
    /// The offset of its clock.
    pub clock: ClockOffset,
    /// Why it is lost; `None` if it is not.
    pub lost: Option<Refusal>,
    /// What is needed to connect again; `None` for an embedded agent.
    spec: Option<HostSpec>,
    track: ClockTrack,
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
    security: Security,
    /// The name under which the leases are taken.
    run_id: String,
    lead: Lead,
}

impl Cluster {
    /// Connects to all hosts in parallel, reads their descriptions and estimates their clock offsets.
    ///
    /// # Errors
    /// Every host that could not be reached or has another protocol version.
    pub async fn connect(specs: Vec<HostSpec>, timing: Timing) -> Result<Self, Vec<HostError>> {
        let (cluster, errors) = Self::connect_some(specs, &Security::default(), timing).await;
        if errors.is_empty() { Ok(cluster) } else { Err(errors) }
    }

    /// Like [`Cluster::connect`], but accepts unreachable hosts and returns their errors.
    pub async fn connect_some(
        specs: Vec<HostSpec>,
        security: &Security,
        timing: Timing,
    ) -> (Self, Vec<HostError>) {
        let reached = specs.into_iter().map(|spec| {
            let security = security.clone();
            async move {
                let reached = async {
                    let link = connect::reach(&spec, &security, &timing).await?;
                    let address = spec.address.to_string();
                    let met =
                        Host::meet(spec.name.clone(), address, spec.labels.clone(), link, timing).await?;
                    Ok::<_, Refusal>(Host {
                        tls_name: spec.tls_name.clone(),
                        spec: Some(spec.clone()),
                        ..met
                    })
                };
                let reached = reached.await;
                reached.map_err(|refusal| HostError { host: spec.name, refusal })
            }
        });
        let (mut hosts, mut errors) = (Vec::new(), Vec::new());
        for result in at_once::each(reached).await {
            match result {
                Ok(host) => hosts.push(host),
                Err(error) => errors.push(error),
            }
        }
        (Self { security: security.clone(), ..Self::new(hosts, timing) }, errors)
    }

    /// Starts an embedded agent and connects only to it. The threads of this process then stay on the CPU of the
    /// agent's runtime, off those on which it measures.
    ///
    /// # Errors
    /// The agent does not start, or dies at once; the error quotes its log.
    pub async fn embedded(
        options: &EmbeddedOptions,
        timing: Timing,
        screen: &Screen,
    ) -> Result<Self, HostError> {
        let named = |refusal| HostError { host: LOCAL.to_owned(), refusal };
        let (mut embedded, stream) = Embedded::spawn(options, screen).map_err(named)?;
        let met = async {
            let link = connect::socket(stream, &timing).await?;
            Host::meet(LOCAL.to_owned(), "embedded".to_owned(), BTreeMap::new(), link, timing).await
        };
        let host = match met.await {
            Ok(host) => host,
            Err(mut refusal) => {
                if let Some(failure) = embedded.post_mortem().await {
                    refusal = HostRefusal::EmbeddedAgent { failure }.into();
                }
                embedded.end(Duration::ZERO).await;
                return Err(named(refusal));
            }
        };
        let narrowed = Narrowed::to(host.description.runtime_cpu);
        Ok(Self { embedded: Some(embedded), narrowed, ..Self::new(vec![host], timing) })
    }

    fn new(hosts: Vec<Host>, timing: Timing) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (security, run_id, lead) = (Security::default(), String::new(), Lead::default());
        Self { hosts, timing, events, sender, embedded: None, narrowed: None, security, run_id, lead }
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
    /// Every host that does not grant it, for example because it is busy with another run.
    pub async fn open(&mut self, run_id: &str) -> Result<(), Vec<HostError>> {
        run_id.clone_into(&mut self.run_id);
        let leases = self.hosts.iter().enumerate().map(|(index, host)| {
            let (client, events, limit) = (host.client.clone(), self.sender.clone(), self.timing.answer);
            let run_id = run_id.to_owned();
            async move { Lease::open(client, index, &run_id, events, limit).await }
        });
        let mut errors = Vec::new();
        for (index, result) in at_once::each(leases).await.into_iter().enumerate() {
            match result {
                Ok(lease) => self.hosts[index].lease = Some(lease),
                Err(refusal) => {
                    errors.push(HostError { host: self.hosts[index].name.clone(), refusal });
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Ends all leases in order, closes the connections, and waits for the embedded agent to end.
    pub async fn close(mut self) {
        let grace = self.timing.cancel_grace;
        let leases = self.hosts.iter_mut().filter_map(|host| host.lease.take());
        let closing: JoinSet<()> = leases.map(|lease| lease.close(grace)).collect();
        // Pending events of a reader are no longer needed and must not delay its end.
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

    /// Marks a host as lost and keeps the first reason.
    fn lose(&mut self, host: usize, refusal: Refusal) {
        let host = &mut self.hosts[host];
        tracing::info!("lost host {}: {refusal}", host.name);
        host.lost.get_or_insert(refusal);
        host.lease = None;
    }

    /// A broken connection to the embedded agent is explained by how the child ended.
    async fn explain_losses(&mut self, runs: &mut dyn Iterator<Item = &mut HostRun>) {
        let Some(embedded) = self.embedded.as_mut() else { return };
        for run in runs.filter(|run| run.lost) {
            if let Some(failure) = embedded.post_mortem().await {
                let refusal = Refusal::from(HostRefusal::Lost { cause: LossCause::Died(failure) });
                self.hosts[run.host].lost = Some(refusal.clone());
                run.refusal = Some(refusal);
            }
        }
    }
}

/// Events of hosts that wait for the coordinator. If there is no room, the hosts' streams wait, but not their
/// measurement. An interval takes 216 KiB for each histogram in it.
const EVENTS: usize = 16;

impl Host {
    /// The handshake: reads the host's description and its clock.
    async fn meet(
        name: String,
        address: String,
        labels: BTreeMap<String, String>,
        mut link: Link,
        timing: Timing,
    ) -> Result<Self, Refusal> {
        let description = connect::describe(&name, &mut link, &timing).await?;
        let Link { mut client, .. } = link;
        let read = timeout(timing.answer, connect::read_clock(&mut client, clocks::SAMPLES)).await;
        let clock = match read {
            Ok(Ok(clock)) => clock,
            Ok(Err(status)) => return Err(HostRefusal::NoClock { why: connect::status_text(&status) }.into()),
            Err(_) => return Err(connect::silent(Question::Clock, timing.answer)),
        };
        let mut track = ClockTrack::default();
        track.add(clock::now_ns(), clock);
        let (tls_name, lost, spec, lease) = (None, None, None, None);
        Ok(Self { name, address, tls_name, labels, description, clock, lost, spec, track, client, lease })
    }
}
