use proto::{
    histogram,
    outcome::{Direction, Series},
    refusal::{HostRefusal, LossCause},
};

use super::*;
use crate::analysis::fixture::Fixture;

pub(crate) fn interval(index: u32, ops: u64, latency_ns: u64) -> Interval {
    let mut latency = histogram::empty();
    latency.saturating_record_n(latency_ns, ops);
    let series = vec![Series { direction: Direction::Read, bytes: 0, latency, service: None }];
    let second = 1_000_000_000;
    let begin_ns = u64::from(index) * second;
    Interval { index, begin_ns, end_ns: begin_ns + second, series }
}

#[test]
fn adds_up_hosts_and_forgets_the_last_trial() {
    let mut fixture = Fixture::new(&["sync", "uring"], &[1], 1, &["n1", "n2"]);
    fixture.execute(1);
    let record = fixture.run.read_trials().unwrap().records.remove(0);
    let plan = fixture.plan.clone();
    let mut live = Live::new(&plan, ["n1".to_owned(), "n2".to_owned()]);
    assert_eq!((live.cells(), live.schedule.total), ((0, 2), 4));
    live.begin(&plan, &plan.trials[0]);
    live.preparing("n1", "filling", 1, 4);
    assert_eq!(live.current.as_ref().unwrap().preparing.as_deref(), Some("n1: filling 25%"));
    live.interval("n1", &interval(0, 100, 1000));
    live.interval("n2", &interval(0, 200, 1000));
    live.interval("n1", &interval(1, 300, 9000));
    let current = live.current.as_ref().unwrap();
    assert_eq!((current.iops, &current.preparing), (500.0, &None), "the last interval of each host");
    let (iops, latency) = live.end(&record).unwrap();
    assert_eq!((iops, latency.len()), (400.0, 600), "the whole trial");
    live.begin(&plan, &plan.trials[1]);
    assert_eq!(live.current.as_ref().unwrap().iops, 0.0);
    assert!(live.end(&record).is_none(), "nothing was measured");
    assert_eq!(live.schedule.done(), 2);
}

#[test]
fn counts_cells_outcomes_and_losses() {
    let fixture = Fixture::new(&["sync", "uring"], &[1], 1, &["n1"]);
    let plan = fixture.plan;
    let mut live = Live::new(&plan, ["n1".to_owned()]);
    let first: Vec<_> = plan.trials.iter().filter(|planned| planned.cell == 0).collect();
    live.recorded(&plan, first[0]);
    live.skipped(&plan, first[1]);
    assert_eq!(live.cells(), (1, 2));
    live.repeat(&plan, first[1]);
    assert_eq!((live.cells(), live.schedule.total), ((0, 2), 5));
    assert_eq!(live.outcomes, Outcomes { sound: 1, marked: 0, skipped: 1 });
    live.lost("n1", &HostRefusal::Lost { cause: LossCause::Gone }.into());
    assert_eq!(live.lost_hosts(), 1);
    live.begin(&plan, &plan.trials[0]);
    assert_eq!(live.lost_hosts(), 1, "a lost host stays lost");
    live.interval("n1", &interval(0, 1, 1));
    assert_eq!(live.lost_hosts(), 0, "until it sends again");
}

#[test]
fn the_number_of_codes_is_bounded() {
    let mut findings = Findings::default();
    for code in 0..1000 {
        findings.add(&format!("code-{code}"), "text");
    }
    assert_eq!(findings.iter().len(), MAX_CODES + 1);
    let last = findings.iter().next_back().unwrap();
    assert_eq!((last.code.as_str(), last.count), ("other", 1000 - MAX_CODES as u64));
}
