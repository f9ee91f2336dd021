//! Real processes on this machine: joint measurements of several hosts, the loss of a host, the contents of the
//! run directory, and the absence of other leftovers.

#![allow(clippy::unwrap_used, reason = "a test")]

mod directory;
mod leftovers;
mod losses;
mod support;
mod together;
