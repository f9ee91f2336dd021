//! Keeps the coordinator off the CPUs on which the workers of an embedded agent measure.

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// While it exists, all threads of this process run on one CPU. Dropping it restores the previous CPU set, so that
/// a child started later does not inherit the narrow one.
#[derive(Debug)]
pub(super) struct Narrowed {
    before: CpuSet,
}

impl Narrowed {
    /// Moves all threads to `cpu`. `None` if that is not possible, which costs precision but no result.
    pub(super) fn to(cpu: u32) -> Option<Self> {
        let before = sched_getaffinity(None).ok()?;
        let cpu = usize::try_from(cpu).ok()?;
        if before.count() < 2 || cpu >= CpuSet::MAX_CPU || !before.is_set(cpu) {
            return None;
        }
        let mut one = CpuSet::new();
        one.set(cpu);
        set_all(&one);
        Some(Self { before })
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        set_all(&self.before);
    }
}

/// Threads that start later inherit from one of these. Threads that end meanwhile do not matter.
fn set_all(cpus: &CpuSet) {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return };
    for thread in threads.flatten() {
        let id = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        if let Some(id) = id
            && let Err(error) = sched_setaffinity(Some(id), cpus)
        {
            tracing::debug!("cannot move a thread of the coordinator: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_the_previous_cpu_set() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)).unwrap();
        if let Some(narrowed) = Narrowed::to(u32::try_from(first).unwrap()) {
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            drop(narrowed);
        }
        assert_eq!(sched_getaffinity(None).unwrap(), before);
        assert!(Narrowed::to(u32::MAX).is_none());
    }
}
