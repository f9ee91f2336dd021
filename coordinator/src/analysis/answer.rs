//! The answer in plain words: what the comparisons allow to say, and nothing else.

use super::explain::cause::Cause;
use crate::{
    params::{at, point, value},
    summary::{
        CellSummary, Comparison, ComparisonSet, Verdict,
        insight::{Crossover, Explanation},
    },
};

/// System calls per I/O that are this share of the baseline's are worth a sentence.
const FEWER_CALLS: f64 = 0.9;

/// A few sentences an entry: the winner first, then a line for each arm. Needs the cells, comparisons and what
/// is untrusted in place. Arms in `idle` do no I/O, and cannot win.
pub(super) fn answer(set: &ComparisonSet, idle: &[&str]) -> Vec<String> {
    let mut sentences = Vec::new();
    if set.quick {
        sentences.push("This was a quick run: a smoke test, not a measurement.".into());
    }
    if !set.trustworthy {
        sentences.push(format!("Incomplete: {}.", first_few(&set.untrusted_because)));
    }
    let notices = sentences.len();
    match &set.baseline {
        Some(baseline) => {
            sentences.extend(headline(set, baseline, idle));
            for arm in arms(set).filter(|arm| *arm != baseline) {
                sentences.extend(of_arm(set, arm, baseline, idle).map(|told| told.join(" ")));
            }
        }
        None => sentences.extend(best(set)),
    }
    // A notice is no answer.
    if sentences.len() == notices {
        sentences.extend(best(set));
    }
    sentences
}

fn first_few(reasons: &[String]) -> String {
    match reasons {
        [first, second, rest @ ..] if !rest.is_empty() => {
            format!("{first}; {second}; and {} more", rest.len())
        }
        few => few.join("; "),
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

/// Who won, by how much and where; or that nobody did. Nothing where there is nothing to compare.
fn headline(set: &ComparisonSet, baseline: &str, idle: &[&str]) -> Option<String> {
    let judged: Vec<&Comparison> = set
        .comparisons
        .iter()
        .filter(|found| {
            found.metric == "iops" && found.ratio.is_some() && !idle.contains(&found.arm.as_str())
        })
        .collect();
    let faster: Vec<&Comparison> =
        judged.iter().filter(|found| found.verdict == Verdict::Faster).copied().collect();
    let Some((best, ratio)) = extreme(&faster, f64::gt) else {
        let unclear = judged.iter().any(|found| found.verdict == Verdict::Inconclusive);
        let but = if unclear { ", as far as these trials can tell" } else { "" };
        let closest = extreme(&judged, f64::gt).and_then(|(closest, ratio)| near(set, closest, ratio));
        let closest = closest.unwrap_or_default();
        return judged.first().map(|_| format!("Nothing is faster than {baseline}{but}.{closest}"));
    };
    let place = if best.params.is_empty() { String::new() } else { format!(" {}", at(&best.params)) };
    let count = crate::units::count;
    let both = |metric: &str| {
        Some((set.metric(&best.arm, metric, &best.params)?, set.metric(baseline, metric, &best.params)?))
    };
    let mut numbers = Vec::new();
    if let Some((now, was)) = both("iops") {
        numbers.push(format!("{} against {}", count(now), count(was)));
    }
    let why = because(set, best);
    let told = why.is_some_and(|why| why.contains("system calls per I/O"));
    if let Some((now, was)) = both("syscalls_per_io").filter(|_| !told) {
        let per_io = crate::units::per_io;
        numbers.push(format!("{} system calls per I/O against {}", per_io(now), per_io(was)));
    }
    numbers.extend(why.map(Into::into));
    let numbers = if numbers.is_empty() { String::new() } else { format!(": {}", numbers.join(", ")) };
    let sure = best.ci95.map_or_else(String::new, interval);
    Some(format!(
        "Fastest is {}, with {}{sure} the IOPS of {baseline}{place}{numbers}.",
        best.arm,
        times(ratio)
    ))
}

/// `because …` of the best arm, without what limits it now; nothing where the figures do not show why.
fn because<'a>(set: &'a ComparisonSet, best: &Comparison) -> Option<&'a str> {
    let found = set.explanations.iter().find(|found| found.arm == best.arm && found.params == best.params)?;
    let why = found.text.strip_prefix("Faster ")?;
    Some(why.split(';').next().unwrap_or(why).trim_end_matches('.'))
}

/// Of an arm that is not faster, how near it comes and why it is not; nothing where that is not known.
fn near(set: &ComparisonSet, closest: &Comparison, ratio: f64) -> Option<String> {
    let same = |found: &&Explanation| found.arm == closest.arm && found.params == closest.params;
    let open = [Cause::Noise, Cause::FewTrials, Cause::Unknown].map(Cause::as_str);
    let found = set.explanations.iter().find(same).filter(|found| !open.contains(&found.cause.as_str()))?;
    let place = if closest.params.is_empty() { String::new() } else { format!(" {}", at(&closest.params)) };
    Some(format!(" Closest is {}, with {}{place}. {}", closest.arm, times(ratio), found.text))
}

/// ` (5.5 to 6.1, 95 % sure)`.
fn interval([low, high]: [f64; 2]) -> String {
    let edge = |ratio: f64| match ratio {
        r if r >= 9.95 => format!("{r:.0}"),
        r if r >= 1.995 => format!("{r:.1}"),
        r => format!("{r:.2}"),
    };
    format!(" ({} to {}, 95 % sure)", edge(low), edge(high))
}

/// `Parts from sync between depth 1 and 8.`, where one axis alone is swept.
fn parting(set: &ComparisonSet, arm: &str, baseline: &str) -> Vec<String> {
    let of_arm = set
        .crossovers
        .iter()
        .filter(|found| found.arm == arm && found.metric == "iops" && found.params.is_empty());
    let told = |found: &Crossover| {
        let (after, from) = (value(found.after.as_ref()?), value(&found.from));
        let word = if found.ends { "Falls back to" } else { "Parts from" };
        Some(format!("{word} {baseline} between {} {after} and {from}.", found.axis))
    };
    of_arm.filter_map(told).collect()
}

/// `4.96x`, `29x`.
fn times(ratio: f64) -> String {
    let digits = if ratio < 9.995 { 2 } else { 0 };
    format!("{ratio:.digits$}x")
}

fn of_arm(set: &ComparisonSet, arm: &str, baseline: &str, idle: &[&str]) -> Option<Vec<String>> {
    let of = |metric: &str| -> Vec<&Comparison> {
        set.comparisons.iter().filter(|found| found.arm == arm && found.metric == metric).collect()
    };
    let iops = of("iops");
    if iops.is_empty() {
        return None;
    }
    let total = iops.len();
    let (compared, without): (Vec<&Comparison>, Vec<&Comparison>) =
        iops.into_iter().partition(|found| found.ratio.is_some());
    let mut clauses = Vec::new();
    for verdict in [Verdict::Faster, Verdict::Slower, Verdict::NoDifference, Verdict::Inconclusive] {
        let found: Vec<&Comparison> =
            compared.iter().filter(|comparison| comparison.verdict == verdict).copied().collect();
        if !found.is_empty() {
            clauses.push(clause(verdict, &found, total));
        }
    }
    // Where one side was not measured there is no comparison, not an inconclusive one.
    if !without.is_empty() {
        clauses.push(format!("nothing to compare{}", places(&without, total)));
    }
    let idle = if idle.contains(&arm) { " (does no I/O)" } else { "" };
    let mut sentences = vec![format!("{arm}{idle}: {}.", clauses.join("; "))];
    type Side = (Verdict, fn(&f64, &f64) -> bool, &'static str);
    let sides: [Side; 2] = [(Verdict::Slower, f64::gt, "up to "), (Verdict::Faster, f64::lt, "down to ")];
    for (metric, name) in [("latency_p99", "p99 latency"), ("urgent_p99", "Of urgent I/Os, p99")] {
        let p99 = of(metric);
        for (verdict, beats, most) in sides {
            let found: Vec<&Comparison> =
                p99.iter().filter(|found| found.verdict == verdict).copied().collect();
            if let Some((extreme, ratio)) = extreme(&found, beats) {
                let (most, at) =
                    if total > 1 { (most, format!(" {}", at(&extreme.params))) } else { ("", String::new()) };
                sentences.push(format!("{name} {most}{}{at}.", times(ratio)));
            }
        }
    }
    sentences.extend(parting(set, arm, baseline));
    sentences.extend(calls(set, arm, baseline));
    Some(sentences)
}

fn clause(verdict: Verdict, found: &[&Comparison], total: usize) -> String {
    let place = places(found, total);
    let several = found.len() > 1;
    let ratio = |better: fn(&f64, &f64) -> bool, bound: &str| {
        extreme(found, better).map_or_else(String::new, |(best, ratio)| {
            if several {
                format!(" ({bound} {} {})", times(ratio), at(&best.params))
            } else {
                format!(" ({})", times(ratio))
            }
        })
    };
    match verdict {
        Verdict::Faster => format!("faster{place}{}", ratio(f64::gt, "up to")),
        Verdict::Slower => format!("slower{place}{}", ratio(f64::lt, "down to")),
        Verdict::NoDifference => format!("no difference{place}"),
        Verdict::Inconclusive => format!("inconclusive{place}{}", more(found)),
    }
}

/// ` (about 7 trials more would decide)`, or ` (4 to 19 trials more would decide)`; nothing where no number is
/// known to.
fn more(found: &[&Comparison]) -> String {
    let known: Vec<u32> = found.iter().filter_map(|comparison| comparison.trials_more).collect();
    let (Some(least), Some(most)) = (known.iter().min(), known.iter().max()) else { return String::new() };
    let number = if least == most { format!("about {most}") } else { format!("{least} to {most}") };
    let (trials, where_) = match (*most, known.len() < found.len()) {
        (1, false) => ("trial", ""),
        (1, true) => ("trial", " at some"),
        (_, false) => ("trials", ""),
        (_, true) => ("trials", " at some"),
    };
    format!(" ({number} {trials} more would decide{where_})")
}

/// The comparison with the most extreme ratio.
fn extreme<'a>(found: &[&'a Comparison], beats: fn(&f64, &f64) -> bool) -> Option<(&'a Comparison, f64)> {
    let rated = found.iter().filter_map(|comparison| Some((*comparison, comparison.ratio?)));
    rated.reduce(|best, next| if beats(&next.1, &best.1) { next } else { best })
}

/// ` at depth 8, 32 and 128`; nothing where there is but one point.
pub(crate) fn places(found: &[&Comparison], total: usize) -> String {
    if total == 1 {
        return String::new();
    }
    if found.len() == total {
        return " at every point".into();
    }
    let one_axis = found.iter().all(|comparison| comparison.params.len() == 1);
    if one_axis && let Some(axis) = found[0].params.keys().next() {
        let values: Vec<String> =
            found.iter().filter_map(|comparison| comparison.params.get(axis)).map(value).collect();
        return format!(" at {axis} {}", listed(&values));
    }
    if found.len() > 3 {
        return format!(" at {} of {total} points", found.len());
    }
    let points: Vec<String> = found.iter().map(|comparison| point(&comparison.params)).collect();
    format!(" at {}", points.join("; "))
}

fn listed(values: &[String]) -> String {
    match values {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn calls(set: &ComparisonSet, arm: &str, baseline: &str) -> Option<String> {
    let fell = |cell: &&CellSummary| -> Option<(f64, f64)> {
        let (now, was) = (cell.cost.syscalls_per_io?, set.metric(baseline, "syscalls_per_io", &cell.params)?);
        (was > 0.0 && now / was <= FEWER_CALLS).then_some((now, was))
    };
    let merged = set.cells.iter().filter(|cell| cell.host.is_none() && cell.arm == arm);
    let (cell, (now, was)) = merged
        .filter_map(|cell| Some((cell, fell(&cell)?)))
        .reduce(|best, next| if next.1.0 / next.1.1 < best.1.0 / best.1.1 { next } else { best })?;
    let at = if cell.params.is_empty() { String::new() } else { format!(" {}", at(&cell.params)) };
    let count = crate::units::per_io;
    Some(format!("System calls per I/O: {} instead of {}{at}.", count(now), count(was)))
}

/// Without a comparison: who did most.
fn best(set: &ComparisonSet) -> Vec<String> {
    let rated = set
        .cells
        .iter()
        .filter(|cell| cell.host.is_none())
        .filter_map(|cell| Some((cell, cell.throughput.iops.as_ref()?.mean)));
    let Some((cell, iops)) = rated.reduce(|best, next| if next.1 > best.1 { next } else { best }) else {
        return vec!["No trial counts, so there is no answer.".into()];
    };
    let at = if cell.params.is_empty() { String::new() } else { format!(" {}", at(&cell.params)) };
    let most = format!("{} did {} I/O per second{at}", cell.arm, crate::units::count(iops));
    let several = arms(set).nth(1).is_some();
    let mut sentences = vec![if several { format!("Most: {most}.") } else { format!("{most}.") }];
    if several && set.baseline.is_none() {
        sentences.push("Nothing is compared: the scenario names no `baseline`.".into());
    }
    sentences
}
