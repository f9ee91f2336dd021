//! Sets that no run should produce: explaining does not fail, whatever is missing or is not a number.

use proptest::prelude::*;

use super::*;
use crate::report::words;

/// Numbers that no run should produce.
fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 1.0..1e7f64,
        1 => Just(0.0),
        1 => Just(-1.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::MIN_POSITIVE),
        1 => Just(f64::MAX),
    ]
}

fn any_cell(arm: &'static str) -> impl Strategy<Value = CellSummary> {
    let numbers = prop::collection::vec(odd(), 12);
    let knobs = prop::sample::select(vec!["", "sqpoll", "iopoll", "hipri"]);
    let threads = (0u32..4, 0u32..4, 0usize..4, prop::option::of(any::<bool>()), 0u64..3);
    let gaps = prop::collection::vec(any::<bool>(), 10);
    (numbers, knobs, threads, gaps).prop_map(
        move |(n, knob, (workers, cpus, trials, polling, depth), gaps)| {
            let ring = Ring {
                sharing: gaps[0].then_some(if gaps[1] { Sharing::Shared } else { Sharing::Combiner }),
                lock_wait_ns_per_io: gaps[2].then_some(n[0]),
                handover_ns_per_io: gaps[3].then_some(n[1]),
                contended_share: gaps[4].then_some(n[2]),
                completed: gaps[5].then(|| Completed { punted: n[3], ..Completed::default() }),
                ..granted(knob)
            };
            let of = Of {
                depth,
                threads: n[4],
                switches: n[5],
                workers,
                cpus,
                direct: gaps[6],
                bytes: n[6],
                ring,
                polling,
                interrupts: gaps[7].then_some(n[7]),
                offered: (gaps[8] && gaps[9]).then_some(n[8]),
                trials,
                ..Of::new(arm, n[9], n[10], n[11], n[0], n[1])
            };
            let mut cell = of.cell();
            if gaps[1] {
                cell.cost.cpu = None;
            }
            if gaps[2] {
                cell.threads.placement = Placement::default();
            }
            if gaps[3] {
                cell.throughput.iops = None;
            }
            cell.blocks = (0..trials as u32 + u32::from(gaps[4])).collect();
            cell
        },
    )
}

proptest! {
    #[test]
    fn explains_without_panic_or_nan(
        base in prop::collection::vec(any_cell("base"), 0..3),
        arm in prop::collection::vec(any_cell("arm"), 0..3),
        edges in (prop::option::of(odd()), prop::option::of((odd(), odd()))),
        verdict in prop::sample::select(vec![
            Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive,
        ]),
    ) {
        let mut set = ComparisonSet { baseline: Some("base".into()), ..ComparisonSet::default() };
        for cell in &arm {
            for metric in ["iops", "cpu_per_io", "latency_p99"] {
                set.comparisons.push(Comparison {
                    baseline: "base".into(),
                    arm: "arm".into(),
                    params: cell.params.clone(),
                    metric: metric.into(),
                    ratio: edges.0,
                    ci95: edges.1.map(|(low, high)| [low, high]),
                    p_value: None,
                    p_adjusted: None,
                    pairs: 0,
                    spread: None,
                    trials_more: None,
                    trials_more_range: None,
                    reason: None,
                    verdict,
                });
            }
        }
        set.cells = base.into_iter().chain(arm).collect();
        explain(&mut set, &["base".into(), "arm".into()], &[]);
        for found in &set.explanations {
            prop_assert!(Cause::ALL.contains(&found.finding.cause()));
            let text = words::explanation::sentence(&found.finding);
            prop_assert!(!text.contains("NaN"), "{text}");
        }
        set.answer = crate::analysis::answer::answer(&set, &[], &crate::analysis::answer::Loads::default());
        prop_assert!(!words::answer::sentences(&set.answer).is_empty());
        for format in [crate::report::BasicFormat::Table, crate::report::BasicFormat::Markdown] {
            let _ = crate::report::render(&set, format, 80, false);
        }
    }
}
