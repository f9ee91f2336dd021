use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::metric::{cost::SYSCALLS_PER_IO, throughput::IOPS};

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    format!("{} at `{}`: {}", error.message, &text[error.part], error.help)
}

#[test]
fn reads_the_documented_forms() {
    let claim = parse("uring-tuned.iops >= 1.5 * sync.iops at depth >= 32").unwrap().claim;
    let named: Vec<String> = claim.quantities().iter().map(ToString::to_string).collect();
    assert_eq!((named, claim.conditions.len()), (vec!["uring-tuned.iops".into(), "sync.iops".into()], 1));
    let claim = parse("a.p99<=200us at block_size>=4KiB and pattern=random").unwrap().claim;
    let Statement::Compare { right: Expr::Literal(limit), .. } = claim.statement else { panic!("{claim:?}") };
    assert_eq!((limit.number, claim.unit, claim.conditions.len()), (200_000.0, Unit::Nanos, 2));
    assert!(parse("a.iops > b.iops").is_ok());
}

#[test]
fn prints_what_it_read() {
    for text in [
        "uring-tuned.iops >= 1.5 * sync.iops at depth >= 32",
        "low(uring.iops / sync.iops) >= 1.2 at depth >= 32 and block_size == 4KiB",
        "verdict(uring.iops) == faster at depth != 1",
        "verdict(uring.iops / sync.iops) != \"no difference\"",
        "a.p99 - b.p99 <= 2ms",
        "(a.iops + b.iops) / 2 > 100000",
        "a.iops - (b.iops - -3) > 2 * (1 + 3)",
        "high(2 * a.bandwidth) < 1GiB",
    ] {
        assert_eq!(parse(text).unwrap().claim.to_string(), text);
    }
    let printed = |text: &str| parse(text).unwrap().claim.to_string();
    assert_eq!(printed("verdict(a.iops)=no difference"), "verdict(a.iops) == \"no difference\"");
    assert_eq!(printed("verdict(a.iops) == no_difference"), "verdict(a.iops) == \"no difference\"");
    assert_eq!(printed("a.iops>=1.5M"), "a.iops >= 1500000");
}

#[test]
fn errors_have_place_and_remedy() {
    insta::assert_snapshot!(
        [
            "",
            "iops >= 1",
            "a.iop >= 1",
            "a.iops",
            "a.iops >= ",
            "a.iops = 3",
            "1 <= 2 * 3",
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
            "a.iops-1 >= 2",
            "a.p99 * b.p99 >= 2",
            "2ms >= a.iops",
            "low(1) >= a.iops",
            "low(a.p99_9) <= 1ms",
            "low(a.p99 / b.p50) >= 1",
            "lo(a.iops) >= 1",
            "low(a.iops >= 1",
            "verdict(a.iops) >= faster",
            "verdict(a.iops) faster",
            "verdict(a.iops) == fast",
            "verdict(a.iops) == best",
            "verdict(a.iops / b.p99) == faster",
            "verdict(a) == faster",
            "verdict(a.iops) == \"no difference",
        ]
        .map(|text| format!("{text}\n    {}", refused(text)))
        .join("\n")
    );
}

#[test]
fn checks_names_of_arms_and_axes() {
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
fn claims_about_no_point_of_the_sweep_are_errors() {
    let depths = [json!(1), json!(8), json!(32)];
    let axes: [(&str, &[Value]); 1] = [("depth", &depths)];
    let errors = |text: &str| -> Vec<String> {
        let found = parse(text).unwrap().check_points(&axes);
        found.iter().map(|e| format!("{} at `{}`: {}", e.message, &text[e.part.clone()], e.help)).collect()
    };
    for good in ["a.iops > 1", "a.iops > 1 at depth = 8", "a.iops > 1 at depth > 1 and depth < 32"] {
        assert!(errors(good).is_empty(), "{good}");
    }
    let none = |value: &str| {
        vec![format!(
            "the sweep has no such point: no depth meets the conditions at `{value}`: its values are 1, 8, 32"
        )]
    };
    assert_eq!(errors("a.iops > 1 at depth = 16"), none("16"));
    assert_eq!(errors("a.iops > 1 at depth > 8 and depth < 32"), none("8"));
    assert!(errors("a.iops > 1 at depth = 8KiB").is_empty(), "`check` reports it");
}

#[test]
fn conditions_select_by_size_duration_and_word() {
    let params = Params::from_iter([
        ("block_size".to_owned(), json!("64KiB")),
        ("direct".to_owned(), json!(true)),
        ("runtime".to_owned(), json!("300ms")),
    ]);
    let selects = |text: &str| parse(&format!("a.iops > 1 at {text}")).unwrap().selects(&params);
    assert!(selects("block_size >= 4KiB") && selects("block_size = 65536") && selects("direct = true"));
    assert!(selects("runtime < 1s") && selects("direct != false"));
    assert!(!selects("block_size < 64KiB") && !selects("depth = 1"));
}

fn literal() -> impl Strategy<Value = Literal> {
    let bare = (-1e12..1e12f64).prop_map(|number| Literal { number, unit: Unit::Count });
    let whole = (0u64..1 << 50).prop_map(|number| Literal { number: number as f64, unit: Unit::Count });
    prop_oneof![bare, whole]
}

fn measured_value() -> impl Strategy<Value = Quantity> {
    ("[a-z][a-z0-9_-]{0,6}", prop::sample::select(vec![&IOPS, &SYSCALLS_PER_IO]))
        .prop_map(|(arm, metric)| Quantity { arm, metric, arm_at: Place::default() })
}

fn expression() -> impl Strategy<Value = Expr> {
    let edge = (measured_value(), any::<bool>(), literal()).prop_map(|(of, low, factor)| {
        let scaled =
            Expr::Both(Arithmetic::Multiply, Box::new(Expr::Literal(factor)), Box::new(Expr::Quantity(of)));
        Expr::Edge(if low { Edge::Low } else { Edge::High }, Box::new(scaled))
    });
    let leaf =
        prop_oneof![literal().prop_map(Expr::Literal), measured_value().prop_map(Expr::Quantity), edge];
    let signs = vec![Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply, Arithmetic::Divide];
    leaf.prop_recursive(4, 24, 2, move |inner| {
        (prop::sample::select(signs.clone()), inner.clone(), inner)
            .prop_map(|(sign, left, right)| Expr::Both(sign, Box::new(left), Box::new(right)))
    })
}

proptest! {
    #[test]
    fn reads_or_refuses_any_text(text in "\\PC{0,40}") {
        match parse(&text) {
            Err(error) => prop_assert!(text.get(error.part).is_some()),
            Ok(read) => prop_assert_eq!(parse(&read.claim.to_string()).map(|again| again.claim), Ok(read.claim)),
        }
    }

    #[test]
    fn printed_claims_parse_to_the_same_claim(
        left in expression(),
        right in expression(),
        op in prop::sample::select(vec![Op::AtLeast, Op::AtMost, Op::Above, Op::Below]),
        limit in literal(),
        conditioned in any::<bool>(),
    ) {
        prop_assume!(!(left.is_constant() && right.is_constant()));
        let condition = Condition {
            axis: "depth".to_owned(),
            axis_at: Place::default(),
            op,
            value: limit.to_string(),
            value_at: Place::default(),
            literal: Some(limit),
        };
        let claim = Claim {
            statement: Statement::Compare { left, op, right },
            unit: Unit::Count,
            conditions: if conditioned { vec![condition] } else { vec![] },
        };
        let read = parse(&claim.to_string());
        prop_assert_eq!(read.map(|read| read.claim), Ok(claim));
    }

    #[test]
    fn reads_or_refuses_any_tokens(words in prop::collection::vec(
        prop::sample::select(vec!["a.iops", "b-c.p99", ">=", "<", "=", "1.5", "*", "at", "and", "depth",
            "4KiB", "3us", ".", "-", "1e999", "µ.iops", "inf", "!", "low", "high", "verdict", "(", ")", "/", "+",
            "faster", "\"no difference\"", "a.p99", "2M", "'"]), 0..14)) {
        let text = words.join(" ");
        match parse(&text) {
            Err(error) => prop_assert!(text.get(error.part).is_some()),
            Ok(claim) => {
                prop_assert_eq!(parse(&claim.claim.to_string()).map(|read| read.claim), Ok(claim.claim));
            }
        }
    }
}

#[test]
fn survives_deep_parentheses() {
    for count in [100, 100_000] {
        let text = format!("{}a.iops{} > 1", "(".repeat(count), ")".repeat(count));
        assert_eq!(parse(&text).is_ok(), count == 100);
    }
}
