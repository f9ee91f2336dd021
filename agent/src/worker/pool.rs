//! The threads of one trial: started, stopped, joined.

use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use proto::{
    refusal::{Refusal, ThreadName, WorkerRefusal},
    trial::{Sharing, Trial},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    combiner,
    context::Worker,
    event::WorkerEvent,
    gate::{Gate, Start},
    handles::SharedHandles,
};
use crate::engine::Attach;

/// Where the threads of a trial run.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The CPU of each worker, in worker order.
    pub workers: &'a [u32],
    /// The CPU of each ring's polling thread, in worker order; empty where there are none.
    pub pollers: &'a [u32],
    /// With `ring: combiner`: the CPU of the combiner, and whether it is on its own there.
    pub combiner: Option<(u32, bool)>,
}

/// The workers of one trial. Dropped, it stops them and waits until they are gone.
pub struct WorkerPool {
    gate: Arc<Gate>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    events: UnboundedReceiver<WorkerEvent>,
    /// The file of a lone worker, which has a table of descriptors of its own: this is the agent's.
    _lone_file: Option<Arc<OwnedFd>>,
    read_back: Arc<AtomicU64>,
}

impl WorkerPool {
    /// Starts one thread for each file, pinned to the CPU of the same place; its ring's polling thread, if it
    /// is to have one, to the poller's; and the combiner, if there is to be one.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn launch(
        trial: &Arc<Trial>,
        size: u64,
        mut files: Vec<OwnedFd>,
        places: Places<'_>,
    ) -> Result<Self, Refusal> {
        let (sender, events) = unbounded_channel();
        let (attach, handles) = (Arc::<Attach>::default(), Arc::<SharedHandles>::default());
        let mut pool = Self {
            gate: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
            events,
            _lone_file: None,
            read_back: Arc::default(),
        };
        if trial.engine.ring.sharing == Sharing::Combiner {
            // Nowhere else, it lives with the first worker.
            let beside = (places.workers.first().copied().unwrap_or_default(), false);
            let (cpu, alone) = places.combiner.unwrap_or(beside);
            let combiner = combiner::Thread {
                cpu,
                alone,
                apart: places.workers.iter().collect::<HashSet<_>>().len() == places.workers.len(),
                poller: places.pollers.first().copied(),
                trial: Arc::clone(trial),
                gate: Arc::clone(&pool.gate),
                handles: Arc::clone(&handles),
                stop: Arc::clone(&pool.stop),
                events: sender.clone(),
            };
            let files = std::mem::take(&mut files);
            let spawned = Builder::new().name("combiner".into()).spawn(move || combiner.live(files));
            pool.threads.push(spawned.map_err(|error| no_thread(ThreadName::Combiner, &error))?);
        }
        let shared = trial.engine.ring.sharing != Sharing::PerThread;
        for (index, cpu) in places.workers.iter().enumerate() {
            // Each its own; of one ring for all, whoever builds it has all.
            let own = if shared { files.len() } else { 1.min(files.len()) };
            let files: Vec<_> = files.drain(..own).map(Arc::new).collect();
            if let ([_], [file]) = (places.workers, &files[..]) {
                pool._lone_file = Some(Arc::clone(file));
            }
            let worker = Worker {
                index: index as u32,
                cpu: *cpu,
                poller: places.pollers.get(index).copied(),
                trial: Arc::clone(trial),
                size,
                gate: Arc::clone(&pool.gate),
                attach: Arc::clone(&attach),
                handles: Arc::clone(&handles),
                stop: Arc::clone(&pool.stop),
                events: sender.clone(),
                read_back: Arc::clone(&pool.read_back),
            };
            let spawned = Builder::new().name(format!("worker-{index}")).spawn(move || worker.live(files));
            let spawned = spawned.map_err(|error| no_thread(ThreadName::Worker(index as u32), &error));
            pool.threads.push(spawned.inspect_err(|refusal| handles.give_up(refusal))?);
        }
        Ok(pool)
    }

    /// How many threads report: the workers, and the combiner if there is one.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.threads.len()
    }

    /// Bytes of the target that have been read back to verify them.
    #[must_use]
    pub fn read_back(&self) -> u64 {
        self.read_back.load(Ordering::Relaxed)
    }

    /// The next thing that a worker says; none once all are done.
    pub async fn event(&mut self) -> Option<WorkerEvent> {
        self.events.recv().await
    }

    /// Opens the gate: warmup begins at `at_ns` of CLOCK_MONOTONIC.
    pub fn start(&self, at_ns: u64) {
        self.gate.set(Start::At(at_ns));
    }

    /// Ends the trial early. Returns at once; workers finish what is in flight.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.gate.set(Start::Never);
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A worker catches its own panics, so there is nothing to learn from the result.
            let _ = thread.join();
        }
    }
}

fn no_thread(thread: ThreadName, error: &std::io::Error) -> Refusal {
    WorkerRefusal::NoThreads { thread, error: error.into() }.into()
}
