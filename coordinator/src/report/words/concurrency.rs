//! Arms of equal concurrency, as labelled lines.

use super::{at_point, at_points, listed, times, trials_needed};
use crate::{
    params,
    summary::{
        answer::{Concurrency, Extent, Facet, Group, Limit, LimitedBy, Shipped, Standing},
        evidence::Pair,
    },
    units::{count, nanos, per_io, some},
};

/// A line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labelled {
    /// One or two words.
    pub(crate) label: String,
    /// The rest of the line, without a full stop.
    pub(crate) text: String,
}

/// A line for each group.
pub(super) fn lines(found: &Concurrency) -> Vec<Labelled> {
    let mut lines = Vec::new();
    if let Some(group) = &found.gain {
        lines.push(Labelled { label: threads(group.threads), text: text(group) });
    }
    for group in &found.equal {
        let label = match group.threads_against {
            Some(1) => format!("vs {}", group.against),
            number => threads(number),
        };
        lines.push(Labelled { label, text: text(group) });
    }
    if let Some(group) = &found.start {
        let label = match &group.points.points[..] {
            [only] if !only.is_empty() => capitalised(&params::point(only)),
            _ => format!("vs {}", group.against),
        };
        lines.push(Labelled { label, text: text(group) });
    }
    lines
}

/// The line of the limit.
pub(super) fn limit(found: &Limit) -> Labelled {
    let by = match found.by {
        LimitedBy::Device => "the device",
        LimitedBy::Cpu => "the workers' CPUs",
    };
    let shown = match found.shown_by {
        Some(Shipped::Ramdisk) => "; scenarios/ramdisk.yaml shows the difference of the software",
        None => "",
    };
    Labelled { label: "Limit".into(), text: format!("{by}, from {} on{shown}", params::point(&found.from)) }
}

/// `One thread`, `16 threads`; `N threads` if the number varies.
fn threads(number: Option<u32>) -> String {
    match number {
        Some(1) => "One thread".into(),
        Some(number) => some(number as usize, "thread"),
        None => "N threads".into(),
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The verdicts of a group: first on IOPS, then the other differences, then the metrics without any.
fn text(group: &Group) -> String {
    let differs = |standing: &&Standing| standing.better.is_some() || standing.worse.is_some();
    let (different, rest): (Vec<&Standing>, Vec<&Standing>) = group.standings.iter().partition(differs);
    // Fewer system calls are the means, not a result, so that they are only named if they differ.
    let rest: Vec<&Standing> =
        rest.into_iter().filter(|standing| standing.facet != Facet::SyscallsPerIo).collect();
    let (equal, open): (Vec<&Standing>, Vec<&Standing>) =
        rest.iter().partition(|standing| standing.all_equal);
    let alike = [("equal", equal), ("no difference found in", open)];
    let alike = alike.iter().filter(|(_, standings)| !standings.is_empty()).map(|(words, standings)| {
        let named: Vec<String> = standings.iter().map(|standing| ranged(standing)).collect();
        format!("{words} {}", listed(&named))
    });
    let mut clauses: Vec<String> = different.iter().flat_map(|standing| clause(standing, group)).collect();
    let leads = different.first().is_some_and(|first| first.facet == Facet::Iops);
    let place = if leads { clauses.len() } else { 0 };
    clauses.splice(place..place, alike);
    let mut text = clauses.join("; ");
    if different.is_empty() {
        let iops = group.standings.iter().find(|standing| standing.facet == Facet::Iops);
        let needed = iops.and_then(|standing| standing.trials_needed.as_ref());
        text.push_str(&needed.map(trials_needed).unwrap_or_default());
    }
    if !leads {
        // The clause about IOPS names the other arm.
        text = format!("vs {}: {text}", group.against);
    }
    text
}

/// `IOPS (0.83x to 1.05x)`.
fn ranged(standing: &Standing) -> String {
    format!("{} ({})", name(standing.facet), span(standing.range))
}

/// `0.83x to 1.05x`; a single ratio alone.
fn span([low, high]: [f64; 2]) -> String {
    let (low, high) = (times(low), times(high));
    if low == high { low } else { format!("{low} to {high}") }
}

fn name(facet: Facet) -> &'static str {
    match facet {
        Facet::Iops => "IOPS",
        Facet::CpuPerIo => "CPU per I/O",
        Facet::LatencyP99 => "p99",
        Facet::SyscallsPerIo => "system calls per I/O",
    }
}

/// The differences in one metric.
fn clause(standing: &Standing, group: &Group) -> Vec<String> {
    let extents = [(&standing.better, true), (&standing.worse, false)];
    let found = extents.into_iter().filter_map(|(extent, better)| Some((extent.as_ref()?, better)));
    found.map(|(extent, better)| difference(standing, extent, better, group)).collect()
}

/// `3.20x to 7.48x the IOPS of sync from depth 8 on (uring at depth 128: 104k against 13.9k)`.
fn difference(standing: &Standing, extent: &Extent, better: bool, group: &Group) -> String {
    let figures = extent.figures.map(|pair| figures(standing.facet, pair));
    let arm = if group.arms.len() > 1 { extent.arm.as_str() } else { "" };
    let at = format!("{arm}{}", at_point(&extent.most.params));
    let example = match figures {
        Some(figures) if at.is_empty() => format!(" ({figures})"),
        Some(figures) => format!(" ({}: {figures})", at.trim_start()),
        None => String::new(),
    };
    let whose = match standing.facet {
        Facet::Iops => format!("the IOPS of {}", group.against),
        other => format!("the {}", name(other)),
    };
    match &extent.points {
        Some(points) => {
            format!("{} {whose}{}{example}", span(extent.range), at_points(points))
        }
        None => {
            let higher = better == (standing.facet == Facet::Iops);
            let bound = if higher { "up to" } else { "down to" };
            let (number, of) = (extent.comparisons, standing.comparisons);
            let ratio = times(extent.most.ratio);
            format!("{bound} {ratio} {whose} in {number} of {of} cells{example}")
        }
    }
}

fn figures(facet: Facet, Pair { arm, baseline }: Pair) -> String {
    let text: fn(f64) -> String = match facet {
        Facet::Iops => count,
        Facet::CpuPerIo | Facet::LatencyP99 => nanos,
        Facet::SyscallsPerIo => per_io,
    };
    format!("{} against {}", text(arm), text(baseline))
}
