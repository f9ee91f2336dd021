//! Costs of a trial other than latency: CPU time, context switches, kernel threads, system calls, completion paths,
//! interrupts, noise.

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
