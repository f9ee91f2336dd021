//! Noisy trials of agents with known noise: marked and repeated at the end of their block, within bounds.

use coordinator::{plan::Plan, run::RunOutcome, scenario::noise::NoisePolicy, store::record::TrialRecord};

use crate::{
    fake::{Act, Fake},
    nobody_stops, plan, run,
};

/// Two arms, two blocks, no audits: 0000-a, 0001-b, then 0002-a, 0003-b.
fn two() -> Plan {
    let mut plan = plan(&[("a", None), ("b", None)]);
    for (index, planned) in plan.trials.iter_mut().enumerate() {
        planned.block = 1 + index as u32 / 2;
    }
    plan
}

async fn ran(act: Act, plan: &Plan) -> (Vec<TrialRecord>, RunOutcome) {
    let fake = Fake::new(act).listen().await;
    let (kept, outcome) = run(&[&fake], plan, &nobody_stops()).await;
    (kept.trials.into_iter().map(|(record, _)| record).collect(), outcome)
}

fn ids(records: &[TrialRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_a_noisy_trial_at_the_end_of_its_block() {
    let (records, outcome) = ran(Act::Noisy("0000-a", 1), &two()).await;
    assert_eq!(ids(&records), ["0000-a", "0001-b", "0000-a", "0002-a", "0003-b"]);
    assert!(
        records[0].marks[0].starts_with("noisy (steal): the hypervisor gave 50.0 %"),
        "{:?}",
        records[0].marks
    );
    assert!(records[1..].iter().all(TrialRecord::counts), "{records:?}");
    assert_eq!((records[2].block, records[2].cell), (records[0].block, records[0].cell), "the same trial");
    assert_eq!(outcome, RunOutcome { recorded: 5, marked: 1, repeated: 1, ..RunOutcome::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_repeats_under_lasting_noise() {
    let (records, outcome) = ran(Act::Noisy("-a", usize::MAX), &two()).await;
    // A cell of two trials has two repeats, and its first trial uses both.
    assert_eq!(ids(&records), ["0000-a", "0001-b", "0000-a", "0000-a", "0002-a", "0003-b"]);
    assert!(records.iter().all(|record| record.counts() == (record.arm == "b")), "{records:?}");
    assert_eq!(outcome, RunOutcome { recorded: 6, marked: 4, repeated: 2, ..RunOutcome::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_noise_only_if_the_policy_is_mark() {
    for noise in [NoisePolicy::Warn, NoisePolicy::Ignore] {
        let (records, outcome) = ran(Act::Noisy("-a", usize::MAX), &Plan { noise, ..two() }).await;
        assert!(records.iter().all(TrialRecord::counts), "{records:?}");
        assert_eq!(outcome, RunOutcome { recorded: 4, ..RunOutcome::default() });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_the_noisy_host() {
    let (quiet, noisy) =
        (Fake::new(Act::Run).listen().await, Fake::new(Act::Noisy("0001-b", 1)).listen().await);
    let (kept, outcome) = run(&[&quiet, &noisy], &two(), &nobody_stops()).await;
    let marks = &kept.trials[1].0.marks;
    assert!(marks.len() == 1 && marks[0].starts_with("n2: noisy (steal): "), "{marks:?}");
    assert_eq!((outcome.marked, outcome.repeated), (1, 1));
}
