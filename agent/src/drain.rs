//! How a thread that is to stop waits for requests in flight that may never come back: it looks for them now and then,
//! without the kernel and without keeping a CPU busy, and gives up after a while.
//!
//! What is given up is not freed: an engine keeps the memory of requests that it has not got back (see the `Drop` of
//! each). A thread that the kernel holds within a call cannot give up; the next coordinator is told of it.

use std::{
    io,
    time::{Duration, Instant},
};

/// How long a thread that is to stop waits while nothing comes back. Shorter than a coordinator's patience with a
/// trial that it has called off.
#[cfg(not(test))]
pub(crate) const GRACE: Duration = Duration::from_secs(10);
#[cfg(test)]
pub(crate) const GRACE: Duration = Duration::from_millis(300);

/// How often it looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Wears thin while nothing comes back; a new one is to be had with every request that does.
#[derive(Default)]
pub(crate) struct DrainDeadline {
    since: Option<Instant>,
}

impl DrainDeadline {
    /// Nothing came back of `missing` requests: pauses, or gives up.
    ///
    /// # Errors
    /// `TimedOut`: nothing has come back for the whole of [`GRACE`].
    #[cold]
    pub(crate) fn wait(&mut self, missing: u32) -> io::Result<()> {
        if self.since.get_or_insert_with(Instant::now).elapsed() < GRACE {
            std::thread::sleep(PAUSE);
            return Ok(());
        }
        let requests = if missing == 1 { "request" } else { "requests" };
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{missing} {requests} did not come back, {GRACE:?} after the trial was to stop"),
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

    /// How the threads of a trial end whose target never answers, once they are to stop.
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
        // A pipe that nobody writes to.
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
                // Beyond the end of the window, so that all wait for what is in flight.
                tokio::time::sleep(Duration::from_millis(100)).await;
                pool.stop();
            }
        }
        refusals
    }

    #[tokio::test]
    async fn what_never_comes_back_is_given_up_by_those_that_look_for_it() {
        for ring in [Sharing::PerThread, Sharing::Shared, Sharing::Combiner] {
            let refusals = stopped(ring).await;
            if let Some(refusal) = refusals.iter().find(|refusal| refusal.code() == "ring-refused") {
                return crate::skip::skip(&refusal.message());
            }
            assert!(
                refusals.iter().all(|refusal| refusal.code() == "engine-failed"),
                "{ring:?}: {refusals:?}"
            );
            let says = |refusal: &Refusal| refusal.message().contains("requests did not come back");
            assert!(refusals.iter().any(says), "{ring:?}: {refusals:?}");
        }
    }
}
