//! The answer of a run, as sentences.

use super::{
    at_point, at_points,
    concurrency::{self, Labelled},
    crossover, explanation, interval, load, times, trials_needed, untrusted,
};
use crate::{
    params::at,
    stats::confidence::INTERVAL,
    summary::{
        Verdict,
        answer::{
            Answer, ArmAnswer, Closest, Fastest, Headline, Notice, Points, SyscallsAt, TailChange, TailOf,
            VerdictAt,
        },
    },
    units::{count, per_io},
};

/// The number of arms above which the lines of the answer are by verdict.
const MANY_ARMS: usize = 4;

/// The whole answer: an entry for each notice, for the headline and for each arm.
pub(crate) fn sentences(answer: &Answer) -> Vec<String> {
    answer.notices.iter().map(notice).chain(findings(answer)).collect()
}

/// The answer without its notices: by concurrency if the scenario compares arms of equal concurrency, otherwise by arm.
pub(crate) fn findings(answer: &Answer) -> Vec<String> {
    let sentence = |Labelled { label, text }: Labelled| format!("{label}: {text}.");
    let labelled = answer.concurrency.iter().flat_map(concurrency::lines);
    let by_arm = by_arm(answer).into_iter().filter(|_| answer.concurrency.is_none());
    let limit = answer.limit.as_ref().map(concurrency::limit);
    let load = load::line(&answer.loads).into_iter();
    labelled.map(sentence).chain(by_arm).chain(load.chain(limit).map(sentence)).collect()
}

/// The headline and each arm against the baseline.
pub(crate) fn by_arm(answer: &Answer) -> Vec<String> {
    headlines(answer).chain(arms(answer)).collect()
}

/// Each arm against the baseline.
pub(crate) fn arms(answer: &Answer) -> impl Iterator<Item = String> {
    answer.arms.iter().map(arm)
}

/// The notices, and the headline if the lines of [`lines`] do not replace it.
pub(crate) fn head(answer: &Answer) -> Vec<String> {
    let headlines = headlines(answer).filter(|_| answer.concurrency.is_none());
    answer.notices.iter().map(notice).chain(headlines).collect()
}

/// The answer in short labelled lines: by concurrency if the scenario compares arms of equal concurrency, otherwise by
/// arm or, for many arms, by verdict; then the offered load and the limit.
pub(crate) fn lines(answer: &Answer) -> Vec<Labelled> {
    let labelled = |arm: &ArmAnswer| Labelled { label: arm.arm.clone(), text: verdicts(arm).join("; ") };
    let mut lines: Vec<Labelled> = match &answer.concurrency {
        Some(found) => concurrency::lines(found),
        None if answer.arms.len() > MANY_ARMS => by_verdict(answer),
        None => answer.arms.iter().map(labelled).collect(),
    };
    lines.extend(load::line(&answer.loads));
    lines.extend(answer.limit.as_ref().map(concurrency::limit));
    lines
}

/// A line for each verdict, with its arms.
fn by_verdict(answer: &Answer) -> Vec<Labelled> {
    let lines = Verdict::ALL.into_iter().map(|verdict| {
        let arms = answer.arms.iter().filter_map(|arm| {
            let found = arm.verdicts.iter().find(|found| found.verdict == verdict)?;
            let most = found.most.as_ref().map_or_else(String::new, |most| format!(" {}", times(most.ratio)));
            let idle = if arm.does_io { "" } else { " (no I/O)" };
            Some(format!("{}{idle}{most}{}", arm.arm, at_points(&found.points)))
        });
        Labelled { label: verdict.as_str().into(), text: arms.collect::<Vec<_>>().join(", ") }
    });
    lines.filter(|line| !line.text.is_empty()).collect()
}

/// The answer in one sentence, for a list of runs, which shows elsewhere that a run was quick. Empty without an answer.
pub(crate) fn summary(answer: &Answer) -> String {
    let notices = answer.notices.iter().filter(|notice| **notice != Notice::Quick).map(notice);
    notices.chain(findings(answer)).next().unwrap_or_default()
}

fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Quick => "This was a quick run: a smoke test, not a benchmark.".into(),
        Notice::Incomplete(reasons) => {
            let mut reasons: Vec<String> = reasons.iter().map(untrusted).collect();
            if reasons.len() > 2 {
                let more = format!("and {} more", reasons.len() - 2);
                reasons.truncate(2);
                reasons.push(more);
            }
            format!("Incomplete: {}.", reasons.join("; "))
        }
    }
}

/// The sentences of the headline.
fn headlines(answer: &Answer) -> impl Iterator<Item = String> {
    let all_do_io = answer.arms.iter().all(|arm| arm.does_io);
    answer.headline.iter().flat_map(move |found| headline(found, all_do_io))
}

/// One sentence or more.
fn headline(headline: &Headline, all_do_io: bool) -> Vec<String> {
    match headline {
        Headline::Fastest(found) => vec![fastest(found)],
        Headline::NothingFaster { baseline, inconclusive, closest: nearest } => {
            let words = if *inconclusive { "is proven to be faster" } else { "is faster" };
            let doubt = if *inconclusive { "; some comparisons are inconclusive" } else { "" };
            let nearest = nearest.as_ref().map(closest).unwrap_or_default();
            let arm = if all_do_io { "No arm" } else { "No arm that does I/O" };
            vec![format!("{arm} {words} than {baseline}{doubt}.{nearest}")]
        }
        Headline::Most { arm, params, iops, among_others, has_baseline } => {
            let did = format!("{arm} completed {} I/Os per second{}", count(*iops), at_point(params));
            let mut found = vec![if *among_others { format!("Most I/O: {did}.") } else { format!("{did}.") }];
            if *among_others && !has_baseline {
                found.push("Nothing is compared, because the scenario names no `baseline`.".into());
            }
            found
        }
        Headline::NoTrial => vec!["There is no answer, because no trial counts.".into()],
    }
}

fn fastest(found: &Fastest) -> String {
    let sure = found.ci95.map_or_else(String::new, |ci95| format!(" ({INTERVAL} {})", interval(ci95)));
    let mut figures = Vec::new();
    if let Some(iops) = found.iops {
        figures.push(format!("{} instead of {}", count(iops.arm), count(iops.baseline)));
    }
    if let Some(calls) = found.syscalls_per_io {
        let (now, was) = (per_io(calls.arm), per_io(calls.baseline));
        figures.push(format!("{now} system calls per I/O instead of {was}"));
    }
    let why = found.finding.as_ref().and_then(explanation::because_faster);
    figures.extend(why.map(|why| format!("because {why}")));
    let figures = if figures.is_empty() { String::new() } else { format!(": {}", figures.join(", ")) };
    format!(
        "Fastest is {}, with {} the IOPS of {}{}{sure}{figures}.",
        found.arm,
        times(found.best.ratio),
        found.baseline,
        at_point(&found.best.params)
    )
}

fn closest(found: &Closest) -> String {
    let (ratio, place) = (times(found.best.ratio), at_point(&found.best.params));
    format!(" The closest is {}, with {ratio}{place}. {}", found.arm, explanation::sentence(&found.finding))
}

/// The verdicts of an arm, with the points at which it was not compared.
fn verdicts(found: &ArmAnswer) -> Vec<String> {
    let place = |points: &Points| match points.points.len() == points.total && points.total > 1 {
        true => " at any point".into(),
        false => at_points(points),
    };
    let without = found.not_compared.as_ref().map(|points| format!("not compared{}", place(points)));
    found.verdicts.iter().map(verdict).chain(without).collect()
}

fn arm(found: &ArmAnswer) -> String {
    let idle = if found.does_io { "" } else { " (does no I/O)" };
    let mut sentences = vec![format!("{}{idle}: {}.", found.arm, verdicts(found).join("; "))];
    sentences.extend(found.tails.iter().map(tail));
    sentences.extend(found.crossovers.iter().filter_map(crossover::diverges));
    sentences.extend(found.syscalls.as_ref().map(syscalls));
    sentences.join(" ")
}

fn verdict(found: &VerdictAt) -> String {
    let most = |bound: &str| {
        found.most.as_ref().map_or_else(String::new, |most| {
            if found.points.points.len() > 1 {
                format!(" ({bound} {} {})", times(most.ratio), at(&most.params))
            } else {
                format!(" ({})", times(most.ratio))
            }
        })
    };
    let detail = match found.verdict {
        Verdict::Faster => most("up to"),
        Verdict::Slower => most("down to"),
        Verdict::NoDifference => String::new(),
        Verdict::Inconclusive => found
            .trials_needed
            .as_ref()
            .map_or_else(String::new, |needed| format!(" ({})", trials_needed(needed))),
    };
    format!("{}{}{detail}", found.verdict.as_str(), at_points(&found.points))
}

fn tail(found: &TailChange) -> String {
    let name = match found.of {
        TailOf::All => "p99 latency",
        TailOf::Urgent => "p99 latency of urgent I/Os",
    };
    let ratio = times(found.most.ratio);
    match (found.points > 1, found.longer) {
        (false, _) => format!("{name}: {ratio}."),
        (true, true) => format!("{name}: up to {ratio}{}.", at_point(&found.most.params)),
        (true, false) => format!("{name}: down to {ratio}{}.", at_point(&found.most.params)),
    }
}

fn syscalls(SyscallsAt { calls, params }: &SyscallsAt) -> String {
    let (now, was) = (per_io(calls.arm), per_io(calls.baseline));
    format!("System calls per I/O: {now} instead of {was}{}.", at_point(params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        params::Params,
        summary::answer::{RatioAt, Untrusted},
    };

    #[test]
    fn names_two_reasons_for_an_incomplete_run() {
        let reason = |complete| Untrusted::MissingTrials {
            arm: "sync".into(),
            params: Params::from_iter([("depth".to_owned(), 8.into())]),
            complete,
            planned: 3,
        };
        let reasons =
            vec![reason(0), reason(1), reason(2), Untrusted::CorruptData { arm: "a".into(), sectors: 4 }];
        assert_eq!(
            notice(&Notice::Incomplete(reasons)),
            "Incomplete: sync at depth 8: 0 of 3 trials count; sync at depth 8: 1 of 3 trials count; and 2 more."
        );
        assert_eq!(
            untrusted(&Untrusted::CorruptData { arm: "a".into(), sectors: 4 }),
            "a: 4 sectors did not contain the data that was written"
        );
    }

    fn arm(arm: &str, does_io: bool, verdict: Verdict, not_compared: Option<Points>) -> ArmAnswer {
        let points = Points { points: vec![Params::new()], last: true, total: 1 };
        let most = Some(RatioAt { ratio: 4.0, params: Params::new() });
        ArmAnswer {
            arm: arm.into(),
            does_io,
            verdicts: vec![VerdictAt { verdict, points, most, trials_needed: None }],
            not_compared,
            tails: vec![],
            crossovers: vec![],
            syscalls: None,
        }
    }

    #[test]
    fn an_arm_without_io_does_not_contradict_the_headline() {
        let headline = Headline::NothingFaster { baseline: "sync".into(), inconclusive: true, closest: None };
        let mut arms: Vec<ArmAnswer> =
            (1..=4).map(|ring| arm(&format!("ring-{ring}"), true, Verdict::Inconclusive, None)).collect();
        arms.push(arm("nop", false, Verdict::Faster, None));
        let answer = Answer { headline: Some(headline), arms, ..Answer::default() };
        assert_eq!(
            head(&answer),
            ["No arm that does I/O is proven to be faster than sync; some comparisons are inconclusive."]
        );
        assert_eq!(lines(&answer)[0].text, "nop (no I/O) 4.00x");
    }

    #[test]
    fn an_arm_without_comparisons_was_not_compared_at_any_point() {
        let nowhere = Points { points: vec![Params::new(); 2], last: true, total: 2 };
        let mut found = arm("ring", true, Verdict::Faster, Some(nowhere));
        found.verdicts.clear();
        assert_eq!(verdicts(&found), ["not compared at any point"]);
    }

    #[test]
    fn the_summary_does_not_mention_a_quick_run() {
        let answer =
            Answer { notices: vec![Notice::Quick], headline: Some(Headline::NoTrial), ..Answer::default() };
        assert_eq!(summary(&answer), "There is no answer, because no trial counts.");
        assert_eq!(summary(&Answer::default()), "");
    }
}
