//! Tests of every rendering, with the same set.

use proto::{
    engine::Sharing,
    notice::Recorded,
    outcome::{HandoverCosts, LockCosts, SharingCosts},
};
use serde_json::Value;

use super::*;
use crate::{
    analysis::{
        self,
        fixture::{Fixture, SCENARIO, params, saturated},
    },
    plan::Plan,
    summary::{
        Expectation,
        answer::Headline,
        host_spread::{HostRate, HostSpread},
    },
    warning::{SetWarning, Warning},
};

fn set() -> ComparisonSet {
    planned_set().0
}

fn planned_set() -> (ComparisonSet, Plan) {
    let mut fixture = Fixture::new(&["sync", "uring", "uring-tuned"], &[1, 8, 32, 128], 3, &["local"]);
    fixture.execute(usize::MAX);
    let mut set = fixture.analyse(Some("sync"));
    let claim = |text: &str, passed: Option<bool>, detail: &str| Expectation {
        text: text.into(),
        passed: passed == Some(true),
        evaluated: passed.is_some(),
        detail: detail.into(),
    };
    set.expectations = vec![
        claim(
            "uring-tuned.iops >= 1.5 * sync.iops at depth >= 32",
            Some(true),
            "depth 32: 231k against 110k; depth 128: 365k against 110k",
        ),
        claim("uring.iops >= 2 * sync.iops at depth >= 8", Some(false), "depth 8: 73.6k against 147k"),
        claim("nobody.p99 <= 1ms", None, "no arm is called nobody"),
    ];
    set.warnings.push(warning(
        "the workers and the agent's runtime share CPU 1, so latencies include waiting for each other",
    ));
    set.run_path = Some("results/20261122T081501Z-qd-sweep".into());
    (set, fixture.plan)
}

/// A warning of another release.
fn warning(message: &str) -> SetWarning {
    let recorded = Recorded {
        code: "too-few-cpus".into(),
        message: message.into(),
        remedy: "use fewer threads, or a host with more CPUs".into(),
        field: String::new(),
    };
    SetWarning {
        host: Some("local".into()),
        hosts: Vec::new(),
        worst: None,
        warning: Warning::Recorded(recorded),
        trials: None,
        more: 0,
    }
}

fn assert_fits(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(text::width(line) <= columns, "{} columns: {line}", text::width(line));
    }
}

const EXPLAINED: Detail = Detail { explain: true, per_host: false };

#[test]
fn table() {
    let text = render(&set(), BasicFormat::Table, 100, false);
    assert_fits(&text, 100);
    assert!(!text.contains('\x1b'));
    insta::assert_snapshot!(text);
}

#[test]
fn explained_table() {
    let text = table::render(&set(), 100, false, EXPLAINED);
    assert_fits(&text, 100);
    insta::assert_snapshot!(text);
}

#[test]
fn arms_of_equal_concurrency_lead_the_answer() {
    let mut fixture = saturated();
    fixture.execute(usize::MAX);
    let mut set = fixture.analyse(Some("sync"));
    set.run_path = Some("results/20261122T081501Z-qd-sweep".into());
    for columns in [60, 72, 80, 100, 120, 200] {
        let text = render(&set, BasicFormat::Table, columns, false);
        assert_fits(&text, columns.into());
        assert!(text.contains("vs threads") && text.contains("uring-tuned"), "{text}");
    }
    let text = render(&set, BasicFormat::Table, 100, false);
    let answer = text.lines().skip(2).take_while(|line| !line.is_empty());
    assert!(answer.count() <= 6, "{text}");
    insta::assert_snapshot!(text);
    insta::assert_snapshot!("narrow", render(&set, BasicFormat::Table, 60, false));
}

#[test]
fn shows_the_cost_of_a_shared_ring() {
    assert!(!render(&set(), BasicFormat::Table, 120, false).contains("wait/IO"));
    let mut fixture = Fixture::new(&["sync", "uring", "uring-tuned"], &[8], 2, &["local"]);
    fixture.change = |record| {
        let Some(finished) = &mut record.hosts[0].finished else { return };
        let ops = finished.ops();
        finished.calls.sharing = match record.arm.as_str() {
            "uring" => {
                Some(SharingCosts::Lock(LockCosts { locks: 4 * ops, contended: ops, wait_ns: 150 * ops }))
            }
            "uring-tuned" => Some(SharingCosts::Handover(HandoverCosts { ns: 2500 * ops })),
            _ => None,
        };
    };
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    let ring = |arm: &str| set.cell(arm, &params(8)).unwrap().ring.clone();
    let (sync, lock, handover) = (ring("sync"), ring("uring"), ring("uring-tuned"));
    assert_eq!((sync.sharing, sync.lock_wait_ns_per_io, sync.handover_ns_per_io), (None, None, None));
    assert_eq!((lock.lock_wait_ns_per_io, lock.contended_share), (Some(150.0), Some(0.25)));
    assert_eq!((lock.sharing, lock.handover_ns_per_io), (Some(Sharing::PerThread), None));
    assert_eq!((handover.handover_ns_per_io, handover.contended_share), (Some(2500.0), None));
    assert_eq!(set.metric("uring", "lock_wait_per_io", &params(8)), Some(150.0));
    assert_eq!(set.metric("uring", "contended_share", &params(8)), Some(0.25));
    assert_eq!(set.metric("uring-tuned", "handover_per_io", &params(8)), Some(2500.0));

    let table = table::render(&set, 120, false, EXPLAINED);
    assert_fits(&table, 120);
    let row = |text: &str, arm: &str| text.lines().find(|line| line.contains(arm)).unwrap().to_owned();
    assert!(table.contains("wait/IO: time per I/O spent in user space"), "{table}");
    let rows = table.split_once("wait/IO").unwrap().1;
    assert!(row(rows, "uring ").contains(" 150 ns  ") && !row(rows, "sync ").contains("150 ns"), "{table}");
    assert!(row(rows, "uring-tuned").contains(" 2.50 µs  "), "{table}");
    let markdown = render(&set, BasicFormat::Markdown, 120, false);
    assert!(
        markdown.contains("| cpu/IO | wait/IO | path | trials |")
            && markdown.contains("| 2.50 µs | inline | 2/2 |")
    );
    let page = html(&set, SCENARIO).unwrap();
    assert!(page.contains(">wait&#x2f;IO</th>") && page.contains("<td>150 ns</td>"));
    let csv = render(&set, BasicFormat::Csv, 120, false);
    assert!(csv.contains(",lock_wait_ns_per_io,contended_share,handover_ns_per_io,"), "{csv}");
}

#[test]
fn table_of_hosts_and_gaps() {
    let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1, 32], 2, &["n1", "n2"]);
    fixture.change = |record| {
        if record.cell == 3 && record.block == 1 {
            record.marks.push("n2: 2 requests were transferred only in part".into());
            record.hosts[1].finished.as_mut().unwrap().work.short_transfers = 2;
        }
    };
    fixture.execute(usize::MAX);
    let mut set = fixture.analyse(Some("sync"));
    set.run_path = None;
    let text = render(&set, BasicFormat::Table, 100, false);
    assert_fits(&text, 100);
    insta::assert_snapshot!(text);
}

#[test]
fn one_arm_without_comparison() {
    let mut fixture = Fixture::new(&["sync"], &[1], 1, &["local"]);
    fixture.execute(usize::MAX);
    let mut set = fixture.analyse(None);
    set.run_path = None;
    set.cells[0].params.insert("block_size".into(), "4KiB".into());
    insta::assert_snapshot!(render(&set, BasicFormat::Table, 80, false));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let set = set();
    let (plain, painted) =
        (render(&set, BasicFormat::Table, 100, false), render(&set, BasicFormat::Table, 100, true));
    let mut stripped = painted.clone();
    for code in ["0", "1", "2", "31", "32"] {
        stripped = stripped.replace(&format!("\x1b[{code}m"), "");
    }
    assert!(painted.contains("▲\x1b[0m"));
    assert_eq!(stripped, plain);
}

#[test]
fn long_and_hostile_names_are_harmless() {
    let mut set = set();
    for cell in &mut set.cells {
        cell.arm = format!("{}\x1b[2J-and-a-name-that-would-never-fit-anywhere-however-wide", cell.arm);
    }
    let text = render(&set, BasicFormat::Table, 100, false);
    assert_fits(&text, 100);
    assert!(!text.contains('\x1b'));
    set.cells[0].arm = "a|b<script>".into();
    assert!(render(&set, BasicFormat::Markdown, 100, false).contains("a\\|b&lt;script&gt;"));
    set.cells[0].arm = "a,\"b\"".into();
    assert!(render(&set, BasicFormat::Csv, 100, false).contains("\"a,\"\"b\"\"\""));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(render(&set(), BasicFormat::Markdown, 100, false));
}

#[test]
fn csv_is_rectangular() {
    let set = set();
    let text = render(&set, BasicFormat::Csv, 100, false);
    let widths: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths.len(), 1 + set.cells.len());
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    let header = text.lines().next().unwrap();
    assert!(header.starts_with("run_id,scenario,arm,host,hosts,depth,trials_planned"), "{header}");
}

#[test]
fn json_follows_its_schema_and_reads_back() {
    let schema = summary_schema();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let mut empty = Fixture::new(&["sync", "uring"], &[1], 2, &["n1", "n2"]);
    empty.execute(1);
    let empty = (empty.analyse(Some("sync")), empty.plan);
    for (set, plan) in [planned_set(), empty] {
        let json: Value = serde_json::from_str(&render(&set, BasicFormat::Json, 100, false)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let mut back: ComparisonSet = serde_json::from_value(json.clone()).unwrap();
        analysis::conclude(&mut back, &plan, &[]);
        // Floats may differ in the last digit, which no report shows.
        let set = ComparisonSet { run_path: None, ..set };
        assert_eq!(
            render(&back, BasicFormat::Table, 100, false),
            render(&set, BasicFormat::Table, 100, false)
        );
    }
}

#[test]
fn the_json_has_every_fixed_key() {
    let json: Value = serde_json::from_str(&render(&set(), BasicFormat::Json, 100, false)).unwrap();
    let has = |value: &Value, keys: &[&str]| {
        for key in keys {
            assert!(value.get(key).is_some(), "{key} in {value}");
        }
    };
    has(&json, &["schema", "run_id", "scenario", "cells", "comparisons", "expectations", "warnings"]);
    let cells = json["cells"].as_array().unwrap();
    let cell =
        cells.iter().find(|cell| cell["arm"] == "uring-tuned" && cell["params"]["depth"] == 128).unwrap();
    has(cell, &["hosts", "host", "trials", "iops", "bandwidth_bytes_per_s", "latency_ns", "syscalls_per_io"]);
    has(cell, &["syscalls", "cpu_ns_per_io", "context_switches_per_io", "ring"]);
    has(&cell["iops"], &["mean", "ci95", "samples"]);
    has(&cell["latency_ns"], &["mean", "p50", "p90", "p99", "p99_9", "p99_99", "max", "ci95"]);
    has(&cell["latency_ns"]["ci95"], &["p50", "p99"]);
    has(&cell["syscalls"], &["counted_by", "total", "by_name"]);
    has(&cell["cpu_ns_per_io"], &["user", "system", "kernel_threads"]);
    has(&cell["ring"], &["requested", "granted", "sqes_per_enter", "punted_to_io_wq"]);
    has(
        &json["comparisons"][0],
        &["baseline", "arm", "params", "metric", "ratio", "ci95", "p_value", "verdict"],
    );
    assert_eq!(cell["syscalls"]["counted_by"], "perf");
    assert!(cell["host"].is_null());
}

#[test]
fn the_page_escapes_and_needs_no_network() {
    let mut set = set();
    let evil = "<script>alert(1)</script>";
    set.question = Some(evil.into());
    for cell in &mut set.cells {
        cell.arm = format!("{}\"{evil}", cell.arm);
        cell.params.insert(evil.into(), evil.into());
    }
    set.answer.headline =
        Some(Headline::NothingFaster { baseline: evil.into(), inconclusive: false, closest: None });
    set.warnings[0] = warning(evil);
    set.hosts[0].facts.insert(evil.into(), evil.into());
    let page = html(&set, evil).unwrap();
    // Only the page's own script.
    assert!(page.matches("<script").count() == 1 && page.contains("&lt;script&gt;"));
    let page = html(&self::set(), SCENARIO).unwrap();
    for needle in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(needle), "{needle}");
    }
    for needle in
        ["<svg", "<desc", "<circle", "prefers-color-scheme: dark", "name: qd-sweep", "6.18.0", "FAILED"]
    {
        assert!(page.contains(needle), "{needle}");
    }
}

#[test]
fn writes_every_file_of_the_run_directory() {
    let mut fixture = Fixture::new(&["sync", "uring"], &[1, 8], 2, &["local"]);
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("sync"));
    assert!(set.metric("uring", "iops", &params(8)).is_some());
    write_summary(&fixture.run, &set).unwrap();
    write_summary(&fixture.run, &set).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(fixture.run.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let all = [
        "histograms",
        "hosts.json",
        "plan.json",
        "report.html",
        "run.lock",
        "scenario.yaml",
        "summary.csv",
        "summary.json",
        "trials.csv",
        "trials.jsonl",
    ];
    assert_eq!(names, all);
    assert!(fixture.dir.path().exists());
}

#[test]
fn many_hosts_have_three_rows_unless_asked_for() {
    let names: Vec<String> = (1..=9).map(|host| format!("n{host}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = |count: usize, per_host: bool| {
        let mut fixture = Fixture::new(&["sync"], &[1], 2, &names[..count]);
        fixture.execute(usize::MAX);
        let mut set = fixture.analyse(Some("sync"));
        for (at, cell) in set.cells.iter_mut().filter(|cell| cell.host.is_some()).enumerate() {
            cell.throughput.iops.as_mut().unwrap().mean = 1000.0 * ((at * 4) % count) as f64;
        }
        let rates = set.cells.iter().filter_map(|cell| {
            let (host, iops) = (cell.host.clone()?, cell.throughput.iops.as_ref()?.mean);
            Some(HostRate { host, iops })
        });
        set.cells[0].host_spread = HostSpread::of(rates.collect::<Vec<_>>());
        let text = table::render(&set, 100, false, Detail { explain: false, per_host });
        let page = html(&set, SCENARIO).unwrap();
        let of_page = page.matches("&nbsp;&nbsp;on n").count();
        let labels = text
            .lines()
            .filter_map(|line| line.trim().split_once("on n"))
            .map(|(_, rest)| rest.split("  ").next().unwrap_or_default().to_owned());
        (labels.collect::<Vec<_>>(), of_page)
    };
    assert_eq!(rows(8, false), (["1", "2", "3", "4", "5", "6", "7", "8"].map(String::from).into(), 8));
    assert_eq!(rows(9, false), (["1 (slowest)", "2 (median)", "3 (fastest)"].map(String::from).into(), 3));
    assert_eq!(rows(9, true).0.len(), 9);
}
