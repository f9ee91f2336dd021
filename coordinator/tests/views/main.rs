//! The views of a run while it runs: `--tui` on a pseudo-terminal, and `--metrics`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod metrics;
mod pty;
#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "shared with the tests of faults, which use all of it")]
mod support;
mod terminal;

/// Two arms that need no device. `runtime` is that of one trial.
fn scenario(runtime: &str) -> String {
    format!(
        "name: views
target: {{file: {{size: 64KiB, direct: false}}}}
workload: {{warmup: 5ms, runtime: {runtime}}}
arms:
  fast: {{engine: \"null\"}}
  slow: {{engine: psync, busy_wait: 100us}}
trials: 2
noise: ignore
baseline: slow
"
    )
}
