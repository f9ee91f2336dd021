//! A value with its uncertainty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value with its uncertainty; each trial is one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Arithmetic mean over the trials.
    pub mean: f64,
    /// Confidence interval of the mean, from Student's t over the logarithms of the trials; never negative. Null below
    /// two trials.
    pub ci95: Option<[f64; 2]>,
    /// One value per trial, in the order in which they ran.
    pub samples: Vec<f64>,
}
