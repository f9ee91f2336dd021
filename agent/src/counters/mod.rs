//! What a trial cost beside its time: CPU, context switches, kernel threads, system calls, interrupts.

pub mod interrupts;
pub mod kernel_threads;
pub mod perf;
pub mod usage;
