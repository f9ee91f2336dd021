//! The agent: runs trials on one host and streams back what it measured.
//!
//! A trial passes through [`service`] (lease and state machine), [`target`] (what the I/O goes to), [`worker`] (drives an
//! [`engine`] over a [`workload`]) and [`stream`] (merges the workers' intervals), and returns to the service.
//!
//! Files import one another in one direction. From the lowest layer to the highest, each may import only those before it:
//!
//! 1. Leaves: [`buffers`], [`clock`], `drain`, [`slot`], [`source`], [`topology`], [`workload`].
//! 2. [`counters`]: what the kernel and the processor count.
//! 3. [`engine`]: the ways of doing I/O.
//! 4. [`verify`]: whether what is read is what was written.
//! 5. [`target`]: files, RAM disks and devices.
//! 6. [`worker`]: the threads of a trial and the hot loop.
//! 7. [`stream`]: intervals of the host from those of its workers.
//! 8. [`preflight`]: what the host is and can do.
//! 9. [`service`], the gRPC service of the agent.
//! 10. [`server`] and [`cli`].
//!
//! `tests/layers.rs` fails on an import against this order and on any circle of files.

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
