//! CPU time, context switches and waiting for a CPU, of the calling thread.

use std::{fs, io, mem::MaybeUninit};

/// A thread's account so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In user mode, in nanoseconds. The kernel splits exact run time by sampled ticks.
    pub user_ns: u64,
    /// In the kernel, in nanoseconds.
    pub system_ns: u64,
    /// Times that the thread gave the CPU up.
    pub voluntary: u64,
    /// Times that it was made to.
    pub involuntary: u64,
    /// How long it was ready and its CPU had somebody else, in nanoseconds; absent where the kernel does not count.
    pub waited_ns: Option<u64>,
}

impl Usage {
    /// Of the calling thread (getrusage with RUSAGE_THREAD, and its schedstat).
    ///
    /// # Errors
    /// What the system call said.
    pub fn of_this_thread() -> io::Result<Self> {
        let mut usage = MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is to room for one rusage, which the call fills where it succeeds.
        let usage = unsafe {
            if libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            usage.assume_init()
        };
        let nanos = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
        Ok(Self {
            user_ns: nanos(usage.ru_utime),
            system_ns: nanos(usage.ru_stime),
            voluntary: usage.ru_nvcsw as u64,
            involuntary: usage.ru_nivcsw as u64,
            waited_ns: waited(),
        })
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
            waited_ns: self.waited_ns.zip(earlier.waited_ns).map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

fn waited() -> Option<u64> {
    run_delay(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Of `RUN WAITED SLICES`: times in nanoseconds. A kernel that does not count says 0 of all, even of slices, though
/// whoever reads this has a CPU.
fn run_delay(text: &str) -> Option<u64> {
    let numbers = text.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    let [_, waited, slices] = numbers[..] else { return None };
    (slices > 0).then_some(waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_told_where_it_is_counted() {
        assert_eq!(run_delay("1213389 5682519 2\n"), Some(5_682_519));
        assert_eq!(run_delay("1213389 0 2\n"), Some(0));
        assert_eq!(run_delay("0 0 0\n"), None);
        assert!(run_delay("").is_none() && run_delay("1 2").is_none() && run_delay("1 x 2").is_none());
        let with = |waited_ns| Usage { waited_ns, ..Usage::default() };
        assert_eq!(with(Some(9)).since(with(Some(4))).waited_ns, Some(5));
        assert_eq!(with(Some(9)).since(with(None)).waited_ns, None);
    }

    #[test]
    fn sleeping_is_a_voluntary_switch() {
        let before = Usage::of_this_thread().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(Usage::of_this_thread().unwrap().since(before).voluntary >= 1);
    }
}
