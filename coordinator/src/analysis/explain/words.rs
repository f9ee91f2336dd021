//! Figures as the sentences and the evidence show them.

use super::figures::Figures;
use crate::units;

/// `4.56x`, `29x`.
pub(super) fn times(ratio: f64) -> String {
    let digits = if ratio < 9.995 { 2 } else { 0 };
    format!("{ratio:.digits$}x")
}

/// A count of requests: `1`, `15.5`, `127`.
pub(super) fn requests(count: f64) -> String {
    if (count - count.round()).abs() < 0.05 || count >= 99.95 {
        format!("{:.0}", count.round())
    } else {
        format!("{count:.1}")
    }
}

/// `97 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// `NAME: A against B`, where both were measured.
pub(super) fn against(
    name: &str,
    arm: Option<f64>,
    baseline: Option<f64>,
    show: fn(f64) -> String,
) -> Option<String> {
    Some(format!("{name}: {} against {}", show(arm?), show(baseline?)))
}

/// All figures of both that could explain a difference.
pub(super) fn all(arm: &Figures<'_>, base: &Figures<'_>) -> Vec<String> {
    let some = |value: Option<f64>| value.filter(|value| *value > 0.0);
    let threads = some(arm.kernel_threads).or(some(base.kernel_threads)).is_some();
    let mut told = vec![
        against("IOPS", Some(arm.iops), Some(base.iops), units::count),
        against("requests in flight", arm.in_flight(), base.in_flight(), requests),
        against("user time per I/O", arm.user, base.user, units::nanos),
        against("system time per I/O", arm.system, base.system, units::nanos),
        against("waiting per I/O", arm.waiting(), base.waiting(), units::nanos),
        against("system calls per I/O", arm.calls, base.calls, units::per_io),
    ];
    if threads {
        told.push(against("kernel threads per I/O", arm.kernel_threads, base.kernel_threads, units::nanos));
    }
    told.into_iter().flatten().collect()
}

/// Context switches of both.
pub(super) fn switches(arm: &Figures<'_>, base: &Figures<'_>) -> Option<String> {
    against("context switches per I/O", arm.switches, base.switches, units::per_io)
}

/// Interrupts of both.
pub(super) fn interrupts(arm: &Figures<'_>, base: &Figures<'_>) -> Option<String> {
    let of = |figures: &Figures<'_>| figures.cell.cost.interrupts_per_io.filter(|count| count.is_finite());
    against("interrupts per I/O", of(arm), of(base), units::per_io)
}
