//! Passes the events of a running trial to the display and to the sink.

use proto::outcome::Interval;

use super::{TrialSink, progress::Progress};
use crate::cluster::trial::Watch;

/// The observer of one trial.
pub(super) struct Watcher<'a> {
    pub(super) progress: &'a mut Progress,
    pub(super) sink: &'a mut dyn TrialSink,
    /// The trial.
    pub(super) trial: &'a str,
    /// When it was started, in UTC, RFC 3339.
    pub(super) started_at: &'a str,
    /// The first error of the sink. Later intervals are not passed to it.
    pub(super) failed: Option<miette::Report>,
}

impl Watch for Watcher<'_> {
    fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64) {
        self.progress.preparing(host, what, done, total);
    }

    fn interval(&mut self, host: &str, interval: Interval) {
        self.progress.interval(host, &interval);
        if self.failed.is_none() {
            self.failed = self.sink.interval(self.trial, self.started_at, host, interval).err();
        }
    }
}
