//! A time limit for a test: an agent that runs too long is killed, which ends its test, and the states of its threads
//! are printed.

use std::{
    fs,
    path::Path,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Ten times the duration of the longest test on a busy machine with two CPUs.
const LIMIT: Duration = Duration::from_secs(180);

/// Kills a child process after the time limit. Must be lifted before waiting for the child, after which its process id
/// may be reused.
pub struct Limit {
    lifted: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Limit {
    pub fn on(child: u32) -> Self {
        let (lifted, ended) = channel::<()>();
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!(
                    "killing the agent: its test took longer than {LIMIT:?}. Its threads:\n{}",
                    threads(child)
                );
                let pid = i32::try_from(child).ok().and_then(Pid::from_raw).expect("a process");
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self { lifted: Some(lifted), thread: Some(thread) }
    }

    pub fn lift(&mut self) {
        self.lifted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The name, state and kernel stack of each thread, as far as they are readable.
fn threads(process: u32) -> String {
    let read = |task: &Path, what: &str| fs::read_to_string(task.join(what)).unwrap_or_default();
    let line = |task: &Path| {
        let stat = read(task, "stat");
        let state = stat.rsplit_once(") ").map_or("?", |(_, rest)| &rest[..1]);
        format!("{} {state} {}\n{}", read(task, "comm").trim(), read(task, "wchan"), read(task, "stack"))
    };
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.map(|task| line(&task.path())).collect::<Vec<_>>().join("\n")
}
