//! The confidence of every interval, and the words for it.

/// The confidence of every interval in percent, as a literal for `concat!`. All else that says how sure an interval is
/// follows from this number; the names of JSON keys and CSV columns (`ci95`) do not change with it.
macro_rules! confidence_percent {
    () => {
        95
    };
}
pub(crate) use confidence_percent;

/// The confidence of every interval.
#[allow(clippy::unnecessary_cast, reason = "the macro is a literal for texts, too")]
pub const CONFIDENCE: f64 = confidence_percent!() as f64 / 100.0;

/// Of so many intervals one excludes the true value by chance.
pub const ONE_IN: u32 = 100 / (100 - confidence_percent!());

/// What tables and texts call an interval.
pub const INTERVAL: &str = concat!(confidence_percent!(), " % interval");
