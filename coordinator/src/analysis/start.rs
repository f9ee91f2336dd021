//! How far apart the hosts of a trial began: from the moments at which their start lines opened.

use proto::{trial::Measure, units::Nanos};

use super::warnings::Warnings;
use crate::{store::record::TrialRecord, summary::start::StartSkew, warning::RunWarning};

/// A start counts as common up to this skew.
const LIMIT_NS: u64 = 1_000_000;

/// The skew of a trial and the bound on its error, in nanoseconds; `None` for one host, or if a host did not report it.
fn skew(record: &TrialRecord) -> Option<(u64, u64)> {
    let opened = record.hosts.iter().map(|host| {
        let release = host.finished.as_ref()?.release?;
        Some(i128::from(release.first_ns) - i128::from(host.clock.offset_ns))
    });
    let opened = opened.collect::<Option<Vec<i128>>>().filter(|opened| opened.len() > 1)?;
    let (first, last) = (opened.iter().min()?, opened.iter().max()?);
    let error_ns = record.hosts.iter().map(|host| host.clock.error_ns).max()?;
    Some((u64::try_from(last - first).unwrap_or(u64::MAX), error_ns.saturating_mul(2)))
}

/// The skew over all timed trials, with a warning if one is above 1 ms.
pub(super) fn measured(records: &[&TrialRecord], warnings: &mut Warnings) -> Option<StartSkew> {
    let timed = records.iter().filter(|record| record.measure == Measure::Timed);
    let mut found: Vec<(u64, u64)> = timed.filter_map(|record| skew(record)).collect();
    found.sort_unstable();
    let max_ns = found.last()?.0;
    let late = found.iter().filter(|(skew, _)| *skew > LIMIT_NS).count() as u64;
    let measured = StartSkew {
        trials: found.len() as u64,
        median_ns: found[found.len() / 2].0,
        max_ns,
        error_ns: found.iter().map(|(_, error)| *error).max()?,
    };
    if late > 0 {
        let (skew, error) = (Nanos(max_ns), Nanos(measured.error_ns));
        warnings.add(None, RunWarning::StartsSkewed { skew, error, trials: late, of: measured.trials });
    }
    Some(measured)
}

#[cfg(test)]
mod tests {
    use proto::outcome::Release;

    use super::*;
    use crate::analysis::fixture::Fixture;

    fn set(late_ns: fn(u32) -> u64) -> crate::summary::ComparisonSet {
        let mut fixture = Fixture::new(&["sync"], &[1], 3, &["n1", "n2"]);
        fixture.change = |_| {};
        fixture.execute(usize::MAX);
        let mut records = fixture.run.read_trials().unwrap().records;
        for record in &mut records {
            for (place, host) in record.hosts.iter_mut().enumerate() {
                let at = 5_000_000_000u64.strict_add_signed(host.clock.offset_ns);
                let first_ns = at + place as u64 * late_ns(record.block);
                let release = Release { armed_ns: at - 1, first_ns, last_ns: first_ns };
                host.finished.as_mut().unwrap().release = Some(release);
            }
        }
        let mut warnings = Warnings::default();
        let start = measured(&records.iter().collect::<Vec<_>>(), &mut warnings);
        crate::summary::ComparisonSet { start, warnings: warnings.into_list(), ..Default::default() }
    }

    #[test]
    fn the_skew_is_measured_on_one_clock() {
        let near = set(|block| u64::from(block) * 100_000);
        let expected = StartSkew { trials: 3, median_ns: 200_000, max_ns: 300_000, error_ns: 120_000 };
        assert_eq!((near.start, near.warnings.len()), (Some(expected), 0));
        let late = set(|block| u64::from(block) * 700_000);
        assert_eq!(late.warnings[0].code(), "starts-skewed");
        let message = late.warnings[0].message();
        assert!(message.contains("2.1 ms") && message.contains("2 of 3"), "{message}");
    }

    #[test]
    fn one_host_has_no_skew() {
        let mut fixture = Fixture::new(&["sync"], &[1], 2, &["n1"]);
        fixture.execute(usize::MAX);
        assert_eq!(fixture.analyse(None).start, None);
    }
}
