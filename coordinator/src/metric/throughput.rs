//! Rates of operations and bytes.

use super::{Column, CsvValue::*, Metric, Unit, metrics};

metrics! {
    /// Completed operations per second.
    IOPS = Metric::rate(
        "iops",
        Unit::PerSecond,
        |cell| cell.throughput.iops.as_ref(),
        |trial| trial.work.map(|work| work.iops),
    )
    .titled("IOPS")
    .heading("I/O per second")
    .help("Completed reads and writes; hosts are added up.")
    .column(Column::Always)
    .csv(&[("iops_mean", Value), ("iops_ci95_low", Low), ("iops_ci95_high", High), ("iops_samples", Samples)])
    .trials_csv("iops")
    .gauge("ringbench_operations_per_second", "Completed operations per second, mean over the trials.");

    /// Transferred bytes per second.
    BANDWIDTH = Metric::rate(
        "bandwidth",
        Unit::BytesPerSecond,
        |cell| cell.throughput.bandwidth_bytes_per_s.as_ref(),
        |trial| trial.work.map(|work| work.bytes_per_s),
    )
    .heading("Bandwidth")
    .help("Transferred bytes; hosts are added up.")
    .column(Column::Wide)
    .csv(&[("bandwidth_bytes_per_s_mean", Value)])
    .trials_csv("bandwidth_bytes_per_s")
    .gauge("ringbench_transferred_bytes_per_second", "Bytes per second, mean over the trials.");
}
