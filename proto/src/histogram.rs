//! The latency histogram: its bounds and its encoding.
//!
//! Values are nanoseconds. The range from 1 ns to 60 s at 3 significant digits takes 27,648 counters, with a relative
//! error of at most 0.1 %. Histograms are sent as HdrHistogram V2, which encodes a run of empty counters as one number.
//! They are not deflated, because gRPC can compress them.

use hdrhistogram::{
    Counter, Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};

/// The smallest latency that is distinguished from zero, in nanoseconds.
pub const LOWEST_NS: u64 = 1;
/// The largest latency that is recorded, in nanoseconds. Longer ones are recorded as this value and counted as saturated.
pub const HIGHEST_NS: u64 = 60_000_000_000;
/// Significant decimal digits of a recorded latency.
pub const DIGITS: u8 = 3;
/// The number of counters of a histogram with these bounds.
const COUNTERS: usize = 27_648;
/// Length of the header of HdrHistogram V2 in bytes.
const HEADER: usize = 40;
/// The largest encoding in bytes: a header, and up to 9 bytes for each counter.
pub const MAX_ENCODED: usize = HEADER + 9 * COUNTERS;
/// The largest number of operations in a histogram. It is 18 operations per nanosecond of the longest interval, and small
/// enough that millions of histograms can be added without overflow.
pub const MAX_COUNT: u64 = 1 << 40;

/// An empty histogram with Ringbench's bounds. The caller chooses the width of its counters.
#[must_use]
#[allow(
    clippy::expect_used,
    reason = "the bounds are constants, and a test constructs a histogram with them"
)]
pub fn empty<C: Counter>() -> Histogram<C> {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("constant bounds are valid")
}

/// The error of encoding or decoding a histogram.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not HdrHistogram V2.
    #[error("not an HdrHistogram V2: {0}")]
    Malformed(String),
    /// More operations than an interval can hold.
    #[error("it counts {0} operations, more than {MAX_COUNT}")]
    TooMany(u64),
    /// A valid histogram, but with other bounds than [`LOWEST_NS`], [`HIGHEST_NS`] and [`DIGITS`].
    #[error(
        "histogram bounds are {low} to {high} ns at {digits} digits, not {LOWEST_NS} to {HIGHEST_NS} at {DIGITS}"
    )]
    Bounds {
        /// Lowest discernible value.
        low: u64,
        /// Highest trackable value.
        high: u64,
        /// Significant digits.
        digits: u8,
    },
}

/// Encodes as HdrHistogram V2.
///
/// # Errors
/// If a count exceeds the limit of V2 (2^63).
pub fn encode<C: Counter>(histogram: &Histogram<C>) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(4096);
    V2Serializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    Ok(bytes)
}

/// Decodes HdrHistogram V2 and checks the bounds. It takes no more memory than a full histogram, whatever the bytes
/// claim.
///
/// # Errors
/// If the bytes are malformed, continue after the histogram, have other bounds, or count too many operations.
pub fn decode(mut bytes: &[u8]) -> Result<Histogram<u64>, CodecError> {
    // The decoder allocates as much as the header demands, so the bounds are checked first.
    let header = |at: usize, len: usize| bytes.get(at..at + len);
    let fields = (header(4, 4), header(12, 4), header(16, 8), header(24, 8));
    let (length, digits, low, high) = match fields {
        (Some(length), Some(digits), Some(low), Some(high)) => (be(length), be(digits), be(low), be(high)),
        _ => return Err(CodecError::Malformed("shorter than its header".into())),
    };
    if bytes.len() > MAX_ENCODED || length.checked_add(HEADER as u64) != Some(bytes.len() as u64) {
        return Err(CodecError::Malformed(format!(
            "{} bytes, but it claims {length} of counts",
            bytes.len()
        )));
    }
    if (digits, low, high) != (u64::from(DIGITS), LOWEST_NS, HIGHEST_NS) {
        return Err(CodecError::Bounds { low, high, digits: u8::try_from(digits).unwrap_or(u8::MAX) });
    }
    let histogram = Deserializer::new()
        .deserialize(&mut bytes)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    match histogram_count(&histogram) {
        count if count > MAX_COUNT => Err(CodecError::TooMany(count)),
        _ => Ok(histogram),
    }
}

/// The sum of all counts. The histogram's own sum wraps around.
fn histogram_count(histogram: &Histogram<u64>) -> u64 {
    histogram.iter_recorded().fold(0u64, |sum, bucket| sum.saturating_add(bucket.count_at_value()))
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_as_documented() {
        let histogram = empty::<u32>();
        assert_eq!(histogram.distinct_values(), COUNTERS);
        assert_eq!(histogram.high(), HIGHEST_NS);
    }

    #[test]
    fn other_bounds_are_refused() {
        let other = Histogram::<u64>::new_with_bounds(1, 1000, 2).unwrap();
        let error = decode(&encode(&other).unwrap()).unwrap_err();
        assert!(matches!(error, CodecError::Bounds { high: 1000, digits: 2, .. }), "{error}");
        assert!(matches!(decode(b"short"), Err(CodecError::Malformed(_))));
    }

    /// The header of this histogram claims 4 GiB of counts.
    #[test]
    fn claims_are_not_believed() {
        let mut bytes = encode(&empty::<u64>()).unwrap();
        bytes[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("it claims 4294967295 of counts"), "{error}");
        let mut many = empty::<u64>();
        for value in [1, 10, 100] {
            many.saturating_record_n(value, u64::MAX / 4);
        }
        assert!(matches!(decode(&encode(&many).unwrap()), Err(CodecError::TooMany(_))));
        let mut most = empty::<u64>();
        most.saturating_record_n(1, MAX_COUNT);
        assert_eq!(decode(&encode(&most).unwrap()).unwrap(), most);
    }

    #[test]
    fn a_full_histogram_fits_a_message() {
        let mut full = empty::<u64>();
        let values: Vec<u64> = full.iter_all().map(|bucket| bucket.value_iterated_to()).collect();
        for nanos in values {
            full.saturating_record_n(nanos, u64::from(u32::MAX));
        }
        let bytes = encode(&full).unwrap().len();
        assert!(4 * bytes < 1 << 20, "{bytes} bytes each");
    }

    proptest! {
        // Each histogram has 27,648 counters: a few dozen cases are enough.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn histograms_decode_to_themselves(values in prop::collection::vec((0..=HIGHEST_NS, 1..1_000_000u64), 0..200)) {
            let mut histogram = empty::<u64>();
            for (value, count) in values {
                histogram.saturating_record_n(value, count);
            }
            prop_assert_eq!(decode(&encode(&histogram).unwrap()).unwrap(), histogram);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn damaged_bytes_never_panic(at in 0usize..400, with in any::<u8>(), values in prop::collection::vec(1..HIGHEST_NS, 1..50)) {
            let mut histogram = empty::<u64>();
            for value in values {
                histogram.saturating_record(value);
            }
            let mut bytes = encode(&histogram).unwrap();
            let len = bytes.len();
            bytes[at % len] = with;
            let _ = decode(&bytes);
        }
    }
}
