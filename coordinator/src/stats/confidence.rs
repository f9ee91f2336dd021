//! The confidence of every interval, and its name in texts.

/// The confidence of every interval in percent, as a literal for `concat!`. All texts and numbers about confidence
/// follow from it, except the names of JSON keys and CSV columns (`ci95`).
macro_rules! confidence_percent {
    () => {
        95
    };
}
pub(crate) use confidence_percent;

/// The confidence of every interval.
#[allow(clippy::unnecessary_cast, reason = "the macro is a literal for texts, too")]
pub const CONFIDENCE: f64 = confidence_percent!() as f64 / 100.0;

/// One of this number of intervals excludes the true value by chance.
pub const ONE_IN: u32 = 100 / (100 - confidence_percent!());

/// The name of an interval in tables and texts.
pub const INTERVAL: &str = concat!(confidence_percent!(), " % interval");
