//! Signals of the whole process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Number of SIGHUP.
const HANGUP: u32 = 1;

/// Receives SIGHUP, unless the process was started with it ignored, as by `nohup`.
#[derive(Debug)]
pub struct Hangup(Option<Signal>);

/// Listens for SIGHUP from now on. Needs a runtime.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangup() -> io::Result<Hangup> {
    if is_ignored(HANGUP) { Ok(Hangup(None)) } else { signal(SignalKind::hangup()).map(Some).map(Hangup) }
}

impl Hangup {
    /// Waits for the signal.
    pub async fn received(&mut self) {
        match &mut self.0 {
            Some(signal) => _ = signal.recv().await,
            None => std::future::pending().await,
        }
    }
}

fn is_ignored(signal: u32) -> bool {
    let ignored = crate::status::status_field("SigIgn").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Makes a write beyond RLIMIT_FSIZE fail with an error. By default, the kernel ends the process without a word.
pub fn ignore_file_size_limit() {
    // SAFETY: the call changes the disposition of one signal, for which nothing in this program has a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_which_signals_are_ignored() {
        ignore_file_size_limit();
        assert!(is_ignored(libc::SIGXFSZ as u32));
        // The runtime of the test harness leaves it alone.
        assert!(!is_ignored(libc::SIGTERM as u32));
    }
}
