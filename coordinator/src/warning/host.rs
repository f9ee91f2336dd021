//! Warnings about hosts.

proto::notices! {
    /// Warnings about hosts.
    pub enum HostWarning {
        /// An arm ran with an option that was requested and not granted.
        "not-granted" NotGranted {
            /// The arm.
            arm: String,
            /// The option.
            option: String,
            /// The value granted.
            granted: String,
        }
        message: format!("{arm}: {option} was requested, {granted} was granted"),
        remedy: else =>
            "`coordinator agents` shows what this host lacks; the figures of this arm are those of the granted value",

        /// The target is a file in memory (tmpfs).
        "target-in-memory" TargetInMemory {}
        message: "the target is in memory (tmpfs): the figures are those of the kernel, not of a disk".into(),
        remedy: else => "give the agent a data directory on the disk to be measured",

        /// A host's CPU is emulated.
        "emulated" Emulated {
            /// The emulator.
            emulator: String,
        }
        message: format!(
            "its CPU is emulated by {emulator}: times, rates and CPU costs are the emulator's; counts (system calls, \
             interrupts) are real; the order of two arms that are emulated alike is a hint"
        ),
        remedy: else =>
            "take counts from this host, and times from a physical machine or from a guest under KVM",

        /// The clock of the hot loop and that of the system drifted apart by more than 0.1 %.
        "clock-drift" ClockDrift {}
        message: "the hot loop's clock and the system's drifted apart by more than 0.1 %, and latencies with them"
            .into(),
        remedy: else => "check for a clock source other than tsc, or for a virtual machine that was migrated",

        /// A host did not collect histograms in time.
        "late-swaps" LateSwaps {}
        message: "some intervals are longer than requested, because the host did not collect histograms in time".into(),
        remedy: else => "leave the agent a CPU, or choose a longer interval",
        affects_verdicts: false,

        /// Latencies exceed the largest that a histogram can hold.
        "saturated-latencies" SaturatedLatencies {
            /// The arm.
            arm: String,
        }
        message: format!("{arm}: latencies above 60 s were recorded as 60 s"),
        remedy: else => "check the device: kernel log, queue depth, throttling",

        /// The CPU time of the kernel's threads for io_uring could not be read.
        "kernel-threads-unmeasured" KernelThreadsUnmeasured {}
        message: "the CPU time of the kernel's threads for io_uring could not be read: CPU per I/O lacks it".into(),
        remedy: else => "run the agent in the host's PID namespace",
    }
}
