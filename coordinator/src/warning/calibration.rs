//! Warnings about the calibration that a run uses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Facts that a warning names; a change of the kernel changes many.
const MOST_NAMED: usize = 6;

/// Names of facts of a host; printed with at most six of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FactNames(pub Vec<String>);

impl fmt::Display for FactNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.len().min(MOST_NAMED);
        f.write_str(&self.0[..named].join(", "))?;
        match self.0.len() - named {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// How a host differs from those of the calibration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherHost {
    /// It was not calibrated.
    Missing(String),
    /// These facts have changed since.
    Changed(FactNames),
}

/// The remedy if a calibration does not fit the run.
macro_rules! calibrate_again {
    () => {
        "calibrate again: `coordinator calibrate` with this scenario, its --set, and these hosts"
    };
}

proto::notices! {
    /// Warnings about a calibration.
    pub enum CalibrationWarning {
        /// A host was not calibrated, or has changed since.
        "calibration-other-host" OtherHosts {
            /// The calibration's run.
            run: String,
            /// The difference.
            difference: OtherHost,
        }
        message: match difference {
            OtherHost::Missing(host) => format!("the calibration {run} is of other hosts: it has no {host}"),
            OtherHost::Changed(facts) => {
                format!("this host has changed since {run} was calibrated: it differs in {facts}")
            }
        },
        remedy: else => calibrate_again!(),

        /// Another release made the calibration.
        "calibration-other-version" OtherVersion {
            /// The calibration's run.
            run: String,
            /// Its release.
            theirs: String,
            /// This release.
            ours: String,
        }
        message: format!("{run} was calibrated by Ringbench {theirs}, this is {ours}"),
        remedy: else => calibrate_again!(),

        /// The run does not have the arm that was calibrated.
        "calibration-other-arm" OtherArm {
            /// The calibration's run.
            run: String,
            /// The calibrated arm.
            arm: String,
        }
        message: format!("{run} calibrated the arm {arm}, which this run does not have: others may vary more"),
        remedy: else => "calibrate an arm of this scenario: `coordinator calibrate SCENARIO --arm NAME`",

        /// A point was not calibrated.
        "calibration-lacks-point" LacksPoint {
            /// The calibration's run.
            run: String,
            /// The point, as text.
            point: String,
        }
        message: format!("{run} has no {point}: the largest floor of its points is used"),
        remedy: else => calibrate_again!(),

        /// In the calibration, an arm differed from itself.
        "calibration-biased" Biased {
            /// The calibration's run.
            run: String,
            /// The arm.
            arm: String,
            /// The metric.
            metric: String,
            /// The ratio.
            ratio: f64,
        }
        message: format!(
            "in {run} the arm {arm} differed from itself ({metric} x{ratio:.3}): the order of trials matters here"
        ),
        remedy: else => "find what changes from trial to trial (heat, cache, other load), and calibrate again",

        /// The calibration is incomplete or untrustworthy, or was a quick run.
        "calibration-doubtful" Doubtful {
            /// The calibration's run.
            run: String,
            /// Whether it was a quick run.
            quick: bool,
        }
        let what = if *quick { "a quick run" } else { "incomplete" };
        message: format!("the calibration {run} is {what}: its floors mean little"),
        remedy: else => calibrate_again!(),
    }
}
