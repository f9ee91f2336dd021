//! A host as a view shows it.

use std::collections::VecDeque;

use proto::outcome::Interval;

/// Intervals whose IOPS are kept, for a sparkline.
const TREND: usize = 128;

/// What a host is doing; what needs attention first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostState {
    /// It is lost.
    Lost,
    /// It prepares a trial.
    Preparing,
    /// It has sent intervals in this trial.
    Running,
    /// It has sent nothing in this trial.
    #[default]
    Idle,
}

/// The latest numbers of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// What it is doing.
    pub state: HostState,
    /// IOPS in its last interval.
    pub iops: f64,
    /// IOPS of its last intervals, oldest first.
    pub trend: VecDeque<u64>,
    /// Operations in the current trial.
    ops: u64,
    /// The edges of what was measured in the current trial, in nanoseconds of the host's clock.
    window: Option<(u64, u64)>,
    /// What it adds to the sum of the current trial.
    counted: f64,
}

impl Host {
    pub(super) fn begin(&mut self) {
        self.ops = 0;
        self.window = None;
        self.counted = 0.0;
        if self.state != HostState::Lost {
            self.state = HostState::Idle;
        }
    }

    /// Takes an interval of this length. Returns by how much the sum of the hosts' IOPS changes.
    pub(super) fn interval(&mut self, interval: &Interval, seconds: f64) -> f64 {
        let ops = interval.ops();
        self.state = HostState::Running;
        self.ops += ops;
        let begin = self.window.map_or(interval.begin_ns, |(begin, _)| begin);
        self.window = Some((begin, interval.end_ns));
        self.iops = ops as f64 / seconds;
        if self.trend.len() == TREND {
            self.trend.pop_front();
        }
        self.trend.push_back(self.iops as u64);
        let change = self.iops - self.counted;
        self.counted = self.iops;
        change
    }

    /// IOPS over the whole of the current trial; `None` if nothing was measured.
    pub(super) fn trial_iops(&self) -> Option<f64> {
        let (begin, end) = self.window?;
        let seconds = end.saturating_sub(begin) as f64 / 1e9;
        (seconds > 0.0).then(|| self.ops as f64 / seconds)
    }
}
