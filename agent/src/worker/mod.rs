//! The worker threads of a trial. The `pool` starts, stops and joins them; each builds its engine on its own CPU
//! (`lifecycle`, `factory`), waits at the start line (`gate`) and runs the hot loop (`operations`, `measure`,
//! [`hot`]).

mod combiner;
mod context;
mod descriptors;
mod event;
mod factory;
mod gate;
mod handles;
pub mod hot;
pub mod lanes;
mod lifecycle;
mod measure;
pub mod memory;
mod operations;
pub mod pacer;
mod pool;
mod prompt;
pub mod recorder;
pub mod slowed;
pub mod synced;
#[cfg(test)]
mod tests;
mod thread;
pub mod window;

pub use self::{
    event::{Built, Report, WorkerEvent},
    pool::{Places, WorkerPool},
};
