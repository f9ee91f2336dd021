//! The agent: runs trials on one host and streams back what it measured.

pub mod buffers;
pub mod counters;
pub mod engine;
pub mod stream;
pub mod topology;
pub mod worker;
pub mod workload;
