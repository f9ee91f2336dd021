//! Urgent requests with the real binaries: measured separately by every method that this kernel supports;
//! otherwise refused by name, or run without, if allowed.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests may panic")]

#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "shared with the tests of faults, which use all of it")]
mod support;

use std::fs;

use serde_json::Value;
use support::{Place, bin};

const WORKLOAD: &str = "{block_size: 64KiB, warmup: 10ms, runtime: 100ms}";

/// A scenario with these arms, each with urgent reads of 4 KiB among reads of 64 KiB.
fn scenario(arms: &[(&str, &str, &str)]) -> String {
    let arm = |(name, by, more): &(&str, &str, &str)| {
        format!(
            "  {name}: {{engine: io_uring, depth: 32, urgent: {{share: 10%, by: {by}, block_size: 4KiB}}{more}}}\n"
        )
    };
    format!(
        "name: urgent\ntarget: {{file: {{size: 4MiB, direct: false}}}}\nworkload: {WORKLOAD}\narms:\n{}trials: 3\n\
         noise: ignore\n",
        arms.iter().map(arm).collect::<String>()
    )
}

fn cell<'a>(summary: &'a Value, arm: &str) -> &'a Value {
    summary["cells"].as_array().unwrap().iter().find(|cell| cell["arm"] == arm).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn measures_urgent_and_bulk_requests_separately() {
    let place = Place::new();
    let text = scenario(&[
        ("plain", "none", ""),
        ("priority", "ioprio", ""),
        ("rings", "separate_ring", ""),
        ("polled", "separate_ring", ", sqpoll: {idle: 10ms}"),
    ]) + "baseline: plain\nexpect:\n  - \"plain.urgent_p99 > 0\"\n  - \"rings.bulk_iops > rings.urgent_iops\"\n  \
          - \"verdict(rings.urgent_p50) != inconclusive\"\n  - \"low(plain.bulk_p50) <= high(plain.bulk_p50)\"\n";
    // An expected verdict may fail on a busy machine; here all expectations must be evaluated.
    let ran = place.finish(place.run(&text));
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    let summary = place.summary();
    for arm in ["plain", "priority", "rings", "polled"] {
        assert_eq!(place.measured(arm), 4, "three trials and the audit of {arm}: {ran:?}");
        let cell = cell(&summary, arm);
        let (urgent, bulk) = (&cell["urgent"], &cell["bulk"]);
        let share = number(&urgent["share"]);
        assert!((0.07..0.13).contains(&share), "{arm}: {share}");
        assert!((share + number(&bulk["share"]) - 1.0).abs() < 1e-9, "{arm}");
        let sum = number(&urgent["iops"]["mean"]) + number(&bulk["iops"]["mean"]);
        assert!((sum / number(&cell["iops"]["mean"]) - 1.0).abs() < 1e-6, "{arm}: {sum}");
        // Each kind has its own size.
        for (lane, size) in [(urgent, 4096.0), (bulk, 65536.0)] {
            let bytes = number(&lane["bandwidth_bytes_per_s"]["mean"]) / number(&lane["iops"]["mean"]);
            assert!((bytes / size - 1.0).abs() < 1e-6, "{arm}: {bytes} bytes");
            let latency = &lane["latency_ns"];
            let at = |name: &str| number(&latency[name]);
            assert!(0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("max"), "{arm}: {latency}");
            assert_eq!(latency["samples"]["p99"].as_array().unwrap().len(), 3, "{arm}");
        }
        assert!((0.0..=1.0).contains(&number(&urgent["overtaken"]["share"])), "{arm}: {urgent}");
        assert!(number(&bulk["starved"]["above_ns"]) > 0.0 && urgent["starved"].is_null(), "{arm}: {bulk}");
        let ring = &cell["ring"];
        assert_ne!(ring["batches"].is_null(), ring["batches_missing"].is_null(), "{arm}: {ring}");
        assert_eq!(cell["errors"], serde_json::json!([]), "{arm}");
    }
    let granted =
        |arm: &str, knob: &str| cell(&summary, arm)["ring"]["granted"][knob].as_str().unwrap().to_owned();
    assert_eq!([granted("plain", "urgent"), granted("rings", "urgent")], ["none", "separate_ring"]);
    assert_eq!(granted("priority", "urgent"), "ioprio");
    let class = granted("priority", "urgent_ioprio");
    assert!(["real-time", "best-effort-0"].contains(&class.as_str()), "{class}");

    for expectation in summary["expectations"].as_array().unwrap() {
        assert_eq!(expectation["evaluated"], true, "{expectation}");
    }
    for metric in ["urgent_p50", "urgent_p99", "bulk_iops"] {
        let comparisons = summary["comparisons"].as_array().unwrap().iter();
        let of = comparisons.filter(|found| found["metric"] == metric && number(&found["ratio"]) > 0.0);
        assert_eq!(of.count(), 3, "{metric}: each arm against the baseline");
    }
    for text in ["urgent p50", "bulk IOPS", "overtaken"] {
        assert!(ran.stdout.contains(text), "no {text} in {}", ran.stdout);
    }
    let trial = place.trials().into_iter().find(|trial| trial["arm"] == "rings").unwrap();
    let log =
        fs::read_to_string(place.out().join(trial["hosts"][0]["histograms"].as_str().unwrap())).unwrap();
    assert!(log.contains("Tag=urgent-read,") && log.contains("Tag=read,"), "{log:.600}");
    // The report of the written files gives the same result.
    let mut report = place.command(bin("coordinator"));
    report.arg("report").arg(place.out()).args(["--format", "json"]);
    let again: Value = serde_json::from_str(&place.finish(report).stdout).unwrap();
    assert_eq!(again["cells"], summary["cells"]);
    place.assert_clean();
}

/// Arms whose urgent requests need a patched kernel.
fn patched(more: &str) -> String {
    scenario(&[("plain", "none", ""), ("flagged", "iosqe_urgent", more)])
}

#[test]
fn refuses_urgent_requests_without_kernel_support() {
    let place = Place::new();
    let ran = place.finish(place.run(&patched("")));
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    if place.measured("flagged") > 0 {
        return agent::skip::skip("this kernel has urgent requests");
    }
    ran.exits(3).says(&[
        "refused: flagged",
        "does not grant urgent by: iosqe_urgent",
        "patched kernel of kernel/",
        "kernel/lab run patched-6.12",
    ]);
    assert_eq!(place.measured("plain"), 4, "the other arm ran");
    place.assert_clean();
}

#[test]
fn runs_without_urgent_requests_if_allowed() {
    let place = Place::new();
    let ran = place.finish(place.run(&patched(", fallback: allow")));
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    assert_eq!(place.measured("flagged"), 4, "{ran:?}");
    let summary = place.summary();
    let granted = &cell(&summary, "flagged")["ring"]["granted"]["urgent"];
    if granted == "iosqe_urgent" {
        return agent::skip::skip("this kernel has urgent requests");
    }
    assert_eq!(granted, "none");
    let warnings = summary["warnings"].as_array().unwrap();
    let warning = warnings.iter().find(|warning| warning["code"] == "knob-not-granted").unwrap();
    let says = |key: &str, text: &str| assert!(warning[key].as_str().unwrap().contains(text), "{warning}");
    says("message", "iosqe_urgent` was requested and not granted");
    says("remedy", "kernel/lab run patched-6.12");
    assert!(
        number(&cell(&summary, "flagged")["urgent"]["latency_ns"]["p99"]) > 0.0,
        "measured apart all the same"
    );
}

#[test]
fn refuses_impossible_urgent_options_at_their_line() {
    let place = Place::new();
    let check = |arm: &str| {
        let text = format!(
            "name: x\ntarget: {{file: {{size: 1MiB}}}}\nworkload: {{block_size: 64KiB}}\narms:\n  good: {{engine: \
             psync}}\n  bad: {{{arm}}}\n"
        );
        let path = place.write("bad.yaml", text);
        let mut check = place.command(bin("coordinator"));
        check.arg("check").arg(path);
        place.finish(check).exits(2).stderr
    };
    for (arm, says) in [
        ("engine: psync, urgent: {share: 1%, by: none}", "psync has no ring, so it cannot have urgent"),
        ("engine: io_uring, urgent: {share: 60%, by: none}", "60% is out of range"),
        ("engine: io_uring, urgent: {share: 1, by: none}", "1 is not a percentage, such as 1%"),
        ("engine: io_uring, urgent: {share: 1%, by: luck}", "there is no `luck`"),
        ("engine: io_uring, urgent: {share: 1%}", "`by` is missing"),
        ("engine: io_uring, urgent: {share: 1%, by: none, size: 4KiB}", "there is no `size`"),
        ("engine: io_uring, urgent: {share: 1%, by: none, block_size: 24KiB}", "not a multiple of 24KiB"),
        ("engine: nop, urgent: {share: 1%, by: ioprio}", "reach no device"),
    ] {
        let output = check(arm);
        let plain: String =
            output.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(plain.contains(says) && output.contains("bad.yaml:6:"), "{arm}: {output}");
    }
}
