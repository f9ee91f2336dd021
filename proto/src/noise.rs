//! What else went on in a host while a trial was measured, and could have changed what came out.

use serde::{Deserialize, Serialize};

use crate::trial::FieldError;

/// Readings at the edges of the measured window, and what lies between them. `None` is *not available here*, and
/// never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Between the first reading and the last, in nanoseconds: the window, or a little less.
    pub span_ns: u64,
    /// The trial's own CPUs: of its workers, of a combiner and of rings' polling threads. Rising.
    pub cpus: Vec<u32>,
    /// Time that the hypervisor gave to others while these CPUs had work, in nanoseconds, in steps of 10 ms. 0 on
    /// machines that are none, or whose hypervisor does not tell.
    pub steal_ns: u64,
    /// The same of all CPUs of the machine.
    pub steal_all_ns: u64,
    /// How many these are.
    pub cpus_all: u32,
    /// What others ran on the trial's CPUs.
    pub foreign: Option<Foreign>,
    /// The share of the window in which a thread of the trial was ready and its CPU had somebody else: the mean over
    /// them, from 0 to 1. Only where each has a CPU of its own; else they wait for each other.
    pub waited_share: Option<f64>,
    /// How long any task of the machine waited for a CPU (PSI, `some`), the trial's own among them, in nanoseconds.
    pub pressure_ns: Option<u64>,
    /// How fast the trial's CPUs ran at both readings; empty where the kernel does not tell.
    pub frequencies: Vec<Frequency>,
    /// How often the hardware throttled one of the trial's CPUs for heat.
    pub throttled: Option<u64>,
    /// The kernel's clock at the first reading.
    pub clocksource: Option<String>,
    /// And at the last.
    pub clocksource_after: Option<String>,
}

impl Noise {
    /// Refuses values that cannot occur, and zeros that are divided by.
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
        Ok(())
    }
}

/// What others ran on the trial's CPUs: what these did, less what the agent's process did on them. Both are counted
/// by the kernel's tick, so shares of the same ticks are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// In user mode and in the kernel, in nanoseconds. 0: less than `resolution_ns`.
    pub total_ns: u64,
    /// Of it, in user mode: this is no thread of the kernel's, which might work for the trial.
    pub user_ns: u64,
    /// The least that could be seen.
    pub resolution_ns: u64,
}

/// How fast a CPU ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequency {
    /// The CPU.
    pub cpu: u32,
    /// At the first reading, in kHz.
    pub begin_khz: u64,
    /// At the last.
    pub end_khz: u64,
}
