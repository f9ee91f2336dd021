//! The result of a whole trial on one host: groups of counters in memory, one flat object in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    counters,
    counts::{
        BatchCounts, CpuTime, HardwareCounts, Overhead, PathCounts, PerfCounts, SharingCosts, UrgentCounts,
        Verified,
    },
    noise::Noise,
    outcome::Warning,
    payload::Payload,
    trial::FieldError,
};

/// Errors of NVMe commands are kept among the errnos, which are smaller: this number, plus the status type (3 bits) and
/// the status code (8 bits).
pub const NVME_STATUS: i32 = 2048;

/// A group without rules for adding.
macro_rules! plain {
    ($($item:tt)*) => { $($item)* };
}

/// Declares a struct with groups of fields, the groups, and the flat struct that is its JSON form. Serde's own `flatten`
/// would lose the path of an error and does not read maps with integer keys.
macro_rules! flat {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $(
                $(#[$group_about:meta])*
                $group:ident: $kind:ident $Group:ident {
                    $( $(#[doc = $doc:literal])+ $(#[serde($($form:tt)*)])? $field:ident: $type:ty $(=> $rule:ident)?, )+
                }
            )+
            ..
            $( $(#[doc = $own_doc:literal])+ $(#[serde($($own_form:tt)*)])? $own:ident: $own_type:ty, )+
        }
    ) => {
        $(
            $kind! {
                $(#[$group_about])*
                #[derive(Clone, Debug, Default, PartialEq)]
                pub struct $Group {
                    $( $(#[doc = $doc])+ pub $field: $type $(=> $rule)?, )+
                }
            }
        )+

        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(from = "Flat", into = "Flat")]
        pub struct $name {
            $( $(#[$group_about])* pub $group: $Group, )+
            $( $(#[doc = $own_doc])+ pub $own: $own_type, )+
        }

        #[derive(Serialize, Deserialize)]
        struct Flat {
            $( $( $(#[serde($($form)*)])? $field: $type, )+ )+
            $( $(#[serde($($own_form)*)])? $own: $own_type, )+
        }

        impl From<Flat> for $name {
            fn from(flat: Flat) -> Self {
                Self {
                    $( $group: $Group { $( $field: flat.$field, )+ }, )+
                    $( $own: flat.$own, )+
                }
            }
        }

        impl From<$name> for Flat {
            fn from(nested: $name) -> Self {
                Self {
                    $( $( $field: nested.$group.$field, )+ )+
                    $( $own: nested.$own, )+
                }
            }
        }
    };
}

flat! {
    /// The result of a whole trial on one host. In JSON all fields of its groups stand side by side.
    pub struct Finished {
        /// The measured window, on the agent's monotonic clock.
        window: plain Window {
            /// Its start in nanoseconds: the mean over workers.
            begin_ns: u64,
            /// Its end in nanoseconds: the mean over workers.
            end_ns: u64,
            /// Whether it was cut short.
            cut_short: bool,
        }
        /// Operations within the window.
        work: counters WorkCounts {
            /// Reads that completed in full.
            read_ops: u64,
            /// Writes that completed in full.
            write_ops: u64,
            /// Syncs that succeeded. They do not count as operations.
            #[serde(default)]
            sync_ops: u64,
            /// Bytes that the reads and writes transferred.
            bytes: u64,
            /// Failed requests by errno; from [`NVME_STATUS`] on, by NVMe status.
            errors: BTreeMap<i32, u64>,
            /// Requests that transferred less than requested.
            short_transfers: u64,
        }
        /// System calls and submissions within the window, counted by the engine.
        calls: counters CallCounts {
            /// System calls by name.
            syscalls_self: BTreeMap<String, u64>,
            /// Requests submitted by io_uring_enter.
            submitted: u64,
            /// Calls of io_uring_enter.
            enters: u64,
            /// The same calls by the number of requests submitted: none, 1, 2 to 3, 4 to 7 and so on, doubling. Empty
            /// without a ring, or if a kernel thread submits.
            #[serde(default)]
            enters_by_batch: Vec<u64>,
            /// The cost of sharing the ring; absent if each worker has its own.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            sharing: Option<SharingCosts> => either,
        }
        /// Other counts of the engine within the window. The agent adds them up over the workers and interprets none.
        engine: counters EngineCounts {
            /// Completions that the kernel dropped for lack of space, by its own count. Completions that it held back
            /// for a while are not included.
            #[serde(default)]
            cq_overflows: u64,
        }
        /// Counted in audits only; absent in timed trials, and if not every worker could be counted.
        audit: counters AuditCounts {
            /// System calls counted by perf, if perf is permitted.
            perf: Option<PerfCounts>,
            /// How the requests of a ring completed.
            #[serde(default)]
            paths: Option<PathCounts>,
            /// Cycles, instructions and cache misses, counted by the processor.
            #[serde(default)]
            hardware: Option<HardwareCounts>,
            /// Batches of a ring as the kernel counts them.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            batches: Option<BatchCounts>,
        }
        /// The device or file behind the target.
        device: counters DeviceCounts {
            /// Interrupts of the device from any cause; in a timed trial, if the device has separate interrupts.
            #[serde(default)]
            interrupts: Option<u64>,
            /// For a target that is kept cold: the highest share found in the page cache, from 0 to 1.
            #[serde(default)]
            cached_share: Option<f64> => max,
        }
        ..
        /// CPU time and context switches.
        cpu: CpuTime,
        /// Urgent operations, which are also among those above; absent if the trial had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        urgent: Option<UrgentCounts>,
        /// The result of verification; absent if the trial was not verified.
        #[serde(default)]
        verified: Option<Verified>,
        /// The cost and the errors of measuring.
        overhead: Overhead,
        /// Warnings about the results.
        warnings: Vec<Warning>,
        /// Other activity on the host; in a timed trial whose window was long enough for two readings.
        #[serde(default)]
        noise: Option<Noise>,
        /// When the threads passed the start line; absent in results of earlier releases, and if none passed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<Release>,
    }
}

/// When the start line of a host opened, in nanoseconds of its monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// When the request to start arrived.
    pub armed_ns: u64,
    /// When the first thread of the trial passed.
    pub first_ns: u64,
    /// When the last one passed.
    pub last_ns: u64,
}

impl Finished {
    /// Operations that completed in full within the window.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.work.ops()
    }
}

impl WorkCounts {
    /// Reads and writes that completed in full.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.read_ops.saturating_add(self.write_ops)
    }
}

impl CallCounts {
    /// System calls of all names.
    #[must_use]
    pub fn syscalls(&self) -> u64 {
        self.syscalls_self.values().copied().fold(0, u64::saturating_add)
    }
}

impl Payload for Finished {
    fn check(&self) -> Result<(), FieldError> {
        if self.window.end_ns < self.window.begin_ns {
            return Err(FieldError::malformed("end_ns", "lies before begin_ns"));
        }
        if self.device.cached_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(FieldError::malformed("cached_share", "must lie from 0 to 1"));
        }
        // In memory a float may be NaN or infinite; JSON, and so a run directory, cannot hold that.
        if !self.overhead.clock_drift_ppm.is_finite() {
            return Err(FieldError::malformed("overhead.clock_drift_ppm", "must be a number"));
        }
        self.noise.as_ref().map_or(Ok(()), Noise::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As written by releases before the groups, and by the first release.
    #[test]
    fn json_is_flat_and_older_results_are_read() {
        let finished = Finished {
            window: Window { begin_ns: 1, end_ns: 2, cut_short: true },
            work: WorkCounts { read_ops: 3, errors: [(5, 1)].into(), ..WorkCounts::default() },
            calls: CallCounts { enters_by_batch: vec![1, 0, 7], ..CallCounts::default() },
            ..Finished::default()
        };
        let json = serde_json::to_value(&finished).unwrap();
        let expected = serde_json::json!({
            "begin_ns": 1, "end_ns": 2, "cut_short": true,
            "read_ops": 3, "write_ops": 0, "sync_ops": 0, "bytes": 0, "errors": {"5": 1}, "short_transfers": 0,
            "syscalls_self": {}, "submitted": 0, "enters": 0, "enters_by_batch": [1, 0, 7], "cq_overflows": 0,
            "perf": null, "paths": null, "hardware": null, "interrupts": null, "cached_share": null,
            "cpu": {
                "user_ns": 0, "system_ns": 0, "kernel_threads_ns": null, "voluntary_switches": 0,
                "involuntary_switches": 0,
            },
            "verified": null,
            "overhead": {"late_swaps": 0, "saturated": 0, "clock_drift_ppm": 0.0},
            "warnings": [], "noise": null,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Finished>(json).unwrap(), finished);

        let first = r#"{"begin_ns":1,"end_ns":2,"read_ops":3,"write_ops":0,"bytes":0,"errors":{"5":1},
            "short_transfers":0,"syscalls_self":{},"perf":null,"cpu":{"user_ns":0,"system_ns":0,
            "kernel_threads_ns":null,"voluntary_switches":0,"involuntary_switches":0},"submitted":0,"enters":0,
            "cut_short":true,"overhead":{"late_swaps":0,"saturated":0,"clock_drift_ppm":0.0},"warnings":[]}"#;
        let calls = CallCounts { enters_by_batch: vec![], ..finished.calls.clone() };
        assert_eq!(serde_json::from_str::<Finished>(first).unwrap(), Finished { calls, ..finished });
    }
}
