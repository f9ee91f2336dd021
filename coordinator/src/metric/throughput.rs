//! How much was done.

use super::{Column, CsvValue::*, Family, Metric, Unit, metrics};

metrics! {
    /// Completed operations per second.
    IOPS = Metric::estimate(
        "iops",
        Unit::PerSecond,
        |cell| cell.throughput.iops.as_ref(),
        |trial| trial.work.map(|work| work.iops),
    )
    .titled("IOPS")
    .heading("I/O per second")
    .help("Completed reads and writes; hosts are added up.")
    .higher_is_better()
    .column(Column::Always)
    .csv(&[("iops_mean", Value), ("iops_ci95_low", Low), ("iops_ci95_high", High), ("iops_samples", Samples)])
    .trials_csv("iops")
    .openmetrics(&Family {
        name: "ringbench_operations_per_second",
        unit: "",
        help: "Completed operations a second, mean over the trials.",
    });

    /// Transferred bytes per second.
    BANDWIDTH = Metric::estimate(
        "bandwidth",
        Unit::BytesPerSecond,
        |cell| cell.throughput.bandwidth_bytes_per_s.as_ref(),
        |trial| trial.work.map(|work| work.bytes_per_s),
    )
    .heading("Bandwidth")
    .help("Transferred bytes; hosts are added up.")
    .higher_is_better()
    .column(Column::Wide)
    .csv(&[("bandwidth_bytes_per_s_mean", Value)])
    .trials_csv("bandwidth_bytes_per_s")
    .openmetrics(&Family {
        name: "ringbench_transferred_bytes_per_second",
        unit: "",
        help: "Bytes a second, mean over the trials.",
    });
}
