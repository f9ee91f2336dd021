//! The instruments that an audit adds to a trial, on one worker thread.
//!
//! System calls and hardware events are counted in the window. Completion paths are recorded during the warm-up,
//! because recording slows each request; without a warm-up, at the beginning of the window. Neither makes system calls
//! that would be counted.

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
    /// Another worker records the paths.
    paths_elsewhere: bool,
    batches: Option<Batches>,
    /// Another thread owns the ring.
    batches_elsewhere: bool,
    /// The error of disarming perf.
    failed: Option<io::Error>,
    /// Warnings about instruments that failed after they were opened.
    warnings: Vec<Warning>,
}

/// The result of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// The counts; each is absent if its instrument is not available or failed.
    pub counts: AuditCounts,
    /// Warnings about instruments that failed after they were opened.
    pub warnings: Vec<Warning>,
}

fn paths_warning(phase: PathsPhase, error: &io::Error) -> Warning {
    AuditWarning::PathsNotMeasured { phase, error: error.into() }.into()
}

fn hardware_warning(failure: HardwareFailure) -> Warning {
    AuditWarning::HardwareCountersNotAvailable { failure }.into()
}

impl Audit {
    /// Opens the available instruments, on the thread that does the I/O and has built its engine: a worker or, if
    /// `None`, the combiner. `rings`: the rings that the thread owns. Returns a warning for each missing instrument.
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
            None => Err(io::Error::other("the ring's polling thread was not found in this process")),
        };
        let perf = perf.map_err(|error| warnings.push(super::perf::unavailable(&error))).ok();
        let mut audit = Self {
            perf,
            batches: Batches::open(rings),
            batches_elsewhere: worker.is_some() && trial.engine.ring.sharing == Sharing::Combiner,
            ..Self::default()
        };
        // If perf is not available at all, one warning is enough.
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

    /// Adds warnings to those of the result.
    #[must_use]
    pub fn saying(mut self, warnings: Vec<Warning>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Starts the warm-up.
    pub fn begin(&mut self) {
        self.with_paths(Paths::start, PathsPhase::Begin);
    }

    /// Runs a step of the path recorder, and drops the recorder if the step fails.
    fn with_paths(&mut self, step: impl FnOnce(&mut Paths) -> io::Result<()>, phase: PathsPhase) {
        if let Some(Err(error)) = self.paths.as_mut().map(step) {
            self.warnings.push(paths_warning(phase, &error));
            self.paths = None;
        }
    }

    /// Runs a step of the hardware counters, and drops them if the step fails.
    fn with_hardware(&mut self, step: impl FnOnce(&mut Hardware) -> io::Result<()>) {
        if let Some(Err(error)) = self.hardware.as_mut().map(step) {
            self.warnings.push(hardware_warning(super::hardware::failure(&error)));
            self.hardware = None;
        }
    }

    /// Starts the window. The last system call made here is the one that starts counting.
    pub fn arm(&mut self, warmed_up: bool) {
        if let Some(batches) = &mut self.batches {
            batches.begin();
        }
        if warmed_up {
            self.with_paths(Paths::stop, PathsPhase::End);
        }
        self.with_hardware(Hardware::arm);
        if let Some(Err(error)) = self.perf.as_mut().map(Perf::arm) {
            self.warnings.push(super::perf::unavailable(&error));
            self.perf = None;
        }
    }

    /// Ends the window. The first system call made here is the one that stops counting.
    pub fn disarm(&mut self) {
        self.failed = self.perf.as_mut().and_then(|perf| perf.disarm().err());
        self.with_hardware(Hardware::disarm);
        if let Some(batches) = &mut self.batches {
            batches.end();
        }
        self.with_paths(Paths::stop, PathsPhase::End);
    }

    /// Returns the results after disarming. Takes a few milliseconds.
    pub fn read(&mut self) -> Audited {
        let failed = self.failed.take();
        let perf = self.perf.as_mut().and_then(|perf| {
            let read = failed.map_or_else(|| perf.read(), Err);
            read.map_err(|error| self.warnings.push(super::perf::unread(&error))).ok()
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
                self.warnings.push(hardware_warning(HardwareFailure::NeverCounted));
            }
            counted
        });
        let counts = AuditCounts { perf, hardware, paths, batches };
        Audited { counts, warnings: std::mem::take(&mut self.warnings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_instrument_yields_one_warning_and_no_counts() {
        let Ok(paths) = Paths::open(Submitter::Caller, false, 1) else {
            return crate::skip::skip("perf or the io_uring tracepoints are not available");
        };
        let mut audit = Audit { paths, ..Audit::default() };
        audit.with_paths(|_| Err(io::Error::from_raw_os_error(libc::EIO)), PathsPhase::End);
        let audited = audit.read();
        assert_eq!(audited.counts.paths, None);
        let [warning] = &audited.warnings[..] else { panic!("{:?}", audited.warnings) };
        assert_eq!(warning.code(), "paths-not-measured");
        assert!(warning.message().contains("to the end: Input/output error"), "{warning:?}");
        assert!(!warning.remedy().is_empty() && audit.read().warnings.is_empty(), "warned once");
    }
}
