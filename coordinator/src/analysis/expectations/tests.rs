use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::scenario::expect::parse;

fn point(depth: u64) -> Params {
    Params::from_iter([("depth".to_owned(), json!(depth))])
}

/// Values from a function. The interval of a value or a ratio `v` is 0.9 `v` to 1.1 `v`.
struct Known<F>(F);

impl<F: Fn(&str, &str, &Params) -> Option<f64>> Measured for Known<F> {
    fn value(&self, arm: &str, metric: &Metric, point: &Params) -> Option<f64> {
        (self.0)(arm, metric.name, point)
    }

    fn interval(&self, arm: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]> {
        self.value(arm, metric, point).map(|value| [0.9 * value, 1.1 * value])
    }

    fn ratio_interval(&self, arm: &str, other: &str, metric: &Metric, point: &Params) -> Option<[f64; 2]> {
        let ratio = self.value(arm, metric, point)? / self.value(other, metric, point)?;
        Some([0.9 * ratio, 1.1 * ratio])
    }

    fn verdict(&self, arm: &str, other: Option<&str>, metric: &Metric, point: &Params) -> Option<Verdict> {
        let (value, base) =
            (self.value(arm, metric, point)?, self.value(other.unwrap_or("s"), metric, point)?);
        (arm != "s").then_some(if value > base { Verdict::Faster } else { Verdict::NoDifference })
    }
}

fn judged(text: &str, values: impl Fn(&str, &str, &Params) -> Option<f64>, points: &[Params]) -> Outcome {
    evaluate(&parse(text).unwrap(), &Known(values), points)
}

#[test]
fn fails_if_one_selected_point_fails() {
    let points = [point(1), point(32), point(128)];
    let run = |at_128: f64| {
        let values = |arm: &str, _: &str, point: &Params| match (arm, point["depth"].as_u64()) {
            ("s", _) => Some(100_000.0),
            (_, Some(128)) => Some(at_128),
            _ => Some(200_000.0),
        };
        judged("u.iops >= 1.5 * s.iops at depth >= 32", values, &points)
    };
    assert_eq!(run(160_000.0).passed, Some(true));
    assert_eq!(run(140_000.0).passed, Some(false));
    assert_eq!(
        run(140_000.0).detail,
        "u.iops is 140 k, 1.4 times the 100 k of s.iops at depth=128, the worst of 2 points"
    );
}

#[test]
fn intervals_verdicts_and_arithmetic() {
    let points = [point(1), point(32)];
    let values = |arm: &str, _: &str, point: &Params| match (arm, point["depth"].as_u64()) {
        ("u", Some(32)) => Some(300.0),
        _ => Some(100.0),
    };
    let shown = |text: &str| {
        let Outcome { passed, detail } = judged(text, values, &points);
        let word = passed.map_or("?".to_owned(), |passed| passed.to_string());
        format!("{word}: {detail}")
    };
    insta::assert_snapshot!(
        [
            "low(u.iops / s.iops) >= 2.6 at depth >= 32",
            "low(u.iops / s.iops) >= 2.6",
            "high(u.iops) < 331 at depth = 32",
            "low(u.iops / s.iops * 100 - 100) >= 170 at depth = 32",
            "low(1 / (u.iops / s.iops)) >= 0.3 at depth = 32",
            "u.iops - s.iops > 150 at depth = 32",
            "1k > u.iops",
            "u.iops / (s.iops - 100) > 1",
            "verdict(u.iops) == faster at depth = 32",
            "verdict(u.iops) == faster",
            "verdict(u.iops) != slower",
            "verdict(u.iops / o.iops) == \"no difference\" at depth = 1",
            "verdict(s.iops) == faster",
        ]
        .map(|text| format!("{text}\n    {}", shown(text)))
        .join("\n")
    );
}

#[test]
fn names_what_is_missing() {
    let nothing = |_: &str, _: &str, _: &Params| None;
    let text = "u.syscalls_per_io <= 0.2 at depth >= 32";
    let outcome = judged(text, nothing, &[point(1)]);
    assert_eq!((outcome.passed, outcome.detail.contains("no point of the sweep")), (None, true));
    let outcome = judged(text, nothing, &[point(32)]);
    assert_eq!(outcome.passed, None);
    assert_eq!(outcome.detail, "u.syscalls_per_io was not measured at depth=32");
    // One failing point decides, whatever is missing at the others.
    let some = |_: &str, _: &str, p: &Params| (p["depth"] == json!(32)).then_some(0.5);
    let outcome = judged(text, some, &[point(32), point(64)]);
    assert_eq!(outcome.passed, Some(false));
    assert_eq!(outcome.detail, "u.syscalls_per_io is 0.5 at depth=32; the limit is 0.2");
    for text in ["low(u.iops) > 0", "low(u.iops / s.iops) > 0", "verdict(u.iops) != slower", "1 < u.iops + 1"]
    {
        let outcome = judged(text, nothing, &[point(32)]);
        assert!(outcome.passed.is_none() && outcome.detail.contains("u.iops"), "{text}: {outcome:?}");
    }
}

#[test]
fn evaluates_without_a_sweep() {
    let outcome = judged("a.p99 <= 1ms", |_, _, _| Some(5e5), &[Params::new()]);
    assert_eq!((outcome.passed, outcome.detail.as_str()), (Some(true), "a.p99 is 500 us; the limit is 1 ms"));
}

proptest! {
    #[test]
    fn evaluates_any_claim(words in prop::collection::vec(
        prop::sample::select(vec!["a.iops", "b-c.p99", ">=", "<", "1.5", "*", "at", "depth", "3us", "low", "high",
            "verdict", "==", "(", ")", "/", "+", "faster", "\"no difference\"", "a.p99"]), 3..12)) {
        if let Ok(expectation) = parse(&words.join(" ")) {
            let outcome = evaluate(&expectation, &Known(|_: &str, _: &str, _: &Params| Some(1.0)), &[point(3)]);
            prop_assert!(!outcome.detail.is_empty());
        }
    }
}
