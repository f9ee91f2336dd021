//! Readings taken outside the workers during the measured window: CPU time of the kernel's ring threads, interrupts of
//! the device, and noise on the host.

use std::time::Duration;

use proto::{
    noise::Noise,
    trial::{Measure, Trial},
};

use crate::{
    clock::monotonic_ns,
    counters::{
        interrupts::Lines,
        kernel_threads::KernelThreads,
        noise::{Probe, Reading},
    },
};

/// Longest time between readings, in nanoseconds. When a kernel thread ends, its CPU time since the last reading is
/// lost; idle ones live for five seconds.
const AGAIN_NS: u64 = 1_000_000_000;
/// Least number of readings in a window: on a busy host the last one may come too late to count.
const READINGS: u64 = 4;
/// Time between the last reading and the end of the window, in nanoseconds. After the window, the threads may be gone.
const MARGIN_NS: u64 = 3_000_000;

/// Readings within the window of one trial.
pub(super) struct WindowSampler {
    has_ring: bool,
    begin_ns: u64,
    end_ns: u64,
    again_ns: u64,
    first: Option<(u64, KernelThreads)>,
    last: Option<(u64, KernelThreads)>,
    over: bool,
    lines: Option<Lines>,
    /// The first and the last count of interrupts, each with its time in nanoseconds.
    interrupts: Option<[(u64, u64); 2]>,
    probe: Option<Probe>,
    /// The first and the last reading of noise, each with its time.
    noise: Option<[(u64, Reading); 2]>,
}

impl WindowSampler {
    /// Creates a sampler of the device's interrupts (`lines`) and of noise (`probe`). Both are read in timed trials
    /// only.
    pub(super) fn new(trial: &Trial, start_ns: u64, lines: Option<Lines>, probe: Option<Probe>) -> Self {
        let begin_ns = start_ns.saturating_add(trial.workload.warmup.0);
        let has_ring = trial.engine.kind.is_ring();
        let timed = trial.measure == Measure::Timed;
        let (lines, probe) = (lines.filter(|_| timed), probe.filter(|_| timed));
        Self {
            has_ring,
            over: !has_ring && lines.is_none() && probe.is_none(),
            begin_ns,
            again_ns: AGAIN_NS.min(trial.workload.runtime.0 / READINGS),
            end_ns: begin_ns.saturating_add(trial.workload.runtime.0),
            first: None,
            last: None,
            lines,
            interrupts: None,
            probe,
            noise: None,
        }
    }

    /// Waits until the next reading is due; forever if there is none.
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
            Some((at, _)) => (*at < final_ns).then(|| final_ns.min(at + self.again_ns)),
        }
    }

    pub(super) fn read(&mut self) {
        let threads = if self.has_ring { KernelThreads::read() } else { Ok(KernelThreads::default()) };
        let at_ns = monotonic_ns();
        match threads {
            Ok(threads) => self.take(at_ns, threads),
            Err(_) => self.over = true,
        }
        let count = self.lines.as_ref().and_then(|lines| lines.read().ok());
        if let Some(count) = count.filter(|_| at_ns < self.end_ns) {
            self.count(monotonic_ns(), count);
        }
        if at_ns < self.end_ns {
            self.read_noise();
        } else {
            self.close();
        }
    }

    fn read_noise(&mut self) {
        if let Some(reading) = self.probe.as_ref().and_then(Probe::read) {
            let now = (monotonic_ns(), reading);
            self.noise = Some([self.noise.take().map_or_else(|| now.clone(), |[first, _]| first), now]);
        }
    }

    /// Ends sampling. If the host was too busy for two readings within the window, takes one now: the noise of such a
    /// trial matters most.
    pub(super) fn close(&mut self) {
        if self.noise.as_ref().is_some_and(|[(first_ns, _), (last_ns, _)]| first_ns == last_ns) {
            self.read_noise();
        }
    }

    /// Noise between the first and the last reading. `waited_ns`: time that each thread of the trial waited for its CPU
    /// in a window of `window_ns`, if known for all threads.
    pub(super) fn noise(&self, waited_ns: Option<&[u64]>, window_ns: u64) -> Option<Noise> {
        let (probe, [(first_ns, first), (last_ns, last)]) = (self.probe.as_ref()?, self.noise.as_ref()?);
        let mut noise = probe.between(first, last, last_ns - first_ns)?;
        let known = waited_ns.filter(|each| probe.alone && !each.is_empty() && window_ns > 0);
        noise.waited_share = known.map(|each| {
            let sum = each.iter().map(|waited| *waited as f64).sum::<f64>();
            (sum / (window_ns as f64 * each.len() as f64)).min(1.0)
        });
        Some(noise)
    }

    fn count(&mut self, at_ns: u64, interrupts: u64) {
        let now = (at_ns, interrupts);
        self.interrupts = Some([self.interrupts.map_or(now, |[first, _]| first), now]);
    }

    /// Interrupts in a window of this length, extrapolated from the first and the last reading.
    pub(super) fn interrupts(&self, window_ns: u64) -> Option<u64> {
        let [(first_ns, first), (last_ns, last)] = self.interrupts?;
        let came = u128::from(last.saturating_sub(first)) * u128::from(window_ns);
        came.checked_div(u128::from(last_ns - first_ns)).map(|came| came as u64)
    }

    fn take(&mut self, at_ns: u64, threads: KernelThreads) {
        match &mut self.last {
            // The rings may already be closed.
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

    /// CPU time of the kernel threads in a window of this length, in nanoseconds, extrapolated from the first and the
    /// last reading.
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

    fn sampler(kind: EngineKind) -> WindowSampler {
        let trial = Trial {
            id: "t".into(),
            seed: 1,
            target: Target::File(FileTarget::new(ByteSize(4096), false)),
            workload: Workload {
                warmup: Nanos(500_000_000),
                runtime: Nanos(2_000_000_000),
                ..Workload::default()
            },
            engine: Engine::new(kind),
            measure: Measure::Timed,
        };
        WindowSampler::new(&trial, 1_000_000_000, None, None)
    }

    #[test]
    fn cpu_time_is_extrapolated_to_the_window() {
        let mut threads = sampler(EngineKind::Nop);
        let mut take = |at_ns, used| {
            let due = threads.next_ns();
            threads.take(at_ns, KernelThreads::of([(1, used)]));
            due
        };
        assert_eq!(take(1_510_000_000, 70), Some(1_500_000_000));
        assert_eq!(take(2_010_000_000, 80), Some(2_010_000_000));
        assert_eq!(take(2_520_000_000, 85), Some(2_510_000_000));
        assert_eq!(take(3_019_000_000, 90), Some(3_020_000_000));
        assert_eq!(take(3_498_000_000, 1064), Some(3_497_000_000));
        assert_eq!(threads.next_ns(), None);
        assert_eq!(threads.spent(2_000_000_000), Some(1000), "994 in 1,988 ms");
    }

    #[test]
    fn readings_after_the_window_are_ignored() {
        let mut threads = sampler(EngineKind::IoUring);
        threads.take(1_500_000_000, KernelThreads::of([(1, 0)]));
        threads.take(2_500_000_000, KernelThreads::of([(1, 500)]));
        threads.take(3_600_000_000, KernelThreads::of([]));
        assert_eq!((threads.next_ns(), threads.spent(2_000_000_000)), (None, Some(1000)));
    }

    #[test]
    fn interrupts_are_extrapolated_to_the_window() {
        let mut readings = sampler(EngineKind::Psync);
        assert_eq!(readings.interrupts(2_000_000_000), None);
        readings.count(1_500_000_000, 40);
        assert_eq!(readings.interrupts(2_000_000_000), None, "one reading shows no difference");
        readings.count(2_500_000_000, 80);
        readings.count(3_497_000_000, 1038);
        assert_eq!(readings.interrupts(2_000_000_000), Some(999), "998 in 1,997 ms");
    }

    #[test]
    fn noise_is_the_difference_of_two_readings() {
        let cpu = crate::topology::Topology::discover().unwrap().cpus[0].id;
        let mut quiet = sampler(EngineKind::Psync);
        quiet.probe = Probe::new(&[cpu], cpu + 1);
        let reading = quiet.probe.as_ref().unwrap().read().unwrap();
        assert_eq!(quiet.noise(None, 1), None);
        quiet.noise = Some([(5, reading.clone()), (105, reading.clone())]);
        assert_eq!(quiet.noise(None, 100).unwrap().span_ns, 100);
        assert_eq!(quiet.noise(Some(&[10]), 100).unwrap().waited_share, Some(0.1));
        assert_eq!(quiet.noise(Some(&[10, 30]), 100).unwrap().waited_share, Some(0.2));
        quiet.probe = Probe::new(&[cpu, cpu], cpu + 1);
        assert_eq!(
            quiet.noise(Some(&[10, 30]), 100).unwrap().waited_share,
            None,
            "threads that share a CPU wait for each other"
        );
        quiet.noise = Some([(5, reading.clone()), (5, reading)]);
        assert_eq!(quiet.noise(None, 100), None, "zero time between the readings");
        quiet.close();
        let late = quiet.noise(None, 100).unwrap();
        assert!(late.span_ns > 0, "a late reading is taken");
        quiet.close();
        assert_eq!(quiet.noise(None, 100).unwrap().span_ns, late.span_ns, "no further reading");
    }

    #[test]
    fn one_reading_yields_no_cpu_time() {
        let mut threads = sampler(EngineKind::IoUring);
        threads.take(1_500_000_000, KernelThreads::of([(1, 5)]));
        assert_eq!(threads.spent(2_000_000_000), None);
        assert_eq!(sampler(EngineKind::Psync).spent(2_000_000_000), Some(0));
    }
}
