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

/// Decodes HdrHistogram V2 and checks the bounds.
///
/// # Errors
/// If the bytes are malformed, continue after the histogram, or have other bounds.
pub fn decode(mut bytes: &[u8]) -> Result<Histogram<u64>, CodecError> {
    // The decoder allocates as much as the header demands, so the bounds are checked first.
    let header = |at: usize, len: usize| bytes.get(at..at + len);
    let (digits, low, high) = match (header(12, 4), header(16, 8), header(24, 8)) {
        (Some(digits), Some(low), Some(high)) => (be(digits), be(low), be(high)),
        _ => return Err(CodecError::Malformed("shorter than its header".into())),
    };
    if (digits, low, high) != (u64::from(DIGITS), LOWEST_NS, HIGHEST_NS) {
        return Err(CodecError::Bounds { low, high, digits: u8::try_from(digits).unwrap_or(u8::MAX) });
    }
    let histogram = Deserializer::new()
        .deserialize(&mut bytes)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if !bytes.is_empty() {
        return Err(CodecError::Malformed(format!("{} bytes too many", bytes.len())));
    }
    Ok(histogram)
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
        assert_eq!(histogram.distinct_values(), 27_648);
        assert_eq!(histogram.high(), HIGHEST_NS);
    }

    #[test]
    fn other_bounds_are_refused() {
        let other = Histogram::<u64>::new_with_bounds(1, 1000, 2).unwrap();
        let error = decode(&encode(&other).unwrap()).unwrap_err();
        assert!(matches!(error, CodecError::Bounds { high: 1000, digits: 2, .. }), "{error}");
        assert!(matches!(decode(b"short"), Err(CodecError::Malformed(_))));
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
