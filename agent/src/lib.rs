//! The agent: runs trials on one host and streams back what it measured.
//!
//! The path of a trial: [`service`] -> [`target`] -> [`worker`] (which drives an [`engine`] over a
//! [`workload`]) -> [`stream`] -> service.

pub mod buffers;
pub mod cli;
pub mod clock;
pub mod counters;
mod drain;
pub mod engine;
pub mod preflight;
pub mod server;
pub mod service;
#[doc(hidden)]
pub mod skip;
pub mod slot;
pub mod source;
pub mod stream;
pub mod target;
pub mod topology;
pub mod verify;
pub mod worker;
pub mod workload;
