//! The comparison of two runs as sentences.

use super::{times, unjudged};
use crate::{
    analysis::fingerprint,
    params,
    scenario::precision::as_percent,
    summary::run_diff::{CellName, FactChange, MetricTally, RunDiff, RunFacts, ScenarioChange, VerdictTally},
    units::some,
};

/// Differences and caveats of the runs, then a summary of the verdicts.
pub(crate) fn sentences(found: &RunDiff) -> Vec<String> {
    let mut sentences = vec![hosts(&found.host_changes)];
    if !found.unpaired_hosts.is_empty() {
        sentences.push(format!("Hosts without a counterpart: {}.", found.unpaired_hosts.join(", ")));
    }
    sentences.extend(scenarios(&found.scenario_changes));
    sentences.extend(caveats(&found.baseline, "baseline"));
    sentences.extend(caveats(&found.run, "run"));
    sentences.extend(found.tallies.iter().map(tally));
    if found.comparisons.is_empty() {
        sentences.push("There is nothing to compare: no cell was measured in both runs.".into());
    }
    if let Some([old, new]) = found.margins {
        sentences.push(format!(
            "The margin of the baseline is {}, that of the run is {}; the larger one, {}, applies.",
            as_percent(old),
            as_percent(new),
            as_percent(found.margin)
        ));
    }
    sentences
}

/// `uring at depth 8`.
pub(crate) fn cell(CellName { arm, params }: &CellName) -> String {
    params::cell(arm, params)
}

fn hosts(changes: &[FactChange]) -> String {
    // A fact that only one side reports is shown, but does not count as a difference.
    let known = changes.iter().filter(|change| change.baseline.is_some() && change.run.is_some());
    let classes = fingerprint::classes(known.map(|change| change.fact.as_str()));
    if classes.is_empty() {
        "The hosts report no differences.".into()
    } else {
        format!("The hosts differ in: {}.", classes.join(", "))
    }
}

fn scenarios(changes: &[ScenarioChange]) -> Option<String> {
    let parts: Vec<&str> =
        changes.iter().filter(|change| !change.duration).map(|change| change.part.as_str()).collect();
    (!parts.is_empty()).then(|| {
        let parts = parts.join(", ");
        format!("The scenarios differ in {parts}: a ratio of such cells does not compare the machines.")
    })
}

fn caveats(run: &RunFacts, what: &str) -> Vec<String> {
    let mut caveats = Vec::new();
    if run.quick {
        caveats.push(format!("The {what} was a quick run: a smoke test, not a benchmark."));
    }
    if !run.trustworthy {
        caveats.push(format!("The {what} is incomplete: not every planned trial counts."));
    }
    caveats
}

/// `iops in 4 cells: slower in 1 (most: 0.80x, uring at depth 32), no difference in 3.`
fn tally(found: &MetricTally) -> String {
    let mut clauses: Vec<String> = found.verdicts.iter().map(verdict).collect();
    if found.unmeasured > 0 {
        clauses.push(format!("not measured in both runs in {}", found.unmeasured));
    }
    if found.unlike > 0 {
        clauses.push(format!("not comparable in {}", found.unlike));
    }
    let reason = found.reason.as_ref().map(unjudged);
    let reason = reason.map_or_else(String::new, |reason| format!(" Not judged: {reason}."));
    format!("{} in {}: {}.{reason}", found.metric, some(found.cells, "cell"), clauses.join(", "))
}

fn verdict(found: &VerdictTally) -> String {
    let most = found
        .most
        .as_ref()
        .map_or_else(String::new, |(most, ratio)| format!(" (most: {}, {})", times(*ratio), cell(most)));
    format!("{} in {}{most}", found.verdict.as_str(), found.cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{TooFewUrgent, Unjudged, Verdict};

    fn facts(quick: bool, trustworthy: bool) -> RunFacts {
        let (run_id, scenario) = ("run".into(), "qd-sweep".into());
        RunFacts { run_id, scenario, hosts: vec!["local".into()], quick, trustworthy }
    }

    fn diff() -> RunDiff {
        RunDiff {
            baseline: facts(true, true),
            run: facts(false, false),
            margin: 0.05,
            margins: None,
            host_changes: Vec::new(),
            unpaired_hosts: Vec::new(),
            scenario_changes: Vec::new(),
            only_in_baseline: Vec::new(),
            only_in_run: Vec::new(),
            comparisons: Vec::new(),
            tallies: Vec::new(),
        }
    }

    #[test]
    fn puts_caveats_before_the_result() {
        assert_eq!(
            sentences(&RunDiff { margins: Some([0.05, 0.02]), ..diff() }),
            [
                "The hosts report no differences.",
                "The baseline was a quick run: a smoke test, not a benchmark.",
                "The run is incomplete: not every planned trial counts.",
                "There is nothing to compare: no cell was measured in both runs.",
                "The margin of the baseline is 5 %, that of the run is 2 %; the larger one, 5 %, applies.",
            ]
        );
    }

    #[test]
    fn names_only_differences_that_both_sides_report() {
        let change = |fact: &str, baseline: Option<&str>| FactChange {
            fact: fact.into(),
            baseline: baseline.map(Into::into),
            run: Some("new".into()),
            ..FactChange::default()
        };
        let changes = [change("kernel.release", Some("6.12")), change("thp", None)];
        assert_eq!(hosts(&changes), "The hosts differ in: kernel.");
    }

    #[test]
    fn counts_the_verdicts_of_a_metric() {
        let params = params::Params::from_iter([("depth".to_owned(), 32.into())]);
        let slowest = CellName { arm: "uring".into(), params };
        let tally = MetricTally {
            metric: "urgent_p99".into(),
            cells: 7,
            verdicts: vec![
                VerdictTally { verdict: Verdict::Slower, cells: 1, most: Some((slowest, 0.8)) },
                VerdictTally { verdict: Verdict::NoDifference, cells: 3, most: None },
            ],
            unmeasured: 1,
            unlike: 2,
            reason: Some(Unjudged::TooFewUrgent(TooFewUrgent {
                arm: "uring".into(),
                per_trial: 98.04,
                needed: 100,
            })),
        };
        assert_eq!(
            self::tally(&tally),
            "urgent_p99 in 7 cells: slower in 1 (most: 0.80x, uring at depth 32), no difference in 3, not measured in \
             both runs in 1, not comparable in 2. Not judged: uring had 98 urgent operations per trial, and a verdict \
             needs 100."
        );
    }
}
