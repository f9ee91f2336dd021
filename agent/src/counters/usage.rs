//! CPU time, context switches and time waiting for a CPU of the calling thread.

use std::{fs, io, mem::MaybeUninit};

use proto::outcome::CpuTime;

proto::counters! {
    /// A thread's resource usage so far.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Usage {
        /// CPU time and context switches of the thread itself; kernel threads are not included.
        pub cpu: CpuTime,
        /// Time for which it was runnable but not running, in nanoseconds; absent if the kernel does not count this.
        pub waited_ns: Option<u64>,
    }
}

impl Usage {
    /// Reads the usage of the calling thread (getrusage with RUSAGE_THREAD, and its schedstat).
    ///
    /// # Errors
    /// The error of getrusage.
    pub fn of_this_thread() -> io::Result<Self> {
        let mut usage = MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is valid for one rusage, which the call fills if it succeeds.
        let usage = unsafe {
            if libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            usage.assume_init()
        };
        let nanos = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
        Ok(Self {
            cpu: CpuTime {
                user_ns: nanos(usage.ru_utime),
                system_ns: nanos(usage.ru_stime),
                kernel_threads_ns: None,
                voluntary_switches: usage.ru_nvcsw as u64,
                involuntary_switches: usage.ru_nivcsw as u64,
            },
            waited_ns: waited(),
        })
    }
}

fn waited() -> Option<u64> {
    run_delay(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Parses `RUN WAITED SLICES`, with times in nanoseconds. A kernel that does not count reports 0 for all three, even
/// though the reading thread has had at least one slice.
fn run_delay(text: &str) -> Option<u64> {
    let numbers = text.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    let [_, waited, slices] = numbers[..] else { return None };
    (slices > 0).then_some(waited)
}

#[cfg(test)]
mod tests {
    use proto::counters::Counters as _;

    use super::*;

    #[test]
    fn reads_waiting_time_if_the_kernel_counts_it() {
        assert_eq!(run_delay("1213389 5682519 2\n"), Some(5_682_519));
        assert_eq!(run_delay("1213389 0 2\n"), Some(0));
        assert_eq!(run_delay("0 0 0\n"), None);
        assert!(run_delay("").is_none() && run_delay("1 2").is_none() && run_delay("1 x 2").is_none());
        let with = |waited_ns| Usage { waited_ns, ..Usage::default() };
        assert_eq!(with(Some(9)).since(&with(Some(4))).waited_ns, Some(5));
        assert_eq!(with(Some(9)).since(&with(None)).waited_ns, None);
    }

    #[test]
    fn sleeping_is_a_voluntary_switch() {
        let before = Usage::of_this_thread().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(Usage::of_this_thread().unwrap().since(&before).cpu.voluntary_switches >= 1);
    }
}
