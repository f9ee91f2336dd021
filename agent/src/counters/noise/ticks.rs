//! CPU time as the kernel's tick counts it: at each tick all of it goes to whoever runs, in the account of the CPU and
//! in that of the thread. The exact run time of threads cannot be held against /proc/stat, since that would miss or
//! find whatever runs between ticks; the same ticks can.
//!
//! The clocks of threads and processes are those that pthread_getcpuclockid(3) gives out: an id whose lower three bits
//! say which account it is.

use std::{fs, io, mem::MaybeUninit, time::Duration};

use rustix::{
    thread::{CpuSet, Pid, sched_getaffinity},
    time::{ClockId, clock_getres},
};

/// User and system time together (CPUCLOCK_PROF in the kernel).
const ALL: libc::clockid_t = 0;
/// User time (CPUCLOCK_VIRT).
const USER: libc::clockid_t = 1;
/// Of a thread instead of a process (CPUCLOCK_PERTHREAD_MASK).
const THREAD: libc::clockid_t = 4;

/// The time between two ticks: what the kernel's coarse clock goes by.
pub(super) fn tick() -> Duration {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    Duration::new(tick.tv_sec as u64, tick.tv_nsec as u32)
}

/// What this process ran, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) total_ns: u64,
    pub(super) user_ns: u64,
}

/// Threads of this process that cannot run on certain CPUs.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere(Vec<i32>);

impl Elsewhere {
    /// Looks at all threads there are.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub(super) fn than(cpus: &[u32]) -> io::Result<Self> {
        let mut threads = Vec::new();
        for entry in fs::read_dir("/proc/self/task")?.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(id) = id.and_then(Pid::from_raw) else { continue };
            // One that has ended meanwhile runs nowhere.
            let Ok(allowed) = sched_getaffinity(Some(id)) else { continue };
            let may = |cpu: &u32| (*cpu as usize) < CpuSet::MAX_CPU && allowed.is_set(*cpu as usize);
            if !cpus.iter().any(may) {
                threads.push(id.as_raw_nonzero().get());
            }
        }
        Ok(Self(threads))
    }

    /// What all other threads of this process ran so far; those that are gone, too. At most that ran on the CPUs in
    /// question: a thread that may use others as well counts whole.
    ///
    /// # Errors
    /// Where there is no such clock.
    pub(super) fn others(&self) -> io::Result<Ran> {
        let mut ran = Ran { total_ns: read(-1, ALL)?, user_ns: read(-1, USER)? };
        for id in &self.0 {
            // Of one that is gone the process keeps its time: then it counts with the others.
            if let (Ok(total), Ok(user)) = (read(!id, THREAD | ALL), read(!id, THREAD | USER)) {
                ran.total_ns = ran.total_ns.saturating_sub(total);
                ran.user_ns = ran.user_ns.saturating_sub(user);
            }
        }
        Ok(ran)
    }
}

/// `of`: -1 of this process; or the complement of a thread's id.
fn read(of: i32, which: libc::clockid_t) -> io::Result<u64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to room for one timespec, which the call fills where it succeeds.
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
    fn a_tick_is_some_milliseconds() {
        assert!((Duration::from_micros(500)..=Duration::from_millis(10)).contains(&tick()), "{:?}", tick());
    }

    #[test]
    fn ticks_of_threads_are_those_of_the_process() {
        let own = !gettid().as_raw_nonzero().get();
        let begin = [read(-1, ALL), read(own, THREAD | ALL), read(own, THREAD | USER)].map(Result::unwrap);
        // Ticks are few: as long as it takes until some came, on a machine that gives us a CPU now and then.
        let begun = Instant::now();
        while read(own, THREAD | USER).unwrap() < begin[2] + 10 * tick().as_nanos() as u64 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no ticks");
            spin(Duration::from_millis(5));
        }
        let (thread, user) = (read(own, THREAD | ALL).unwrap(), read(own, THREAD | USER).unwrap());
        let process = read(-1, ALL).unwrap();
        assert!(process - begin[0] >= thread - begin[1], "a process has all that its threads have");
        assert!(thread - begin[1] >= user - begin[2], "user time is a part");
    }

    #[test]
    fn threads_elsewhere_do_not_count() {
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
