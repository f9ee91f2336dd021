//! Parses values of fio's options: sizes, times, lists. Errors name the expected form.

/// A size in bytes. `kb_base` is fio's option of that name: 1024 (its default) means that `k` is 1024 and
/// `kib` is 1000; 1000 means that they follow the standards.
/// <https://fio.readthedocs.io/en/latest/fio_doc.html#parameter-types>
pub(super) fn size(text: &str, kb_base: u64) -> Result<u64, String> {
    let text = text.trim().to_ascii_lowercase();
    let wrong = || format!("`{text}` is not a size");
    if text.ends_with('%') {
        return Err("it is a percentage of the target; only sizes can be imported".into());
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).map_err(|_| wrong());
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = text[end..].trim();
    let iec = unit.len() == 3 && unit.ends_with("ib");
    let base = if iec { 2024 - kb_base } else { kb_base };
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    let bytes = number * (base.pow(power) as f64);
    if bytes.is_finite() && (0.0..9e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// Parses a time into nanoseconds; a bare number is in seconds.
pub(super) fn time(text: &str) -> Result<u64, String> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().map_err(|_| format!("`{text}` is not a time"))?;
    let unit: u64 = match text[end..].trim() {
        "" | "s" => 1_000_000_000,
        "d" => 86_400_000_000_000,
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "ms" | "msec" => 1_000_000,
        "us" | "usec" => 1_000,
        _ => return Err(format!("`{text}` is not a time")),
    };
    number.checked_mul(unit).ok_or_else(|| format!("`{text}` is too long"))
}

/// Parses a boolean; an option without a value is true.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        other => Err(format!("`{other}` must be 1 or 0")),
    }
}

/// Parses a whole number.
pub(super) fn number(text: &str) -> Result<u64, String> {
    size(text, 1024).map_err(|_| format!("`{}` is not a number", text.trim()))
}

/// Parses a list of CPUs: `1,3-5`.
pub(super) fn cpus(text: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("`{text}` is not a list of CPUs");
    let mut list = Vec::new();
    for part in text.split([',', ':']).map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) =
            (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
        if last < first || last >= 1 << 16 {
            return Err(wrong());
        }
        list.extend(first..=last);
    }
    Ok(list)
}

/// Parses a bit mask of CPUs.
pub(super) fn cpu_mask(text: &str) -> Result<Vec<u32>, String> {
    let mask = number(text)?;
    let list: Vec<u32> = (0..64).filter(|bit| mask >> bit & 1 == 1).collect();
    if list.is_empty() { Err("it contains no CPU".into()) } else { Ok(list) }
}

/// Parses a distribution of sizes, `4k/10:64k/50:32k/40`, into bytes and percentages. Entries without a percentage
/// share the rest, as in fio.
pub(super) fn split(text: &str, kb_base: u64) -> Result<Vec<(u64, u32)>, String> {
    let mut parts: Vec<(u64, Option<u32>)> = Vec::new();
    for part in text.split(':') {
        let (bytes, percent) = part.split_once('/').unwrap_or((part, ""));
        let percent = match percent.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| format!("`{text}` is not a percentage"))?),
        };
        match size(bytes, kb_base)? {
            0 => return Err(format!("`{}` is not a size of requests", bytes.trim())),
            bytes => parts.push((bytes, percent)),
        }
    }
    let assigned: u64 = parts.iter().filter_map(|(_, percent)| percent.map(u64::from)).sum();
    let open = parts.iter().filter(|(_, percent)| percent.is_none()).count() as u64;
    let left = 100u64.checked_sub(assigned).ok_or("the percentages add up to more than 100")?;
    if (open == 0 && left > 0) || (open > 0 && !left.is_multiple_of(open)) {
        return Err("the percentages do not add up to 100".into());
    }
    let share = left.checked_div(open).unwrap_or(0) as u32;
    let mut sizes: Vec<(u64, u32)> = Vec::new();
    for (bytes, percent) in parts {
        let percent = percent.unwrap_or(share);
        match sizes.iter_mut().find(|(known, _)| *known == bytes) {
            Some((_, sum)) => *sum += percent,
            None if percent > 0 => sizes.push((bytes, percent)),
            None => {}
        }
    }
    Ok(sizes)
}

/// The most sizes that stand for a range.
const RANGE_SIZES: u64 = 16;

/// Parses a range of sizes, `4k-64k`, into sizes at equal distances. As in fio, they are multiples of the smallest if that
/// is a power of two; otherwise of a page or a sector if the smallest is.
pub(super) fn range(text: &str, kb_base: u64) -> Result<Vec<u64>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (size(low, kb_base)?, size(high, kb_base)?);
    if low == 0 || high < low {
        return Err(format!("`{}` is not a range of sizes", text.trim()));
    }
    let unit = [4096, 512].into_iter().find(|unit| low.is_multiple_of(*unit)).unwrap_or(1);
    let unit = if low.is_power_of_two() { low } else { unit };
    let steps = (RANGE_SIZES - 1).min((high - low) / unit);
    let at = |step: u64| {
        low + ((high - low) as u128 * u128::from(step) / u128::from(steps.max(1))) as u64 / unit * unit
    };
    let mut sizes: Vec<u64> = (0..=steps).map(at).collect();
    sizes.dedup();
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_kb_base() {
        // As in fio 3.33: by default `k` is 1024 and `kib` 1000.
        for (text, base, bytes) in [
            ("4k", 1024, 4096),
            ("4KB", 1024, 4096),
            ("4ki", 1024, 4096),
            ("4kib", 1024, 4000),
            ("4k", 1000, 4000),
            ("4kib", 1000, 4096),
            ("1.5m", 1024, 1_572_864),
            ("0x200", 1024, 512),
            ("10G", 1024, 10 << 30),
            ("512b", 1024, 512),
        ] {
            assert_eq!(size(text, base), Ok(bytes), "{text}");
        }
        for text in ["", "k", "4x", "50%", "1..2", "-1", "99999999p", "ü"] {
            assert!(size(text, 1024).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_times_lists_and_splits() {
        assert_eq!(
            (time("60"), time("2m"), time("100ms")),
            (Ok(60_000_000_000), Ok(120_000_000_000), Ok(100_000_000))
        );
        assert!(time("fast").is_err() && time("99999999999999d").is_err());
        assert_eq!(cpus("1, 3-5"), Ok(vec![1, 3, 4, 5]));
        assert_eq!(cpu_mask("0x5"), Ok(vec![0, 2]));
        assert!(cpus("5-1").is_err() && cpus("").is_err());
        assert_eq!(split("4k/10:64k/50:32k/40", 1024), Ok(vec![(4096, 10), (65536, 50), (32768, 40)]));
        assert_eq!(split("4k/50:1k/:32k/", 1024), Ok(vec![(4096, 50), (1024, 25), (32768, 25)]));
        assert_eq!(range("4k-16k", 1024), Ok(vec![4096, 8192, 12288, 16384]));
        assert_eq!(range("8k", 1024), Ok(vec![8192]));
        let wide = range("24k-250k", 1024).unwrap();
        assert_eq!((wide.len(), wide[0], wide[1], *wide.last().unwrap()), (16, 24576, 36864, 253_952));
        assert!(wide.iter().all(|bytes| bytes.is_multiple_of(4096)));
        assert!(range("8k-4k", 1024).is_err() && range("0-4k", 1024).is_err() && range("x-y", 1024).is_err());
        assert!(split("4k/50", 1024).is_err() && split("4k/200", 1024).is_err());
    }
}
