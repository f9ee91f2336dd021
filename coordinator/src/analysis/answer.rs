//! The answer to the scenario's question, from the comparisons and the numbers of requests in flight.

mod concurrency;
mod limit;
mod load;
#[cfg(test)]
mod tests;
mod trials;

pub(super) use load::Loads;
use trials::trials_needed;

use crate::{
    metric::{Metric, cost::SYSCALLS_PER_IO, lanes::urgent, latency::P99, throughput::IOPS},
    params::Params,
    summary::{
        CellSummary, Comparison, ComparisonSet, Verdict,
        answer::{
            Answer, ArmAnswer, Closest, Fastest, Headline, Notice, Points, RatioAt, SyscallsAt, TailChange,
            TailOf, VerdictAt,
        },
        crossover::CrossoverMetric,
        evidence::Pair,
        explanation::{Explanation, Finding, Reason},
    },
};

/// System calls per I/O are reported if they are at most this share of the baseline's.
const FEWER_CALLS: f64 = 0.9;

/// Which of two ratios is more extreme.
type Beats = fn(&f64, &f64) -> bool;

/// The answer of a set, from its cells, comparisons, explanations and reasons for distrust. Arms in `idle` do no I/O and
/// cannot be the fastest.
pub(super) fn answer(set: &ComparisonSet, idle: &[&str], loads: &Loads<'_>) -> Answer {
    let mut notices = Vec::new();
    if set.quick {
        notices.push(Notice::Quick);
    }
    if !set.trustworthy {
        notices.push(Notice::Incomplete(set.untrusted.clone()));
    }
    let Some(baseline) = &set.baseline else {
        return Answer { notices, headline: Some(most(set)), loads: set.loads.clone(), ..Answer::default() };
    };
    let others = arms(set).filter(|arm| *arm != baseline);
    let arms: Vec<ArmAnswer> = others.filter_map(|arm| of_arm(set, arm, baseline, idle)).collect();
    // Without any comparison, the largest number is still an answer.
    let headline = headline(set, baseline, idle).or_else(|| arms.is_empty().then(|| most(set)));
    Answer {
        notices,
        headline,
        arms,
        concurrency: concurrency::concurrency(set, baseline, loads),
        limit: limit::limit(set, loads),
        loads: set.loads.clone(),
    }
}

/// Arms in the plan's order.
fn arms(set: &ComparisonSet) -> impl Iterator<Item = &str> {
    let mut seen = Vec::new();
    set.cells.iter().map(|cell| cell.arm.as_str()).filter(move |arm| {
        let new = !seen.contains(arm);
        if new {
            seen.push(*arm);
        }
        new
    })
}

/// The fastest arm, or that none is faster than the baseline; `None` without a comparison.
fn headline(set: &ComparisonSet, baseline: &str, idle: &[&str]) -> Option<Headline> {
    let does_io = |found: &&Comparison| !idle.contains(&found.arm.as_str());
    let compared: Vec<&Comparison> = set
        .with_baseline()
        .filter(|found| IOPS.is_of(found) && found.ratio.is_some())
        .filter(does_io)
        .collect();
    let with = |verdict| -> Vec<&Comparison> {
        compared.iter().filter(|found| found.verdict == verdict).copied().collect()
    };
    if let Some((best, ratio)) = extreme(&with(Verdict::Faster), f64::gt) {
        return Some(Headline::Fastest(fastest(set, baseline, best, ratio)));
    }
    let (nearest, ratio) = extreme(&compared, f64::gt)?;
    Some(Headline::NothingFaster {
        baseline: baseline.to_owned(),
        inconclusive: !with(Verdict::Inconclusive).is_empty(),
        closest: closest(set, nearest, ratio),
    })
}

fn fastest(set: &ComparisonSet, baseline: &str, best: &Comparison, ratio: f64) -> Fastest {
    let both = |metric: &Metric| -> Option<Pair> {
        let value = |arm: &str| metric.of(set.cell(arm, &best.params)?);
        Pair::of(value(&best.arm), value(baseline))
    };
    let finding = explanation(set, best).map(|found| &found.finding);
    let names_calls = |reason: &Reason| matches!(reason, Reason::Syscalls { .. });
    let calls_are_the_reason =
        matches!(finding, Some(Finding::Changed { reasons, .. }) if reasons.iter().any(names_calls));
    Fastest {
        arm: best.arm.clone(),
        baseline: baseline.to_owned(),
        best: at(best, ratio),
        ci95: best.ci95,
        iops: both(&IOPS),
        syscalls_per_io: both(&SYSCALLS_PER_IO).filter(|_| !calls_are_the_reason),
        finding: finding.cloned(),
    }
}

fn closest(set: &ComparisonSet, nearest: &Comparison, ratio: f64) -> Option<Closest> {
    let found = explanation(set, nearest).filter(|found| found.finding.is_conclusive())?;
    Some(Closest { arm: nearest.arm.clone(), best: at(nearest, ratio), finding: found.finding.clone() })
}

fn explanation<'a>(set: &'a ComparisonSet, of: &Comparison) -> Option<&'a Explanation> {
    set.explanations.iter().find(|found| found.arm == of.arm && found.params == of.params)
}

fn at(found: &Comparison, ratio: f64) -> RatioAt {
    RatioAt { ratio, params: found.params.clone() }
}

/// The comparison with the most extreme ratio.
fn extreme<'a>(found: &[&'a Comparison], beats: Beats) -> Option<(&'a Comparison, f64)> {
    let rated = found.iter().filter_map(|comparison| Some((*comparison, comparison.ratio?)));
    rated.reduce(|best, next| if beats(&next.1, &best.1) { next } else { best })
}

fn of_arm(set: &ComparisonSet, arm: &str, baseline: &str, idle: &[&str]) -> Option<ArmAnswer> {
    let all: Vec<&Comparison> =
        set.with_baseline().filter(|found| found.arm == arm && IOPS.is_of(found)).collect();
    if all.is_empty() {
        return None;
    }
    let total = all.len();
    let everywhere: Vec<Params> = all.iter().map(|found| found.params.clone()).collect();
    let points = |found: &[&Comparison]| {
        Points::among(found.iter().map(|comparison| comparison.params.clone()).collect(), &everywhere)
    };
    // A side that was not measured leaves nothing to compare, which is not inconclusive.
    let (compared, without): (Vec<&Comparison>, Vec<&Comparison>) =
        all.into_iter().partition(|found| found.ratio.is_some());
    let order = [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive];
    let verdicts = order.into_iter().filter_map(|verdict| {
        let found: Vec<&Comparison> =
            compared.iter().filter(|comparison| comparison.verdict == verdict).copied().collect();
        let most = match verdict {
            Verdict::Faster => extreme(&found, f64::gt),
            Verdict::Slower => extreme(&found, f64::lt),
            Verdict::NoDifference | Verdict::Inconclusive => None,
        };
        (!found.is_empty()).then(|| VerdictAt {
            verdict,
            points: points(&found),
            most: most.map(|(most, ratio)| at(most, ratio)),
            trials_needed: trials_needed(&found).filter(|_| verdict == Verdict::Inconclusive),
        })
    });
    let of_arm = |metric: CrossoverMetric| {
        set.crossovers
            .iter()
            .filter(move |found| found.arm == arm && found.metric == metric && found.others.is_empty())
    };
    Some(ArmAnswer {
        arm: arm.to_owned(),
        does_io: !idle.contains(&arm),
        verdicts: verdicts.collect(),
        not_compared: (!without.is_empty()).then(|| points(&without)),
        tails: tails(set, arm, total),
        crossovers: of_arm(CrossoverMetric::Iops).filter(|found| found.after().is_some()).cloned().collect(),
        syscalls: syscalls(set, arm, baseline),
    })
}

/// The largest increase and the largest decrease of 99th percentiles.
fn tails(set: &ComparisonSet, arm: &str, points: usize) -> Vec<TailChange> {
    let sides: [(Verdict, Beats); 2] = [(Verdict::Slower, f64::gt), (Verdict::Faster, f64::lt)];
    let mut changes = Vec::new();
    for (of, metric) in [(TailOf::All, &P99), (TailOf::Urgent, &urgent::P99)] {
        for (verdict, beats) in sides {
            let found: Vec<&Comparison> = set
                .with_baseline()
                .filter(|found| found.arm == arm && metric.is_of(found) && found.verdict == verdict)
                .collect();
            if let Some((most, ratio)) = extreme(&found, beats) {
                let longer = verdict == Verdict::Slower;
                changes.push(TailChange { of, longer, most: at(most, ratio), points });
            }
        }
    }
    changes
}

/// System calls at the point of their largest decrease against the baseline.
fn syscalls(set: &ComparisonSet, arm: &str, baseline: &str) -> Option<SyscallsAt> {
    let share = |calls: &Pair| calls.arm / calls.baseline;
    let fewer = |cell: &CellSummary| {
        let base = set.cell(baseline, &cell.params)?;
        let calls = Pair::of(SYSCALLS_PER_IO.of(cell), SYSCALLS_PER_IO.of(base))?;
        (calls.baseline > 0.0 && share(&calls) <= FEWER_CALLS)
            .then(|| SyscallsAt { calls, params: cell.params.clone() })
    };
    let merged = set.cells.iter().filter(|cell| cell.host.is_none() && cell.arm == arm);
    merged
        .filter_map(fewer)
        .reduce(|best, next| if share(&next.calls) < share(&best.calls) { next } else { best })
}

/// Without a comparison: the cell with the most operations per second.
fn most(set: &ComparisonSet) -> Headline {
    let rated =
        set.cells.iter().filter(|cell| cell.host.is_none()).filter_map(|cell| Some((cell, IOPS.of(cell)?)));
    let Some((cell, iops)) = rated.reduce(|best, next| if next.1 > best.1 { next } else { best }) else {
        return Headline::NoTrial;
    };
    Headline::Most {
        arm: cell.arm.clone(),
        params: cell.params.clone(),
        iops,
        among_others: arms(set).nth(1).is_some(),
        has_baseline: set.baseline.is_some(),
    }
}
