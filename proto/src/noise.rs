//! Other activity on a host during a trial that could have changed its results.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::trial::FieldError;

/// Differences between two readings, at the edges of the measured window. `None` means *not available on this host*,
/// never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Time between the first and the last reading, in nanoseconds: the window, or a little less.
    pub span_ns: u64,
    /// The trial's own CPUs: those of workers, of a combiner and of rings' polling threads, in ascending order.
    pub cpus: Vec<u32>,
    /// Time that the hypervisor gave to others while these CPUs had work (steal), in nanoseconds, in steps of 10 ms. 0 on
    /// physical machines, and if the hypervisor does not report it.
    pub steal_ns: u64,
    /// The same for all CPUs of the machine.
    pub steal_all_ns: u64,
    /// The number of these CPUs.
    pub cpus_all: u32,
    /// CPU time that other processes used on the trial's CPUs.
    pub foreign: Option<Foreign>,
    /// The share of the window in which a thread of the trial was runnable while its CPU ran something else: the mean over
    /// its threads, from 0 to 1. Only where each thread has a CPU of its own; otherwise they wait for each other.
    pub waited_share: Option<f64>,
    /// Time for which any task of the machine, including the trial's, waited for a CPU (PSI, `some`), in nanoseconds.
    pub pressure_ns: Option<u64>,
    /// Frequencies of the trial's CPUs at both readings; empty if the kernel does not report them.
    pub frequencies: Vec<Frequency>,
    /// Number of times that the hardware throttled one of the trial's CPUs because of heat.
    pub throttled: Option<u64>,
    /// The CPU quota of the agent's control group, or of an ancestor, and its effect; absent without a quota.
    pub quota: Option<Quota>,
    /// The kernel's clock source at the first reading.
    pub clocksource: Option<String>,
    /// The kernel's clock source at the last reading.
    pub clocksource_after: Option<String>,
}

impl Noise {
    /// Refuses impossible values, and zeros in denominators.
    ///
    /// # Errors
    /// The first such field, by its path in [`Finished`](crate::outcome::Finished).
    pub fn check(&self) -> Result<(), FieldError> {
        if self.span_ns == 0 {
            return Err(FieldError::malformed("noise.span_ns", "must be more than 0"));
        }
        if self.cpus.is_empty() {
            return Err(FieldError::malformed("noise.cpus", "must name a CPU"));
        }
        if self.waited_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FieldError::malformed("noise.waited_share", "must lie from 0 to 1"));
        }
        if self.quota.is_some_and(|quota| quota.limit.period_us == 0) {
            return Err(FieldError::malformed("noise.quota.limit.period_us", "must be more than 0"));
        }
        Ok(())
    }
}

/// A CPU quota, and how often it stopped the group between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The tightest quota.
    pub limit: CpuQuota,
    /// Periods in which a quota ran out.
    pub throttled_periods: u64,
    /// Time for which CPUs were taken from the group, in nanoseconds, summed over CPUs.
    pub throttled_ns: u64,
}

/// The CPU time that a control group may use in each period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// CPU time in microseconds.
    pub quota_us: u64,
    /// The period in microseconds.
    pub period_us: u64,
}

impl CpuQuota {
    /// The quota as a number of CPUs.
    #[must_use]
    pub fn cpus(self) -> f64 {
        self.quota_us as f64 / self.period_us.max(1) as f64
    }
}

/// `0.40 CPUs (40 ms in each 100 ms)`
impl fmt::Display for CpuQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u64| us as f64 / 1000.0;
        write!(f, "{:.2} CPUs ({} ms in each {} ms)", self.cpus(), ms(self.quota_us), ms(self.period_us))
    }
}

/// CPU time that other processes used on the trial's CPUs: the time that these CPUs were busy, less that of the agent's
/// process on them. The kernel counts both by ticks, so shares of the same ticks are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// In user mode and in the kernel, in nanoseconds; 0 if less than `resolution_ns`.
    pub total_ns: u64,
    /// The part in user mode, in nanoseconds. Unlike the rest, it cannot be kernel threads that work for the trial.
    pub user_ns: u64,
    /// The smallest time that can be detected, in nanoseconds.
    pub resolution_ns: u64,
}

/// The frequency of a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequency {
    /// The CPU.
    pub cpu: u32,
    /// At the first reading, in kHz.
    pub begin_khz: u64,
    /// At the last reading, in kHz.
    pub end_khz: u64,
}
