//! Who has the lease, and what keeps it: what the next coordinator is told that finds the agent busy.

use std::{
    fmt::Write as _,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::drain::GRACE;

/// Where the one lease's holder is written down.
#[derive(Clone, Default)]
pub(super) struct LeaseOwner(Arc<Mutex<Option<Run>>>);

struct Run {
    id: String,
    trial: Option<(String, Instant)>,
    /// When its coordinator went. Since then all is being ended that it began.
    gone: Option<Instant>,
}

/// The lease is this run's until this is dropped.
pub(super) struct LeaseGuard(LeaseOwner);

impl LeaseOwner {
    /// Takes the lease for a run.
    ///
    /// # Errors
    /// Who has it, since when, and what to do.
    pub(super) fn take(&self, run_id: &str) -> Result<LeaseGuard, String> {
        let mut owner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*owner {
            return Err(other.busy(Instant::now(), || threads(Path::new("/proc/self/task"))));
        }
        *owner = Some(Run { id: run_id.to_owned(), trial: None, gone: None });
        Ok(LeaseGuard(self.clone()))
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn update(&self, what: impl FnOnce(&mut Run)) {
        if let Some(run) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            what(run);
        }
    }
}

impl LeaseGuard {
    /// A trial begins.
    pub(super) fn begin(&self, trial: &str) {
        self.0.update(|run| run.trial = Some((trial.to_owned(), Instant::now())));
    }

    /// It has ended, and all that it had is gone.
    pub(super) fn end(&self) {
        self.0.update(|run| run.trial = None);
    }

    /// The coordinator has gone.
    pub(super) fn leave(&self) {
        self.0.update(|run| _ = run.gone.get_or_insert_with(Instant::now));
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Run {
    /// Why the agent is busy at `now`, and what to do about it.
    fn busy(&self, now: Instant, threads: impl FnOnce() -> io::Result<Vec<String>>) -> String {
        let ago = |then: Instant| format!("{:.0} s ago", now.saturating_duration_since(then).as_secs_f64());
        let mut text = format!("this agent is busy with run {}", self.id);
        if let Some((trial, begun)) = &self.trial {
            let _ = write!(text, ", whose trial {trial} began {}", ago(*begun));
        }
        let Some(gone) = self.gone else {
            return text + "; it runs one at a time: wait for it or end it";
        };
        let _ = write!(text, "; its coordinator left {}, and it is still being ended", ago(gone));
        // Threads that can give up have done so by then.
        if now.saturating_duration_since(gone) < GRACE + Duration::from_secs(2) {
            return text + ": wait some seconds";
        }
        match threads() {
            Ok(threads) if threads.is_empty() => {
                text += ", though no thread of it is left: what it made is being taken down";
            }
            Ok(threads) => {
                let _ = write!(text, ". It waits for {}", threads.join(", "));
            }
            Err(error) => {
                let _ = write!(text, "; its threads cannot be read ({error})");
            }
        }
        text + ". A thread that the kernel holds cannot be ended by the agent: look at this host's kernel log (`dmesg`) \
                and the device, and restart the agent, or the host where that does not end it"
    }
}

/// The threads of trials, and whatever sleeps so that no signal reaches it: each with its number, its state and where
/// in the kernel it waits.
fn threads(tasks: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for task in fs::read_dir(tasks)? {
        let path = task?.path();
        // A thread may end between two reads: then it is not there.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let Some((id, name, state)) = identity(&stat) else { continue };
        if state != "D" && !(name.starts_with("worker-") || name == "combiner") {
            continue;
        }
        let mut thread = format!("{name} (thread {id}, state {state}");
        // Says 0 where it runs, or where the reader may not know.
        if let Ok(place) = fs::read_to_string(path.join("wchan"))
            && !matches!(place.trim(), "" | "0")
        {
            let _ = write!(thread, " in {}", place.trim());
        }
        found.push(thread + ")");
    }
    found.sort();
    Ok(found)
}

/// Of `ID (NAME) STATE …`; the name may hold anything.
fn identity(stat: &str) -> Option<(&str, &str, &str)> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    Some((id, name, rest.split_whitespace().next()?))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_next_is_told_who_has_it_and_what_holds_it() {
        let owner = LeaseOwner::default();
        let guard = owner.take("first").unwrap();
        let message = || owner.take("second").err().unwrap();
        assert!(message().contains("busy with run first; it runs one at a time"), "{}", message());
        guard.begin("t7");
        assert!(message().contains("whose trial t7 began 0 s ago; it runs"), "{}", message());
        guard.leave();
        assert!(
            message()
                .ends_with("its coordinator left 0 s ago, and it is still being ended: wait some seconds")
        );

        // A worker that waits in the kernel, as one does whose device never answers.
        let (sender, receiver) = channel::<()>();
        let (name, named) = channel();
        let worker = std::thread::Builder::new().name("worker-4711".into()).spawn(move || {
            name.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            receiver.recv()
        });
        let id = named.recv().unwrap();
        let gone = GRACE + Duration::from_secs(3);
        let text = {
            let run = owner.0.lock().unwrap();
            let mut text = String::new();
            // Until it sleeps.
            for _ in 0..1000 {
                text = run
                    .as_ref()
                    .unwrap()
                    .busy(Instant::now() + gone, || threads(Path::new("/proc/self/task")));
                if text.contains(&format!("worker-4711 (thread {id}, state S")) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            text
        };
        assert!(text.contains(&format!("worker-4711 (thread {id}, state S")), "{text}");
        assert!(text.contains("dmesg") && text.contains("restart the agent"), "{text}");
        drop(sender);
        worker.unwrap().join().unwrap().unwrap_err();

        guard.end();
        assert!(!message().contains("t7"));
        drop(guard);
        assert!(owner.take("second").is_ok() && !owner.is_taken());
    }

    #[test]
    fn a_thread_in_the_kernel_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for (id, stat, place) in [
            ("12", "12 (worker-0) D 1 12 12 0", "blk_mq_get_tag"),
            ("13", "13 (tokio (a) b) D 1 13", "0"),
            ("14", "14 (tokio-rt) S 1 14", "futex_wait"),
            ("15", "15 (combiner) R 1 15", ""),
        ] {
            let task = folder.path().join(id);
            fs::create_dir(&task).unwrap();
            fs::write(task.join("stat"), stat).unwrap();
            fs::write(task.join("wchan"), place).unwrap();
        }
        assert_eq!(
            threads(folder.path()).unwrap(),
            [
                "combiner (thread 15, state R)",
                "tokio (a) b (thread 13, state D)",
                "worker-0 (thread 12, state D in blk_mq_get_tag)",
            ]
        );
        let run = Run { id: "r".into(), trial: None, gone: Some(Instant::now()) };
        let later = Instant::now() + GRACE + Duration::from_secs(3);
        assert!(run.busy(later, || Ok(Vec::new())).contains("no thread of it is left"));
        assert!(run.busy(later, || Err(io::Error::other("x"))).contains("cannot be read (x)"));
    }
}
