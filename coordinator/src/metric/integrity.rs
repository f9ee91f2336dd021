//! Evidence of whether the numbers are trustworthy: page cache, failed and short requests, verification. It is only
//! exported.

use super::{CsvValue::*, Metric, Unit, metrics};

metrics! {
    /// The share of a cold target that was in the page cache.
    CACHED_SHARE = Metric::sums("cached_share", Unit::Share, |cell| cell.state.cached_share)
        .help("Cold target: the largest share of it found in the page cache in any trial.")
        .exported_only()
        .csv(&[("cached_share", Value)]);

    /// Failed requests.
    ERRORS = Metric::sums("errors", Unit::Count, |cell| {
        Some(cell.integrity.errors.iter().map(|error| error.count).sum::<u64>() as f64)
    })
    .help("Failed requests in all trials.")
    .exported_only()
    .in_trials(|trial| trial.count(|costs| costs.work.errors.values().sum()))
    .csv(&[("errors", Value)])
    .trials_csv("errors");

    /// Short transfers.
    SHORT_TRANSFERS = Metric::sums("short_transfers", Unit::Count, |cell| Some(cell.integrity.short_transfers as f64))
        .help("Requests that transferred less than requested, in all trials.")
        .exported_only()
        .in_trials(|trial| trial.count(|costs| costs.work.short_transfers))
        .csv(&[("short_transfers", Value)])
        .trials_csv("short_transfers");

    /// Verified sectors.
    SECTORS_VERIFIED = Metric::sums("sectors_verified", Unit::Count, |cell| {
        cell.integrity.verified.map(|verified| verified.sectors as f64)
    })
    .help("Sectors whose contents were compared with what was written.")
    .exported_only()
    .csv(&[("sectors_verified", Value)]);

    /// Sectors that failed verification.
    VERIFY_FAILURES = Metric::sums("verify_failures", Unit::Count, |cell| {
        cell.integrity.verified.map(|verified| verified.failures as f64)
    })
    .help("Sectors whose contents differed from what was written.")
    .exported_only()
    .csv(&[("verify_failures", Value)]);
}
