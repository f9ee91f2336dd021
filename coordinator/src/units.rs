//! Formats numbers for people: three digits and a unit. A nonzero value is never shown as zero.

/// Three significant digits, without a unit.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // A value that rounds up to 1000 belongs to the next unit.
    let fits = |(factor, _): &&(f64, &str)| value.abs() >= 0.9995 * factor;
    let (factor, unit) = units.iter().find(fits).or(units.last()).copied().unwrap_or((1.0, ""));
    format!("{}{unit}", digits(value / factor))
}

/// `1 trial`, `2 trials`.
pub(crate) fn some(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A count or a rate: `73.5k`, `1.20M`.
pub(crate) fn count(value: f64) -> String {
    if value.abs() < 999.5 {
        return if value.fract() == 0.0 { format!("{value:.0}") } else { digits(value) };
    }
    scaled(value, &[(1e9, "G"), (1e6, "M"), (1e3, "k")])
}

/// A duration given in nanoseconds: `870 ns`, `12.1 µs`, `3.40 ms`.
pub(crate) fn nanos(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.005 {
        return "<0.01 ns".into();
    }
    scaled(value, &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")])
}

/// A ratio per I/O: `1.000`, `0.031`, `0.0005`. One column of it lines up at the point.
pub(crate) fn per_io(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        v if v < 0.0001 => "<0.0001".into(),
        v if v < 0.001 => format!("{v:.4}"),
        v if v < 9.9995 => format!("{v:.3}"),
        v => digits(v),
    }
}

/// A rate in bytes: `301 MB/s`.
pub(crate) fn bytes_per_s(value: f64) -> String {
    scaled(value, &[(1e9, " GB/s"), (1e6, " MB/s"), (1e3, " kB/s"), (1.0, " B/s")])
}

/// The spread of trials: half the range in percent of the mean, such as `±1.2%`; empty below two trials. A
/// confidence interval would be less informative here: with two or three samples it is several times wider than
/// their range. Verdicts use the confidence interval all the same.
pub(crate) fn spread(mean: f64, samples: &[f64]) -> Option<String> {
    if samples.len() < 2 {
        return None;
    }
    let high = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let percent = if mean > 0.0 { (high - low) / 2.0 / mean * 100.0 } else { 0.0 };
    Some(percent_of(percent))
}

fn percent_of(percent: f64) -> String {
    match percent {
        p if p >= 9.95 => format!("±{p:.0}%"),
        p if p < 0.05 && p > 0.0 => "±<0.1%".into(),
        p => format!("±{p:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_three_digits_and_a_unit() {
        let counts =
            [(0.0, "0"), (999.4, "999"), (73_512.0, "73.5k"), (999_960.0, "1.00M"), (2.5e9, "2.50G")];
        for (value, text) in counts {
            assert_eq!(count(value), text);
        }
        let times = [(0.0, "0.00 ns"), (0.001, "<0.01 ns"), (0.42, "0.42 ns"), (870.0, "870 ns")];
        for (value, text) in times {
            assert_eq!(nanos(value), text);
        }
        assert_eq!(
            (nanos(12_100.0), nanos(3.4e6), nanos(999_960.0)),
            ("12.1 µs".into(), "3.40 ms".into(), "1.00 ms".into())
        );
    }

    #[test]
    fn a_nonzero_value_is_not_shown_as_zero() {
        for (value, text) in
            [(0.0, "0"), (1.0, "1.000"), (0.0312, "0.031"), (0.0005, "0.0005"), (1e-9, "<0.0001")]
        {
            assert_eq!(per_io(value), text);
        }
        assert_eq!(spread(100.0, &[101.0, 99.0, 100.0]).unwrap(), "±1.0%");
        assert_eq!(spread(100.0, &[99.99, 100.01]).unwrap(), "±<0.1%");
        assert_eq!(spread(100.0, &[100.0]), None);
    }
}
