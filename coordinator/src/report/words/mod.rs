//! The sentences of every report. Facts come in as types, and no code reads a sentence back.

pub(crate) mod answer;
pub(crate) mod concurrency;
pub(in crate::report) mod course;
pub(crate) mod crossover;
pub(crate) mod evidence;
pub(crate) mod explanation;
mod load;
pub(crate) mod run_diff;

use crate::{
    params::{self, Params, at, value},
    summary::{
        Unjudged,
        answer::{Points, TrialsNeeded, Untrusted},
    },
};

/// The number of further trials from which on an arm counts as too noisy.
const MANY_TRIALS: u32 = 50;

/// A ratio: `4.56x`, `29x`.
fn times(ratio: f64) -> String {
    let digits = if ratio < 9.995 { 2 } else { 0 };
    format!("{ratio:.digits$}x")
}

/// A factor, without decimals if it is close to a whole number: `4x`, `3.97x`.
fn factor(ratio: f64) -> String {
    if (ratio - ratio.round()).abs() < 0.005 { format!("{ratio:.0}x") } else { times(ratio) }
}

/// An interval of a ratio: `5.5x to 6.1x`.
fn interval([low, high]: [f64; 2]) -> String {
    let edge = |ratio: f64| match ratio {
        r if r >= 9.95 => format!("{r:.0}x"),
        r if r >= 1.995 => format!("{r:.1}x"),
        r => format!("{r:.2}x"),
    };
    format!("{} to {}", edge(low), edge(high))
}

/// A number of requests: `1`, `15.5`, `127`.
fn requests(count: f64) -> String {
    if (count - count.round()).abs() < 0.05 || count >= 99.95 {
        format!("{:.0}", count.round())
    } else {
        format!("{count:.1}")
    }
}

/// A share: `97 %`.
fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// ` at depth 8`; empty without an axis.
fn at_point(params: &Params) -> String {
    if params.is_empty() { String::new() } else { format!(" {}", at(params)) }
}

/// ` at depth 8, 32 and 128`; empty if there is only one point.
pub(super) fn at_points(of: &Points) -> String {
    let Points { points, last, total } = of;
    if *total == 1 {
        return String::new();
    }
    if points.len() == *total {
        return " at every point".into();
    }
    let one_axis = points.iter().all(|point| point.len() == 1);
    if one_axis && let Some(axis) = points.first().and_then(|point| point.keys().next()) {
        let values: Vec<String> = points.iter().filter_map(|point| point.get(axis)).map(value).collect();
        if *last {
            return format!(" from {axis} {} on", values[0]);
        }
        return format!(" at {axis} {}", listed(&values));
    }
    if points.len() > 3 {
        return format!(" at {} of {total} points", points.len());
    }
    let points: Vec<String> = points.iter().map(params::point).collect();
    format!(" at {}", points.join("; "))
}

/// `1, 8 and 32`.
fn listed(values: &[String]) -> String {
    match values {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Why a run is not trustworthy.
pub(super) fn untrusted(reason: &Untrusted) -> String {
    match reason {
        Untrusted::MissingTrials { arm, params, complete, planned } => {
            format!("{arm}{}: {complete} of {planned} trials count", at_point(params))
        }
        Untrusted::CorruptData { arm, sectors } => {
            format!("{arm}: {sectors} sectors did not contain the data that was written")
        }
    }
}

/// Why a comparison was not judged.
pub(super) fn unjudged(reason: &Unjudged) -> String {
    match reason {
        Unjudged::TooFewUrgent(of) => {
            // A mean with one digit, unless it is whole.
            let per_trial = (10.0 * of.per_trial).round() / 10.0;
            format!(
                "{} had {per_trial} urgent operations per trial, and a verdict needs {}",
                of.arm, of.needed
            )
        }
        Unjudged::CutOff { arm, needed } => {
            format!(
                "the latencies of {arm} are cut off by the window, and a verdict needs `runtime: {needed}`"
            )
        }
    }
}

/// `needs about 7 more trials`, `needs 4 to 19 more trials`, or `needs 4 or more further trials`.
fn trials_needed(TrialsNeeded { least, most, everywhere }: &TrialsNeeded) -> String {
    let number = match most {
        Some(1) => "about 1 more trial".into(),
        Some(most) if least == most => format!("about {most} more trials"),
        Some(most) => format!("{least} to {most} more trials"),
        None => format!("{least} or more further trials"),
    };
    let places = if *everywhere { "" } else { " at some points" };
    let noisy = if *least > MANY_TRIALS { "too noisy: " } else { "" };
    format!("{noisy}needs {number}{places}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_number_of_trials_a_verdict_needs() {
        let needed =
            |least, most, everywhere| trials_needed(&TrialsNeeded { least, most: Some(most), everywhere });
        let open = TrialsNeeded { least: 7, most: None, everywhere: true };
        assert_eq!(trials_needed(&open), "needs 7 or more further trials");
        assert_eq!(needed(9, 9, true), "needs about 9 more trials");
        assert_eq!(needed(1, 1, true), "needs about 1 more trial");
        assert_eq!(needed(4, 19, false), "needs 4 to 19 more trials at some points");
        assert_eq!(needed(234, 234, true), "too noisy: needs about 234 more trials");
    }
}
