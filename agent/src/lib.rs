//! The agent: runs trials on one host and streams the results back.
//!
//! A trial passes through [`service`] (lease and state machine), [`target`] (files and devices), [`worker`] (drives an
//! [`engine`] over a [`workload`]) and [`stream`] (merges the workers' intervals), and returns to the service.
//!
//! Files import one another in one direction. From the lowest layer to the highest, each may import only those before it:
//!
//! 1. Leaves: [`buffers`], [`cgroup`], [`clock`], `drain`, [`limits`], [`metrics`], [`runtime`], [`signals`], `skip`,
//!    [`slot`], [`source`], `status`, [`topology`], [`workload`].
//! 2. [`counters`]: counters of the kernel and the processor.
//! 3. [`engine`]: the I/O interfaces.
//! 4. [`verify`]: comparison of data read with data written.
//! 5. [`target`]: files, RAM disks and devices.
//! 6. [`worker`]: the threads of a trial and the hot loop.
//! 7. [`stream`]: merges the workers' intervals into intervals of the host.
//! 8. [`preflight`]: facts and capabilities of the host.
//! 9. [`service`], the gRPC service of the agent.
//! 10. [`listen`]: who may connect.
//! 11. [`server`] and [`cli`].
//!
//! `tests/layers.rs` fails on an import against this order and on any cycle of files.

pub mod buffers;
pub mod cgroup;
pub mod cli;
pub mod clock;
pub mod counters;
mod drain;
pub mod engine;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod preflight;
pub mod runtime;
pub mod server;
pub mod service;
pub mod signals;
#[doc(hidden)]
pub mod skip;
pub mod slot;
pub mod source;
mod status;
pub mod stream;
pub mod target;
pub mod topology;
pub mod verify;
pub mod worker;
pub mod workload;
