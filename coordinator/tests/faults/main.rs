//! The real binaries with invalid input, faulty hosts and runtime faults: each fault has its exit code, names its
//! remedy and loses no finished trials.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../cluster/fake.rs"]
#[allow(dead_code, reason = "shared with the tests of the cluster, which use all of it")]
mod fake;

mod data;
mod disk;
mod hostile;
mod hosts;
mod interrupt;
mod killed;
mod knobs;
mod limits;
mod output;
mod paths;
mod scenarios;
mod serve;
mod support;
