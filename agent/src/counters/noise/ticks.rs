//! CPU time as counted by the kernel's tick: each tick is charged in full to the running thread, both in the CPU's
//! account and in the thread's. The exact run time of threads is not comparable with /proc/stat, which misses anything
//! that runs between ticks; time counted by ticks is.
//!
//! The clocks of threads and processes are those of pthread_getcpuclockid(3): the lower three bits of the id select the
//! account.

use std::{fs, io, mem::MaybeUninit, time::Duration};

use rustix::{
    thread::{CpuSet, Pid, sched_getaffinity},
    time::{ClockId, clock_getres},
};

/// User and system time together (CPUCLOCK_PROF in the kernel).
const ALL: libc::clockid_t = 0;
/// User time (CPUCLOCK_VIRT).
const USER: libc::clockid_t = 1;
/// A thread instead of a process (CPUCLOCK_PERTHREAD_MASK).
const THREAD: libc::clockid_t = 4;

/// The time between two ticks, which is the resolution of the kernel's coarse clock.
pub(super) fn tick() -> Duration {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    Duration::new(tick.tv_sec as u64, tick.tv_nsec as u32)
}

/// CPU time of this process, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) total_ns: u64,
    pub(super) user_ns: u64,
}

/// Ids of threads of this process that cannot run on certain CPUs.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere(Vec<i32>);

impl Elsewhere {
    /// Finds the threads that cannot run on any of `cpus`.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub(super) fn than(cpus: &[u32]) -> io::Result<Self> {
        let mut threads = Vec::new();
        for entry in fs::read_dir("/proc/self/task")?.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(id) = id.and_then(Pid::from_raw) else { continue };
            // The thread has ended.
            let Ok(allowed) = sched_getaffinity(Some(id)) else { continue };
            let may = |cpu: &u32| (*cpu as usize) < CpuSet::MAX_CPU && allowed.is_set(*cpu as usize);
            if !cpus.iter().any(may) {
                threads.push(id.as_raw_nonzero().get());
            }
        }
        Ok(Self(threads))
    }

    /// CPU time of all other threads of this process, including ended ones. This is an upper bound of their time on the
    /// CPUs in question: a thread that may also use other CPUs counts in full.
    ///
    /// # Errors
    /// If there is no such clock.
    pub(super) fn others(&self) -> io::Result<Ran> {
        let mut ran = Ran { total_ns: read(-1, ALL)?, user_ns: read(-1, USER)? };
        for id in &self.0 {
            // The process keeps the time of ended threads, which then counts with the others.
            if let (Ok(total), Ok(user)) = (read(!id, THREAD | ALL), read(!id, THREAD | USER)) {
                ran.total_ns = ran.total_ns.saturating_sub(total);
                ran.user_ns = ran.user_ns.saturating_sub(user);
            }
        }
        Ok(ran)
    }
}

/// Reads a CPU clock in nanoseconds. `of`: -1 for this process, or the complement of a thread's id.
fn read(of: i32, which: libc::clockid_t) -> io::Result<u64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to room for one timespec, which the call fills if it succeeds.
    let time = unsafe {
        if libc::clock_gettime((of << 3) | which, time.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        time.assume_init()
    };
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::thread::gettid;

    use super::*;

    fn spin(length: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < length {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_tick_takes_milliseconds() {
        assert!((Duration::from_micros(500)..=Duration::from_millis(10)).contains(&tick()), "{:?}", tick());
    }

    #[test]
    fn ticks_of_a_thread_count_for_its_process() {
        let own = !gettid().as_raw_nonzero().get();
        let begin = [read(-1, ALL), read(own, THREAD | ALL), read(own, THREAD | USER)].map(Result::unwrap);
        // Spin until some ticks have come, which may take long on a busy machine.
        let begun = Instant::now();
        while read(own, THREAD | USER).unwrap() < begin[2] + 10 * tick().as_nanos() as u64 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no ticks");
            spin(Duration::from_millis(5));
        }
        let (thread, user) = (read(own, THREAD | ALL).unwrap(), read(own, THREAD | USER).unwrap());
        let process = read(-1, ALL).unwrap();
        assert!(process - begin[0] >= thread - begin[1], "the process includes its threads");
        assert!(thread - begin[1] >= user - begin[2], "user time is part of the total");
    }

    #[test]
    fn threads_on_other_cpus_are_excluded() {
        let here = std::thread::spawn(|| {
            let cpu = (0..CpuSet::MAX_CPU).find(|cpu| sched_getaffinity(None).unwrap().is_set(*cpu)).unwrap()
                as u32;
            crate::topology::pin_current_thread(cpu).unwrap();
            let id = gettid().as_raw_nonzero().get();
            (
                Elsewhere::than(&[cpu]).unwrap().0.contains(&id),
                Elsewhere::than(&[u32::MAX]).unwrap().0.contains(&id),
            )
        });
        assert_eq!(here.join().unwrap(), (false, true));
    }
}
