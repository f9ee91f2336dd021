//! Metrics of the urgent operations and of the others (*bulk*). `lane!` declares the metrics that both lanes have; the
//! names of a lane's metrics begin with the lane.

/// Declares the metrics of a lane: first those that both lanes have, with additions for this lane, then its own.
macro_rules! lane {
    (
        $(#[$doc:meta])*
        $lane:ident, $prefix:literal, $operations:ident, $what:literal, |$trial:ident| $part:expr,
        { iops $($iops:tt)* } { p50 $($p50:tt)* } { p99 $($p99:tt)* } { slowest $($slowest:tt)* }
        { $($own:tt)* }
    ) => {
        $(#[$doc])*
        pub mod $lane {
            use crate::metric::{
                Column, CsvValue::*, Metric, Operations, Statistic, Unit, metrics, trial::{Part, Trial},
            };

            fn part<'a>($trial: &Trial<'a>) -> Option<&'a Part> {
                $part
            }

            metrics! {
                /// Completed operations per second.
                IOPS = Metric::rate(
                    concat!($prefix, "_iops"),
                    Unit::PerSecond,
                    |cell| cell.lanes.$lane.as_ref()?.iops.as_ref(),
                    |trial| part(trial).map(|part| part.iops),
                )
                .titled(concat!($prefix, " IOPS"))
                .heading(concat!($prefix, " IOPS"))
                .help(concat!("Completed ", $what, "; hosts are added up."))
                .csv(&[(concat!($prefix, "_iops_mean"), Value)])
                $($iops)*;

                /// Median latency.
                P50 = Metric::latency(concat!($prefix, "_p50"), Operations::$operations, Statistic::P50)
                    .titled(concat!($prefix, " p50"))
                    .heading(concat!($prefix, " p50"))
                    .help(concat!("Median latency of ", $what, "."))
                    .csv(&[(concat!($prefix, "_latency_ns_p50"), Value)])
                    $($p50)*;

                /// 99th percentile of the latency.
                P99 = Metric::latency(concat!($prefix, "_p99"), Operations::$operations, Statistic::P99)
                    .titled(concat!($prefix, " p99"))
                    .help(concat!("99th percentile of the latency of ", $what, "."))
                    .csv(&[(concat!($prefix, "_latency_ns_p99"), Value)])
                    $($slowest)*
                    $($p99)*;

                /// 99.9th percentile of the latency.
                P99_9 = Metric::latency(concat!($prefix, "_p99_9"), Operations::$operations, Statistic::P99_9)
                    .titled(concat!($prefix, " p99.9"))
                    .help(concat!("99.9th percentile of the latency of ", $what, "."))
                    $($slowest)*;

                /// The longest latency.
                MAX = Metric::latency(concat!($prefix, "_max"), Operations::$operations, Statistic::Max)
                    .titled(concat!($prefix, " max"))
                    .help(concat!("Longest latency of ", $what, "."))
                    $($slowest)*;

                $($own)*
            }
        }
    };
}

lane! {
    /// Urgent operations.
    urgent, "urgent", Urgent, "urgent operations", |trial| trial.work?.urgent.as_ref(),
    { iops }
    { p50
        .titled("urg p50")
        .column(Column::WhereMeasured)
        .legend("urg p50, p99: latency of urgent I/Os only. bulk IOPS: rate of all other I/Os. IOPS, p50 and p99 include \
                 both.")
    }
    { p99 .titled("urg p99").column(Column::WhereMeasured) }
    { slowest .needs_many_urgent() }
    {
        /// The share of the urgent operations that a bulk operation overtook.
        OVERTAKEN_SHARE = Metric::sums("urgent_overtaken_share", Unit::Share, |cell| {
            Some(cell.lanes.urgent.as_ref()?.overtaken?.share)
        })
        .titled("overtaken")
        .help("Share of the urgent operations that were overtaken by a bulk operation submitted with them or later.")
        .csv(&[("urgent_overtaken_share", Value)]);

        /// The mean number of bulk operations that overtook an urgent one.
        OVERTAKEN_MEAN = Metric::sums("urgent_overtaken_mean", Unit::Count, |cell| {
            Some(cell.lanes.urgent.as_ref()?.overtaken?.mean)
        })
        .help("Mean number of bulk operations that overtook an urgent one, over all urgent operations.");
    }
}

lane! {
    /// Operations that are not urgent, if some are.
    bulk, "bulk", Bulk, "operations that are not urgent", |trial| trial.bulk,
    { iops .column(Column::WhereMeasured) }
    { p50 }
    { p99 }
    { slowest }
    {
        /// The share of the bulk operations that waited much longer than usual.
        STARVED_SHARE = Metric::sums("bulk_starved_share", Unit::Share, |cell| {
            Some(cell.lanes.bulk.as_ref()?.starved?.share)
        })
        .titled("starved")
        .help("Share of the bulk operations that waited more than ten times the median of bulk operations.")
        .csv(&[("bulk_starved_share", Value)]);
    }
}
