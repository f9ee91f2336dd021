//! Crossovers as sentences.

use crate::{
    params,
    summary::crossover::{Crossover, CrossoverKind, CrossoverMetric},
};

/// `uring is faster than sync from depth 2 on; unproven at 1.`
pub(crate) fn sentence(found: &Crossover) -> String {
    let better = match found.metric {
        CrossoverMetric::Iops => "is faster than",
        CrossoverMetric::LatencyP99 => "has a lower p99 latency than",
    };
    let baseline = if found.baseline.is_empty() { "the baseline" } else { &found.baseline };
    let axis = &found.axis;
    let value = params::value;
    let place = match &found.kind {
        CrossoverKind::Begins { after, from } => {
            format!("from {axis} {} on; unproven at {}", value(from), value(after))
        }
        CrossoverKind::Ends { after, from } => {
            format!("up to {axis} {}; no longer at {}", value(after), value(from))
        }
        CrossoverKind::Everywhere { from, to } => {
            format!("at every {axis} from {} to {}", value(from), value(to))
        }
    };
    let others = match params::point(&found.others) {
        point if point.is_empty() => point,
        point => format!(" ({point})"),
    };
    format!("{} {better} {baseline} {place}{others}.", found.arm)
}

/// `Diverges from sync between depths 1 and 8.`, for the answer of an arm; `None` if the arm is better everywhere.
pub(super) fn diverges(found: &Crossover) -> Option<String> {
    let (after, from) = (params::value(found.after()?), params::value(found.from()));
    let what = if found.ends() { "No longer faster than" } else { "Diverges from" };
    let axis = if found.axis == "depth" { "depths" } else { &found.axis };
    Some(format!("{what} {} between {axis} {after} and {from}.", found.baseline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;

    fn crossover(kind: CrossoverKind) -> Crossover {
        Crossover {
            arm: "uring".into(),
            baseline: "sync".into(),
            axis: "depth".into(),
            metric: CrossoverMetric::Iops,
            others: Params::new(),
            kind,
        }
    }

    #[test]
    fn describes_each_kind() {
        let begins = crossover(CrossoverKind::Begins { after: 1.into(), from: 2.into() });
        assert_eq!(sentence(&begins), "uring is faster than sync from depth 2 on; unproven at 1.");
        assert_eq!(diverges(&begins).unwrap(), "Diverges from sync between depths 1 and 2.");
        let mut ends = crossover(CrossoverKind::Ends { after: "4KiB".into(), from: "64KiB".into() });
        ends.axis = "block_size".into();
        ends.others.insert("cache".into(), "cold".into());
        assert_eq!(
            sentence(&ends),
            "uring is faster than sync up to block_size 4KiB; no longer at 64KiB (cache cold)."
        );
        assert_eq!(diverges(&ends).unwrap(), "No longer faster than sync between block_size 4KiB and 64KiB.");
        let everywhere = crossover(CrossoverKind::Everywhere { from: 1.into(), to: 4.into() });
        assert_eq!(sentence(&everywhere), "uring is faster than sync at every depth from 1 to 4.");
        assert_eq!(diverges(&everywhere), None);
    }
}
