//! The initial state of a worker thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64},
};

use proto::trial::Trial;
use tokio::sync::mpsc::UnboundedSender;

use super::{event::WorkerEvent, gate::Gate, handles::SharedHandles};
use crate::engine::Attach;

/// The trial, and the state shared with the pool and the other workers.
pub(super) struct Worker {
    pub(super) index: u32,
    pub(super) cpu: u32,
    /// The CPU of its ring's polling thread; `None` leaves the choice to the kernel.
    pub(super) poller: Option<u32>,
    pub(super) trial: Arc<Trial>,
    /// The size of the target in bytes.
    pub(super) size: u64,
    pub(super) gate: Arc<Gate>,
    pub(super) attach: Arc<Attach>,
    pub(super) handles: Arc<SharedHandles>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) events: UnboundedSender<WorkerEvent>,
    /// Number of bytes that all workers have read back for verification.
    pub(super) read_back: Arc<AtomicU64>,
}
