//! The thread that submits a ring's requests, on which their tracepoints fire.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::thread::gettid;

/// Time that a polling thread may take to set its name.
const NAMED_WITHIN: Duration = Duration::from_millis(500);

/// The thread that submits the requests of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// The worker itself.
    Caller,
    /// The kernel's polling thread, by its thread id.
    Polling(libc::pid_t),
    /// A thread that another worker observes: the combiner, or a polling thread shared by workers.
    Elsewhere,
}

impl Submitter {
    /// The submitter of the ring that the calling thread has built. `polled`: it has a polling thread.
    ///
    /// `None` if the polling thread is not found.
    #[must_use]
    pub fn of_this_thread(polled: bool) -> Option<Self> {
        if polled { polling_thread().map(Self::Polling) } else { Some(Self::Caller) }
    }
}

/// Finds the polling thread by its name, which contains the id of the thread that built the ring. The thread sets it
/// shortly after its start.
fn polling_thread() -> Option<libc::pid_t> {
    let name = format!("iou-sqp-{}\n", gettid().as_raw_nonzero());
    let begin = Instant::now();
    loop {
        let found = fs::read_dir("/proc/self/task").ok()?.flatten().find_map(|task| {
            let comm = fs::read_to_string(task.path().join("comm")).ok()?;
            if comm == name { task.file_name().to_str()?.parse().ok() } else { None }
        });
        if found.is_some() || begin.elapsed() > NAMED_WITHIN {
            return found;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
