//! Selects the runs to list.

use time::{
    Date, Duration, OffsetDateTime, UtcOffset,
    format_description::well_known::{Iso8601, Rfc3339},
};

use crate::summary::RunEntry;

/// Criteria of the list; absent ones select every run.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Its scenario.
    pub scenario: Option<String>,
    /// The earliest start.
    pub since: Option<OffsetDateTime>,
    /// A host that took part.
    pub host: Option<String>,
    /// Labels that one of its hosts must have, all of them.
    pub labels: Vec<(String, String)>,
    /// Only runs that failed or have no result.
    pub failed: bool,
    /// The most runs listed; the newest are kept.
    pub limit: Option<usize>,
}

impl Filter {
    /// The selected runs, in the given order (oldest first).
    #[must_use]
    pub fn choose<'a>(&self, runs: &'a [RunEntry]) -> Vec<&'a RunEntry> {
        let mut chosen: Vec<&RunEntry> = runs.iter().filter(|run| self.wants(run)).collect();
        if let Some(limit) = self.limit {
            chosen.drain(..chosen.len().saturating_sub(limit));
        }
        chosen
    }

    fn wants(&self, run: &RunEntry) -> bool {
        let began = || OffsetDateTime::parse(&run.started_at, &Rfc3339).ok();
        let labelled = |labels: &std::collections::BTreeMap<String, String>| {
            self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        self.scenario.as_ref().is_none_or(|scenario| run.scenario == *scenario)
            && self.since.is_none_or(|since| began().is_some_and(|began| began >= since))
            && self.host.as_ref().is_none_or(|host| run.hosts.contains_key(host))
            && (self.labels.is_empty() || run.hosts.values().any(labelled))
            && (!self.failed || run.failed())
    }
}

/// Reads a day (`2026-11-22`, from its beginning in UTC), a time (RFC 3339), or a duration before now (`7d`, `12h`,
/// `30min`).
///
/// # Errors
/// The text has none of these forms.
pub fn since(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    type Unit = (&'static str, fn(i64) -> Duration);
    let units: [Unit; 4] =
        [("min", Duration::minutes), ("h", Duration::hours), ("d", Duration::days), ("w", Duration::weeks)];
    for (unit, length) in units {
        // The bound keeps the product within the range of a duration.
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u32>().ok())
            && let Some(at) = now.checked_sub(length(i64::from(count)))
        {
            return Ok(at);
        }
    }
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(at);
    }
    let day = Date::parse(text, &Iso8601::DATE);
    day.map(|day| day.midnight().assume_offset(UtcOffset::UTC)).map_err(|_| {
        "expected a day (2026-11-22), a time (2026-11-22T10:00:00Z), or a duration (7d, 12h)".to_owned()
    })
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// The text does not have that form.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as kernel=patched".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn reads_three_forms_of_times() {
        let now = datetime!(2026-11-22 10:00 UTC);
        assert_eq!(since("2026-11-20", now).unwrap(), datetime!(2026-11-20 0:00 UTC));
        assert_eq!(since("2026-11-20T12:00:00+01:00", now).unwrap(), datetime!(2026-11-20 11:00 UTC));
        assert_eq!(since("2d", now).unwrap(), datetime!(2026-11-20 10:00 UTC));
        assert_eq!(since("90min", now).unwrap(), datetime!(2026-11-22 8:30 UTC));
        for text in ["", "yesterday", "d", "-2d", "2026-13-01", "99999999999d", "4294967295w"] {
            assert!(since(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_runs_by_each_criterion() {
        let run = |day: u32, exit, label: &str| RunEntry {
            name: format!("r{day}"),
            started_at: format!("2026-11-{day:02}T00:00:00Z"),
            scenario: if day == 2 { "ladder" } else { "sweep" }.into(),
            hosts: BTreeMap::from([("n1".into(), BTreeMap::from([("kernel".into(), label.into())]))]),
            exit,
            ..RunEntry::default()
        };
        let runs = [run(1, Some(0), "stock"), run(2, Some(1), "stock"), run(3, None, "patched")];
        let names = |filter: Filter| {
            filter.choose(&runs).iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        let any = Filter::default;
        assert_eq!(names(any()), "r1 r2 r3");
        assert_eq!(names(Filter { failed: true, ..any() }), "r2 r3");
        assert_eq!(names(Filter { limit: Some(2), ..any() }), "r2 r3");
        assert_eq!(names(Filter { scenario: Some("sweep".into()), limit: Some(1), ..any() }), "r3");
        assert_eq!(names(Filter { since: Some(datetime!(2026-11-02 0:00 UTC)), ..any() }), "r2 r3");
        assert_eq!(names(Filter { host: Some("n2".into()), ..any() }), "");
        assert_eq!(names(Filter { labels: vec![label("kernel=stock").unwrap()], ..any() }), "r1 r2");
        assert!(label("=x").is_err() && label("x").is_err());
    }
}
