//! The I/O pattern of a trial. The names here are the names in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    checks::{Errors, count},
    rule::{Limits, Quantity, Rule},
    trial::{MAX_INTERVAL, MAX_RATE, MAX_WORKERS},
    units::{ByteSize, Nanos},
};

mod cpus;
mod rate;
mod sizes;
mod sync;

pub use self::{
    sizes::{BlockSizes, MAX_SIZES, SizesProblem},
    sync::{MAX_SYNC_EVERY, Sync, SyncCall},
};

/// The I/O pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// The distribution of offsets over the target.
    pub pattern: Pattern,
    /// With `pattern: zipf`: the skew, above 0 and at most 10. The block of rank k is chosen in proportion to
    /// 1 / k^theta.
    pub zipf_theta: f64,
    /// Percentage of operations that are reads; the rest are writes.
    #[schemars(range(max = 100))]
    pub read_percent: u32,
    /// Size of one operation: whole sectors of 512 B, or any size with `direct: false`; or up to 16 sizes with their
    /// percentages, such as `{4KiB: 70, 64KiB: 30}`.
    pub block_size: BlockSizes,
    /// Worker threads on each host. With `concurrency: threads`, the depth multiplies them.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: u32,
    /// CPUs for the workers: chosen by the agent, or a list such as `[2, 3]`.
    pub cpus: Cpus,
    /// Time before measuring begins.
    pub warmup: Nanos,
    /// Measured time.
    pub runtime: Nanos,
    /// Maximum length of the streamed intervals; they are at most a quarter of the runtime.
    pub interval: Nanos,
    /// Open loop: requests arrive by the clock, and latency counts from their intended start. Absent: closed loop, in
    /// which each completion makes room for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Make writes durable by a sync after every so many writes of a worker. Syncs are not operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// Percentage of the written data that compression removes: zeros at the end of each sector of random bytes.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(max = 100), extend("default" = 0))]
    pub compressible: u32,
    /// Check every read against the written data, and the whole target at the end. Costs CPU time in the loop.
    #[serde(skip_serializing_if = "is_off")]
    // schemars omits a default that is not serialised.
    #[schemars(extend("default" = false))]
    pub verify: bool,
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

// serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_off(value: &bool) -> bool {
    !*value
}

/// The arrival of requests in open loop. Written as `{per_second: 10000, arrival: poisson}`, or as the number
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests per second on each host, over all its workers.
    pub per_second: u64,
    /// The distribution of the distances between requests.
    pub arrival: Arrival,
}

/// The distribution of the distances between requests in open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Equal distances.
    #[default]
    Fixed,
    /// Exponential distances: requests arrive at random, independently of each other.
    Poisson,
}

impl Workload {
    /// Length of the streamed slices: the requested interval, or a quarter of the runtime if that is shorter. A short
    /// trial therefore shows its course too, and hosts whose starts differ slightly have slices within their common
    /// window.
    #[must_use]
    pub fn slice(&self) -> Nanos {
        self.interval.min(Nanos((self.runtime.0 / 4).max(MIN_SLICE.0)))
    }

    /// Checks the range of each key.
    pub(crate) fn check(&self, errors: &mut Errors) {
        errors.range("workload.read_percent", Quantity::Percent, self.read_percent, (0, 100));
        errors.range("workload.compressible", Quantity::Percent, self.compressible, (0, 100));
        errors.check(self.compressible == 0 || !self.verify, "workload.compressible", || {
            Rule::excludes("verify: true", "verification writes contents of its own")
        });
        let theta = self.zipf_theta > 0.0 && self.zipf_theta <= 10.0;
        errors.check(theta, "workload.zipf_theta", || Rule::OutOfRange {
            value: Quantity::Number(self.zipf_theta),
            limits: Limits::Above(Quantity::Number(0.0), Quantity::Number(10.0)),
        });
        errors.check(self.threads >= 1, "workload.threads", || Rule::OutOfRange {
            value: count(self.threads),
            limits: Limits::AtLeast(count(1)),
        });
        if let Cpus::List(list) = &self.cpus {
            errors.check(!list.is_empty(), "workload.cpus", || Rule::NoCpus);
            let entries = list.len();
            errors.check(entries <= MAX_WORKERS as usize, "workload.cpus", || Rule::TooManyCpus { entries });
        }
        errors.range("workload.warmup", Quantity::Time, self.warmup, (Nanos(0), MAX_WARMUP));
        errors.range("workload.runtime", Quantity::Time, self.runtime, (MIN_SLICE, MAX_RUNTIME));
        errors.range("workload.interval", Quantity::Time, self.interval, (MIN_SLICE, MAX_INTERVAL));
        if let Some(rate) = self.rate {
            errors.range("workload.rate", Quantity::PerSecond, rate.per_second, (1, MAX_RATE));
        }
    }

    /// Whether the target is written to, either by operations or to fill it with verifiable data.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.read_percent < 100 || self.verify
    }
}

/// The shortest slice.
pub(crate) const MIN_SLICE: Nanos = Nanos(10_000_000);
/// The longest measured time: a day.
const MAX_RUNTIME: Nanos = Nanos(86_400_000_000_000);
/// The longest time before measuring: an hour.
const MAX_WARMUP: Nanos = Nanos(3_600_000_000_000);

impl Default for Workload {
    fn default() -> Self {
        Self {
            pattern: Pattern::Random,
            zipf_theta: 1.1,
            read_percent: 100,
            block_size: ByteSize(4096).into(),
            threads: 1,
            cpus: Cpus::Auto,
            warmup: Nanos(300_000_000),
            runtime: Nanos(1_000_000_000),
            interval: Nanos(1_000_000_000),
            rate: None,
            sync: None,
            compressible: 0,
            verify: false,
        }
    }
}

/// The distribution of offsets over the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Uniform over whole blocks, seeded.
    Random,
    /// Block after block: each worker walks through its own part of the target, repeatedly.
    Sequential,
    /// Some blocks far more often than others (Zipf's law with `zipf_theta`); the popular ones are scattered over the
    /// target.
    Zipf,
}

/// The CPUs that workers are pinned to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cpus {
    /// The agent chooses: distinct physical cores first, away from the CPU of its own runtime.
    #[default]
    Auto,
    /// Worker i runs on entry i, modulo the length of the list.
    List(Vec<u32>),
}
