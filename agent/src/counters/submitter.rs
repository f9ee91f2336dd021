//! The thread that hands a ring's requests to the kernel's machinery: where what happens to them can be watched.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::thread::gettid;

/// How long a polling thread may take to give itself its name.
const NAMED_WITHIN: Duration = Duration::from_millis(500);

/// Which thread submits the requests of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// The worker itself.
    Caller,
    /// The kernel's polling thread, by its thread id.
    Polling(libc::pid_t),
    /// A thread that is watched from another one: the combiner, or a polling thread that workers share.
    Elsewhere,
}

impl Submitter {
    /// Of the ring that the calling thread has built. `polled`: its polling thread was granted.
    ///
    /// None where there must be a polling thread and none is found.
    #[must_use]
    pub fn of_this_thread(polled: bool) -> Option<Self> {
        if polled { polling_thread().map(Self::Polling) } else { Some(Self::Caller) }
    }
}

/// The kernel names a polling thread after the thread that built its ring, in the first moments of its life.
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
