//! Warnings about options that the host did not grant.

crate::notices! {
    /// Warnings about options.
    #[derive(Eq)]
    pub enum GrantWarning {
        /// The host did not grant an option, and the scenario allows running without it (`fallback: allow`).
        "knob-not-granted" KnobNotGranted {
            /// The option.
            knob: String,
            /// The value requested.
            requested: String,
            /// The value granted.
            granted: String,
        }
        message: match knob.as_str() {
            "urgent" => format!(
                "urgent `by: {requested}` was requested and not granted; the trial ran with `by: {granted}`"
            ),
            "urgent_ioprio" => {
                format!("I/O priority {requested} was requested for urgent requests; {granted} was granted")
            }
            _ => format!("{knob} was requested and not granted; the trial ran without it"),
        },
        remedy:
            if knob == "urgent" =>
                concat!(
                    crate::patched_kernel!(),
                    "; compare `granted` with `requested` before drawing conclusions, or set `fallback: refuse`"
                ),
            if knob == "urgent_ioprio" => "run the agent as root, or with CAP_SYS_NICE",
            else => "compare `granted` with `requested` before drawing conclusions, or set `fallback: refuse`",

        /// Urgent requests have an I/O priority that the disk's scheduler ignores.
        "ioprio-unheeded" IoprioUnheeded {
            /// The scheduler.
            scheduler: String,
        }
        message: format!("the disk's scheduler ({scheduler}) ignores the I/O priority of urgent requests"),
        remedy: else => "as root: echo mq-deadline > /sys/block/DISK/queue/scheduler",
    }
}
