//! All that an audit has beyond a timed trial, on one worker thread.
//!
//! System calls and hardware events are counted in the window. The ways that requests take are recorded before it,
//! in the warm-up, because recording slows each request; only without a warm-up are they recorded at the window's
//! beginning. Neither makes system calls that would be counted.

use std::{io, os::fd::RawFd};

use proto::{
    outcome::{AuditCounts, BatchCounts, HardwareCounts, Knob, PathCounts},
    trial::{Sharing, Trial},
    warning::{AuditWarning, HardwareFailure, PathsPhase, Warning},
};

use super::{batches::Batches, hardware::Hardware, paths::Paths, perf::Perf, submitter::Submitter};

/// The instruments of one worker; closed when dropped.
#[derive(Default)]
pub struct Audit {
    perf: Option<Perf>,
    hardware: Option<Hardware>,
    paths: Option<Paths>,
    /// The paths are another worker's to record.
    paths_elsewhere: bool,
    batches: Option<Batches>,
    /// The ring is another thread's.
    batches_elsewhere: bool,
    /// Why counting calls could not be ended.
    failed: Option<io::Error>,
    /// Which instruments failed after they were opened, and why.
    said: Vec<Warning>,
}

/// The result of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// What was counted; each absent where its instrument is not available here, or failed.
    pub counts: AuditCounts,
    /// Instruments that failed after they were opened.
    pub warnings: Vec<Warning>,
}

fn paths_warning(phase: PathsPhase, error: &io::Error) -> Warning {
    AuditWarning::PathsNotMeasured { phase, error: error.into() }.into()
}

fn hardware_warning(failure: HardwareFailure) -> Warning {
    AuditWarning::HardwareCountersNotAvailable { failure }.into()
}

impl Audit {
    /// Opens what there is, on the thread that is going to do the I/O and has built its engine: a worker, or (none)
    /// the combiner. `rings`: those that are its own. What is missing is said.
    #[must_use]
    pub fn open(
        trial: &Trial,
        worker: Option<u32>,
        knobs: &[Knob],
        rings: Vec<RawFd>,
    ) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let polled = knobs.iter().any(|knob| knob.name == "sqpoll" && knob.is_on());
        let shared = trial.engine.ring.sqpoll.is_some_and(|sqpoll| sqpoll.shared);
        let elsewhere = worker.is_some_and(|worker| match trial.engine.ring.sharing {
            Sharing::Combiner => true,
            Sharing::Shared => polled && worker > 0,
            Sharing::PerThread => polled && shared && worker > 0,
        });
        let submitter =
            if elsewhere { Some(Submitter::Elsewhere) } else { Submitter::of_this_thread(polled) };
        let perf = match submitter {
            Some(submitter) => Perf::open(submitter),
            None => Err(io::Error::other("the ring's polling thread is not among this process's threads")),
        };
        let perf = perf.map_err(|error| warnings.push(super::perf::unavailable(&error))).ok();
        let mut audit = Self {
            perf,
            batches: Batches::open(rings),
            batches_elsewhere: worker.is_some() && trial.engine.ring.sharing == Sharing::Combiner,
            ..Self::default()
        };
        // Where perf is not allowed at all, that has been said.
        let (Some(submitter), Some(_)) = (submitter, &audit.perf) else { return (audit, warnings) };
        if trial.engine.kind.is_ring() {
            match Paths::open(submitter, trial.engine.ring.iopoll, trial.workers()) {
                Ok(paths) => {
                    audit.paths_elsewhere = paths.is_none();
                    audit.paths = paths;
                }
                Err(error) => warnings.push(paths_warning(PathsPhase::Begin, &error)),
            }
        }
        match Hardware::open() {
            Ok(hardware) => audit.hardware = Some(hardware),
            Err(error) => {
                warnings.push(hardware_warning(super::hardware::failure(&error)));
            }
        }
        (audit, warnings)
    }

    /// The same, which will say this too when it is read.
    #[must_use]
    pub fn saying(mut self, warnings: Vec<Warning>) -> Self {
        self.said.extend(warnings);
        self
    }

    /// The warm-up begins.
    pub fn begin(&mut self) {
        self.with_paths(Paths::start, PathsPhase::Begin);
    }

    /// Does something with what records the paths, and gives it up where that fails.
    fn with_paths(&mut self, step: impl FnOnce(&mut Paths) -> io::Result<()>, phase: PathsPhase) {
        if let Some(Err(error)) = self.paths.as_mut().map(step) {
            self.said.push(paths_warning(phase, &error));
            self.paths = None;
        }
    }

    /// The same with the hardware counters.
    fn with_hardware(&mut self, step: impl FnOnce(&mut Hardware) -> io::Result<()>) {
        if let Some(Err(error)) = self.hardware.as_mut().map(step) {
            self.said.push(hardware_warning(super::hardware::failure(&error)));
            self.hardware = None;
        }
    }

    /// The window begins: the last call that this makes is the one that starts counting calls.
    pub fn arm(&mut self, warmed_up: bool) {
        if let Some(batches) = &mut self.batches {
            batches.begin();
        }
        if warmed_up {
            self.with_paths(Paths::stop, PathsPhase::End);
        }
        self.with_hardware(Hardware::arm);
        if let Some(Err(error)) = self.perf.as_mut().map(Perf::arm) {
            self.said.push(super::perf::unavailable(&error));
            self.perf = None;
        }
    }

    /// The window ends: the first call that this makes is the one that ends counting calls.
    pub fn disarm(&mut self) {
        self.failed = self.perf.as_mut().and_then(|perf| perf.disarm().err());
        self.with_hardware(Hardware::disarm);
        if let Some(batches) = &mut self.batches {
            batches.end();
        }
        self.with_paths(Paths::stop, PathsPhase::End);
    }

    /// The results, once counting has ended. Takes some milliseconds.
    pub fn read(&mut self) -> Audited {
        let failed = self.failed.take();
        let perf = self.perf.as_mut().and_then(|perf| {
            let read = failed.map_or_else(|| perf.read(), Err);
            read.map_err(|error| self.said.push(super::perf::unread(&error))).ok()
        });
        let paths = match &mut self.paths {
            Some(paths) => Some(paths.read()),
            None => self.paths_elsewhere.then(PathCounts::default),
        };
        let batches = match &self.batches {
            Some(batches) => batches.counted(),
            None => self.batches_elsewhere.then(BatchCounts::default),
        };
        let hardware = self.hardware.as_mut().map(Hardware::read).filter(|counts| {
            let counted = *counts != HardwareCounts::default();
            if !counted {
                self.said.push(hardware_warning(HardwareFailure::NeverCounted));
            }
            counted
        });
        let counts = AuditCounts { perf, hardware, paths, batches };
        Audited { counts, warnings: std::mem::take(&mut self.said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instrument_that_fails_once_open_is_said_and_counts_nothing() {
        let Ok(paths) = Paths::open(Submitter::Caller, false, 1) else {
            return crate::skip::skip("perf and the tracepoints of io_uring are not to be had here");
        };
        let mut audit = Audit { paths, ..Audit::default() };
        audit.with_paths(|_| Err(io::Error::from_raw_os_error(libc::EIO)), PathsPhase::End);
        let audited = audit.read();
        assert_eq!(audited.counts.paths, None);
        let [warning] = &audited.warnings[..] else { panic!("{:?}", audited.warnings) };
        assert_eq!(warning.code(), "paths-not-measured");
        assert!(warning.message().contains("to the end: Input/output error"), "{warning:?}");
        assert!(!warning.remedy().is_empty() && audit.read().warnings.is_empty(), "said once");
    }
}
