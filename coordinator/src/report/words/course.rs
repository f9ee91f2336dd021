//! The pauses of a run, and the common start of its hosts.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    summary::{
        course::{Pause, PauseReason},
        start::StartSkew,
    },
    units::some,
};

/// The most pauses that are listed.
const FEW: usize = 3;

/// How far apart the hosts began, in one line.
pub(in crate::report) fn start(start: &StartSkew) -> String {
    let ms = |ns: u64| format!("{:.2} ms", ns as f64 / 1e6);
    format!(
        "Hosts began within {} of each other (median of {}; at most {}; error up to {})",
        ms(start.median_ns),
        some(start.trials as usize, "trial"),
        ms(start.max_ns),
        ms(start.error_ns)
    )
}

/// The pauses in one line; `None` without any. Of a run that was continued by further trials, also the number of times
/// that its results were seen.
pub(in crate::report) fn pauses(pauses: &[Pause], looks: u32) -> Option<String> {
    let seen = match looks {
        0 | 1 => String::new(),
        looks => format!("; seen {looks} times, for which verdicts are corrected"),
    };
    let listed: Vec<String> = pauses.iter().take(FEW).map(pause).collect();
    let more = match pauses.len().saturating_sub(FEW) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    (!listed.is_empty()).then(|| {
        format!("Resumed after {}: {}{more}", some(pauses.len(), "pause"), listed.join("; ")) + &seen
    })
}

fn pause(pause: &Pause) -> String {
    let place = match &pause.after_trial {
        Some(trial) => format!("after trial {trial}"),
        None => "before the first trial".into(),
    };
    format!("{} {place} ({})", length(pause), reason(pause.reason))
}

fn reason(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Interrupted => "interrupted",
        PauseReason::Killed => "the coordinator was killed",
        PauseReason::HostLost => "a host was lost",
        PauseReason::Refused => "a host refused cells",
        PauseReason::NotStored => "results could not be stored",
        PauseReason::Complete => "complete, then continued by further trials",
    }
}

/// The length of a pause, to one unit.
fn length(pause: &Pause) -> String {
    let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let Some((from, to)) = at(&pause.stopped_at).zip(at(&pause.resumed_at)) else {
        return "some time".into();
    };
    match (to - from).whole_seconds().max(0) {
        0 => "less than 1 s".into(),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stopped: &str, resumed: &str, after: Option<&str>) -> Pause {
        Pause {
            stopped_at: format!("2026-11-22T{stopped}Z"),
            resumed_at: format!("2026-11-22T{resumed}Z"),
            reason: PauseReason::Killed,
            after_trial: after.map(Into::into),
        }
    }

    #[test]
    fn the_skew_has_its_bound() {
        let measured = StartSkew { trials: 9, median_ns: 21_000, max_ns: 1_240_000, error_ns: 90_000 };
        assert_eq!(
            start(&measured),
            "Hosts began within 0.02 ms of each other (median of 9 trials; at most 1.24 ms; error up to 0.09 ms)"
        );
    }

    #[test]
    fn pauses_are_one_line() {
        assert_eq!(pauses(&[], 1), None);
        let first = of("08:00:00", "08:00:45", Some("0040-uring"));
        let second = Pause { reason: PauseReason::Interrupted, ..of("09:00:00", "12:10:00", None) };
        assert_eq!(
            pauses(&[first.clone(), second], 1).unwrap(),
            "Resumed after 2 pauses: 45 s after trial 0040-uring (the coordinator was killed); 3 h before the \
             first trial (interrupted)"
        );
        let many = pauses(&vec![first; 5], 1).unwrap();
        assert!(many.starts_with("Resumed after 5 pauses: 45 s") && many.ends_with("; and 2 more"), "{many}");
        assert!(
            pauses(&[of("08:00:00", "07:59:00", None)], 2)
                .unwrap()
                .ends_with("(the coordinator was killed); seen 2 times, for which verdicts are corrected")
        );
    }
}
