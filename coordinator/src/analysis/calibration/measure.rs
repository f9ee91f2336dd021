//! Computes a calibration from the trials of an arm against itself.

use std::collections::HashMap;

use proto::trial::Measure;

use super::{super::trials, POWER, RESOLUTION, SCHEMA, stats::spread};
use crate::{
    metric::{
        COMPARED, Compared,
        trial::{Costs, Trial},
    },
    params::Params,
    plan::Plan,
    scenario::Scenario,
    stats::{confidence::CONFIDENCE, difference::Length, holm::holm},
    store::{HostEntry, RunDir, StoreError, record::TrialRecord},
    summary::calibration::{CalibratedMetric, CalibratedPoint, Calibration},
};

/// The arm that was run against itself, and the run.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The scenario that is calibrated.
    pub scenario: &'a Scenario,
    /// Trials per cell for which the smallest visible difference is computed.
    pub trials: u32,
    /// Comparisons per metric that runs of the scenario judge together.
    pub comparisons: u32,
    /// The first name of the arm in the plan.
    pub arm: &'a str,
    /// The second name.
    pub again: &'a str,
    /// The plan that was run.
    pub plan: &'a Plan,
    /// The hosts that took part.
    pub hosts: &'a [HostEntry],
    /// Whether every planned trial counts.
    pub trustworthy: bool,
}

/// The calibrated metrics: all that are compared, except those of lanes.
fn calibrated() -> impl Iterator<Item = &'static Compared> {
    COMPARED.iter().filter(|compared| !compared.by_lane)
}

/// The values of a trial, in the order of [`calibrated`].
type Values = Vec<Option<f64>>;

/// Computes the calibration from the recorded trials.
///
/// # Errors
/// The records or their histograms cannot be read.
pub fn measure(subject: &Subject<'_>, run: &RunDir) -> Result<Calibration, StoreError> {
    let plan = subject.plan;
    let mut trials: HashMap<(usize, u32), Values> = HashMap::new();
    for record in run.read_trials()?.records {
        // Of a repeated trial, the last attempt counts.
        if let Some(values) = values(run, &record)? {
            trials.insert((record.cell, record.block), values);
        }
    }
    let cell = |arm: &str, params: &Params| {
        plan.cells.iter().position(|cell| cell.arm == arm && cell.params == *params)
    };
    let mut points = Vec::new();
    for params in plan.points() {
        let (Some(first), Some(second)) = (cell(subject.arm, &params), cell(subject.again, &params)) else {
            continue;
        };
        let blocks = 1..=plan.trials.iter().map(|trial| trial.block).max().unwrap_or_default();
        let pairs: Vec<(&Values, &Values)> = blocks
            .filter_map(|block| trials.get(&(first, block)).zip(trials.get(&(second, block))))
            .collect();
        let of = |(at, compared): (usize, &Compared)| {
            metric(compared.name, pairs.iter().map(|(a, b)| (a[at], b[at])))
        };
        let metrics = calibrated().enumerate().filter_map(of).collect();
        points.push(CalibratedPoint { params, metrics });
    }
    judge(&mut points);
    let found = Calibration {
        schema: SCHEMA,
        run_id: run.id(),
        version: env!("CARGO_PKG_VERSION").into(),
        scenario: subject.scenario.name.clone(),
        arm: subject.arm.into(),
        target: subject.scenario.target.clone(),
        workload: subject.scenario.workload.clone(),
        hosts: subject.hosts.iter().map(|host| (host.name.clone(), host.description.facts.clone())).collect(),
        quick: plan.quick,
        trustworthy: subject.trustworthy,
        blocks: plan.trials_per_cell,
        trials: subject.trials,
        comparisons: subject.comparisons,
        power: POWER,
        points,
    };
    // A run always has this number of trials, so their number counts as fixed.
    Ok(found.for_run(subject.trials, Length::Fixed, subject.comparisons))
}

/// The values of a timed trial that counts, merged over hosts.
fn values(run: &RunDir, record: &TrialRecord) -> Result<Option<Values>, StoreError> {
    if record.measure != Measure::Timed || !trials::kept_out(record).is_empty() {
        return Ok(None);
    }
    let Ok(sample) = trials::sample(run, record)? else { return Ok(None) };
    let Some(work) = sample.merged() else { return Ok(None) };
    let costs = Costs::sum(sample.hosts.iter().map(|host| &host.costs));
    let trial = Trial { work: Some(&work), bulk: None, costs: Some(&costs) };
    Ok(Some(calibrated().map(|compared| compared.metric.in_trial(&trial)).collect()))
}

/// A metric over its pairs; `None` if fewer than two pairs have a ratio.
fn metric(name: &str, pairs: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Option<CalibratedMetric> {
    let above_zero = |value: Option<f64>| value.filter(|value| *value > 0.0 && value.is_finite());
    let logs: Vec<f64> =
        pairs.filter_map(|(first, second)| Some((above_zero(second)? / above_zero(first)?).ln())).collect();
    let found = spread(&logs)?;
    Some(CalibratedMetric {
        metric: name.to_owned(),
        pairs: logs.len() as u32,
        sd: found.sd,
        sd_ci95: found.sd_ci95,
        ratio: found.mean.exp(),
        ci95: found.ci95.map(f64::exp),
        p_value: found.p_value,
        biased: false,
        smallest_visible: None,
        smallest_visible_ci95: None,
    })
}

/// Finds the metrics in which the arm differs from itself. With many points and metrics, some intervals exclude 1 by
/// chance, so all are judged together. Differences below the resolution do not count as bias.
fn judge(points: &mut [CalibratedPoint]) {
    let metrics = || points.iter().flat_map(|point| &point.metrics);
    let adjusted = holm(&metrics().map(|metric| metric.p_value).collect::<Vec<_>>());
    let metrics = points.iter_mut().flat_map(|point| &mut point.metrics);
    for (metric, adjusted) in metrics.zip(adjusted) {
        metric.biased = adjusted.p <= 1.0 - CONFIDENCE && metric.ratio.ln().abs() > RESOLUTION;
    }
}
