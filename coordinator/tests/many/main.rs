//! Many hosts: the real coordinator over the real protocol, with synthetic agents.
//!
//! `cargo test --release -p coordinator --test many cost_by_hosts -- --ignored --nocapture` prints what 10, 32, 100 and
//! 1,000 hosts cost the coordinator; `RINGBENCH_HOSTS=100 RINGBENCH_SECONDS=60` chooses others.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cluster;
mod synthetic;

use cluster::{Load, Ran, run};
use proto::histogram;
use serde_json::Value;
use synthetic::Invented;

/// The merged cell of a run, and its cells by host.
fn cells(ran: &Ran) -> (Value, Vec<Value>) {
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, ran.stdout);
    let mut summary = ran.summary();
    let cells = std::mem::take(summary["cells"].as_array_mut().unwrap());
    let (merged, hosts) = cells.into_iter().partition::<Vec<_>, _>(|cell| cell["host"].is_null());
    let [merged] = <[Value; 1]>::try_from(merged).unwrap();
    (merged, hosts)
}

#[test]
fn ten_hosts_are_merged_without_loss() {
    let load = Load { hosts: 10, trials: 1, runtime_ms: 800, interval_ms: 200 };
    let ran = run(load);
    let (merged, hosts) = cells(&ran);
    let mut all = histogram::empty::<u64>();
    for host in 0..load.hosts {
        (0..4).for_each(|index| all.add(&ran.invented.latencies[Invented::place(host, index)]).unwrap());
    }
    let iops = merged["iops"]["mean"].as_f64().unwrap();
    assert!((iops - all.len() as f64 / 0.8).abs() < 1.0, "{iops}");
    for (key, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0)] {
        assert_eq!(merged["latency_ns"][key], all.value_at_quantile(quantile), "{key}");
    }
    assert_eq!(hosts.len(), 10);
    let spread = &merged["host_spread"];
    assert!(
        ["slowest", "median", "fastest"].iter().all(|place| spread[place]["host"].is_string()),
        "{spread}"
    );
    let rows = ran.stdout.lines().filter(|line| line.trim().starts_with("on n"));
    assert_eq!(rows.count(), 3, "{}", ran.stdout);
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_trial() {
    let ran = run(Load { hosts: 16, trials: 1, runtime_ms: 6000, interval_ms: 20 });
    cells(&ran);
    // 3,600 further intervals after a quarter: 775 MiB, if they were kept.
    let grown = ran.cost.end_bytes.saturating_sub(ran.cost.quarter_bytes);
    assert!(ran.cost.quarter_bytes > 0 && grown < 16 << 20, "{}", ran.cost);
}

#[test]
#[ignore = "takes a minute"]
fn two_thousand_hosts_run_a_trial() {
    let ran = run(Load { hosts: 2000, trials: 1, runtime_ms: 2000, interval_ms: 1000 });
    println!("{}", ran.cost);
    assert_eq!(cells(&ran).1.len(), 2000);
}

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
