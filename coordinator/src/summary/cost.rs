//! Costs of a cell's operations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::HardwarePerIo;

/// System calls, CPU time, context switches and interrupts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// System calls per operation in the timed trials, counted by the engine; those of syncs are included.
    pub syscalls_per_io: Option<f64>,
    /// System calls by name.
    pub syscalls: Syscalls,
    /// CPU time per operation in the timed trials; that of syncs is included.
    #[serde(rename = "cpu_ns_per_io")]
    pub cpu: Option<CpuPerIo>,
    /// Context switches of the workers per operation, voluntary and involuntary.
    pub context_switches_per_io: Option<f64>,
    /// Interrupts of the device per operation in the timed trials, regardless of their cause; null if the device has
    /// none or they cannot be counted. `target.interrupts` gives the reason.
    #[serde(default)]
    pub interrupts_per_io: Option<f64>,
    /// The processor's counts on the workers, in the audit; null without hardware counters.
    #[serde(default)]
    pub hardware: Option<HardwarePerIo>,
}

/// System calls of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Syscalls {
    /// The source of `total` and `by_name`.
    pub counted_by: CountedBy,
    /// All system calls: in the audit if perf counted, otherwise in the timed trials.
    pub total: Option<u64>,
    /// The same by name.
    pub by_name: BTreeMap<String, u64>,
    /// Per operation in the timed trials, counted by the engine.
    pub self_per_io: Option<f64>,
    /// Per operation in the audit, counted by perf; null if perf could not count.
    pub audit_per_io: Option<f64>,
}

/// The source of a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The kernel's tracepoint, in an audit.
    Perf,
    /// The engine, in the timed trials.
    #[default]
    #[serde(rename = "self")]
    Engine,
}

impl CountedBy {
    /// The name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Engine => "self",
        }
    }
}

/// CPU time per operation, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuPerIo {
    /// The workers in user mode.
    pub user: f64,
    /// The workers in the kernel.
    pub system: f64,
    /// The kernel's threads that work for them; null if it could not be read.
    pub kernel_threads: Option<f64>,
}

impl CpuPerIo {
    /// The sum, as far as it was measured.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.user + self.system + self.kernel_threads.unwrap_or(0.0)
    }
}
