//! Real processes on this machine: what several hosts measure together, what happens when one of them does
//! not, what a run leaves in its directory, and that it leaves nothing else.

#![allow(clippy::unwrap_used, reason = "a test")]

mod directory;
mod leftovers;
mod losses;
mod support;
mod together;
