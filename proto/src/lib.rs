//! The only code that both of Ringbench's binaries share: the wire, the domain types it carries, and what
//! both ends must agree on (units, histogram bounds, limits).
//!
//! * [`wire`]: what prost and tonic generate from `ringbench/v1/agent.proto`.
//! * [`trial`]: a fully resolved trial, with the limits both ends check.
//! * [`target`], [`workload`], [`engine`]: what its I/O goes to, what it looks like, how it is done.
//! * [`outcome`]: what an agent reports of a host, a preparation, an interval, a trial.
//! * [`urgent`]: requests that are more urgent than the rest.
//! * [`noise`]: what else went on in a host meanwhile.
//! * [`convert`]: wire to domain and back; a refusal names the field.
//! * [`histogram`]: the latency histogram's bounds and codec.
//! * [`units`]: sizes and durations as people write them.

mod checks;
pub mod convert;
pub mod engine;
pub mod histogram;
pub mod noise;
pub mod outcome;
pub mod target;
#[cfg(test)]
mod testing;
pub mod trial;
pub mod units;
pub mod urgent;
pub mod workload;

/// Code generated from `ringbench/v1/agent.proto`.
#[allow(missing_docs, unused_qualifications, clippy::large_enum_variant)]
pub mod wire {
    tonic::include_proto!("ringbench.v1");
}

/// The version of the protocol, raised whenever an older peer would misunderstand a newer one.
///
/// * 1: first version.
/// * 2: sizes by distribution, syncs, verification.
/// * 3: busy waits.
/// * 4: urgent requests.
pub const PROTOCOL_VERSION: u32 = 4;

/// The longest gRPC message that either end accepts, in bytes. An interval with its histograms, the largest
/// message there is, stays below 1 MiB ([`histogram`]).
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// How often both ends of an idle connection ask each other for a sign of life.
pub const KEEPALIVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

/// How long a sign of life may take. It is answered by the agent's runtime, which has a CPU of its own, so
/// that a host whose workers are busy is not taken for dead.
pub const KEEPALIVE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);
