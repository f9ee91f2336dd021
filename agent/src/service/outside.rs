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
    first: Option<(u64, KernelThreads)>,
    last: Option<(u64, KernelThreads)>,
    first_count: Option<(u64, u64)>,
    last_count: Option<(u64, u64)>,
    over: bool,
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
            first_count: None,
            last_count: None,
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
            Some((at, _)) => (*at < final_ns).then(|| final_ns.min(at + AGAIN_NS)),
        }
    }

    /// Reads all of it; also once after the workers are done.
    pub(super) fn read(&mut self) {
        let threads = if self.has_ring { KernelThreads::read() } else { Ok(KernelThreads::default()) };
        if let Some(count) = self.interrupts.as_ref().and_then(Interrupts::read) {
            self.count(monotonic_ns(), count);
        }
        match threads {
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

    /// Interrupts end with the window, so that a reading after its end stands for the end.
    fn count(&mut self, at_ns: u64, count: u64) {
        let reading = (at_ns.min(self.end_ns), count);
        self.first_count.get_or_insert(reading);
        self.last_count = Some(reading);
    }

    /// CPU time that the ring threads used in a window of this length.
    pub(super) fn cpu_ns(&self, window_ns: u64) -> Option<u64> {
        if !self.has_ring {
            return Some(0);
        }
        let ((first_ns, first), (last_ns, last)) = (self.first.as_ref()?, self.last.as_ref()?);
        for_window(window_ns, last.since(first), last_ns - first_ns)
    }

    /// Interrupts of the disk in a window of this length.
    pub(super) fn interrupts(&self, window_ns: u64) -> Option<u64> {
        let ((first_ns, first), (last_ns, last)) = (self.first_count?, self.last_count?);
        for_window(window_ns, last.checked_sub(first)?, last_ns - first_ns)
    }
}

/// What grew in a part of the window, for all of it; nothing of an empty part.
fn for_window(window_ns: u64, grown: u64, part_ns: u64) -> Option<u64> {
    let whole = u128::from(grown) * u128::from(window_ns);
    whole.checked_div(u128::from(part_ns)).map(|whole| whole as u64)
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

    #[test]
    fn use_between_readings_stands_for_the_window() {
        let mut outside = outside(EngineKind::Nop);
        let mut take = |at_ns, used| {
            let due = outside.next_ns();
            outside.take(at_ns, KernelThreads::of([(1, used)]));
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
        outside.take(1_500_000_000, KernelThreads::of([(1, 0)]));
        outside.take(2_500_000_000, KernelThreads::of([(1, 500)]));
        outside.take(3_600_000_000, KernelThreads::of([]));
        assert_eq!((outside.next_ns(), outside.cpu_ns(2_000_000_000)), (None, Some(1000)));
    }

    #[test]
    fn without_two_readings_nothing_is_known() {
        let mut once = outside(EngineKind::IoUring);
        once.take(1_500_000_000, KernelThreads::of([(1, 5)]));
        assert_eq!(once.cpu_ns(2_000_000_000), None);
        assert_eq!(outside(EngineKind::Psync).cpu_ns(2_000_000_000), Some(0));
    }

    #[test]
    fn interrupts_are_counted_up_to_the_end_of_the_window() {
        let mut outside = outside(EngineKind::IoUring);
        assert_eq!(outside.interrupts(2_000_000_000), None, "not measured");
        outside.count(1_500_000_000, 100);
        assert_eq!(outside.interrupts(2_000_000_000), None, "one reading says nothing");
        outside.count(2_500_000_000, 350);
        assert_eq!(outside.interrupts(2_000_000_000), Some(500), "250 in half of it");
        outside.count(4_000_000_000, 600);
        assert_eq!(outside.interrupts(2_000_000_000), Some(500), "500 in all of it");
    }
}
