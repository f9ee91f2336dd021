//! The smallest difference that a machine can resolve. It follows from the spread of an arm that was run against itself.
//! [`Calibration`] is `calibration.json`. A run with a calibration has a copy of it, and its verdicts ignore smaller
//! differences.

mod fit;
mod measure;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde::Deserialize;

pub use self::{
    fit::Misfit,
    measure::{Subject, measure},
};
use stats::Judged;

use crate::{
    params::Params,
    stats::difference::Length,
    store::{RunDir, StoreError},
    summary::{
        Comparison, Verdict,
        calibration::{CalibratedMetric, CalibratedPoint, Calibration, CalibrationUse, Floor},
    },
};

/// The result of a calibration, in its run directory.
pub const CALIBRATION: &str = "calibration.json";
/// The copy in the directory of a run that uses the calibration.
pub const CALIBRATED_BY: &str = "calibrated-by.json";
/// The version of `calibration.json`.
pub const SCHEMA: u32 = 1;
/// The probability with which a difference of the smallest visible size is found.
pub const POWER: f64 = 0.9;
/// Differences below this count as none, as in verdicts.
pub const RESOLUTION: f64 = crate::stats::verdict::RESOLUTION;
/// The minimum number of blocks of a calibration. The spread is then known to within -26 % and +55 %.
pub const BLOCKS: u32 = 16;

impl Calibration {
    /// The standard deviation of a metric at a point; for a point that was not calibrated, the largest of all points.
    /// `None` for a metric that was not calibrated.
    fn sd(&self, metric: &str, params: &Params) -> Option<f64> {
        let of = |point: &CalibratedPoint| {
            point.metrics.iter().find(|found| found.metric == metric).map(|found| found.sd)
        };
        let here = self.points.iter().find(|point| point.params == *params).and_then(of);
        here.or_else(|| self.points.iter().filter_map(of).reduce(f64::max))
    }

    /// The calibration with its smallest visible differences computed for this number of trials per cell, how that
    /// number was decided, and this number of comparisons per metric.
    #[must_use]
    pub fn for_run(mut self, trials: u32, length: Length, comparisons: u32) -> Self {
        (self.trials, self.comparisons) = (trials, comparisons.max(1));
        let deviations = Judged { pairs: trials, length, comparisons }.deviations();
        for metric in self.points.iter_mut().flat_map(|point| &mut point.metrics) {
            metric.see(deviations);
        }
        self
    }

    /// Points and metrics at which the arm differs from itself.
    pub fn biased(&self) -> impl Iterator<Item = (&CalibratedPoint, &CalibratedMetric)> {
        let metrics =
            self.points.iter().flat_map(|point| point.metrics.iter().map(move |found| (point, found)));
        metrics.filter(|(_, metric)| metric.biased)
    }

    /// Turns verdicts on differences that cannot be resolved into *no difference*, whatever their p-value. The smallest
    /// visible difference follows from the calibrated spread, the pairs of the comparison, and the number of comparisons
    /// that are judged together.
    pub(super) fn apply(&self, comparisons: &mut [Comparison], length: Length) -> CalibrationUse {
        let mut families: BTreeMap<String, u32> = BTreeMap::new();
        for found in comparisons.iter().filter(|found| found.p_value.is_some()) {
            *families.entry(found.metric.clone()).or_default() += 1;
        }
        let mut deviations: BTreeMap<(u32, u32), Option<f64>> = BTreeMap::new();
        let mut floors: Vec<Floor> = Vec::new();
        for found in comparisons.iter_mut().filter(|found| found.p_value.is_some()) {
            let (pairs, comparisons) = (found.pairs, families[&found.metric]);
            let judged = Judged { pairs, length, comparisons };
            let deviations = *deviations.entry((pairs, comparisons)).or_insert_with(|| judged.deviations());
            let sd = self.sd(&found.metric, &found.params);
            let Some(smallest_visible) = sd.zip(deviations).map(|(sd, deviations)| visible(sd, deviations))
            else {
                continue;
            };
            let below = found.ratio.is_some_and(|ratio| ratio.ln().abs() < smallest_visible.ln_1p());
            if below && matches!(found.verdict, Verdict::Faster | Verdict::Slower) {
                found.verdict = Verdict::NoDifference;
            }
            let (metric, params) = (found.metric.clone(), found.params.clone());
            let floor = Floor { metric, params, smallest_visible, pairs, comparisons };
            if !floors.contains(&floor) {
                floors.push(floor);
            }
        }
        CalibrationUse { run_id: self.run_id.clone(), floors }
    }
}

/// The difference of this many standard deviations, as a share.
fn visible(sd: f64, deviations: f64) -> f64 {
    (sd * deviations).exp_m1().max(RESOLUTION)
}

impl CalibratedMetric {
    /// Computes the smallest visible difference.
    fn see(&mut self, deviations: Option<f64>) {
        let through = |sd: f64| deviations.map(|deviations| visible(sd, deviations));
        let [low, high] = self.sd_ci95;
        self.smallest_visible = through(self.sd);
        self.smallest_visible_ci95 = through(low).zip(through(high)).map(<[f64; 2]>::from);
    }
}

impl RunDir {
    /// Writes the result of a calibration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_calibration(&self, found: &Calibration) -> Result<(), StoreError> {
        self.write_json(CALIBRATION, found)
    }

    /// Reads the result of a calibration.
    ///
    /// # Errors
    /// This is no run of `calibrate`, or the file is damaged.
    pub fn calibration(&self) -> Result<Calibration, StoreError> {
        if !self.path().join(CALIBRATION).is_file() {
            return Err(StoreError::NotARun { path: self.path().to_owned(), missing: CALIBRATION });
        }
        self.read_calibration(
            CALIBRATION,
            "calibrate again with this release: `coordinator calibrate SCENARIO`",
        )
    }

    fn read_calibration(&self, name: &str, remedy: &'static str) -> Result<Calibration, StoreError> {
        // The schema comes first, because a file with another one may not be readable.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let Head { schema } = self.read_json(name)?;
        if schema != SCHEMA {
            return Err(StoreError::OtherSchema {
                path: self.path().join(name),
                schema,
                reads: SCHEMA,
                remedy,
            });
        }
        self.read_json(name)
    }

    /// Writes a copy of the calibration that the run's verdicts respect.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_calibrated_by(&self, found: &Calibration) -> Result<(), StoreError> {
        self.write_json(CALIBRATED_BY, found)
    }

    /// The calibration that the run's verdicts respect, if there is one.
    ///
    /// # Errors
    /// The file is damaged, or was written by another release.
    pub fn calibrated_by(&self) -> Result<Option<Calibration>, StoreError> {
        let remedy = "report this run with the release that ran it; or delete the file, so that verdicts respect no calibration";
        let there = self.path().join(CALIBRATED_BY).exists();
        there.then(|| self.read_calibration(CALIBRATED_BY, remedy)).transpose()
    }
}

/// The JSON Schema of `calibration.json`, draft-07.
#[must_use]
pub fn calibration_schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<Calibration>().to_value()
}
