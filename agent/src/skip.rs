//! For tests: how one that cannot run here says so.

/// Says that a test, or a part of it, is skipped. Where `RINGBENCH_NO_SKIP` is set, as in CI as root, that
/// is a failure: nothing may be left out there unseen.
///
/// # Panics
/// Where `RINGBENCH_NO_SKIP` is set.
pub fn skip(why: &str) {
    assert!(std::env::var_os("RINGBENCH_NO_SKIP").is_none(), "skipped where nothing may be: {why}");
    eprintln!("SKIPPED: {why}");
}
