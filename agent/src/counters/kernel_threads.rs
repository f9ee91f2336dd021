//! CPU time of the kernel threads of a ring: `iou-sqp-TID` polls its submission queue, `iou-wrk-TID` executes requests
//! that would block. They are threads of this process but make no system calls, so neither perf nor the workers' usage
//! includes them.

use std::{collections::BTreeMap, fs, io};

/// Run time by thread id, in nanoseconds, of all ring threads of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelThreads(BTreeMap<u32, u64>);

impl KernelThreads {
    /// Reads `/proc/self/task`.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn read() -> io::Result<Self> {
        let mut times = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task")? {
            let path = entry?.path();
            // A thread may end between the two reads.
            let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
            if !name.starts_with("iou-") {
                continue;
            }
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            let time = fs::read_to_string(path.join("schedstat"))
                .ok()
                .and_then(|text| text.split_whitespace().next()?.parse().ok());
            if let (Some(id), Some(time)) = (id, time) {
                times.insert(id, time);
            }
        }
        Ok(Self(times))
    }

    /// A synthetic reading.
    #[cfg(test)]
    pub(crate) fn of<const N: usize>(times: [(u32, u64); N]) -> Self {
        Self(times.into())
    }

    /// Merges a later reading; threads that have ended since keep their last values.
    pub fn advance(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Run time since `earlier`, in nanoseconds; threads that started since count in full.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> u64 {
        let spent = |(id, time): (&u32, &u64)| time.saturating_sub(earlier.0.get(id).copied().unwrap_or(0));
        self.0.iter().map(spent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn started_and_ended_threads_are_included() {
        let earlier = KernelThreads::of([(1, 100), (2, 50)]);
        let mut now = earlier.clone();
        now.advance(KernelThreads::of([(2, 80), (3, 7)]));
        assert_eq!(now.since(&earlier), 30 + 7);
    }

    #[test]
    fn proc_is_readable() {
        KernelThreads::read().unwrap();
    }
}
