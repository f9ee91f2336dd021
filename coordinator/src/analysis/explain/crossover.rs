//! Where arms part: the value of an axis from which on an arm is better than the baseline, or is no longer.

use proto::units::{ByteSize, Nanos};
use serde_json::Value;

use crate::params;
use crate::{
    params::Params,
    summary::{ComparisonSet, Verdict, insight::Crossover},
};

/// The metrics that are looked at, and what it is to be better.
const METRICS: [(&str, &str); 2] =
    [("iops", "is faster than"), ("latency_p99", "has a lower p99 latency than")];

/// Of each arm along each axis of numbers, with the others fixed; arms in `idle` do no I/O.
pub(super) fn crossovers(set: &ComparisonSet, idle: &[&str]) -> Vec<Crossover> {
    let mut found: Vec<Crossover> = Vec::new();
    let mut seen: Vec<(&str, &str, String, Params)> = Vec::new();
    for comparison in set.comparisons.iter().filter(|found| !idle.contains(&found.arm.as_str())) {
        let Some((metric, better)) = METRICS.iter().find(|(metric, _)| *metric == comparison.metric) else {
            continue;
        };
        for axis in comparison.params.keys() {
            let others = without(&comparison.params, axis);
            let line = (comparison.arm.as_str(), *metric, axis.clone(), others);
            if seen.contains(&line) {
                continue;
            }
            let line = Line { set, arm: line.0, metric, better, axis, others: line.3 };
            found.extend(line.crossovers());
            seen.push((line.arm, metric, axis.clone(), line.others));
        }
    }
    found
}

fn without(params: &Params, axis: &str) -> Params {
    params.iter().filter(|(key, _)| *key != axis).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A value of an axis as a number; `None` of words.
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
struct Line<'a> {
    set: &'a ComparisonSet,
    arm: &'a str,
    metric: &'static str,
    better: &'static str,
    axis: &'a str,
    others: Params,
}

impl Line<'_> {
    /// The values in order, with the verdict there; empty where a value is no number or a point was not measured.
    fn values(&self) -> Vec<(f64, &Value, Verdict)> {
        let on_line = self.set.comparisons.iter().filter(|found| {
            found.arm == self.arm
                && found.metric == self.metric
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

    /// Where it begins and where it ends, if the arm is better over one stretch; more than one is no crossover, nor is
    /// one whose end the trials leave open.
    fn crossovers(&self) -> Vec<Crossover> {
        let values = self.values();
        let better = |(_, _, verdict): &(f64, &Value, Verdict)| *verdict == Verdict::Faster;
        let Some(begin) = values.iter().position(better) else { return Vec::new() };
        let end = values.iter().rposition(better).unwrap_or(begin);
        let one = values[begin..=end].iter().all(better);
        let open = values[end + 1..].iter().any(|(_, _, verdict)| *verdict == Verdict::Inconclusive);
        if values.len() < 2 || !one || open {
            return Vec::new();
        }
        let shown = |index: usize| params::value(values[index].1);
        let baseline = self.set.baseline.as_deref().unwrap_or("the baseline");
        let place = if self.others.is_empty() {
            String::new()
        } else {
            format!(" ({})", params::point(&self.others))
        };
        let told = format!("{} {} {baseline}", self.arm, self.better);
        let mut found = Vec::new();
        let entry = |after: Option<usize>, from: usize, ends: bool, text: String| Crossover {
            arm: self.arm.into(),
            axis: self.axis.into(),
            metric: self.metric.into(),
            after: after.map(|index| values[index].1.clone()),
            from: values[from].1.clone(),
            ends,
            params: self.others.clone(),
            text: text + &place + ".",
        };
        if begin > 0 {
            let text =
                format!("{told} from {} {} on; not surely at {}", self.axis, shown(begin), shown(begin - 1));
            found.push(entry(Some(begin - 1), begin, false, text));
        } else if end + 1 == values.len() {
            let text = format!("{told} at every {} from {} to {}", self.axis, shown(0), shown(end));
            found.push(entry(None, 0, false, text));
        }
        if end + 1 < values.len() {
            let text = format!("{told} up to {} {}; no longer at {}", self.axis, shown(end), shown(end + 1));
            found.push(entry(Some(end), end + 1, true, text));
        }
        found
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
                trials_more: None,
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

    fn told(letters: &str) -> Vec<String> {
        let set = set("depth", &depths(letters), None);
        crossovers(&set, &[]).into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn one_stretch_has_a_begin_and_an_end() {
        assert_eq!(told("nff"), ["uring is faster than sync from depth 2 on; not surely at 1."]);
        assert_eq!(told("ffs"), ["uring is faster than sync up to depth 2; no longer at 4."]);
        assert_eq!(told("fff"), ["uring is faster than sync at every depth from 1 to 4."]);
        assert_eq!(told("sfn").len(), 2);
        assert!(told("ifi").is_empty(), "whether it ends is open");
        assert!(told("nnn").is_empty() && told("fnf").is_empty() && told("f").is_empty());
        let set = set("depth", &depths("nff"), None);
        let found = &crossovers(&set, &[])[0];
        assert_eq!((&found.after, &found.from, found.ends), (&Some(1.into()), &2.into(), false));
        assert!(crossovers(&set, &["uring"]).is_empty());
    }

    #[test]
    fn sizes_are_in_order_and_words_have_none() {
        let sizes = [("64KiB".into(), 'n'), ("512B".into(), 'f'), ("4KiB".into(), 'f')];
        let found = crossovers(&set("block_size", &sizes, Some(("cache", "cold".into()))), &[]);
        assert_eq!(found.len(), 1, "no crossover along `cache`: {found:?}");
        assert_eq!(
            found[0].text,
            "uring is faster than sync up to block_size 4KiB; no longer at 64KiB (cache cold)."
        );
        assert!(found[0].ends);
        let words = [("random".into(), 'f'), ("zipf".into(), 'n')];
        assert!(crossovers(&set("pattern", &words, None), &[]).is_empty());
    }
}
