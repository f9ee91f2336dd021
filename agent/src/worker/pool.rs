//! Starts, stops and joins the threads of one trial.

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
    outcome::Release,
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

/// The CPUs of a trial's threads.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The CPU of each worker, in worker order.
    pub workers: &'a [u32],
    /// The CPU of each ring's polling thread, in worker order; empty without polling threads.
    pub pollers: &'a [u32],
    /// With `ring: combiner`: the CPU of the combiner, and whether no other thread uses it.
    pub combiner: Option<(u32, bool)>,
}

/// The workers of one trial. On drop, stops and joins them.
pub struct WorkerPool {
    gate: Arc<Gate>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    events: UnboundedReceiver<WorkerEvent>,
    /// The file of a single worker, which has its own descriptor table: this is the descriptor in the agent's table.
    _single_file: Option<Arc<OwnedFd>>,
    read_back: Arc<AtomicU64>,
}

impl WorkerPool {
    /// Starts one thread for each worker and pins it to its CPU. A ring's polling thread, if any, is pinned to the
    /// poller's CPU; with `ring: combiner`, starts the combiner's thread too.
    ///
    /// # Errors
    /// When the system cannot create another thread.
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
            _single_file: None,
            read_back: Arc::default(),
        };
        if trial.engine.ring.sharing == Sharing::Combiner {
            // Without a CPU for it, the combiner shares that of the first worker.
            let beside = (places.workers.first().copied().unwrap_or_default(), false);
            let (cpu, alone) = places.combiner.unwrap_or(beside);
            let combiner = combiner::Thread {
                cpu,
                alone,
                distinct_cpus: places.workers.iter().collect::<HashSet<_>>().len() == places.workers.len(),
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
            // Each worker has one file. For a shared ring, the thread that builds it gets all files.
            let own = if shared { files.len() } else { 1.min(files.len()) };
            let files: Vec<_> = files.drain(..own).map(Arc::new).collect();
            if let ([_], [file]) = (places.workers, &files[..]) {
                pool._single_file = Some(Arc::clone(file));
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

    /// The number of threads that report: the workers, and the combiner if there is one.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.threads.len()
    }

    /// The number of bytes of the target that have been read back for verification.
    #[must_use]
    pub fn read_back(&self) -> u64 {
        self.read_back.load(Ordering::Relaxed)
    }

    /// The next event of a worker; `None` once all are done.
    pub async fn event(&mut self) -> Option<WorkerEvent> {
        self.events.recv().await
    }

    /// Starts the trial: the warm-up begins at `at_ns` of CLOCK_MONOTONIC.
    pub fn start(&self, at_ns: u64) {
        self.gate.set(Start::At(at_ns));
    }

    /// When the threads passed the start line; `None` if none did.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        self.gate.release()
    }

    /// Ends the trial early. Returns at once; workers wait for their requests in flight.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.gate.set(Start::Never);
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // Workers catch their own panics, so the result carries no information.
            let _ = thread.join();
        }
    }
}

fn no_thread(thread: ThreadName, error: &std::io::Error) -> Refusal {
    WorkerRefusal::NoThreads { thread, error: error.into() }.into()
}
