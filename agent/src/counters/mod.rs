//! What a trial cost beside its time: CPU, context switches, kernel threads, system calls, the ways its requests
//! took, interrupts.

pub mod audit;
pub mod batches;
pub mod hardware;
pub mod interrupts;
pub mod kernel_threads;
pub mod noise;
pub mod paths;
pub mod perf;
pub mod submitter;
mod tracefs;
pub mod usage;
