//! CPU time of the kernel's ring threads over the measured window, read from outside the workers.

use std::time::Duration;

use proto::trial::Trial;

use crate::{counters::kernel_threads::KernelThreads, worker::clock::monotonic_ns};

/// How often they are read between the edges. One that ends is lost from its last reading on; idle ones live for
/// five seconds.
const AGAIN_NS: u64 = 1_000_000_000;
/// How long before the end of the window they are read for the last time: when it is over, they may be gone.
const MARGIN_NS: u64 = 3_000_000;

/// Readings within the window of one trial.
pub(super) struct RingThreads {
    has_ring: bool,
    begin_ns: u64,
    end_ns: u64,
    first: Option<(u64, KernelThreads)>,
    last: Option<(u64, KernelThreads)>,
    over: bool,
}

impl RingThreads {
    pub(super) fn new(trial: &Trial, start_ns: u64) -> Self {
        let begin_ns = start_ns.saturating_add(trial.workload.warmup.0);
        let has_ring = trial.engine.engine.is_ring();
        Self {
            has_ring,
            over: !has_ring,
            begin_ns,
            end_ns: begin_ns.saturating_add(trial.workload.runtime.0),
            first: None,
            last: None,
        }
    }

    /// Waits until they are to be read; for ever if that is over.
    pub(super) async fn due(&self) {
        match self.next_ns() {
            Some(at_ns) => {
                let left = at_ns.saturating_sub(monotonic_ns());
                tokio::time::sleep(Duration::from_nanos(left)).await;
            }
            None => std::future::pending().await,
        }
    }

    fn next_ns(&self) -> Option<u64> {
        let final_ns = self.end_ns.saturating_sub(MARGIN_NS);
        match &self.last {
            _ if self.over => None,
            None => Some(self.begin_ns),
            Some((at, _)) => (*at < final_ns).then(|| final_ns.min(at + AGAIN_NS)),
        }
    }

    pub(super) fn read(&mut self) {
        match KernelThreads::read() {
            Ok(threads) => self.take(monotonic_ns(), threads),
            Err(_) => self.over = true,
        }
    }

    fn take(&mut self, at_ns: u64, threads: KernelThreads) {
        match &mut self.last {
            // The rings may be gone.
            _ if at_ns >= self.end_ns => self.over = true,
            None => {
                self.first = Some((at_ns, threads.clone()));
                self.last = Some((at_ns, threads));
            }
            Some((last_ns, last)) => {
                *last_ns = at_ns;
                last.advance(threads);
            }
        }
    }

    /// What they used in a window of this length, from their use between the first reading and the last.
    pub(super) fn spent(&self, window_ns: u64) -> Option<u64> {
        if !self.has_ring {
            return Some(0);
        }
        let ((first_ns, first), (last_ns, last)) = (self.first.as_ref()?, self.last.as_ref()?);
        let used = u128::from(last.since(first)) * u128::from(window_ns);
        used.checked_div(u128::from(last_ns - first_ns)).map(|spent| spent as u64)
    }
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::{Engine, EngineKind, FileTarget, Measure, Target, Workload},
        units::{ByteSize, Nanos},
    };

    use super::*;

    fn ring_threads(kind: EngineKind) -> RingThreads {
        let trial = Trial {
            id: "t".into(),
            seed: 1,
            target: Target::File(FileTarget { size: ByteSize(4096), direct: false }),
            workload: Workload {
                warmup: Nanos(500_000_000),
                runtime: Nanos(2_000_000_000),
                ..Workload::default()
            },
            engine: Engine::new(kind),
            measure: Measure::Timed,
        };
        RingThreads::new(&trial, 1_000_000_000)
    }

    #[test]
    fn use_between_readings_stands_for_the_window() {
        let mut threads = ring_threads(EngineKind::Nop);
        let mut take = |at_ns, used| {
            let due = threads.next_ns();
            threads.take(at_ns, KernelThreads::of([(1, used)]));
            due
        };
        assert_eq!(take(1_510_000_000, 70), Some(1_500_000_000));
        assert_eq!(take(2_510_000_000, 80), Some(2_510_000_000));
        assert_eq!(take(3_498_000_000, 1064), Some(3_497_000_000));
        assert_eq!(threads.next_ns(), None);
        assert_eq!(threads.spent(2_000_000_000), Some(1000), "994 in 1,988 ms");
    }

    #[test]
    fn readings_after_the_window_do_not_count() {
        let mut threads = ring_threads(EngineKind::IoUring);
        threads.take(1_500_000_000, KernelThreads::of([(1, 0)]));
        threads.take(2_500_000_000, KernelThreads::of([(1, 500)]));
        threads.take(3_600_000_000, KernelThreads::of([]));
        assert_eq!((threads.next_ns(), threads.spent(2_000_000_000)), (None, Some(1000)));
    }

    #[test]
    fn without_two_readings_nothing_is_known() {
        let mut threads = ring_threads(EngineKind::IoUring);
        threads.take(1_500_000_000, KernelThreads::of([(1, 5)]));
        assert_eq!(threads.spent(2_000_000_000), None);
        assert_eq!(ring_threads(EngineKind::Psync).spent(2_000_000_000), Some(0));
    }
}
