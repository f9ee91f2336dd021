//! An arm as a view shows it.

use std::collections::VecDeque;

use crate::params::{self, Params};

/// Trials whose IOPS are kept, for a sparkline.
const TREND: usize = 64;

/// The latest numbers of an arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Trials of the plan, audits and repeats included.
    pub planned: usize,
    /// Trials that have ended.
    pub done: usize,
    /// The point of the current or last trial, such as `depth=8`.
    pub point: String,
    /// IOPS of the current or last trial, summed over hosts.
    pub iops: Option<f64>,
    /// The 99th percentile of latency of the last timed trial, in nanoseconds.
    pub p99_ns: Option<u64>,
    /// IOPS of the last timed trials, oldest first.
    pub trend: VecDeque<u64>,
}

impl Arm {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn begin(&mut self, params: &Params) {
        let values = params.iter().map(|(axis, value)| format!("{axis}={}", params::value(value)));
        self.point = values.collect::<Vec<_>>().join(" ");
        self.iops = None;
        self.p99_ns = None;
    }

    /// Ends a trial with its IOPS and its 99th percentile in nanoseconds, if it is timed.
    pub(super) fn end(&mut self, measured: Option<(f64, u64)>) {
        self.done += 1;
        let Some((iops, p99_ns)) = measured else { return };
        self.iops = Some(iops);
        self.p99_ns = Some(p99_ns);
        if self.trend.len() == TREND {
            self.trend.pop_front();
        }
        self.trend.push_back(iops as u64);
    }
}
