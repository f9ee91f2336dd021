//! How arms cope with the offered load, as a labelled line.

use super::concurrency::Labelled;
use crate::{params, summary::load::LoadCurve, units::count};

/// The most curves that one line has room for.
const MOST: usize = 4;

/// The line of the offered load; `None` without a curve, and if there are too many for a line.
pub(super) fn line(loads: &[LoadCurve]) -> Option<Labelled> {
    let texts: Vec<String> = loads.iter().map(curve).collect();
    (1..=MOST).contains(&texts.len()).then(|| Labelled { label: "Load".into(), text: texts.join("; ") })
}

/// `sync keeps up to 4.00k/s, not with 16.0k/s, and queues from 4.00k/s on (p99)`.
fn curve(of: &LoadCurve) -> String {
    let rate = |per_s: f64| format!("{}/s", count(per_s));
    let keeps_up = match (of.keeps_up_to_per_s, of.falls_behind_at_per_s) {
        (Some(kept), Some(missed)) => format!("keeps up to {}, not with {}", rate(kept), rate(missed)),
        (Some(kept), None) if of.undecided_at_per_s.is_some() => format!("keeps up to {}", rate(kept)),
        (Some(kept), None) => format!("keeps up with all of {}", rate(kept)),
        (None, Some(missed)) => format!("does not keep up with {}", rate(missed)),
        (None, None) => "has no decided rate".into(),
    };
    let undecided =
        of.undecided_at_per_s.map_or_else(String::new, |at| format!(" (inconclusive from {} on)", rate(at)));
    let queues = of
        .knee_at_per_s
        .map_or_else(String::new, |knee| format!(", p99 rises steeply from {} on", rate(knee)));
    format!("{} {keeps_up}{undecided}{queues}", params::cell(&of.arm, &of.params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;

    #[test]
    fn a_line_has_the_facts_of_each_curve() {
        let of = |arm: &str, kept, missed, knee| LoadCurve {
            arm: arm.into(),
            params: Params::new(),
            keeps_up_to_per_s: kept,
            falls_behind_at_per_s: missed,
            undecided_at_per_s: None,
            knee_at_per_s: knee,
        };
        let sync = of("sync", Some(4_000.0), Some(16_000.0), Some(16_000.0));
        let found =
            line(&[sync.clone(), of("uring", Some(64_000.0), None, None), of("slow", None, Some(1e3), None)]);
        assert_eq!(
            found.unwrap().text,
            "sync keeps up to 4.00k/s, not with 16.0k/s, p99 rises steeply from 16.0k/s on; uring keeps up with all of \
             64.0k/s; slow does not keep up with 1.00k/s"
        );
        let open = LoadCurve { undecided_at_per_s: Some(8_000.0), ..sync.clone() };
        assert!(line(&[open]).unwrap().text.starts_with(
            "sync keeps up to 4.00k/s, not with 16.0k/s (inconclusive from 8.00k/s on), p99 rises"
        ));
        assert_eq!(line(&[]), None);
        assert_eq!(line(&vec![sync; 5]), None);
    }
}
