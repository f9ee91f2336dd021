use proptest::prelude::*;
use serde_json::json;

use super::*;

fn point(depth: u64) -> Params {
    Params::from_iter([("depth".to_owned(), json!(depth))])
}

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    format!("{} at `{}`: {}", error.message, &text[error.part], error.help)
}

#[test]
fn reads_the_shipped_forms() {
    let claim = parse("uring-tuned.iops >= 1.5 * sync.iops at depth >= 32").unwrap().claim;
    assert_eq!((claim.left.arm.as_str(), claim.left.metric.as_str()), ("uring-tuned", "iops"));
    assert!(matches!(claim.right, Right::Other { factor, .. } if factor == 1.5));
    assert_eq!(claim.conditions.len(), 1);
    let claim = parse("a.p99<=200us at block_size>=4KiB and pattern=random").unwrap().claim;
    assert_eq!(claim.right, Right::Number(200_000.0));
    assert_eq!(claim.conditions.len(), 2);
    assert!(parse("a.iops > b.iops").is_ok());
}

#[test]
fn refusals_know_their_place() {
    insta::assert_snapshot!(
        [
            "",
            "iops >= 1",
            "a.iop >= 1",
            "a.iops",
            "a.iops >= ",
            "a.iops = 3",
            "a.iops >= 2 * 3",
            "a.iops >= 2us",
            "a.p99 <= 2 * b.iops",
            "a.p99 <= 200KiB",
            "a.iops >= 1 at",
            "a.iops >= 1 at depth 3",
            "a.iops >= 1 at pattern >= random",
            "a.iops >= 1 and depth = 3",
            "a.iops >= 1 at depth = 3 or",
            "a.iops % 1",
            "a.iops >= inf",
        ]
        .map(|text| format!("{text}\n    {}", refused(text)))
        .join("\n")
    );
}

#[test]
fn names_are_checked() {
    let depths = [json!(1), json!(8)];
    let axes: [(&str, &[Value]); 1] = [("depth", &depths)];
    let errors = |text: &str| {
        let found = parse(text).unwrap().check(&["uring", "sync"], Some(&axes));
        found.iter().map(|e| format!("{} at `{}`: {}", e.message, &text[e.part.clone()], e.help)).collect()
    };
    let good: Vec<String> = errors("uring.iops >= sync.iops at depth >= 8");
    assert_eq!(good, Vec::<String>::new());
    let bad: Vec<String> = errors("urin.iops >= snyc.iops at dept >= 8");
    insta::assert_snapshot!(bad.join("\n"));
    let bad: Vec<String> = errors("uring.iops >= 1 at depth >= 8KiB");
    assert_eq!(bad, ["`8KiB` cannot be compared with depth at `8KiB`: its values are 1, 8"]);
}

#[test]
fn holds_only_if_it_holds_everywhere() {
    let points = [point(1), point(32), point(128)];
    let claim = parse("u.iops >= 1.5 * s.iops at depth >= 32").unwrap();
    let run = |at_128: f64| {
        claim.evaluate(
            &|arm, _, point| match (arm, point["depth"].as_u64()) {
                ("s", _) => Some(100_000.0),
                (_, Some(128)) => Some(at_128),
                _ => Some(200_000.0),
            },
            &points,
        )
    };
    assert_eq!(run(160_000.0).passed, Some(true));
    assert_eq!(run(140_000.0).passed, Some(false));
    assert_eq!(
        run(140_000.0).detail,
        "u.iops is 140 k, 1.4 times the 100 k of s.iops at depth=128, the worst of 2 points"
    );
}

#[test]
fn what_is_missing_is_said() {
    let nothing = |_: &str, _: &str, _: &Params| None;
    let claim = parse("u.syscalls_per_io <= 0.2 at depth >= 32").unwrap();
    let outcome = claim.evaluate(&nothing, &[point(1)]);
    assert_eq!((outcome.passed, outcome.detail.contains("no point of the sweep")), (None, true));
    let outcome = claim.evaluate(&nothing, &[point(32)]);
    assert_eq!(outcome.passed, None);
    assert_eq!(outcome.detail, "no u.syscalls_per_io at depth=32 was measured");
    // One point that fails decides, whatever the others would have been.
    let some = |_: &str, _: &str, p: &Params| (p["depth"] == json!(32)).then_some(0.5);
    let outcome = claim.evaluate(&some, &[point(32), point(64)]);
    assert_eq!(outcome.passed, Some(false));
    assert_eq!(outcome.detail, "u.syscalls_per_io is 0.5 at depth=32; the limit is 0.2");
}

#[test]
fn sizes_words_and_no_sweep() {
    let params = Params::from_iter([
        ("block_size".to_owned(), json!("64KiB")),
        ("direct".to_owned(), json!(true)),
        ("runtime".to_owned(), json!("300ms")),
    ]);
    let selects = |text: &str| parse(&format!("a.iops > 1 at {text}")).unwrap().selects(&params);
    assert!(selects("block_size >= 4KiB") && selects("block_size = 65536") && selects("direct = true"));
    assert!(selects("runtime < 1s") && selects("direct != false"));
    assert!(!selects("block_size < 64KiB") && !selects("depth = 1"));
    let outcome = parse("a.p99 <= 1ms").unwrap().evaluate(&|_, _, _| Some(5e5), &[Params::new()]);
    assert_eq!((outcome.passed, outcome.detail.as_str()), (Some(true), "a.p99 is 500 us; the limit is 1 ms"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.part).is_some());
        }
    }

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(
        prop::sample::select(vec!["a.iops", "b-c.p99", ">=", "<", "=", "1.5", "*", "at", "and", "depth",
            "4KiB", "3us", ".", "-", "1e999", "µ.iops", "inf", "!"]), 0..10)) {
        let text = words.join(" ");
        match parse(&text) {
            Err(error) => prop_assert!(text.get(error.part).is_some()),
            Ok(claim) => {
                let outcome = claim.evaluate(&|_, _, _| Some(1.0), &[point(3)]);
                prop_assert!(!outcome.detail.is_empty());
            }
        }
    }
}
