//! Tests of the page's contents and of its content security policy. `coordinator/tests/report_page` tests it in a
//! browser.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;
use crate::{
    analysis::fixture::{Fixture, SCENARIO},
    params::Params,
    summary::{
        crossover::{Crossover, CrossoverKind, CrossoverMetric},
        evidence::{Evidence, Quantity},
        explanation::{Explanation, Finding, Plateau, Reason},
        insight::{FactDifference, TrendLine, TrendPoint, Waterfall, WaterfallStep},
    },
};

/// SHA-256 in base64, by the system's own tool.
fn hash(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let out = std::process::Command::new("sha256sum").arg(file.path()).output().unwrap();
    let hex = String::from_utf8(out.stdout).unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    BASE64_STANDARD.encode((0..32).map(|index| byte(2 * index)).collect::<Vec<_>>())
}

#[test]
fn the_policy_allows_the_script_and_the_style() {
    assert_eq!(hash("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    assert_eq!((SCRIPT_HASH.to_owned(), STYLE_HASH.to_owned()), (hash(SCRIPT), hash(STYLE)));
}

/// A set with every optional part.
fn complete_set() -> ComparisonSet {
    let mut fixture = Fixture::new(&["sync", "uring"], &[1, 32], 3, &["n1", "n2"]);
    fixture.execute(usize::MAX);
    let mut set = fixture.analyse(Some("sync"));
    let params = set.cells.last().unwrap().params.clone();
    set.explanations.push(Explanation {
        arm: "uring".into(),
        params: params.clone(),
        finding: Finding::Changed {
            faster: false,
            reasons: vec![Reason::PollThread { cpus: vec![3] }],
            limit: None,
        },
        evidence: vec![
            Evidence::One(Quantity::KernelThreads, 900.0),
            Evidence::Hosts { arm: vec!["<n1>".into()], baseline: vec!["n2".into()] },
        ],
    });
    let step = |arm: &str, ns: f64, change: Option<f64>| WaterfallStep {
        arm: arm.into(),
        ns_per_io: Some(ns),
        ci95: Some([ns - 50.0, ns + 50.0]),
        change_ns: change,
        change_ci95: change.map(|change| [change - 80.0, change + 80.0]),
    };
    let steps = vec![
        step("sync", 1900.0, None),
        step("ring", 2100.0, Some(200.0)),
        step("batch", 900.0, Some(-1200.0)),
    ];
    set.ladders.push(Waterfall { params: params.clone(), steps });
    set.crossovers.push(Crossover {
        arm: "uring".into(),
        baseline: "sync".into(),
        axis: "depth".into(),
        metric: CrossoverMetric::Iops,
        others: Params::new(),
        kind: CrossoverKind::Begins { after: 1.into(), from: 32.into() },
    });
    let values = [("n1".to_owned(), Some("6.12".to_owned())), ("n2".to_owned(), None)].into();
    set.host_differences.push(FactDifference { fact: "kernel.release".into(), values });
    let run = |day: u32, iops: f64| TrendPoint {
        run_id: format!("run{day}"),
        at: format!("2026-11-{day}T10:00:00Z"),
        iops,
        ci95: Some([iops - 9.0, iops + 9.0]),
    };
    set.trend.push(TrendLine { arm: "uring".into(), params, points: vec![run(20, 900.0), run(21, 950.0)] });
    set
}

#[test]
fn the_page_contains_every_result() {
    let page = render(&complete_set(), SCENARIO, None).unwrap();
    for needle in [
        "the polling thread shares CPU 3 with a worker",
        "poll thread",
        "CPU time of kernel threads per I&#x2f;O: 900 ns",
        "hosts: &lt;n1&gt; against n2",
        "uring is faster than sync from depth 32 on; unproven at 1.",
        "−1.20 µs, now 900 ns, 95 % interval −1.28 µs to −1.12 µs",
        "+200 ns, now 2.10 µs",
        "Differences between the hosts",
        "<td class=\"name\">6.12</td><td class=\"name\">-</td>",
        "uring, run run20: 900, 95 % interval 891 to 909",
        "Latency by percentile, depth 32",
        "Latency over time, depth 1",
        "--inventory cluster.yaml",
    ] {
        assert!(page.contains(needle), "{needle}");
    }
    let figures = page.matches("<figure class").count();
    assert!(figures > 6 && page.matches("<div class=\"plot").count() >= figures);
    assert_eq!(figures, page.matches("<summary>Table").count());
}

/// The places of texts in the page.
fn places(page: &str, texts: &[&str]) -> Vec<usize> {
    texts.iter().map(|text| page.find(text).unwrap_or_else(|| panic!("{text}"))).collect()
}

#[test]
fn the_sections_follow_the_readers_questions() {
    let ids = ["answer", "waterfall", "overview", "comparison", "why", "latency", "cpu", "hosts", "rerun"];
    let ids = ids.map(|id| format!("<section id=\"{id}\""));
    let page = render(&complete_set(), SCENARIO, None).unwrap();
    let found = places(&page, &ids.each_ref().map(String::as_str));
    assert!(found.is_sorted(), "{found:?}");
    // Explanations are folded.
    assert!(!page.contains("<details class=\"print\" open"));
}

#[test]
fn a_sweep_begins_with_throughput_as_wide_as_the_page() {
    let set = ComparisonSet { ladders: vec![], ..complete_set() };
    let page = render(&set, SCENARIO, None).unwrap();
    let figures: Vec<&str> = page.split("<figure class=\"").skip(1).collect();
    let titles = ["I&#x2f;O per second", "p99 latency", "CPU time per I&#x2f;O", "System calls per I&#x2f;O"];
    for (figure, title) in figures.iter().zip(titles) {
        assert!(figure.contains(&format!("<figcaption>{title}</figcaption>")), "{title}");
        // The title is not repeated as the label of an axis.
        assert_eq!(figure.matches(&format!(">{title}</text>")).count(), 0, "{title}");
    }
    let first = figures[0];
    assert!(first.starts_with("page\"") && first.contains("plot wide") && first.contains("plot narrow"));
    let uring = set.compared("uring", &IOPS, &set.cells.last().unwrap().params).unwrap();
    let label = format!(
        "uring\u{2002}{} {}",
        Badge::of(uring.verdict).sign,
        super::super::view::ratio(uring.ratio.unwrap())
    );
    assert!(first.contains(&label), "no {label}");
    assert!(first.contains("class=\"sign "));
    // The minor ticks of the depths between 1 and 32.
    assert!(first.contains("class=\"grid tick\" d=\"M"));
}

#[test]
fn latencies_of_several_depths_have_one_scale() {
    let page = render(&complete_set(), SCENARIO, None).unwrap();
    let section = page.split("<section id=\"latency\"").nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    let scale = |plot: &str| -> Vec<String> {
        let ticks = plot.split("text-anchor=\"end\">").skip(1);
        ticks.map(|tick| tick.split('<').next().unwrap().to_owned()).collect()
    };
    let scales: Vec<_> = section.split("<div class=\"plot").skip(1).map(scale).collect();
    assert!(scales.len() > 1 && scales[0].len() > 1, "{scales:?}");
    assert!(scales.iter().all(|scale| *scale == scales[0]), "{scales:?}");
}

#[test]
fn further_comparisons_have_a_table() {
    let mut set = complete_set();
    assert!(!render(&set, SCENARIO, None).unwrap().contains("id=\"pairs\""));
    let mut further: Vec<_> = set.with_baseline().cloned().collect();
    for found in &mut further {
        found.baseline = "threads".into();
        found.ratio = Some(0.36);
        found.verdict = Verdict::Faster;
    }
    set.comparisons.extend(further);
    let page = render(&set, SCENARIO, None).unwrap();
    let section = page.split("<section id=\"pairs\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(section.matches("<td class=\"name\">threads</td>").count(), 2);
    assert_eq!(section.matches("<td class=\"name\">x0.36 <span class=\"badge good\">").count(), 6);
}

#[test]
fn the_devices_limit_is_shaded() {
    let mut set = ComparisonSet { ladders: vec![], ..complete_set() };
    assert!(!render(&set, SCENARIO, None).unwrap().contains("class=\"limit\""));
    set.explanations[0].finding = Finding::Changed {
        faster: true,
        reasons: vec![Reason::PollThread { cpus: vec![3] }],
        limit: Some(Plateau { in_flight: 4.0, iops: 1.1 }),
    };
    assert!(render(&set, SCENARIO, None).unwrap().contains("class=\"limit\""));
}

#[test]
fn dots_are_named_by_their_block() {
    for depths in [&[1, 32][..], &[1]] {
        let mut fixture = Fixture::new(&["sync", "uring"], depths, 3, &["local"]);
        fixture.change = |record| {
            if record.block == 2 {
                record.marks.push("noise".into());
            }
        };
        fixture.execute(usize::MAX);
        let page = render(&fixture.analyse(Some("sync")), SCENARIO, None).unwrap();
        assert!(page.contains("block 1: ") && page.contains("block 3: "), "{depths:?}");
        assert!(!page.contains("block 2: ") && !page.contains("trial 2: "), "{depths:?}");
    }
}

#[test]
fn absent_results_leave_no_trace() {
    let mut fixture = Fixture::new(&["sync"], &[1], 1, &["local"]);
    fixture.execute(0);
    let page = render(&fixture.analyse(None), SCENARIO, None).unwrap();
    for absent in
        ["<figure", "id=\"waterfall\"", "id=\"trend\"", "Differences between the hosts", "NaN", "inf"]
    {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn a_large_sweep_stays_small() {
    let depths: Vec<u64> = (1..=14).collect();
    let mut fixture = Fixture::new(&["a", "b", "c", "uring", "uring-tuned"], &depths, 5, &["local"]);
    fixture.execute(usize::MAX);
    let set = fixture.analyse(Some("a"));
    assert_eq!(set.cells.len(), 70);
    let summary = serde_json::to_string_pretty(&set).unwrap();
    let page = render(&set, SCENARIO, None).unwrap();
    let megabytes = |text: &str| text.len() as f64 / 1e6;
    let (summary, page) = (megabytes(&summary), megabytes(&page));
    assert!(summary < 2.0 && page < 3.0, "summary {summary} MB, page {page} MB");
}
