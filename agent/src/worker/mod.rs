//! Worker threads: started by the [`pool`], built on their own CPU ([`lifecycle`], [`factory`]), held at the start
//! line and run through the hot loop ([`operations`], [`measure`], [`hot`]), and joined.

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
