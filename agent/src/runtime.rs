//! The runtime of asynchronous tasks. A limit of processes is an error here, not a panic later.

use std::{io, sync::mpsc, thread::Builder, time::Duration};

use tokio::runtime::Runtime;

/// For how long an idle thread for blocking work is kept: for good, because a new one may not be had later.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// Starts a runtime with this many threads for tasks, and one for blocking work.
///
/// # Errors
/// The threads cannot be started, for example because of RLIMIT_NPROC.
pub fn start(workers: usize) -> io::Result<Runtime> {
    // The runtime itself panics if it cannot start a thread.
    can_start(workers + 1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_keep_alive(KEPT)
        .thread_name("runtime")
        .enable_all()
        .build()?;
    // With one idle thread at hand, blocking work waits for it if no further one can be started.
    runtime.block_on(async { tokio::task::spawn_blocking(|| {}).await }).map_err(io::Error::other)?;
    Ok(runtime)
}

/// Starts this many threads at a time, and ends them.
fn can_start(threads: usize) -> io::Result<()> {
    let mut started = Vec::new();
    for _ in 0..threads {
        // A thread ends when its sender is dropped.
        let (release, wait) = mpsc::channel::<()>();
        let thread = Builder::new().name("probe".into()).spawn(move || _ = wait.recv());
        let thread = thread
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        started.push((release, thread));
    }
    for (release, thread) in started {
        drop(release);
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_work_runs() {
        let runtime = start(1).unwrap();
        let done = runtime.block_on(async { tokio::task::spawn_blocking(|| 7).await });
        assert_eq!(done.unwrap(), 7);
    }
}
