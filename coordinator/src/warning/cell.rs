//! Warnings about cells.

use proto::units::Nanos;

use crate::params::{self, Params};

proto::notices! {
    /// Warnings about cells.
    pub enum CellWarning {
        /// An arm has a handicap (`busy_wait`).
        "busy-wait" BusyWait {
            /// The arm.
            arm: String,
            /// Time before each I/O.
            wait: Nanos,
        }
        message: format!("{arm} waits busily for {wait} before each I/O: it is slowed on purpose"),
        remedy: else => "remove `busy_wait` to see what the engine can do",

        /// Data are verified.
        "verify-costs" VerifyCosts {}
        message: "with `verify`, workers make and check checksums in the loop, each in its own share of the target"
            .into(),
        remedy: else => "compare figures only with those of other verified runs",
        affects_verdicts: false,

        /// A cell runs in open loop (`rate`).
        "open-loop-cpu" OpenLoopCpu {}
        message: "in open loop, workers read the clock between requests: their user CPU time is not that of the I/O"
            .into(),
        remedy: else => "compare CPU costs in closed loop",

        /// A cell achieves less than 98 % of its offered rate, and less than chance explains.
        "rate-not-reached" RateNotReached {
            /// The arm.
            arm: String,
            /// The point.
            params: Params,
            /// Offered operations per second.
            offered_per_s: f64,
            /// Completed operations per second.
            iops: f64,
        }
        let cell = params::cell(arm, params);
        message: format!(
            "{cell} was offered {offered_per_s:.0} operations per second and completed {iops:.0}: beyond saturation, \
             latency grows with the length of the trial, and requests still waiting at its end are in no percentile"
        ),
        remedy: else => "lower `rate`, or raise the depth",

        /// The window of a cell is too short for the requests that it keeps in flight.
        "latency-cut-off" LatencyCutOff {
            /// The arm.
            arm: String,
            /// The point.
            params: Params,
            /// Requests that the cell keeps in flight.
            in_flight: u64,
            /// Requests in flight by the measured latencies (IOPS times mean latency).
            seen: f64,
            /// The runtime that latencies need.
            needed: Nanos,
        }
        let cell = params::cell(arm, params);
        message: format!(
            "{cell}: its latencies are lower bounds without a verdict, because the window ends before most requests \
             have waited their turn ({in_flight} are in flight, the latencies account for {seen:.1}); `runtime: {needed}` \
             would do"
        ),
        remedy: else => "set a longer `runtime`, or lower the depth",
        weight: needed.0 as f64,

        /// Polling was granted, but the disk sends about as many interrupts as there are I/Os.
        "polling-unproven" PollingUnproven {
            /// The arm.
            arm: String,
            /// The option that starts polling.
            option: String,
            /// Interrupts per I/O.
            interrupts: f64,
        }
        message: format!(
            "{arm} was granted {option}, but its disk sent {interrupts:.2} interrupts per I/O: it may not be polled"
        ),
        remedy: else => "run nothing else on the disk; check its poll queues (`modinfo -p nvme`, dmesg)",
        weight: *interrupts,

        /// A cell has too few urgent operations for a verdict on their 99th percentile.
        "too-few-urgent" TooFewUrgent {
            /// The arm.
            arm: String,
            /// The point.
            params: Params,
            /// Urgent operations per trial, on average; null if none completed.
            per_trial: Option<f64>,
            /// Urgent operations per trial that are needed.
            needed: u64,
        }
        let cell = params::cell(arm, params);
        message: match per_trial {
            None => format!("{cell}: no urgent operation completed, so their figures are missing"),
            Some(mean) => format!(
                "{cell}: {} urgent operations per trial are too few for a 99th percentile, so theirs has no verdict",
                (10.0 * mean).round() / 10.0
            ),
        },
        remedy: else =>
            "choose a longer `runtime` or a larger `share` of urgent operations: at least {needed} per trial",
    }
}
