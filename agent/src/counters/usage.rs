//! CPU time and context switches of the calling thread.

use std::{io, mem::MaybeUninit};

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
}

impl Usage {
    /// Of the calling thread (getrusage with RUSAGE_THREAD).
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_is_a_voluntary_switch() {
        let before = Usage::of_this_thread().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(Usage::of_this_thread().unwrap().since(before).voluntary >= 1);
    }
}
