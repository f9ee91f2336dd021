//! The run directory and `summary.json`, by the names that users rely on.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::{Lab, bin};

const FILES: [&str; 7] = [
    "scenario.yaml",
    "plan.json",
    "hosts.json",
    "trials.jsonl",
    "summary.json",
    "summary.csv",
    "report.html",
];

/// Keys of the whole file, a cell, a comparison, an expectation and a warning. A slash goes one level down.
const TOP: &str = "schema run_id scenario cells comparisons expectations warnings";
const CELL: &str = "arm params hosts host trials trials/planned trials/complete iops iops/mean iops/ci95 \
                    iops/samples bandwidth_bytes_per_s bandwidth_bytes_per_s/mean latency_ns latency_ns/mean \
                    latency_ns/p50 latency_ns/p90 latency_ns/p99 latency_ns/p99_9 latency_ns/p99_99 \
                    latency_ns/max latency_ns/ci95 latency_ns/ci95/p99 syscalls_per_io syscalls \
                    syscalls/counted_by syscalls/total syscalls/by_name cpu_ns_per_io cpu_ns_per_io/user \
                    cpu_ns_per_io/system cpu_ns_per_io/kernel_threads context_switches_per_io ring \
                    ring/requested ring/granted ring/sqes_per_enter ring/punted_to_io_wq \
                    ring/completed interrupts_per_io hardware cached_share";
const COMPARISON: &str = "baseline arm params metric ratio ci95 p_value verdict";
const EXPECTATION: &str = "text passed detail";
const WARNING: &str = "code host message remedy";

#[track_caller]
fn has(value: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(value.pointer(&format!("/{key}")).is_some(), "no `{key}` in {value}");
    }
}

#[test]
fn the_run_directory_has_the_documented_files_and_keys() {
    let lab = Lab::new();
    let text = lab.scenario(
        2,
        "100ms",
        "  sync: {engine: psync}\n  uring: {engine: io_uring}\nsweep: {depth: [1, 4]}\nbaseline: sync\n\
         expect: [\"uring.iops > 0\"]\n",
    );
    // Without --out. A late trial on a busy machine (exit code 4) does not matter here.
    let code = lab.spawn(&[]).wait();
    assert!(code == 0 || code == 4, "{code}");
    let latest = fs::read_link(lab.path("results/latest")).expect("results/latest is a link");
    let run = lab.path("results").join(&latest);
    for name in FILES {
        assert!(fs::metadata(run.join(name)).is_ok_and(|file| file.len() > 0), "{name}");
    }
    assert_eq!(fs::read_to_string(run.join("scenario.yaml")).unwrap(), text);
    for name in ["plan.json", "hosts.json"] {
        let _: Value = serde_json::from_slice(&fs::read(run.join(name)).unwrap()).expect(name);
    }
    let trials = lab.trials("results/latest");
    assert_eq!(trials.len(), 4 * 3, "four cells, an audit and two trials each");
    let logs: Vec<_> = fs::read_dir(run.join("histograms")).unwrap().map(|log| log.unwrap().path()).collect();
    assert_eq!(logs.len(), trials.len());
    for log in logs {
        assert_eq!(log.extension().unwrap(), "hlog");
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("#[StartTime: ") && text.contains("#[BaseTime: "), "{text:.300}");
        let mut intervals = text.lines().filter(|line| !line.starts_with('#')).peekable();
        assert!(
            intervals.peek().is_some() && intervals.all(|line| line.starts_with("Tag=read,")),
            "{text:.300}"
        );
    }

    let summary = lab.summary("results/latest");
    assert_eq!((&summary["schema"], &summary["scenario"]), (&Value::from(1), &Value::from("hosts")));
    assert_eq!(Some(summary["run_id"].as_str().unwrap()), latest.to_str());
    has(&summary, TOP);
    let each = |list: &str| summary[list].as_array().unwrap().clone();
    assert_eq!(each("cells").len(), 4, "one host, one row a cell");
    each("cells").iter().for_each(|cell| has(cell, CELL));
    assert!(!each("comparisons").is_empty());
    each("comparisons").iter().for_each(|comparison| has(comparison, COMPARISON));
    assert_eq!(each("expectations").len(), 1);
    each("expectations").iter().for_each(|expectation| has(expectation, EXPECTATION));
    each("warnings").iter().for_each(|warning| has(warning, WARNING));

    let schema = Command::new(bin("coordinator")).args(["schema", "summary"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&summary).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut without = summary.clone();
    without.as_object_mut().unwrap().remove("cells");
    assert!(!validator.is_valid(&without), "a schema that takes anything proves nothing");
}
