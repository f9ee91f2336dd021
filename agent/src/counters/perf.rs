//! System calls counted by perf tracepoints on the calling thread.
//!
//! Armed in audits only: counting a call slows it. `raw_syscalls:sys_enter` fires inside the kernel, so the
//! kernel must be included, or it counts nothing. Requests that are punted to io-wq are counted on the thread that
//! punts them, which under SQPOLL is the kernel's own.

use std::{collections::BTreeMap, io};

use perf_event::{Builder, Counter, Group, events::Tracepoint};
use proto::{
    outcome::{Capability, PerfCounts},
    warning::{AuditWarning, PerfFailure, Warning},
};

use super::{submitter::Submitter, tracefs::Tracefs};

/// The calls that are counted by name: what the engines make, and what would betray that the hot loop makes
/// another.
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
/// The call that ends counting, which is itself seen entering.
const DISARMING_CALLS: u64 = 1;
/// Fires where a request is handed to a worker thread of the kernel.
pub(super) const PUNT: &str = "io_uring/io_uring_queue_async_work";

/// Counters on the calling thread; closed when dropped.
pub struct Perf {
    group: Group,
    total: Counter,
    by_name: Vec<(&'static str, Counter)>,
    punts: Punts,
}

/// Where punted requests are counted.
enum Punts {
    /// With the calls of this thread.
    Here(Counter),
    /// On the polling thread of the ring.
    Polling(Counter),
    /// By the worker whose polling thread this one shares.
    Elsewhere,
    /// Nowhere: this kernel does not tell.
    Unknown,
}

impl Perf {
    /// Opens the counters on the calling thread, disarmed; that of punted requests on the thread that submits.
    ///
    /// # Errors
    /// Where perf or tracefs is not allowed here.
    pub fn open(submitter: Submitter) -> io::Result<Self> {
        let tracefs = Tracefs::open()?;
        let mut group = Group::new()?;
        let mut add = |event: &str| -> io::Result<Counter> {
            let tracepoint = Tracepoint::with_id(tracefs.id(event)?);
            // Members are born enabled and wait for their leader: enabling the whole group at once was seen to
            // leave them off on Linux 6.18.
            group.add(Builder::new(tracepoint).observe_self().any_cpu().include_kernel().enabled(true))
        };
        let total = add("raw_syscalls/sys_enter")?;
        // Kernels without CONFIG_FTRACE_SYSCALLS have the total only. Any other failure, such as too few files,
        // is one of the whole: calls must not pass for `other` because their counter was missing.
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
    /// What the system call said.
    pub fn arm(&mut self) -> io::Result<()> {
        if let Punts::Polling(counter) = &mut self.punts {
            counter.enable()?;
        }
        // The last call before counting begins.
        self.group.as_counter_mut().enable()
    }

    /// Stops counting.
    ///
    /// # Errors
    /// What the system call said.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.group.as_counter_mut().disable()?;
        match &mut self.punts {
            Punts::Polling(counter) => counter.disable(),
            _ => Ok(()),
        }
    }

    /// What was counted between arming and disarming, less the call that disarmed.
    ///
    /// # Errors
    /// What the system call said.
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

/// Makes 1,000 system calls and looks whether perf counts 1,000.
#[must_use]
pub fn self_test() -> Capability {
    const CALLS: u64 = 1000;
    let count = || -> io::Result<PerfCounts> {
        let mut perf = Perf::open(Submitter::Caller)?;
        perf.arm()?;
        for _ in 0..CALLS {
            // getppid is never answered without entering the kernel.
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
            let remedy = "system calls are counted by the engine alone; try another kernel".to_owned();
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

/// Why perf is not available, by the error of opening it.
#[must_use]
pub fn failure(error: &io::Error) -> PerfFailure {
    match error.raw_os_error() {
        Some(libc::EMFILE) => PerfFailure::OpenFiles,
        Some(libc::EPERM | libc::EACCES) => PerfFailure::NotPermitted,
        Some(libc::ENOENT) => PerfFailure::NotSupported,
        _ => PerfFailure::Other,
    }
}

/// A warning that counts cannot be read.
#[must_use]
pub fn unread(error: &io::Error) -> Warning {
    AuditWarning::PerfNotAvailable { failure: PerfFailure::NotRead, error: error.into() }.into()
}

/// A warning that an audit goes without perf.
#[must_use]
pub fn unavailable(error: &io::Error) -> Warning {
    AuditWarning::PerfNotAvailable { failure: failure(error), error: error.into() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_name_and_in_all() {
        let mut perf = match Perf::open(Submitter::Caller) {
            Ok(perf) => perf,
            Err(error) => return crate::skip::skip(&format!("perf is not allowed here: {error}")),
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
    fn self_test_passes_or_names_the_remedy() {
        let capability = self_test();
        assert!(capability.available || !capability.remedy.is_empty(), "{capability:?}");
    }
}
