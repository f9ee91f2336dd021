//! What is read from outside the workers over the measured window: CPU time of the kernel's ring threads, and
//! interrupts of the disk.

use std::time::Duration;

use proto::trial::Trial;

use crate::{
    counters::{interrupts::Interrupts, kernel_threads::KernelThreads},
    worker::clock::monotonic_ns,
};

/// How often it is read between the edges. A ring thread that ends is lost from its last reading on; idle ones
/// live for five seconds.
const AGAIN_NS: u64 = 1_000_000_000;
/// How long before the end of the window it is read for the last time: when it is over, the rings may be gone.
const MARGIN_NS: u64 = 3_000_000;

/// Readings within the window of one trial.
pub(super) struct Outside {
    has_ring: bool,
    interrupts: Option<Interrupts>,
    begin_ns: u64,
    end_ns: u64,
    first: Option<Reading>,
    last: Option<Reading>,
    over: bool,
}

#[derive(Clone)]
struct Reading {
    at_ns: u64,
    threads: KernelThreads,
    interrupts: Option<u64>,
}

impl Outside {
    /// For a trial whose target lies on a disk of that name, if it lies on one.
    pub(super) fn new(trial: &Trial, start_ns: u64, disk: Option<&str>) -> Self {
        let begin_ns = start_ns.saturating_add(trial.workload.warmup.0);
        let has_ring = trial.engine.engine.is_ring();
        let interrupts = disk.and_then(Interrupts::of_disk);
        Self {
            has_ring,
            over: !has_ring && interrupts.is_none(),
            interrupts,
            begin_ns,
            end_ns: begin_ns.saturating_add(trial.workload.runtime.0),
            first: None,
            last: None,
        }
    }

    /// Waits until it is to be read; for ever if that is over.
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
            Some(last) => (last.at_ns < final_ns).then(|| final_ns.min(last.at_ns + AGAIN_NS)),
        }
    }

    pub(super) fn read(&mut self) {
        let threads = if self.has_ring { KernelThreads::read() } else { Ok(KernelThreads::default()) };
        let interrupts = self.interrupts.as_ref().and_then(Interrupts::read);
        match threads {
            Ok(threads) => self.take(Reading { at_ns: monotonic_ns(), threads, interrupts }),
            Err(_) => self.over = true,
        }
    }

    fn take(&mut self, now: Reading) {
        match &mut self.last {
            // The rings may be gone.
            _ if now.at_ns >= self.end_ns => self.over = true,
            None => {
                self.first = Some(now.clone());
                self.last = Some(now);
            }
            Some(last) => {
                last.at_ns = now.at_ns;
                last.interrupts = now.interrupts;
                last.threads.advance(now.threads);
            }
        }
    }

    /// CPU time that the ring threads used in a window of this length.
    pub(super) fn cpu_ns(&self, window_ns: u64) -> Option<u64> {
        if !self.has_ring {
            return Some(0);
        }
        self.over_window(window_ns, |first, last| Some(last.threads.since(&first.threads)))
    }

    /// Interrupts of the disk in a window of this length.
    pub(super) fn interrupts(&self, window_ns: u64) -> Option<u64> {
        self.over_window(window_ns, |first, last| last.interrupts?.checked_sub(first.interrupts?))
    }

    /// What grew between the first reading and the last, for a whole window.
    fn over_window(&self, window_ns: u64, grown: impl Fn(&Reading, &Reading) -> Option<u64>) -> Option<u64> {
        let (first, last) = (self.first.as_ref()?, self.last.as_ref()?);
        let grown = u128::from(grown(first, last)?) * u128::from(window_ns);
        grown.checked_div(u128::from(last.at_ns - first.at_ns)).map(|whole| whole as u64)
    }
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::{Engine, EngineKind, FileTarget, Measure, Target, Workload},
        units::{ByteSize, Nanos},
    };

    use super::*;

    fn outside(kind: EngineKind) -> Outside {
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
        Outside::new(&trial, 1_000_000_000, None)
    }

    fn reading<const N: usize>(at_ns: u64, times: [(u32, u64); N], interrupts: Option<u64>) -> Reading {
        Reading { at_ns, threads: KernelThreads::of(times), interrupts }
    }

    #[test]
    fn use_between_readings_stands_for_the_window() {
        let mut outside = outside(EngineKind::Nop);
        let mut take = |at_ns, used| {
            let due = outside.next_ns();
            outside.take(reading(at_ns, [(1, used)], None));
            due
        };
        assert_eq!(take(1_510_000_000, 70), Some(1_500_000_000));
        assert_eq!(take(2_510_000_000, 80), Some(2_510_000_000));
        assert_eq!(take(3_498_000_000, 1064), Some(3_497_000_000));
        assert_eq!(outside.next_ns(), None);
        assert_eq!(outside.cpu_ns(2_000_000_000), Some(1000), "994 in 1,988 ms");
    }

    #[test]
    fn readings_after_the_window_do_not_count() {
        let mut outside = outside(EngineKind::IoUring);
        outside.take(reading(1_500_000_000, [(1, 0)], None));
        outside.take(reading(2_500_000_000, [(1, 500)], None));
        outside.take(reading(3_600_000_000, [], None));
        assert_eq!((outside.next_ns(), outside.cpu_ns(2_000_000_000)), (None, Some(1000)));
    }

    #[test]
    fn without_two_readings_nothing_is_known() {
        let mut outside = outside(EngineKind::IoUring);
        outside.take(reading(1_500_000_000, [(1, 5)], None));
        assert_eq!(outside.cpu_ns(2_000_000_000), None);
        assert_eq!(self::outside(EngineKind::Psync).cpu_ns(2_000_000_000), Some(0));
    }

    #[test]
    fn interrupts_are_counted_where_the_disk_has_any() {
        let mut outside = outside(EngineKind::IoUring);
        outside.take(reading(1_500_000_000, [], Some(100)));
        outside.take(reading(2_500_000_000, [], Some(350)));
        assert_eq!(outside.interrupts(2_000_000_000), Some(500));
        outside.take(reading(3_000_000_000, [], None));
        assert_eq!(outside.interrupts(2_000_000_000), None, "not readable any more");
    }
}
