//! A calibration for a terminal, and the sentence about the calibration that a run's verdicts respect.

use std::path::Path;

use super::text::{Align, Entry, Line, Style, clean, columns, wrap};
use crate::{
    metric::{self, throughput::IOPS},
    params,
    stats::confidence::{INTERVAL, ONE_IN},
    summary::calibration::{CalibratedMetric, CalibratedPoint, Calibration, CalibrationUse},
    units::some,
};

/// The smallest detectable difference of IOPS at each point as a sentence, then a table of all metrics.
#[must_use]
pub fn render(found: &Calibration, directory: &Path, width: u16, colour: bool) -> String {
    let width = usize::from(width.max(60));
    let head = format!(
        "How small a difference can this rig detect? {} of {} against itself, {}",
        found.arm,
        found.scenario,
        some(found.blocks as usize, "block")
    );
    let mut text = Style::Bold.paint(&wrap(&head, width, 0), colour) + "\n";
    for point in &found.points {
        text.push_str(&format!("  {}\n", wrap(&sentence(found, point), width - 2, 4)));
    }
    for (point, metric) in found.biased() {
        let warning = format!(
            "BIASED: {}{} differs significantly from itself, {}. Something other than the arm affects the result, \
             such as the order of trials. Do not trust small differences.",
            name(&metric.metric),
            at(point),
            ratio(metric)
        );
        text.push_str(&format!("  {}\n", Style::Bad.paint(&wrap(&warning, width - 2, 4), colour)));
    }
    text.push('\n');
    text.push_str(&table(found, width, colour));
    for line in [
        format!(
            "detects from: the smallest difference that {} trials detect in {:.0} % of runs{}, with its {INTERVAL}; the \
             spread is estimated from {}.",
            found.trials,
            100.0 * found.power,
            match found.comparisons {
                0 | 1 => String::new(),
                many => format!(", after correction for the {many} comparisons of the scenario"),
            },
            some(found.blocks as usize, "block")
        ),
        format!(
            "sd: standard deviation within blocks. itself: second trial / first trial, with its {INTERVAL}, which \
             excludes 1 by chance in one of {ONE_IN} lines. BIASED: significant after correction for all lines."
        ),
        format!("Run: {}", clean(&directory.display().to_string())),
    ] {
        text.push_str(&Style::Dim.paint(&wrap(&line, width, 0), colour));
        text.push('\n');
    }
    text
}

/// The smallest differences that verdicts respect, in one sentence.
pub(super) fn heeded(heeded: &CalibrationUse) -> String {
    let mut metrics: Vec<&str> = Vec::new();
    for floor in &heeded.floors {
        if !metrics.contains(&floor.metric.as_str()) {
            metrics.push(&floor.metric);
        }
    }
    let range = |metric: &&str| {
        let of = || heeded.floors.iter().filter(|floor| floor.metric == **metric);
        let floors = || of().map(|floor| floor.smallest_visible);
        let (low, high) = (floors().fold(f64::INFINITY, f64::min), floors().fold(0.0, f64::max));
        let (low, high) = (difference(low), difference(high));
        let range = if low == high { low } else { format!("{low} to {high} by point") };
        format!("{} {range}", name(metric))
    };
    if metrics.is_empty() {
        return format!("The calibration {} has no limit for the comparisons of this run.", heeded.run_id);
    }
    let ranges: Vec<String> = metrics.iter().map(range).collect();
    format!("Verdicts below {} are no difference (calibration {}).", ranges.join(", "), heeded.run_id)
}

fn sentence(found: &Calibration, point: &CalibratedPoint) -> String {
    let iops = point.metrics.iter().find(|metric| Some(metric.metric.as_str()) == IOPS.compared_as());
    let place = at(point);
    match iops.map(|iops| iops.smallest_visible) {
        Some(Some(visible)) => format!(
            "This rig can detect a difference of {} or more in IOPS{place} with {} trials{} (power {:.0} %).",
            difference(visible),
            found.trials,
            if found.comparisons > 1 {
                format!(", as one of {} comparisons", found.comparisons)
            } else {
                String::new()
            },
            100.0 * found.power
        ),
        Some(None) => {
            format!("With {} trial, no difference{place} can be distinguished from chance.", found.trials)
        }
        None => format!("Too few trials count{place}: no result."),
    }
}

fn at(point: &CalibratedPoint) -> String {
    let place = params::point(&point.params);
    if place.is_empty() { place } else { format!(" at {place}") }
}

fn table(found: &Calibration, width: usize, colour: bool) -> String {
    let titles = ["", "detects from", INTERVAL, "sd", "itself"];
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let mut lines = vec![Line::Entries(titles.iter().map(|title| Entry::new(title, Style::Bold)).collect())];
    for point in found.points.iter().filter(|point| !point.metrics.is_empty()) {
        lines.push(Line::Rule);
        let place = params::point(&point.params);
        if !place.is_empty() {
            lines.push(Line::Heading(clean(&place)));
        }
        for metric in &point.metrics {
            let style = if metric.biased { Style::Bad } else { Style::Plain };
            let interval = |[low, high]: [f64; 2]| format!("{} to {}", difference(low), difference(high));
            let texts = [
                name(&metric.metric).to_owned(),
                metric.smallest_visible.map_or_else(|| "-".to_owned(), difference),
                metric.smallest_visible_ci95.map_or_else(|| "-".to_owned(), interval),
                percent(metric.sd),
                ratio(metric),
            ];
            lines.push(Line::Entries(texts.iter().map(|text| Entry::new(text, style)).collect()));
        }
    }
    columns(&lines, &align, 0, width, colour) + "\n"
}

/// The metric's title in tables.
fn name(metric: &str) -> &str {
    metric::of_comparison(metric).map_or(metric, |metric| metric.title)
}

fn ratio(metric: &CalibratedMetric) -> String {
    let [low, high] = metric.ci95;
    format!("x{:.3} ({low:.3} to {high:.3})", metric.ratio)
}

/// A difference: as percent, or as a factor if it is double or more.
fn difference(share: f64) -> String {
    match 1.0 + share {
        factor if factor >= 9.95 => format!("{factor:.0}-fold"),
        factor if factor >= 1.995 => format!("{factor:.1}-fold"),
        _ => percent(share),
    }
}

/// A share as percent, with two significant digits.
fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent >= 9.95 => format!("{percent:.0} %"),
        percent if percent >= 0.095 || percent == 0.0 => format!("{percent:.1} %"),
        percent if percent >= 0.01 => format!("{percent:.2} %"),
        _ => "<0.01 %".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::calibration::Floor;

    #[test]
    fn names_the_floors_in_one_sentence() {
        let floor = |metric: &str, depth: u64, smallest_visible: f64| Floor {
            metric: metric.into(),
            params: [("depth".to_owned(), depth.into())].into_iter().collect(),
            smallest_visible,
            pairs: 5,
            comparisons: 2,
        };
        let floors = vec![floor("iops", 1, 0.013), floor("iops", 32, 0.0241), floor("latency_p99", 1, 0.123)];
        let sentence = heeded(&CalibrationUse { run_id: "r1".into(), floors });
        assert_eq!(
            sentence,
            "Verdicts below IOPS 1.3 % to 2.4 % by point, p99 12 % are no difference (calibration r1)."
        );
        let none = CalibrationUse { run_id: "r1".into(), floors: Vec::new() };
        assert_eq!(heeded(&none), "The calibration r1 has no limit for the comparisons of this run.");
    }

    #[test]
    fn small_shares_keep_two_digits() {
        let shares =
            [(0.0, "0.0 %"), (0.00001, "<0.01 %"), (0.0004, "0.04 %"), (0.013, "1.3 %"), (0.2, "20 %")];
        for (share, text) in shares {
            assert_eq!((percent(share), difference(share)), (text.into(), text.into()));
        }
        let large = [(0.98, "98 %"), (1.0, "2.0-fold"), (37.6, "39-fold")];
        assert_eq!(large.map(|(share, _)| difference(share)), large.map(|(_, text)| text.to_owned()));
    }
}
