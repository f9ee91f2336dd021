//! Standard error, shared by progress bars, log lines and messages, so that they do not interleave.

mod cleaned;
pub mod full;

use std::io::{self, Write as _};

use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use proto::plain::clean_lines;

/// A handle to standard error. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Screen {
    /// A handle to standard error. Bars appear only if it is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()) }
    }

    /// The container for bars.
    #[must_use]
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes whole lines of plain text, above the bars if there are any.
    pub fn line(&self, text: &str) {
        self.bytes(format!("{}\n", clean_lines(text)).as_bytes());
    }

    /// Writes text that already ends in a newline; after the full screen is left, if there is one. Errors are ignored,
    /// because there is no other stream to report them.
    fn bytes(&self, text: &[u8]) {
        if full::hold(text) {
            return;
        }
        self.bars.suspend(|| {
            let _ = io::stderr().lock().write_all(text);
        });
    }

    /// Shows an error with its causes and its remedy.
    pub fn error(&self, error: &miette::Report) {
        self.bytes(format!("{}\n", cleaned::rendered(error).trim_end()).as_bytes());
    }

    /// Sends log lines here. `RUST_LOG` selects them; without it, the level is warnings and errors, and each `-v`
    /// raises it by one.
    pub fn log(&self, verbosity: u8) {
        let default = match verbosity {
            0 => "warn",
            1 => "warn,coordinator=info,agent=info",
            2 => "info,coordinator=debug,agent=debug",
            _ => "trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .with_writer(self.clone());
        // This fails only if the process already has a logger, which then serves.
        let _ = log.try_init();
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { screen: self, text: Vec::new() }
    }
}

/// One log line, written in one piece when it is complete.
#[derive(Debug)]
pub struct Line<'a> {
    screen: &'a Screen,
    text: Vec<u8>,
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.screen.bytes(&self.text);
        }
    }
}
