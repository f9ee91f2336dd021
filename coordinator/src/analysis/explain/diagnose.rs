//! The diagnosis of one comparison.

use super::{
    alike::shared_limit,
    change::Change,
    figures::{Figures, Sides},
    limit::{Limit, limit},
    rules,
    thresholds::{ALIKE, REACHED, SAME},
};
use crate::{
    metric::cost::CPU_PER_IO,
    summary::{
        Comparison, ComparisonSet, Verdict,
        evidence::{Evidence, Pair, Quantity},
        explanation::{Explanation, Finding, Open, Saturated, SharedLimit, Side},
    },
};

/// Reasons that a sentence names.
const MOST_REASONS: usize = 2;

type Found = (Finding, Vec<Evidence>);

/// The diagnosis of a comparison; `None` if a side was not measured. Arms in `idle` do no I/O.
pub(super) fn diagnose(set: &ComparisonSet, found: &Comparison, idle: &[&str]) -> Option<Explanation> {
    found.ratio.filter(|ratio| ratio.is_finite() && *ratio > 0.0)?;
    let (arm, base) = (set.cell(&found.arm, &found.params)?, set.cell(&found.baseline, &found.params)?);
    let sides = Sides { arm: Figures::of(arm)?, base: Figures::of(base)? };
    let is_idle = |name: &String| idle.contains(&name.as_str());
    let (finding, mut evidence) = if is_idle(&found.arm) {
        (Finding::NoIo(Side::Arm), sides.all())
    } else if is_idle(&found.baseline) {
        (Finding::NoIo(Side::Baseline), sides.all())
    } else if let Some(found) = open_loop(found.verdict, &sides) {
        found
    } else {
        match found.verdict {
            Verdict::Faster | Verdict::Slower => changed(set, found, sides),
            Verdict::NoDifference => alike(set, &sides, Open::Nothing).unwrap_or_else(|| unknown(&sides)),
            Verdict::Inconclusive => undecided(set, found, &sides),
        }
    };
    if arm.hosts != base.hosts {
        evidence.push(Evidence::Hosts { arm: arm.hosts.clone(), baseline: base.hosts.clone() });
    }
    Some(Explanation { arm: found.arm.clone(), params: found.params.clone(), finding, evidence })
}

/// Arms with an offered rate reach it, or cannot.
fn open_loop(verdict: Verdict, sides: &Sides<'_>) -> Option<Found> {
    let reached = |side: &Figures<'_>| {
        let rates = &side.cell.throughput;
        Some(side.iops >= rates.reached_from_per_s.unwrap_or(REACHED * rates.offered_per_s?))
    };
    let offered_per_s = sides.arm.cell.throughput.offered_per_s.or(sides.base.cell.throughput.offered_per_s);
    let offered_per_s = offered_per_s.filter(|rate| rate.is_finite() && *rate > 0.0)?;
    let mut evidence = vec![Evidence::One(Quantity::OfferedRate, offered_per_s)];
    evidence.extend(sides.evidence(&[Quantity::Iops, Quantity::MeanLatency]));
    let saturated = |who, faster| Finding::Saturated { offered_per_s, who, faster };
    let finding = match (reached(&sides.arm)?, reached(&sides.base)?) {
        (true, true) => Finding::RateReached { offered_per_s },
        (false, false) => saturated(Saturated::Both, None),
        (true, false) => {
            let faster = (verdict == Verdict::Faster).then_some(true);
            saturated(Saturated::One(Side::Baseline, sides.base.iops), faster)
        }
        (false, true) => {
            let faster = (verdict == Verdict::Slower).then_some(false);
            saturated(Saturated::One(Side::Arm, sides.arm.iops), faster)
        }
    };
    Some((finding, evidence))
}

/// The arm is faster or slower.
fn changed(set: &ComparisonSet, found: &Comparison, sides: Sides<'_>) -> Found {
    let faster = found.verdict == Verdict::Faster;
    let cpu = set.compared(&found.arm, &CPU_PER_IO, &found.params);
    let cpu_ratio = cpu.and_then(|found| found.ci95).filter(|ci| ci.iter().all(|edge| edge.is_finite()));
    let mut reasons = rules::reasons(&Change { sides, faster, cpu_ratio });
    reasons.truncate(MOST_REASONS);
    if reasons.is_empty() {
        let small = found.ratio.is_some_and(|ratio| (ratio - 1.0).abs() <= SAME);
        let limited = alike(set, &sides, Open::Remainder).filter(|(finding, _)| small && outweighs(finding));
        return limited.unwrap_or_else(|| unknown(&sides));
    }
    let limit = match limit(set, &sides.arm) {
        Some(Limit::Device(plateau)) if faster => Some(plateau),
        _ => None,
    };
    let mut evidence = sides.evidence(&[Quantity::Iops]);
    for line in reasons.iter().flat_map(|candidate| &candidate.evidence) {
        if !evidence.contains(line) {
            evidence.push(line.clone());
        }
    }
    let reasons = reasons.into_iter().map(|candidate| candidate.reason).collect();
    (Finding::Changed { faster, reasons, limit }, evidence)
}

/// Whether a shared limit explains that a difference is small, though there is one.
fn outweighs(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::Alike {
            limit: SharedLimit::Copy { .. } | SharedLimit::Device { .. } | SharedLimit::Plateau(_),
            ..
        }
    )
}

fn alike(set: &ComparisonSet, sides: &Sides<'_>, open: Open) -> Option<Found> {
    let (limit, evidence) = shared_limit(set, sides)?;
    Some((Finding::Alike { limit, open }, evidence))
}

fn unknown(sides: &Sides<'_>) -> Found {
    let finding = Finding::Unknown {
        time_ns: sides.pair(Quantity::Time),
        cpu_ns: Pair::of(sides.arm.cpu(), sides.base.cpu()),
    };
    (finding, sides.all())
}

/// The interval contains 1, and more than the margin.
fn undecided(set: &ComparisonSet, found: &Comparison, sides: &Sides<'_>) -> Found {
    let interval = found.ci95.filter(|edges| edges.iter().all(|edge| edge.is_finite()));
    let Some(ci95) = interval else {
        return (Finding::FewTrials { blocks: found.pairs }, sides.all());
    };
    let near = |edge: &f64| (1.0 - ALIKE..=1.0 + ALIKE).contains(edge);
    if ci95.iter().all(near)
        && let Some(alike) = alike(set, sides, Open::Interval(ci95))
    {
        return alike;
    }
    // The interval rests on how far the blocks' own ratios are apart, in which drift has cancelled.
    let spread = found.spread.map(f64::exp_m1).filter(|spread| spread.is_finite());
    (Finding::Noise { ci95, spread, blocks: found.pairs }, sides.all())
}
