//! Many hosts: the real coordinator over the real protocol, with synthetic agents.
//!
//! The benchmark prints what 10, 32, 100 and 1,000 hosts cost the coordinator:
//! `cargo test --release -p coordinator --test many -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cluster;
mod synthetic;

use cluster::{Load, run};

#[test]
#[ignore = "a benchmark"]
fn cost_by_hosts() {
    let wanted = std::env::var("RINGBENCH_HOSTS").unwrap_or_else(|_| "10,32,100,1000".into());
    let seconds: u64 =
        std::env::var("RINGBENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for hosts in wanted.split(',').map(|hosts| hosts.parse().unwrap()) {
        let ran = run(Load { hosts, trials: 1, runtime_ms: 1000 * seconds, interval_ms: 1000 });
        println!("{hosts:5} hosts, exit {}: {}", ran.code, ran.cost);
        if ran.code != 0 {
            println!("{}", ran.stderr);
        }
    }
}
