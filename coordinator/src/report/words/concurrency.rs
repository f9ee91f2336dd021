//! Arms of equal concurrency, as labelled lines.

use super::{at_points, interval, listed, times, trials_needed};
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
        lines.push(Labelled { label: threads(group.threads), text: text(group, true) });
    }
    for group in &found.equal {
        let label = match group.threads_against {
            Some(1) => format!("vs {}", group.against),
            number => threads(number),
        };
        lines.push(Labelled { label, text: text(group, true) });
    }
    if let Some(group) = &found.start {
        let label = match &group.points.points[..] {
            [only] if !only.is_empty() => capitalised(&params::point(only)),
            _ => format!("vs {}", group.against),
        };
        lines.push(Labelled { label, text: text(group, false) });
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
        Some(Shipped::Ramdisk) => "; scenarios/ramdisk.yaml shows the software gap",
        None => "",
    };
    let point = params::point(&found.from);
    let place = if found.last_only { format!("at {point}") } else { format!("from {point} on") };
    Labelled { label: "Limit".into(), text: format!("{by}, {place}{shown}") }
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

/// The verdicts of a group, those on IOPS first; unless it is `wide`, without points, figures, and ranges that show no
/// difference.
fn text(group: &Group, wide: bool) -> String {
    let differs = |standing: &&Standing| standing.better.is_some() || standing.worse.is_some();
    let (different, rest): (Vec<&Standing>, Vec<&Standing>) = group.standings.iter().partition(differs);
    let mut clauses: Vec<String> =
        different.iter().flat_map(|standing| clause(standing, group, wide)).collect();
    let leads = different.first().is_some_and(|first| first.facet == Facet::Iops);
    let place = if leads { clauses.len() } else { 0 };
    clauses.splice(place..place, alike(&rest, wide));
    if different.is_empty() {
        let iops = group.standings.iter().find(|standing| standing.facet == Facet::Iops);
        clauses.extend(iops.and_then(|standing| standing.trials_needed.as_ref()).map(trials_needed));
    }
    let text = clauses.join("; ");
    // A clause about different IOPS names the other arm.
    if leads { text } else { format!("vs {}: {text}", group.against) }
}

/// The metrics without a difference, together if their verdicts are alike.
fn alike(standings: &[&Standing], ranges: bool) -> Vec<String> {
    let words = |standing: &Standing| match (standing.all_equal, standing.all_close) {
        (true, _) => "equal",
        (false, true) => "no difference found in",
        (false, false) => "inconclusive in",
    };
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    // Fewer system calls are a means. They are named only if they differ.
    for standing in standings.iter().filter(|standing| standing.facet != Facet::SyscallsPerIo) {
        let (words, name) = (words(standing), name(standing.facet));
        let named = if ranges { format!("{name} ({})", span(standing.range)) } else { name.to_owned() };
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(named),
            None => groups.push((words, vec![named])),
        }
    }
    groups.into_iter().map(|(words, names)| format!("{words} {}", listed(&names))).collect()
}

/// `0.83x to 1.05x`; a single ratio alone.
fn span([low, high]: [f64; 2]) -> String {
    let [first, last] = [low, high].map(times);
    if first == last { first } else { interval([low, high]) }
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
fn clause(standing: &Standing, group: &Group, placed: bool) -> Vec<String> {
    let extents = [(&standing.better, true), (&standing.worse, false)];
    let found = extents.into_iter().filter_map(|(extent, better)| Some((extent.as_ref()?, better)));
    found.map(|(extent, better)| difference(standing, extent, better, group, placed)).collect()
}

/// `3.2x to 7.5x the IOPS of sync from depth 8 on (uring at 128: 104k against 13.9k)`.
fn difference(standing: &Standing, extent: &Extent, better: bool, group: &Group, placed: bool) -> String {
    let at = match &extent.most.params {
        point if point.len() == 1 => {
            point.values().map(|value| format!("at {}", params::value(value))).collect()
        }
        point if point.is_empty() => String::new(),
        point => params::at(point),
    };
    let arm = if group.arms.len() > 1 { extent.arm.as_str() } else { "" };
    let place = format!("{arm} {at}");
    let figures = extent.figures.map(|pair| figures(standing.facet, pair)).unwrap_or_default();
    if standing.facet == Facet::SyscallsPerIo && better {
        // Of many ratios, the figures of the best one would be taken for all.
        let ratios = span(extent.range);
        return if ratios == times(extent.most.ratio) {
            figures
        } else {
            format!("{ratios} the {}", name(standing.facet))
        };
    }
    let example = match (place.trim(), figures.as_str()) {
        _ if !placed => String::new(),
        ("", "") => String::new(),
        ("", only) | (only, "") => format!(" ({only})"),
        (place, figures) => format!(" ({place}: {figures})"),
    };
    let whose = match standing.facet {
        Facet::Iops => format!("the IOPS of {}", group.against),
        other => format!("the {}", name(other)),
    };
    match &extent.points {
        Some(points) => {
            let place = if placed { at_points(points) } else { String::new() };
            format!("{} {whose}{place}{example}", span(extent.range))
        }
        None => {
            let higher = better == (standing.facet == Facet::Iops);
            let bound = if higher { "up to" } else { "down to" };
            let (number, of) = (extent.comparisons, standing.comparisons);
            let ratio = times(extent.most.ratio);
            let part = if placed { format!(" in {number} of {of} cells") } else { String::new() };
            format!("{bound} {ratio} {whose}{part}{example}")
        }
    }
}

/// The figures of both arms; empty for latencies, of which the ratio is enough.
fn figures(facet: Facet, Pair { arm, baseline }: Pair) -> String {
    match facet {
        Facet::Iops => format!("{} against {}", count(arm), count(baseline)),
        Facet::CpuPerIo => against(&nanos(arm), &nanos(baseline)),
        Facet::LatencyP99 => String::new(),
        Facet::SyscallsPerIo => format!("{} system calls per I/O against {}", per_io(arm), per_io(baseline)),
    }
}

/// `1.55 against 5.13 µs`, with a common unit only once.
fn against(arm: &str, baseline: &str) -> String {
    let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
    let arm = match arm.split_once(' ') {
        Some((number, of)) if unit(baseline).is_some_and(|other| other == of) => number,
        _ => arm,
    };
    format!("{arm} against {baseline}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        params::Params,
        summary::answer::{Points, RatioAt, TrialsNeeded},
    };

    fn at(depth: u64) -> Params {
        Params::from_iter([("depth".to_owned(), depth.into())])
    }

    fn standing(facet: Facet, range: [f64; 2]) -> Standing {
        let all_close = range[0] > 0.83 && range[1] < 1.2;
        let needed = TrialsNeeded { least: 9, most: Some(234), everywhere: true };
        Standing {
            facet,
            comparisons: 6,
            better: None,
            worse: None,
            all_equal: false,
            all_close,
            range,
            trials_needed: Some(needed),
        }
    }

    fn extent(comparisons: usize, ratio: f64, figures: [f64; 2]) -> Extent {
        let [arm, baseline] = figures;
        Extent {
            comparisons,
            points: None,
            range: [ratio, 0.9 * ratio],
            most: RatioAt { ratio, params: at(128) },
            arm: "tuned".into(),
            figures: Some(Pair { arm, baseline }),
        }
    }

    fn group(points: &[u64], standings: Vec<Standing>) -> Group {
        let all: Vec<Params> = [1, 32, 128].map(at).into();
        Group {
            arms: vec!["ring".into(), "tuned".into()],
            against: "threads".into(),
            threads: Some(1),
            threads_against: None,
            points: Points::among(points.iter().map(|depth| at(*depth)).collect(), &all),
            standings,
        }
    }

    #[test]
    fn differences_in_some_cells_are_bounds() {
        let cpu = Standing {
            better: Some(extent(3, 0.3, [1_550.0, 5_130.0])),
            ..standing(Facet::CpuPerIo, [0.3, 0.8])
        };
        let p99 =
            Standing { worse: Some(extent(1, 1.8, [2e6, 1.1e6])), ..standing(Facet::LatencyP99, [0.9, 1.8]) };
        let found = group(&[32, 128], vec![standing(Facet::Iops, [0.9, 1.05]), cpu, p99]);
        assert_eq!(
            text(&found, true),
            "vs threads: no difference found in IOPS (0.90x to 1.05x); down to 0.30x the CPU per I/O in 3 of 6 cells \
             (tuned at 128: 1.55 against 5.13 µs); up to 1.80x the p99 in 1 of 6 cells (tuned at 128)"
        );
    }

    #[test]
    fn without_a_difference_the_needed_trials_are_given() {
        let standings = vec![standing(Facet::Iops, [0.9, 1.0]), standing(Facet::LatencyP99, [0.5, 3.0])];
        let found = group(&[1], standings);
        let lines = lines(&Concurrency { start: Some(found), ..Concurrency::default() });
        assert_eq!(lines[0].label, "Depth 1");
        assert_eq!(
            lines[0].text,
            "vs threads: no difference found in IOPS; inconclusive in p99; needs 9 to 234 more trials"
        );
    }
}
