//! What this agent has done since it started, for `--metrics`. Counted outside the hot loop, by tasks of the runtime.

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialOutcome {
    /// It has a result.
    Finished,
    /// It was refused, or failed.
    Refused,
    /// The coordinator cancelled it before its window.
    Cancelled,
    /// Its lease ended.
    Abandoned,
}

/// Why a connection or a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many are open.
    Full,
    /// The client did not say in time who it is.
    Silent,
    /// The handshake failed: no certificate, a wrong one, or the other protocol.
    Handshake,
    /// Another user on the Unix socket.
    User,
    /// A request without the token.
    Token,
}

impl TrialOutcome {
    const ALL: [Self; 4] = [Self::Finished, Self::Refused, Self::Cancelled, Self::Abandoned];

    fn label(self) -> Label {
        let name = match self {
            Self::Finished => "finished",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        };
        [("outcome", name)]
    }
}

impl Refused {
    const ALL: [Self; 5] = [Self::Full, Self::Silent, Self::Handshake, Self::User, Self::Token];

    fn label(self) -> Label {
        let name = match self {
            Self::Full => "full",
            Self::Silent => "silent",
            Self::Handshake => "handshake",
            Self::User => "user",
            Self::Token => "token",
        };
        [("reason", name)]
    }
}

type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;

/// Counters for all labels. They exist from the start, so that the first event is an increase.
fn counters(labels: impl IntoIterator<Item = Label>) -> Counters {
    let family = Counters::default();
    labels.into_iter().for_each(|label| drop(family.get_or_create(&label)));
    family
}

/// The counts; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    leases: Counter,
    lease_open: Gauge,
    trials: Counters,
    refused: Counters,
    sent_bytes: Counter,
    start_delay: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            leases: Counter::default(),
            lease_open: Gauge::default(),
            trials: counters(TrialOutcome::ALL.map(TrialOutcome::label)),
            refused: counters(Refused::ALL.map(Refused::label)),
            sent_bytes: Counter::default(),
            // 10 µs to 2.6 s.
            start_delay: Histogram::new(exponential_buckets(1e-5, 4.0, 10)),
        }
    }
}

impl Metrics {
    /// A lease is taken.
    pub fn lease_taken(&self) {
        self.leases.inc();
        self.lease_open.set(1);
    }

    /// The lease has ended.
    pub fn lease_ended(&self) {
        self.lease_open.set(0);
    }

    /// A trial has ended.
    pub fn trial(&self, outcome: TrialOutcome) {
        self.trials.get_or_create(&outcome.label()).inc();
    }

    /// A connection or a request was refused.
    pub fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&reason.label()).inc();
    }

    /// Bytes were sent to a client.
    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(bytes as u64);
    }

    /// A trial began this much later than requested, in nanoseconds.
    pub fn started_late(&self, delay_ns: u64) {
        self.start_delay.observe(delay_ns as f64 / 1e9);
    }

    /// All of them.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("ringbench_agent");
        let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "The agent's version", info);
        all.register("leases", "Leases that were taken", self.leases.clone());
        all.register("lease_open", "Whether a lease is open", self.lease_open.clone());
        all.register("trials", "Trials that ended, by outcome", self.trials.clone());
        let help = "Connections that were refused, and requests without the token, by reason";
        all.register("connections_refused", help, self.refused.clone());
        let help = "Bytes sent to coordinators, before encryption";
        all.register_with_unit("sent", help, Unit::Bytes, self.sent_bytes.clone());
        let help = "How late measuring began after the requested start and the warm-up";
        all.register_with_unit("start_delay", help, Unit::Seconds, self.start_delay.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn are_named_by_the_conventions() {
        let metrics = Metrics::default();
        metrics.lease_taken();
        metrics.trial(TrialOutcome::Finished);
        metrics.refused(Refused::Handshake);
        metrics.sent(1000);
        metrics.started_late(20_000);
        let mut text = String::new();
        encode(&mut text, &metrics.registry()).unwrap();
        for line in [
            "# TYPE ringbench_agent_leases counter",
            "ringbench_agent_leases_total 1",
            "ringbench_agent_lease_open 1",
            "ringbench_agent_trials_total{outcome=\"finished\"} 1",
            "ringbench_agent_trials_total{outcome=\"abandoned\"} 0",
            "ringbench_agent_connections_refused_total{reason=\"handshake\"} 1",
            "# UNIT ringbench_agent_sent_bytes bytes",
            "ringbench_agent_sent_bytes_total 1000",
            "ringbench_agent_start_delay_seconds_sum 0.00002",
            "ringbench_agent_start_delay_seconds_bucket{le=\"0.00001\"} 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
