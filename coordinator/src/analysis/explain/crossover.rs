//! Where arms diverge: the value of an axis from which on an arm is better than the baseline, or no longer is.

use proto::units::{ByteSize, Nanos};
use serde_json::Value;

use crate::{
    params::Params,
    summary::{
        ComparisonSet, Verdict,
        crossover::{Crossover, CrossoverKind, CrossoverMetric},
    },
};

/// The metrics in which crossovers are looked for.
const METRICS: [CrossoverMetric; 2] = [CrossoverMetric::Iops, CrossoverMetric::LatencyP99];

/// The crossovers of each arm along each axis of numbers, with the other axes fixed. Arms in `idle` do no I/O.
pub(super) fn crossovers(set: &ComparisonSet, idle: &[&str]) -> Vec<Crossover> {
    let mut found: Vec<Crossover> = Vec::new();
    let mut seen: Vec<Line<'_>> = Vec::new();
    for comparison in set.with_baseline().filter(|found| !idle.contains(&found.arm.as_str())) {
        let Some(metric) = METRICS.into_iter().find(|metric| metric.metric().is_of(comparison)) else {
            continue;
        };
        for axis in comparison.params.keys() {
            let others = without(&comparison.params, axis);
            let line = Line { arm: &comparison.arm, metric, axis, others };
            if !seen.contains(&line) {
                found.extend(line.crossovers(set));
                seen.push(line);
            }
        }
    }
    found
}

fn without(params: &Params, axis: &str) -> Params {
    params.iter().filter(|(key, _)| *key != axis).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A value of an axis as a number; `None` for words.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let size = text.parse::<ByteSize>().map(|size| size.0 as f64);
            size.ok().or_else(|| text.parse::<Nanos>().map(|time| time.0 as f64).ok())
        }
        _ => None,
    }
}

/// An arm against the baseline along an axis.
#[derive(PartialEq)]
struct Line<'a> {
    arm: &'a str,
    metric: CrossoverMetric,
    axis: &'a str,
    others: Params,
}

impl Line<'_> {
    /// The values in order with their verdicts; empty if a value is not a number or a point was not measured.
    fn values<'a>(&self, set: &'a ComparisonSet) -> Vec<(f64, &'a Value, Verdict)> {
        let on_line = set.with_baseline().filter(|found| {
            found.arm == self.arm
                && self.metric.metric().is_of(found)
                && without(&found.params, self.axis) == self.others
        });
        let mut values = Vec::new();
        for found in on_line {
            let value = found.params.get(self.axis).filter(|_| found.ratio.is_some());
            let Some((value, at)) = value.and_then(|value| Some((value, number(value)?))) else {
                return Vec::new();
            };
            values.push((at, value, found.verdict));
        }
        values.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        values
    }

    /// Where the arm begins and ceases to be better, if it is better over exactly one stretch whose end is certain.
    fn crossovers(&self, set: &ComparisonSet) -> Vec<Crossover> {
        let values = self.values(set);
        let better = |(_, _, verdict): &(f64, &Value, Verdict)| *verdict == Verdict::Faster;
        let Some(first) = values.iter().position(better) else { return Vec::new() };
        let last = values.iter().rposition(better).unwrap_or(first);
        let one_stretch = values[first..=last].iter().all(better);
        let open = values[last + 1..].iter().any(|(_, _, verdict)| *verdict == Verdict::Inconclusive);
        if values.len() < 2 || !one_stretch || open {
            return Vec::new();
        }
        let at = |index: usize| values[index].1.clone();
        let mut kinds = Vec::new();
        if first > 0 {
            kinds.push(CrossoverKind::Begins { after: at(first - 1), from: at(first) });
        } else if last + 1 == values.len() {
            kinds.push(CrossoverKind::Everywhere { from: at(0), to: at(last) });
        }
        if last + 1 < values.len() {
            kinds.push(CrossoverKind::Ends { after: at(last), from: at(last + 1) });
        }
        let crossover = |kind| Crossover {
            arm: self.arm.into(),
            baseline: set.baseline.clone().unwrap_or_default(),
            axis: self.axis.into(),
            metric: self.metric,
            others: self.others.clone(),
            kind,
        };
        kinds.into_iter().map(crossover).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Comparison;

    /// One comparison for each letter: f(aster), n(o difference), s(lower), at these values of an axis.
    fn set(axis: &str, values: &[(Value, char)], other: Option<(&str, Value)>) -> ComparisonSet {
        let comparison = |(value, letter): &(Value, char)| {
            let mut params = Params::from_iter([(axis.to_owned(), value.clone())]);
            params.extend(other.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
            Comparison {
                baseline: "sync".into(),
                arm: "uring".into(),
                params,
                metric: "iops".into(),
                ratio: Some(1.0),
                ci95: None,
                p_value: None,
                p_adjusted: None,
                pairs: 0,
                spread: None,
                trials_more: None,
                trials_more_range: None,
                reason: None,
                verdict: match letter {
                    'f' => Verdict::Faster,
                    's' => Verdict::Slower,
                    'n' => Verdict::NoDifference,
                    _ => Verdict::Inconclusive,
                },
            }
        };
        ComparisonSet {
            baseline: Some("sync".into()),
            comparisons: values.iter().map(comparison).collect(),
            ..ComparisonSet::default()
        }
    }

    fn depths(letters: &str) -> Vec<(Value, char)> {
        letters.chars().enumerate().map(|(index, letter)| (Value::from(1u64 << index), letter)).collect()
    }

    fn found(letters: &str) -> Vec<CrossoverKind> {
        let set = set("depth", &depths(letters), None);
        crossovers(&set, &[]).into_iter().map(|found| found.kind).collect()
    }

    #[test]
    fn reports_where_one_stretch_begins_and_ends() {
        let begins = |after: u64, from: u64| CrossoverKind::Begins { after: after.into(), from: from.into() };
        let ends = |after: u64, from: u64| CrossoverKind::Ends { after: after.into(), from: from.into() };
        assert_eq!(found("nff"), [begins(1, 2)]);
        assert_eq!(found("ffs"), [ends(2, 4)]);
        assert_eq!(found("fff"), [CrossoverKind::Everywhere { from: 1.into(), to: 4.into() }]);
        assert_eq!(found("sfn"), [begins(1, 2), ends(2, 4)]);
    }

    #[test]
    fn reports_nothing_without_one_certain_stretch() {
        for letters in ["ifi", "nnn", "fnf", "f"] {
            assert_eq!(found(letters), [], "{letters}");
        }
        let set = set("depth", &depths("nff"), None);
        assert_eq!(crossovers(&set, &["uring"]), [], "the arm does no I/O");
    }

    #[test]
    fn orders_sizes_and_ignores_words() {
        let sizes = [("64KiB".into(), 'n'), ("512B".into(), 'f'), ("4KiB".into(), 'f')];
        let found = crossovers(&set("block_size", &sizes, Some(("cache", "cold".into()))), &[]);
        assert_eq!(found.len(), 1, "no crossover along `cache`: {found:?}");
        assert_eq!(found[0].kind, CrossoverKind::Ends { after: "4KiB".into(), from: "64KiB".into() });
        assert_eq!(found[0].others["cache"], "cold");
        let words = [("random".into(), 'f'), ("zipf".into(), 'n')];
        assert_eq!(crossovers(&set("pattern", &words, None), &[]), []);
    }
}
