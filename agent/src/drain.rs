//! The deadline for requests in flight when a thread is stopping. Some may never complete: the thread polls for
//! completions without waiting in the kernel and without keeping a CPU busy, and gives up at the deadline.
//!
//! Engines never free the memory of requests that have not completed (see each engine's `Drop`). A thread that is
//! blocked inside a system call cannot give up; the refusal that the next coordinator gets names it.

use std::{
    io,
    time::{Duration, Instant},
};

/// Time for which a stopping thread waits while nothing completes. It is shorter than the coordinator's timeout for a
/// cancelled trial.
#[cfg(not(test))]
pub(crate) const GRACE: Duration = Duration::from_secs(10);
#[cfg(test)]
pub(crate) const GRACE: Duration = Duration::from_millis(300);

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(1);

/// Expires when nothing completes for the whole of [`GRACE`]. A new one begins with every completion.
#[derive(Default)]
pub(crate) struct DrainDeadline {
    since: Option<Instant>,
}

impl DrainDeadline {
    /// Pauses after a poll that found none of the `missing` requests complete.
    ///
    /// # Errors
    /// `TimedOut` when nothing has completed for the whole of [`GRACE`].
    #[cold]
    pub(crate) fn wait(&mut self, missing: u32) -> io::Result<()> {
        if self.since.get_or_insert_with(Instant::now).elapsed() < GRACE {
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        let requests = if missing == 1 { "request" } else { "requests" };
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{missing} {requests} did not complete within {GRACE:?} after the trial was stopped"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proto::{
        outcome::Refusal,
        trial::{self, EngineKind, FileTarget, Measure, Sharing, Sqpoll, Target, Trial, Workload},
        units::{ByteSize, Nanos},
    };

    use super::*;
    use crate::{
        clock::monotonic_ns,
        worker::{Places, WorkerEvent, WorkerPool},
    };

    /// The refusals of the threads of a trial whose target never answers, after the pool was stopped.
    async fn stopped(ring: Sharing) -> Vec<Refusal> {
        let threads = if ring == Sharing::PerThread { 1 } else { 2 };
        let engine = trial::Engine {
            queue: trial::QueueOptions::of_depth(4),
            ring: trial::RingOptions {
                sharing: ring,
                sqpoll: Some(Sqpoll::default()),
                ..trial::RingOptions::default()
            },
            ..trial::Engine::new(EngineKind::IoUring)
        };
        let trial = Arc::new(Trial {
            id: "t".into(),
            seed: 1,
            target: Target::File(FileTarget::new(ByteSize(1 << 20), false)),
            workload: Workload {
                threads,
                warmup: Nanos(0),
                runtime: Nanos(20_000_000),
                ..Workload::default()
            },
            engine,
            measure: Measure::Timed,
        });
        // A pipe that nothing is written to.
        let (reader, _writer) = io::pipe().unwrap();
        let files = (0..threads).map(|_| reader.try_clone().unwrap().into()).collect();
        let places = Places { workers: &vec![0; threads as usize], pollers: &[], combiner: Some((0, false)) };
        let mut pool = WorkerPool::launch(&trial, 1 << 20, files, places).unwrap();
        let (mut ready, mut refusals) = (0, Vec::new());
        while refusals.len() < pool.reports() {
            let event = tokio::time::timeout(Duration::from_secs(60), pool.event()).await;
            match event.expect("a thread does not end").unwrap() {
                WorkerEvent::Ready(_) => ready += 1,
                WorkerEvent::Done(Err(refusal)) => refusals.push(refusal),
                WorkerEvent::Done(Ok(report)) => panic!("{ring:?}: {report:?}"),
            }
            if ready == threads {
                ready = 0;
                pool.start(monotonic_ns());
                // Past the end of the window, so that all threads wait for their requests in flight.
                tokio::time::sleep(Duration::from_millis(100)).await;
                pool.stop();
            }
        }
        refusals
    }

    #[tokio::test]
    async fn gives_up_requests_that_never_complete() {
        for ring in [Sharing::PerThread, Sharing::Shared, Sharing::Combiner] {
            let refusals = stopped(ring).await;
            if let Some(refusal) = refusals.iter().find(|refusal| refusal.code() == "ring-refused") {
                return crate::skip::skip(&refusal.message());
            }
            assert!(
                refusals.iter().all(|refusal| refusal.code() == "engine-failed"),
                "{ring:?}: {refusals:?}"
            );
            let says = |refusal: &Refusal| refusal.message().contains("requests did not complete");
            assert!(refusals.iter().any(says), "{ring:?}: {refusals:?}");
        }
    }
}
