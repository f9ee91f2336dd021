//! An arm at a point.

use std::collections::BTreeMap;

use proto::trial::Trial;
use serde::{Deserialize, Serialize};

use crate::params::Params;

/// An arm at a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The arm's name.
    pub arm: String,
    /// The point.
    pub params: Params,
    /// Labels that a host must have to run it; empty: every host runs it.
    pub hosts: BTreeMap<String, String>,
    /// The trial to run. The plan sets its `id`, `seed` and `measure`.
    pub template: Trial,
}
