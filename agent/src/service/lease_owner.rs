//! The owner of the lease, and the message to other coordinators while the agent is busy.

use std::{
    fmt::Write as _,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use proto::wire::LeaseHolder;
use tokio_util::sync::CancellationToken;

use crate::drain::GRACE;

/// The run that holds the only lease, if any.
#[derive(Clone, Default)]
pub(super) struct LeaseOwner(Arc<Mutex<Option<Run>>>);

struct Run {
    id: String,
    since: Instant,
    /// Ends the lease.
    end: CancellationToken,
    trial: Option<(String, Instant)>,
    /// When its coordinator disconnected; since then the agent has been cleaning up.
    gone: Option<Instant>,
}

/// Ownership of the lease by one run; ends when dropped.
pub(super) struct LeaseGuard(LeaseOwner);

impl LeaseOwner {
    /// Takes the lease for a run.
    ///
    /// # Errors
    /// The message for the coordinator: who holds the lease, since when, and what to do.
    ///
    /// `end` is cancelled to end the lease.
    pub(super) fn take(&self, run_id: &str, end: CancellationToken) -> Result<LeaseGuard, String> {
        let mut owner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*owner {
            return Err(other.busy(Instant::now(), || threads(Path::new("/proc/self/task"))));
        }
        *owner = Some(Run { id: run_id.to_owned(), since: Instant::now(), end, trial: None, gone: None });
        Ok(LeaseGuard(self.clone()))
    }

    /// Whether the lease is taken.
    pub(super) fn is_taken(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The run that holds the lease, if any.
    pub(super) fn holder(&self) -> Option<LeaseHolder> {
        let owner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owner.as_ref().map(|run| LeaseHolder {
            run_id: run.id.clone(),
            held_ns: u64::try_from(run.since.elapsed().as_nanos()).unwrap_or(u64::MAX),
            trial_id: run.trial.as_ref().map(|(trial, _)| trial.clone()).unwrap_or_default(),
        })
    }

    /// Ends the lease of a run. Returns whether the run held it. The lease is free once the trial has ended.
    pub(super) fn release(&self, run_id: &str) -> bool {
        let owner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = owner.as_ref().filter(|run| run.id == run_id);
        held.inspect(|run| run.end.cancel()).is_some()
    }

    fn update(&self, what: impl FnOnce(&mut Run)) {
        if let Some(run) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            what(run);
        }
    }
}

impl LeaseGuard {
    /// Records that a trial begins.
    pub(super) fn begin(&self, trial: &str) {
        self.0.update(|run| run.trial = Some((trial.to_owned(), Instant::now())));
    }

    /// Records that the trial has ended and released its resources.
    pub(super) fn end(&self) {
        self.0.update(|run| run.trial = None);
    }

    /// Records that the coordinator has disconnected.
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
    /// The message that explains why the agent is busy at `now`, with a remedy.
    fn busy(&self, now: Instant, threads: impl FnOnce() -> io::Result<Vec<String>>) -> String {
        let ago = |then: Instant| format!("{:.0} s ago", now.saturating_duration_since(then).as_secs_f64());
        let mut text = format!("this agent is busy with run {}", self.id);
        if let Some((trial, begun)) = &self.trial {
            let _ = write!(text, ", whose trial {trial} began {}", ago(*begun));
        }
        let Some(gone) = self.gone else {
            return text + "; an agent serves one run at a time: wait for it or stop it";
        };
        let _ =
            write!(text, "; its coordinator disconnected {}, and the agent is still cleaning up", ago(gone));
        // By then, all threads that can stop have stopped.
        if now.saturating_duration_since(gone) < GRACE + Duration::from_secs(2) {
            return text + ": wait a few seconds";
        }
        match threads() {
            Ok(threads) if threads.is_empty() => {
                text += ": its threads have ended, and its targets are being removed";
            }
            Ok(threads) => {
                let _ = write!(text, ". It is waiting for {}", threads.join(", "));
            }
            Err(error) => {
                let _ = write!(text, "; its threads cannot be read ({error})");
            }
        }
        text + ". The agent cannot end a thread that is blocked in the kernel: check this host's kernel log (`dmesg`) \
                and the device, then restart the agent; if that does not help, restart the host"
    }
}

/// The threads of trials, and all threads in uninterruptible sleep, each with its id, state and wait channel.
fn threads(tasks: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for task in fs::read_dir(tasks)? {
        let path = task?.path();
        // A thread may end between the two reads.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let Some((id, name, state)) = identity(&stat) else { continue };
        if state != "D" && !(name.starts_with("worker-") || name == "combiner") {
            continue;
        }
        let mut thread = format!("{name} (thread {id}, state {state}");
        // It reads 0 if the thread is running or the reader lacks permission.
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

/// Parses `ID (NAME) STATE …`; the name may contain any character.
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
    fn busy_message_names_the_run_and_its_threads() {
        let (owner, end) = (LeaseOwner::default(), CancellationToken::new());
        let guard = owner.take("first", end.clone()).unwrap();
        let message = || owner.take("second", CancellationToken::new()).err().unwrap();
        assert!(
            message().contains("busy with run first; an agent serves one run at a time"),
            "{}",
            message()
        );
        assert_eq!(
            owner.holder().map(|holder| (holder.run_id, holder.trial_id)),
            Some(("first".into(), "".into()))
        );
        guard.begin("t7");
        assert_eq!(owner.holder().map(|holder| holder.trial_id), Some("t7".into()));
        assert!(message().contains("whose trial t7 began 0 s ago; an agent"), "{}", message());
        guard.leave();
        assert!(message().ends_with(
            "its coordinator disconnected 0 s ago, and the agent is still cleaning up: wait a few seconds"
        ));

        // A worker that is blocked in the kernel, as if its device never answered.
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
            // Wait until it sleeps.
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

        assert!(!owner.release("second") && !end.is_cancelled(), "another run's lease stays");
        assert!(owner.release("first") && end.is_cancelled());
        guard.end();
        assert!(!message().contains("t7"));
        drop(guard);
        assert!(owner.take("second", CancellationToken::new()).is_ok() && !owner.is_taken());
        assert!(owner.holder().is_none() && !owner.release("first"));
    }

    #[test]
    fn lists_blocked_threads_with_their_wait_channel() {
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
        let (since, end) = (Instant::now(), CancellationToken::new());
        let run = Run { id: "r".into(), since, end, trial: None, gone: Some(Instant::now()) };
        let later = Instant::now() + GRACE + Duration::from_secs(3);
        assert!(run.busy(later, || Ok(Vec::new())).contains("its threads have ended"));
        assert!(run.busy(later, || Err(io::Error::other("x"))).contains("cannot be read (x)"));
    }
}
