//! What a trial cost beside its time: CPU, context switches, kernel threads, system calls.

pub mod kernel_threads;
pub mod perf;
pub mod usage;
