//! The limits beyond which a figure counts as evidence. `docs/explanations.md` gives the reason for each.

/// The share of a change in time per I/O from which on a cause is named.
pub const NAMED: f64 = 0.25;
/// The share that the named causes must account for together. Otherwise the cause is `unknown`.
pub const EXPLAINED: f64 = 0.5;
/// System calls per I/O have changed if they differ by this share, and by [`FEWEST_CALLS`].
pub const CALLS_CHANGED: f64 = 0.1;
/// Fewer calls per I/O than this cannot show in its time: a call costs some 100 ns, an I/O 1 µs or more.
pub const FEWEST_CALLS: f64 = 0.05;
/// The ratio of requests in flight from which on one arm has more. A batch completed in halves stays below it.
pub const MORE_IN_FLIGHT: f64 = 1.5;
/// The busy share from which on a CPU is full. The start of a trial and the host's own work take the rest.
pub const FULL: f64 = 0.9;
/// The busy share up to which a CPU is idle enough for waiting to be the limit.
pub const IDLE: f64 = 0.7;
/// The exponent up to which IOPS have reached a limit, as a power of the requests in flight: 4 times the requests
/// bring at most 1.32 times the IOPS. (Exponent 1 is no limit, 0 a hard one.)
pub const GROWTH: f64 = 0.2;
/// Arms do about the same if the interval of their ratio lies within 1 ± this.
pub const ALIKE: f64 = 0.2;
/// Figures of two arms that differ by at most this share count as equal.
pub const SAME: f64 = 0.1;
/// Bytes from which on copying outweighs a system call: at 5 to 10 bytes per ns, 32 KiB take 3 to 6 µs, a call 0.1 to
/// 0.5 µs.
pub const LARGE: f64 = 32.0 * 1024.0;
/// The increase of the punted share that counts.
pub const PUNTED: f64 = 0.25;
/// A polling thread and a worker on one CPU explain a loss if together they use this share of its time.
pub const TOGETHER: f64 = 0.5;
/// Open loop: the share of the offered rate that counts as reached, as in the warning `rate-not-reached`.
pub const REACHED: f64 = 0.98;

#[cfg(test)]
mod tests {
    #[test]
    fn documentation_names_every_threshold() {
        let page = include_str!("../../../../docs/explanations.md");
        let source = include_str!("thresholds.rs");
        let names = source.lines().filter_map(|line| line.strip_prefix("pub const "));
        for name in names.filter_map(|line| line.split_once(':')).map(|(name, _)| name) {
            assert!(page.contains(&format!("`{name}`")), "docs/explanations.md does not name {name}");
        }
    }
}
