//! System calls counted by perf tracepoints on the calling thread.
//!
//! Used in audits only: counting a call slows it down. `raw_syscalls:sys_enter` fires inside the kernel, so a counter
//! that excludes the kernel would count nothing. Requests punted to io-wq are counted on the thread that punts them;
//! with SQPOLL this is the kernel's polling thread.

use std::{collections::BTreeMap, io};

use perf_event::{Builder, Counter, Group, events::Tracepoint};
use proto::{
    outcome::{Capability, PerfCounts},
    warning::{AuditWarning, PerfFailure, Warning},
};

use super::{submitter::Submitter, tracefs::Tracefs};

/// The calls that are counted by name: those of the engines, and others that the hot loop must not make.
const NAMES: [&str; 15] = [
    "io_uring_enter",
    "io_submit",
    "io_getevents",
    "pread64",
    "pwrite64",
    "preadv2",
    "pwritev2",
    "fsync",
    "fdatasync",
    "futex",
    "ppoll",
    "write",
    "clock_gettime",
    "clock_nanosleep",
    "sched_yield",
];
/// The call that stops counting is itself counted.
const DISARMING_CALLS: u64 = 1;
/// Fires when a request is handed to a worker thread of the kernel.
pub(super) const PUNT: &str = "io_uring/io_uring_queue_async_work";

/// Counters on the calling thread; closed when dropped.
pub struct Perf {
    group: Group,
    total: Counter,
    by_name: Vec<(&'static str, Counter)>,
    punts: Punts,
}

/// The place where punted requests are counted.
enum Punts {
    /// Together with the calls of this thread.
    Here(Counter),
    /// On the polling thread of the ring.
    Polling(Counter),
    /// On another worker, whose polling thread this worker shares.
    Elsewhere,
    /// Not at all: the kernel lacks the tracepoint.
    Unknown,
}

impl Perf {
    /// Opens the counters on the calling thread, disabled; that of punted requests on the submitting thread.
    ///
    /// # Errors
    /// If perf or tracefs is not permitted.
    pub fn open(submitter: Submitter) -> io::Result<Self> {
        let tracefs = Tracefs::open()?;
        let mut group = Group::new()?;
        let mut add = |event: &str| -> io::Result<Counter> {
            let tracepoint = Tracepoint::with_id(tracefs.id(event)?);
            // Members are created enabled and wait for their leader: on Linux 6.18, enabling the whole group at once
            // left them disabled.
            group.add(Builder::new(tracepoint).observe_self().any_cpu().include_kernel().enabled(true))
        };
        let total = add("raw_syscalls/sys_enter")?;
        // Kernels without CONFIG_FTRACE_SYSCALLS have only the total. On any other error, such as too many open files,
        // opening fails as a whole: otherwise calls without a counter would be reported as `other`.
        let mut optional = |event: &str| match add(event) {
            Ok(counter) => Ok(Some(counter)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let mut by_name = Vec::with_capacity(NAMES.len());
        for name in NAMES {
            if let Some(counter) = optional(&format!("syscalls/sys_enter_{name}"))? {
                by_name.push((name, counter));
            }
        }
        let punts = match submitter {
            Submitter::Caller => optional(PUNT)?.map_or(Punts::Unknown, Punts::Here),
            Submitter::Elsewhere => Punts::Elsewhere,
            Submitter::Polling(thread) => match tracefs.id(PUNT) {
                Ok(id) => Punts::Polling(
                    Builder::new(Tracepoint::with_id(id))
                        .observe_pid(thread)
                        .any_cpu()
                        .include_kernel()
                        .build()?,
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Punts::Unknown,
                Err(error) => return Err(error),
            },
        };
        Ok(Self { group, total, by_name, punts })
    }

    /// Starts counting.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn arm(&mut self) -> io::Result<()> {
        if let Punts::Polling(counter) = &mut self.punts {
            counter.enable()?;
        }
        // The last system call before counting starts.
        self.group.as_counter_mut().enable()
    }

    /// Stops counting.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.group.as_counter_mut().disable()?;
        match &mut self.punts {
            Punts::Polling(counter) => counter.disable(),
            _ => Ok(()),
        }
    }

    /// The counts between arming and disarming, without the disarming call.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn read(&mut self) -> io::Result<PerfCounts> {
        let data = self.group.read()?;
        let syscalls_total = data[&self.total].saturating_sub(DISARMING_CALLS);
        let mut syscalls_by_name: BTreeMap<String, u64> = self
            .by_name
            .iter()
            .filter(|(_, counter)| data[counter] > 0)
            .map(|(name, counter)| ((*name).to_owned(), data[counter]))
            .collect();
        let other = syscalls_total.saturating_sub(syscalls_by_name.values().sum());
        if other > 0 {
            syscalls_by_name.insert("other".to_owned(), other);
        }
        let punted_to_io_wq = match &mut self.punts {
            Punts::Here(counter) => Some(data[&*counter]),
            Punts::Polling(counter) => Some(counter.read()?),
            Punts::Elsewhere => Some(0),
            Punts::Unknown => None,
        };
        Ok(PerfCounts { syscalls_total, syscalls_by_name, punted_to_io_wq })
    }
}

/// Makes 1,000 system calls and checks that perf counts 1,000.
#[must_use]
pub fn self_test() -> Capability {
    const CALLS: u64 = 1000;
    let count = || -> io::Result<PerfCounts> {
        let mut perf = Perf::open(Submitter::Caller)?;
        perf.arm()?;
        for _ in 0..CALLS {
            // getppid always enters the kernel.
            std::hint::black_box(rustix::process::getppid());
        }
        perf.disarm()?;
        perf.read()
    };
    let name = "perf.syscalls".to_owned();
    match count() {
        Ok(counts) if counts.syscalls_total == CALLS => {
            let detail = format!("raw_syscalls:sys_enter counted {CALLS} of {CALLS} calls");
            Capability { name, available: true, detail, remedy: String::new() }
        }
        Ok(counts) => {
            let seen = counts.syscalls_total;
            let detail = format!("raw_syscalls:sys_enter counted {seen} of {CALLS} calls");
            let remedy = "system calls are counted by the engine only; try another kernel".to_owned();
            Capability { name, available: false, detail, remedy }
        }
        Err(error) => Capability {
            name,
            available: false,
            detail: error.to_string(),
            remedy: unavailable(&error).remedy(),
        },
    }
}

/// The reason why perf is not available, from the error of opening it.
#[must_use]
pub fn failure(error: &io::Error) -> PerfFailure {
    match error.raw_os_error() {
        Some(libc::EMFILE) => PerfFailure::OpenFiles,
        Some(libc::EPERM | libc::EACCES) => PerfFailure::NotPermitted,
        Some(libc::ENOENT) => PerfFailure::NotSupported,
        _ => PerfFailure::Other,
    }
}

/// The warning that counts cannot be read.
#[must_use]
pub fn unread(error: &io::Error) -> Warning {
    AuditWarning::PerfNotAvailable { failure: PerfFailure::NotRead, error: error.into() }.into()
}

/// The warning that an audit runs without perf.
#[must_use]
pub fn unavailable(error: &io::Error) -> Warning {
    AuditWarning::PerfNotAvailable { failure: failure(error), error: error.into() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_name_and_in_total() {
        let mut perf = match Perf::open(Submitter::Caller) {
            Ok(perf) => perf,
            Err(error) => return crate::skip::skip(&format!("perf is not permitted: {error}")),
        };
        perf.arm().unwrap();
        for _ in 0..50 {
            std::thread::yield_now();
        }
        for _ in 0..7 {
            std::hint::black_box(rustix::process::getppid());
        }
        perf.disarm().unwrap();
        let counts = perf.read().unwrap();
        assert_eq!(counts.syscalls_total, 57);
        assert_eq!(counts.syscalls_by_name.get("sched_yield"), Some(&50));
        assert_eq!(counts.syscalls_by_name.get("other"), Some(&7));
    }

    #[test]
    fn self_test_passes_or_gives_a_remedy() {
        let capability = self_test();
        assert!(capability.available || !capability.remedy.is_empty(), "{capability:?}");
    }
}
