//! Warnings about counts that are missing or disagree.

proto::notices! {
    /// Warnings about counts.
    pub enum CountWarning {
        /// An audit has no count of system calls by perf.
        "audit-without-perf" AuditWithoutPerf {}
        message: "perf could not count, so system calls are the engine's own count, unverified".into(),
        remedy: else =>
            "run the agent with CAP_PERFMON, or set kernel.perf_event_paranoid to -1; `coordinator agents` shows which \
             is missing",
        affects_verdicts: false,

        /// Records of how requests completed were lost.
        "paths-with-gaps" PathsWithGaps {
            /// The arm.
            arm: String,
            /// Lost records.
            lost: u64,
        }
        message: format!(
            "{arm}: {lost} records of how requests completed were lost; the shares are those of the others"
        ),
        remedy: else => "treat the shares with caution, or run again on a less busy machine",
        weight: *lost as f64,
        affects_verdicts: false,

        /// Perf and the engine counted system calls differently, by more than 1 %.
        "syscall-count-disagrees" SyscallCountDisagrees {
            /// The arm.
            arm: String,
            /// The audit.
            audit: String,
            /// System calls per I/O by perf.
            perf_per_io: f64,
            /// System calls per I/O by the engine.
            engine_per_io: f64,
        }
        message: format!(
            "{arm} in audit {audit}: perf counted {perf_per_io:.4} system calls per I/O, the engine {engine_per_io:.4}"
        ),
        remedy: else => "trust perf's count; the engine does not know of the other calls",

        /// The kernel and the engine counted the batches of a ring differently.
        "batch-count-disagrees" BatchCountDisagrees {
            /// The arm.
            arm: String,
            /// The audit.
            audit: String,
            /// Requests and batches by the kernel.
            kernel: [u64; 2],
            /// Requests and batches by the engine.
            engine: [u64; 2],
        }
        message: format!(
            "{arm} in audit {audit}: the kernel counted {} requests in {} batches, the engine {} in {}",
            kernel[0], kernel[1], engine[0], engine[1]
        ),
        remedy: else => "report it with the run directory: one of the two counts is wrong",
        affects_verdicts: false,

        /// A host and its intervals counted operations differently, by more than 1 %.
        "intervals-disagree" IntervalsDisagree {
            /// The arm.
            arm: String,
            /// Operations in the intervals.
            intervals: u64,
            /// Operations by the host.
            host: u64,
        }
        message: format!("{arm}: {intervals} operations arrived in intervals, the host counted {host}"),
        remedy: else => "report it with the run directory: an interval was lost or counted twice",
    }
}
