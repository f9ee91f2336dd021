//! The code that both of Ringbench's binaries share: the protocol, the domain types that it carries, and what both
//! ends must agree on (units, histogram bounds, limits).
//!
//! * [`wire`]: the code that prost and tonic generate from `ringbench/v1/agent.proto`.
//! * [`trial`]: a fully resolved trial, with the limits that both ends check.
//! * [`target`], [`workload`], [`engine`]: its target, I/O pattern and engine.
//! * [`local`]: where an agent and the coordinators of the same user meet.
//! * [`limits`], [`rule`]: what both ends check of it.
//! * [`outcome`]: what an agent reports about a host, a preparation, an interval, a trial.
//! * [`facts`]: facts about a target.
//! * [`mod@counters`]: addition and subtraction of counters.
//! * [`series`]: the kinds and lanes of operations, and their latencies.
//! * [`urgent`]: operations that take precedence over the others.
//! * [`noise`]: other activity on the host during a trial.
//! * [`payload`]: domain types as JSON bodies of messages.
//! * [`convert`]: messages to domain types and back.
//! * [`identity`]: certificates with roles, and TLS.
//! * [`scrape`]: metrics over HTTP.
//! * [`histogram`]: bounds and codec of the latency histogram.
//! * [`units`]: sizes and durations in the notation of scenarios.

mod checks;
pub mod convert;
pub mod counters;
mod counts;
pub mod engine;
pub mod facts;
mod finished;
pub mod histogram;
pub mod identity;
pub mod knob;
pub mod limits;
pub mod local;
pub mod noise;
pub mod notice;
pub mod outcome;
pub mod payload;
pub mod plain;
pub mod refusal;
pub mod rule;
pub mod scrape;
pub mod series;
pub mod share;
pub mod target;
#[cfg(test)]
mod testing;
pub mod trial;
pub mod units;
pub mod urgent;
pub mod warning;
pub mod workload;

/// Code generated from `ringbench/v1/agent.proto`.
#[allow(missing_docs, unused_qualifications, clippy::large_enum_variant)]
pub mod wire {
    tonic::include_proto!("ringbench.v1");
}

/// The version of the protocol. Raise it whenever an older peer would misunderstand a newer one; both ends refuse any
/// version but their own.
///
/// * 1: first version.
/// * 2: sizes by distribution, syncs, verification.
/// * 3: busy waits.
/// * 4: urgent requests.
/// * 5: trials and results as JSON bodies.
/// * 6: the holder of the lease, and its release.
pub const PROTOCOL_VERSION: u32 = 6;

/// The longest gRPC message that either end accepts, in bytes. An interval with its histograms stays below 1 MiB
/// ([`histogram`]); a body is limited by [`payload::MAX_BODY_BYTES`].
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// The interval at which both ends of an idle connection ping each other.
pub const KEEPALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

/// The time limit for the answer to a ping. The agent's runtime answers on a separate CPU, so a host with busy workers
/// does not appear dead. A host that is stopped for 10 s survives; a dead one is noticed within 20 s of its last message.
pub const KEEPALIVE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(14);
