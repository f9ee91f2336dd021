//! Why arms differ, or do not; what each step of a ladder costs; where arms part. All of it from the figures of a
//! [`ComparisonSet`], by rules that `docs/explanations.md` lists. A cause that the figures do not show is not claimed.

pub mod cause;
mod change;
mod crossover;
mod figures;
mod ladder;
mod limit;
#[cfg(test)]
mod tests;
mod threads;
mod words;

use self::{
    cause::{ALIKE, Cause, LARGE, MORE_IN_FLIGHT, REACHED, SAME},
    change::Change,
    figures::Figures,
    limit::Limit,
};
use crate::{
    summary::{CellSummary, Comparison, ComparisonSet, Verdict, insight::Explanation},
    units::{bytes_per_s, count, nanos, some},
};

/// Fills in explanations, ladders and crossovers. `ladder` names arms in order; those in `idle` do no I/O.
pub(super) fn explain(set: &mut ComparisonSet, ladder: &[String], idle: &[&str]) {
    let judged = set.comparisons.iter().filter(|found| found.metric == "iops");
    set.explanations = judged.filter_map(|found| diagnose(set, found, idle)).collect();
    set.ladders = ladder::waterfalls(set, ladder);
    set.crossovers = crossover::crossovers(set, idle);
}

/// What came of a diagnosis.
struct Finding {
    cause: Cause,
    text: String,
    evidence: Vec<String>,
}

impl Finding {
    fn new(cause: Cause, text: impl Into<String>, evidence: Vec<String>) -> Self {
        Self { cause, text: text.into(), evidence }
    }
}

/// The diagnosis of a comparison; `None` where a side was not measured.
fn diagnose(set: &ComparisonSet, found: &Comparison, idle: &[&str]) -> Option<Explanation> {
    found.ratio.filter(|ratio| ratio.is_finite() && *ratio > 0.0)?;
    let (arm, base) = (set.cell(&found.arm, &found.params)?, set.cell(&found.baseline, &found.params)?);
    let sides = (Figures::of(arm)?, Figures::of(base)?);
    let mut finding = if idle.contains(&found.arm.as_str()) || idle.contains(&found.baseline.as_str()) {
        let who = if idle.contains(&found.arm.as_str()) { "The arm" } else { "The baseline" };
        let text = format!("{who} does no I/O: what is left is the price of asking.");
        Finding::new(Cause::NoIo, text, words::all(&sides.0, &sides.1))
    } else if let Some(finding) = open_loop(found.verdict, &sides.0, &sides.1) {
        finding
    } else {
        match found.verdict {
            Verdict::Faster | Verdict::Slower => changed(set, found, sides),
            Verdict::NoDifference => alike(set, &sides).unwrap_or_else(|| unknown(&sides)),
            Verdict::Inconclusive => undecided(set, found, &sides),
        }
    };
    if arm.hosts != base.hosts {
        let hosts = |cell: &CellSummary| cell.hosts.join(", ");
        finding.evidence.push(format!("hosts: {} against {}", hosts(arm), hosts(base)));
    }
    Some(Explanation {
        arm: found.arm.clone(),
        params: found.params.clone(),
        cause: finding.cause.as_str().into(),
        text: finding.text,
        evidence: finding.evidence,
    })
}

/// Arms that are given a rate do that rate, or cannot.
fn open_loop(verdict: Verdict, arm: &Figures<'_>, base: &Figures<'_>) -> Option<Finding> {
    let reached = |side: &Figures<'_>| Some(side.iops >= REACHED * side.cell.throughput.offered_per_s?);
    let offered = arm.cell.throughput.offered_per_s.or(base.cell.throughput.offered_per_s);
    let offered = offered.filter(|rate| rate.is_finite() && *rate > 0.0)?;
    let mut evidence = vec![format!("offered: {} a second", count(offered))];
    evidence.extend(words::against("IOPS", Some(arm.iops), Some(base.iops), count));
    evidence.extend(words::against("mean latency", arm.latency, base.latency, nanos));
    let (cause, text) = match (reached(arm), reached(base)) {
        (Some(true), Some(true)) => {
            let text = format!(
                "Both do the {} a second that are asked for, so that IOPS cannot tell them apart: see latency.",
                count(offered)
            );
            (Cause::Rate, text)
        }
        (Some(false), Some(false)) => {
            let text = format!("Neither keeps up with {} a second: both are saturated.", count(offered));
            (Cause::Saturation, text)
        }
        (Some(now), Some(_)) => {
            let (who, most) = if now { ("the baseline", base.iops) } else { ("the arm", arm.iops) };
            let (does, of) = (count(most), count(offered));
            let text = match verdict {
                Verdict::Faster if now => {
                    format!(
                        "Faster because {who} is saturated: it does {does} of the {of} a second that arrive."
                    )
                }
                Verdict::Slower if !now => {
                    format!(
                        "Slower because {who} is saturated: it does {does} of the {of} a second that arrive."
                    )
                }
                _ => format!("Of the {of} a second that arrive, {who} does {does}: it is saturated."),
            };
            (Cause::Saturation, text)
        }
        _ => return None,
    };
    Some(Finding::new(cause, text, evidence))
}

/// Faster, or slower.
fn changed(set: &ComparisonSet, found: &Comparison, sides: (Figures<'_>, Figures<'_>)) -> Finding {
    let faster = found.verdict == Verdict::Faster;
    let cpu = set.comparison(&found.arm, "cpu_per_io", &found.params);
    let cpu_ratio = cpu.and_then(|found| found.ci95).filter(|ci| ci.iter().all(|edge| edge.is_finite()));
    let change = Change { arm: sides.0, base: sides.1, faster, cpu_ratio };
    let causes = change.causes();
    let Some(first) = causes.first() else {
        let little = found.ratio.is_some_and(|ratio| (ratio - 1.0).abs() <= SAME);
        let limited = alike(set, &sides)
            .filter(|finding| little && matches!(finding.cause, Cause::Copy | Cause::Device));
        let Some(mut limited) = limited else { return unknown(&sides) };
        limited.text =
            format!("{}; what is left between them is not explained.", limited.text.trim_end_matches('.'));
        return limited;
    };
    let clauses: Vec<&str> = causes.iter().take(2).map(|candidate| candidate.clause.as_str()).collect();
    let verdict = if faster { "Faster" } else { "Slower" };
    let mut text = format!("{verdict} because {}", clauses.join(", and "));
    if faster && let Some(Limit::Device { more, brought }) = limit::limit(set, &sides.0) {
        text.push_str(&format!(
            "; the device is the limit now ({} as many in flight bring {} the IOPS)",
            words::times(more),
            words::times(brought)
        ));
    }
    let mut evidence: Vec<String> =
        words::against("IOPS", Some(sides.0.iops), Some(sides.1.iops), count).into_iter().collect();
    for line in causes.iter().take(2).flat_map(|candidate| &candidate.evidence) {
        if !evidence.contains(line) {
            evidence.push(line.clone());
        }
    }
    Finding::new(first.cause, text + ".", evidence)
}

fn unknown(sides: &(Figures<'_>, Figures<'_>)) -> Finding {
    let (arm, base) = sides;
    let pair = |name: &str, now: Option<f64>, was: Option<f64>| {
        Some(format!("{name} {} -> {}", nanos(was?), nanos(now?)))
    };
    let figures =
        [pair("time per I/O", arm.time(), base.time()), pair("CPU time in it", arm.cpu(), base.cpu())];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    let told = if figures.is_empty() { String::new() } else { format!(": {}", figures.join(", ")) };
    let text = format!("What was measured does not show why{told}.");
    Finding::new(Cause::Unknown, text, words::all(&sides.0, &sides.1))
}

/// Why two arms do about the same; `None` where the figures do not show it.
fn alike(set: &ComparisonSet, (arm, base): &(Figures<'_>, Figures<'_>)) -> Option<Finding> {
    let same = |a: f64, b: f64| (a / b - 1.0).abs() <= SAME;
    let busy = words::against("CPU busy", arm.busy(), base.busy(), words::percent);
    let in_flight = words::against("requests in flight", arm.in_flight(), base.in_flight(), words::requests);
    let iops = words::against("IOPS", Some(arm.iops), Some(base.iops), count);
    match (limit::limit(set, arm)?, limit::limit(set, base)?) {
        (Limit::Cpu, Limit::Cpu) => {
            let large = |side: &Figures<'_>| side.cached() && side.bytes.is_some_and(|bytes| bytes >= LARGE);
            let (now, was) = (arm.bandwidth()?, base.bandwidth()?);
            if large(arm) && large(base) && same(now, was) {
                let text = format!(
                    "Both copy out of the page cache, {} of CPU time a byte: {} against {}.",
                    nanos(arm.cpu_per_byte()?),
                    bytes_per_s(now),
                    bytes_per_s(was)
                );
                let per_byte =
                    words::against("CPU time per byte", arm.cpu_per_byte(), base.cpu_per_byte(), nanos);
                let size =
                    words::against("bytes per I/O", arm.bytes, base.bytes, |bytes| format!("{bytes:.0}"));
                let evidence = [busy, size, per_byte].into_iter().flatten().collect();
                return Some(Finding::new(Cause::Copy, text, evidence));
            }
            let (now, was) = (arm.cpu()?, base.cpu()?);
            let text = format!(
                "Both fill their CPU, with as much for an I/O: {} against {}.",
                nanos(now),
                nanos(was)
            );
            let told = words::against("CPU time of workers per I/O", Some(now), Some(was), nanos);
            let evidence = [busy, told].into_iter().flatten().collect();
            same(now, was).then(|| Finding::new(Cause::Cpu, text, evidence))
        }
        (Limit::Device { more, brought }, Limit::Device { .. }) => {
            let text = format!(
                "Both are at the device's limit: {} as many in flight bring {} the IOPS, and CPUs are idle.",
                words::times(more),
                words::times(brought)
            );
            let evidence = [iops, in_flight, busy].into_iter().flatten().collect();
            Some(Finding::new(Cause::Device, text, evidence))
        }
        (Limit::Device { .. } | Limit::Waiting, Limit::Device { .. } | Limit::Waiting) => {
            let more = arm.in_flight()? / base.in_flight()?;
            let evidence = [iops, in_flight, busy].into_iter().flatten().collect();
            if !(1.0 / MORE_IN_FLIGHT..=MORE_IN_FLIGHT).contains(&more) {
                let text = format!(
                    "Both are at the device's limit: {} against {} requests in flight do not tell, and CPUs are idle.",
                    words::requests(arm.in_flight()?),
                    words::requests(base.in_flight()?)
                );
                return Some(Finding::new(Cause::Device, text, evidence));
            }
            let text = format!(
                "Both wait for most of the time, with as many in flight: {} of {} each make {} a second.",
                words::requests(arm.in_flight()?),
                nanos(arm.latency?),
                count(arm.iops)
            );
            same(more, 1.0).then(|| Finding::new(Cause::Waiting, text, evidence))
        }
        _ => None,
    }
}

/// The interval includes 1 and more than the margin.
fn undecided(set: &ComparisonSet, found: &Comparison, sides: &(Figures<'_>, Figures<'_>)) -> Finding {
    let interval = found.ci95.filter(|edges| edges.iter().all(|edge| edge.is_finite()));
    let Some([low, high]) = interval else {
        let both = match found.pairs {
            0 => "no block has".to_owned(),
            1 => "only one block has".to_owned(),
            pairs => format!("no spread can be told of {pairs} blocks that have"),
        };
        let text = format!("Inconclusive because {both} a trial of both that counts.");
        return Finding::new(Cause::FewTrials, text, words::all(&sides.0, &sides.1));
    };
    let open = format!("the trials leave {} to {} open", words::times(low), words::times(high));
    // The interval is of this comparison alone, and of 95 %; a verdict asks for more, and for all together.
    let open = if low > 1.0 || high < 1.0 {
        format!("{open}, and do not rule out 1 as surely as a verdict asks")
    } else {
        open
    };
    if (1.0 - ALIKE..=1.0 + ALIKE).contains(&low)
        && (1.0 - ALIKE..=1.0 + ALIKE).contains(&high)
        && let Some(mut alike) = alike(set, sides)
    {
        alike.text = format!("{} ({open}).", alike.text.trim_end_matches('.'));
        return alike;
    }
    // What the interval rests on: how far the blocks' own ratios are apart, in which drift has cancelled.
    let spread = found.spread(set.length()).filter(|spread| spread.is_finite());
    let noise = spread.map_or_else(String::new, |spread| {
        let blocks = some(found.pairs as usize, "block");
        format!(": over {blocks} their ratio varies by {:.1} %", 100.0 * spread.exp_m1())
    });
    let text = format!("Inconclusive because {open}{noise}.");
    Finding::new(Cause::Noise, text, words::all(&sides.0, &sides.1))
}
