//! What the operations of a cell cost.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::HardwarePerIo;

/// System calls, CPU time, context switches and interrupts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// System calls per operation, by the engine's own count in the timed trials. Those of syncs are included.
    pub syscalls_per_io: Option<f64>,
    /// System calls by name.
    pub syscalls: Syscalls,
    /// CPU time per operation in the timed trials. That of syncs is included.
    #[serde(rename = "cpu_ns_per_io")]
    pub cpu: Option<CpuPerIo>,
    /// Context switches of the workers per operation, voluntary and involuntary.
    pub context_switches_per_io: Option<f64>,
    /// Interrupts of the device per operation in the timed trials, whatever caused them; null where the device has
    /// none, or where they cannot be counted: `target.interrupts` says which.
    #[serde(default)]
    pub interrupts_per_io: Option<f64>,
    /// What the processor counted on the workers, in the audit; null where it does not count.
    #[serde(default)]
    pub hardware: Option<HardwarePerIo>,
}

/// System calls of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Syscalls {
    /// Who counted `total` and `by_name`.
    pub counted_by: CountedBy,
    /// All of them: in the audit where perf counted, otherwise in the timed trials.
    pub total: Option<u64>,
    /// The same by name.
    pub by_name: BTreeMap<String, u64>,
    /// Per operation, by the engine's own count in the timed trials.
    pub self_per_io: Option<f64>,
    /// Per operation, by perf in the audit; null where perf could not count.
    pub audit_per_io: Option<f64>,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The kernel's tracepoint, in an audit trial of its own.
    Perf,
    /// The engine itself, in the timed trials.
    #[default]
    #[serde(rename = "self")]
    Engine,
}

impl CountedBy {
    /// The word in files.
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
    /// Of the workers in user mode.
    pub user: f64,
    /// Of the workers in the kernel.
    pub system: f64,
    /// Of the kernel's own threads that work for them; null where it could not be read.
    pub kernel_threads: Option<f64>,
}

impl CpuPerIo {
    /// All of it, as far as it was measured.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.user + self.system + self.kernel_threads.unwrap_or(0.0)
    }
}
