//! How a test reports that it cannot run on this host.

/// Reports that a test, or a part of it, is skipped. With `RINGBENCH_NO_SKIP` set, as in CI as root, this is a failure,
/// so that no test is left out unnoticed.
///
/// # Panics
/// When `RINGBENCH_NO_SKIP` is set.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("RINGBENCH_NO_SKIP").is_none(),
        "skipped although RINGBENCH_NO_SKIP is set: {why}"
    );
    eprintln!("SKIPPED: {why}");
}
