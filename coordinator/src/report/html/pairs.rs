//! The comparisons that the scenario names beside those with the baseline.

use serde::Serialize;

use super::{super::view, badge::Badge};
use crate::{
    metric::{Metric, cost::CPU_PER_IO, latency::P99, throughput::IOPS},
    params::{self, Params},
    summary::ComparisonSet,
};

/// The metrics that are shown.
pub(super) const METRICS: [&Metric; 3] = [&IOPS, &CPU_PER_IO, &P99];

/// Two arms at a point.
#[derive(Debug, Serialize)]
pub(super) struct Pair {
    arm: String,
    against: String,
    point: String,
    /// The ratios of [`METRICS`], with their verdicts; `None` if not compared.
    results: Vec<Option<(String, Badge)>>,
}

/// The pairs, each with all its points.
pub(super) fn of(set: &ComparisonSet) -> Vec<Pair> {
    let mut known: Vec<(&str, &str, &Params)> = Vec::new();
    for found in set.further() {
        let pair = (found.arm.as_str(), found.baseline.as_str(), &found.params);
        if !known.contains(&pair) {
            known.push(pair);
        }
    }
    let pair = |(arm, against, params): (&str, &str, &Params)| {
        let result = |metric: &Metric| {
            let found = set.comparison_with(arm, against, metric.compared_as()?, params)?;
            Some((view::ratio(found.ratio?), Badge::of(found.verdict)))
        };
        let results = METRICS.map(result).into();
        Pair { arm: arm.into(), against: against.into(), point: params::point(params), results }
    };
    known.sort_by_key(|(arm, against, _)| (*against, *arm));
    known.into_iter().map(pair).collect()
}
