//! Latencies of operations and syncs.

use super::{Column, CsvValue::*, Family, Metric, Operations, Statistic, Unit, metrics};

const QUANTILES: Family = Family {
    name: "ringbench_operation_latency_quantile_seconds",
    unit: "seconds",
    help: "Latency seen by the application, reads and writes together.",
};

metrics! {
    /// Mean latency.
    LATENCY_MEAN = Metric::latency("latency_mean", Operations::All, Statistic::Mean)
        .titled("mean latency")
        .heading("Mean latency")
        .help("Mean latency of reads and writes: the time from the intended start of a request until the worker \
               sees its completion.")
        .keep()
        .csv(&[("latency_ns_mean", Value)])
        .trials_csv("latency_ns_mean");

    /// Median latency.
    P50 = Metric::latency("p50", Operations::All, Statistic::P50)
        .heading("Median latency")
        .help("Median latency.")
        .column(Column::Always)
        .csv(&[("latency_ns_p50", Value)])
        .trials_csv("latency_ns_p50")
        .labelled(QUANTILES, "quantile", "0.5");

    /// 90th percentile of the latency.
    P90 = Metric::latency("p90", Operations::All, Statistic::P90)
        .help("90th percentile of the latency.")
        .csv(&[("latency_ns_p90", Value)])
        .trials_csv("latency_ns_p90")
        .labelled(QUANTILES, "quantile", "0.9");

    /// 99th percentile of the latency.
    P99 = Metric::latency("p99", Operations::All, Statistic::P99)
        .heading("p99 latency")
        .help("99th percentile of the latency.")
        .column(Column::Always)
        .csv(&[
            ("latency_ns_p99", Value),
            ("latency_ns_p99_ci95_low", Low),
            ("latency_ns_p99_ci95_high", High),
        ])
        .trials_csv("latency_ns_p99")
        .labelled(QUANTILES, "quantile", "0.99");

    /// 99.9th percentile of the latency.
    P99_9 = Metric::latency("p99_9", Operations::All, Statistic::P99_9)
        .titled("p99.9")
        .help("99.9th percentile of the latency.")
        .csv(&[("latency_ns_p99_9", Value)])
        .trials_csv("latency_ns_p99_9")
        .labelled(QUANTILES, "quantile", "0.999");

    /// 99.99th percentile of the latency.
    P99_99 = Metric::latency("p99_99", Operations::All, Statistic::P99_99)
        .titled("p99.99")
        .help("99.99th percentile of the latency.")
        .csv(&[("latency_ns_p99_99", Value)])
        .trials_csv("latency_ns_p99_99")
        .labelled(QUANTILES, "quantile", "0.9999");

    /// The longest latency.
    MAX = Metric::latency("max", Operations::All, Statistic::Max)
        .help("Longest latency.")
        .csv(&[("latency_ns_max", Value)])
        .trials_csv("latency_ns_max")
        .labelled(QUANTILES, "quantile", "1");

    /// Median of the service time.
    SERVICE_P50 = Metric::latency("service_p50", Operations::Service, Statistic::P50)
        .help("Open loop: median time from submission to completion.")
        .exported_only()
        .trials_csv("service_ns_p50");

    /// 99th percentile of the service time.
    SERVICE_P99 = Metric::latency("service_p99", Operations::Service, Statistic::P99)
        .help("Open loop: 99th percentile of the time from submission to completion.")
        .exported_only()
        .trials_csv("service_ns_p99");

    /// Syncs per second.
    SYNCS_PER_S = Metric::rate(
        "syncs_per_s",
        Unit::PerSecond,
        |cell| cell.throughput.syncs_per_s.as_ref(),
        |trial| trial.work.filter(|work| work.sync.is_some()).map(|work| work.syncs_per_s),
    )
    .help("Completed syncs, which are not counted in `iops`.")
    .csv(&[("syncs_per_s_mean", Value)])
    .trials_csv("syncs_per_s");

    /// Median latency of syncs.
    SYNC_P50 = Metric::latency("sync_p50", Operations::Sync, Statistic::P50)
        .titled("sync p50")
        .help("Median latency of syncs.")
        .column(Column::WhereMeasured)
        .legend("sync p50, p99: latency of fsync or fdatasync, which is not counted in IOPS.")
        .csv(&[("sync_latency_ns_p50", Value)])
        .trials_csv("sync_latency_ns_p50");

    /// 99th percentile of the latency of syncs.
    SYNC_P99 = Metric::latency("sync_p99", Operations::Sync, Statistic::P99)
        .titled("sync p99")
        .help("99th percentile of the latency of syncs.")
        .column(Column::WhereMeasured)
        .csv(&[("sync_latency_ns_p99", Value)]);
}
