//! Mutated input of every kind: it is read or refused, without a panic and without taking memory.

#[path = "../../proto/tests-support/fuzz.rs"]
mod cases;

use std::{fs, path::Path};

use crate::{
    analysis::{AnalysisInput, analyse, fixture::Fixture},
    cluster::inventory,
    import::{Source, import},
    plan, report, scenario,
    store::TRIALS,
};

const SCENARIO: &str = "\
name: demo
question: Which?
target: {file: {size: 1GiB, direct: true}}
workload: {block_size: [{4KiB: 70}, {64KiB: 30}], warmup: 300ms, runtime: 1s, rate: {per_second: 100, arrival: poisson}}
arms:
  sync: &base {engine: psync, concurrency: threads}
  uring: {engine: io_uring, sqpoll: {cpu: 1, idle: 2ms}, fixed_files: true}
sweep: {depth: [1, 8, 32], read_percent: [100, 50]}
trials: {max: 30, until: 2%}
baseline: sync
noise: mark
expect:
  - \"uring.iops >= 1.5 * sync.iops at depth >= 8 and read_percent = 50\"
  - \"uring faster than sync at depth = 32\"
";

#[test]
fn any_scenario_is_read_or_refused() {
    let shipped = ["qd-sweep", "ci-smoke"].map(|name| format!("../scenarios/{name}.yaml"));
    let mut samples: Vec<Vec<u8>> = shipped.iter().filter_map(|path| fs::read(path).ok()).collect();
    samples.push(SCENARIO.into());
    cases::run("scenarios", &samples, |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match scenario::load_text(text, Path::new("x.yaml"), &[], bytes.len() % 2 == 0) {
            Ok(loaded) => drop(plan::plan(&loaded, 1)),
            Err(error) => assert!(format!("{:?}", miette::Report::from(error)).len() < 1 << 20),
        }
    });
}

#[test]
fn any_inventory_is_read_or_refused() {
    let text = "hosts:\n- {name: n1, address: \"10.0.0.1:7420\", labels: {kernel: patched}}\n- name: n2\n  address: \
                \"[::1]:1\"\n  tls_name: x\n- {name: n3, address: \"unix:/run/a.sock\"}\n";
    cases::run("inventories", &[text.into()], |bytes| {
        drop(inventory::parse(Path::new("x.yaml"), &String::from_utf8_lossy(bytes)));
    });
}

#[test]
fn any_job_file_is_imported_or_refused() {
    let text = "[global]\nioengine=io_uring\nbs=4k-64k\nrw=randrw:8\nrwmixread=70\niodepth=32\nsize=1g\nruntime=10s\n\
                direct=1\n[a]\nfilename=/dev/nvme0n1\nnumjobs=4\nsqthread_poll=1\n[b]\nbssplit=4k/60:64k/40\n\
                rate_iops=1000,500\n${X}=${Y}\ninclude z\n; end\n";
    let source = Source { path: Path::new("x.fio"), variable: &|_| Some("8".into()) };
    cases::run("job files", &[text.into()], |bytes| {
        drop(import(&String::from_utf8_lossy(bytes), &source, &[]));
    });
}

/// Lines of earlier releases have no checksum, so that every change reaches the analysis and the page.
#[test]
fn any_record_is_reported_or_refused() {
    let mut fixture = Fixture::new(&["sync", "uring"], &[1], 1, &["n1"]);
    fixture.execute(usize::MAX);
    let mut text = Vec::new();
    for mut record in fixture.run.read_trials().unwrap().records {
        record.hosts.iter_mut().for_each(|host| host.histograms_sha256 = None);
        serde_json::to_writer(&mut text, &record).unwrap();
        text.push(b'\n');
    }
    let path = fixture.dir.path().join(TRIALS);
    cases::run("trials.jsonl", &[text], |bytes| {
        fs::write(&path, bytes).unwrap();
        let input = AnalysisInput {
            plan: &fixture.plan,
            question: None,
            baseline: Some("sync"),
            further: &[],
            margin: 0.02,
            ladder: &[],
            hosts: &fixture.hosts,
            run_id: "fuzz",
        };
        if let Ok(set) = analyse(&input, &fixture.run) {
            assert!(report::html(&set, "").is_ok_and(|page| page.len() < 8 << 20));
        }
    });
}
