//! Latencies that the window cuts off, and rates that chance does not reach.

use proto::{
    trial::{Arrival, Rate},
    units::Nanos,
};

use crate::{
    analysis::fixture::{Fixture, params},
    summary::{ComparisonSet, Unjudged, Verdict, evidence::Quantity, explanation::Finding},
    warning::{CellWarning, Warning},
};

const SECOND: Nanos = Nanos(1_000_000_000);

fn run(model: fn(&str, u64) -> (f64, u64, f64), rate: Option<Rate>) -> ComparisonSet {
    let mut fixture = Fixture::new(&["sync", "uring"], &[64], 3, &["local"]);
    for cell in &mut fixture.plan.cells {
        cell.template.workload.runtime = SECOND;
        cell.template.workload.rate = rate;
    }
    fixture.model = model;
    fixture.execute(usize::MAX);
    fixture.analyse(Some("sync"))
}

#[test]
fn latencies_longer_than_the_window_have_no_verdict() {
    // 30 IOPS with 64 in flight: each request takes 64/30 = 2.13 s, and the window is 1 s.
    let set =
        run(|arm, _| if arm == "sync" { (30.0, 33_000_000, 1.0) } else { (30.0, 600_000_000, 1.0) }, None);
    let cell = set.cell("uring", &params(64)).unwrap();
    assert_eq!(cell.threads.in_flight, Some(64));
    assert_eq!(cell.latency.needs_runtime_ns, Some(22_000_000_000));
    assert_eq!(set.cell("sync", &params(64)).unwrap().latency.needs_runtime_ns, None);
    let warned: Vec<&Warning> = set.warnings.iter().map(|warning| &warning.warning).collect();
    let [Warning::Cell(CellWarning::LatencyCutOff { arm, in_flight: 64, .. })] = &warned[..] else {
        panic!("{warned:?}")
    };
    assert_eq!(arm, "uring");
    assert!(set.warnings[0].message().contains("`runtime: 22s`"), "{}", set.warnings[0].message());
    let reason = Some(Unjudged::CutOff { arm: "uring".into(), needed: Nanos(22 * SECOND.0) });
    for metric in ["latency_mean", "latency_p50", "latency_p99", "latency_p99_9"] {
        let found = set.comparison("uring", metric, &params(64)).unwrap();
        assert_eq!((found.verdict, &found.reason), (Verdict::Inconclusive, &reason), "{metric}");
    }
    assert_eq!(set.comparison("uring", "iops", &params(64)).unwrap().reason, None);
}

#[test]
fn requests_in_flight_are_those_configured() {
    let set =
        run(|arm, _| if arm == "sync" { (30.0, 33_000_000, 1.0) } else { (90.0, 600_000_000, 1.0) }, None);
    let found = set.explanations[0].evidence.iter().find_map(|evidence| match evidence {
        crate::summary::evidence::Evidence::Both(Quantity::InFlight, pair) => Some((pair.arm, pair.baseline)),
        _ => None,
    });
    assert_eq!(found, Some((64.0, 1.0)), "{:?}", set.explanations);
}

#[test]
fn latencies_of_a_sufficient_window_are_judged() {
    // 64 in flight at 1,600 per second: 40 ms each, of which the workers spend some themselves.
    let set =
        run(|arm, _| if arm == "sync" { (30.0, 33_000_000, 1.0) } else { (1_600.0, 25_000_000, 1.0) }, None);
    assert_eq!(set.cell("uring", &params(64)).unwrap().latency.needs_runtime_ns, None);
    assert!(set.warnings.is_empty(), "{:?}", set.warnings);
}

#[test]
fn random_arrivals_may_be_fewer_than_the_rate() {
    let poisson = Some(Rate { per_second: 100, arrival: Arrival::Poisson });
    let codes = |set: &ComparisonSet| -> Vec<String> {
        set.warnings.iter().map(|warning| warning.code().to_owned()).collect()
    };
    // Four standard deviations of 300 arrivals are 69 in 3 s.
    let chance = run(|_, _| (80.0, 1_000_000, 1.0), poisson);
    let from = chance.cells[0].throughput.reached_from_per_s.unwrap();
    assert!((from - (100.0 - 4.0 * 300f64.sqrt() / 3.0)).abs() < 1e-9, "{from}");
    assert_eq!(codes(&chance), ["open-loop-cpu"]);
    assert!(matches!(chance.explanations[0].finding, Finding::RateReached { .. }));
    let saturated = run(|_, _| (70.0, 1_000_000, 1.0), poisson);
    assert_eq!(codes(&saturated), ["open-loop-cpu", "rate-not-reached"]);
    assert!(matches!(saturated.explanations[0].finding, Finding::Saturated { .. }));
}

#[test]
fn fixed_arrivals_may_lack_one_request_of_each_trial() {
    let of = |per_second| Some(Rate { per_second, arrival: Arrival::Fixed });
    let from = |rate| run(|_, _| (10.0, 1_000_000, 1.0), rate).cells[0].throughput.reached_from_per_s;
    assert_eq!((from(of(10)), from(of(1000)), from(None)), (Some(9.0), Some(980.0), None));
}
