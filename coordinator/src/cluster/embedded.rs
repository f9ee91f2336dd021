//! The embedded agent: a child process of the same executable. It speaks the same gRPC as any other agent, over a
//! socket on its standard input. No other process can connect to it. It ends when the socket closes, so it never
//! outlives the coordinator.

use std::{
    collections::VecDeque,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdUnixStream, process::ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use proto::refusal::{EmbeddedFailure, HostRefusal, Refusal};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::screen::Screen;

/// The hidden command that the child runs.
pub const SUBCOMMAND: &str = "__agent";

/// Lines of the child's log that are kept, to quote them if it ends.
const LAST_LINES: usize = 12;

/// Options of the embedded agent.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The executable, which must provide [`SUBCOMMAND`].
    pub program: PathBuf,
    /// The directory for its files.
    pub data_dir: PathBuf,
}

/// A running child.
#[derive(Debug)]
pub(super) struct Embedded {
    child: Child,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    forwarder: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts the child and returns the coordinator's end of its socket.
    pub(super) fn spawn(options: &EmbeddedOptions, screen: &Screen) -> Result<(Self, UnixStream), Refusal> {
        Self::try_spawn(options, screen).map_err(|error| {
            let program = options.program.display().to_string();
            let failure = EmbeddedFailure::NotStarted { program, error: error.into() };
            HostRefusal::EmbeddedAgent { failure }.into()
        })
    }

    fn try_spawn(options: &EmbeddedOptions, screen: &Screen) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let mut child = Command::new(&options.program)
            .arg(SUBCOMMAND)
            .arg("--data-dir")
            .arg(absolute(&options.data_dir)?)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // Standard output is reserved for the comparison.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal reaches only the coordinator, which then ends the child.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let last_lines = Arc::default();
        let forwarder = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(forward(stderr, screen.clone(), Arc::clone(&last_lines))));
        Ok((Self { child, last_lines, forwarder }, ours))
    }

    /// How a child ended, with the last lines of its log; `None` if it still runs.
    pub(super) async fn post_mortem(&mut self) -> Option<EmbeddedFailure> {
        let status = match timeout(Duration::from_millis(500), self.child.wait()).await {
            Ok(Ok(status)) => status,
            _ => return None,
        };
        if let Some(forwarder) = self.forwarder.take() {
            // A grandchild may keep the pipe open, so only the lines received so far are used.
            let _ = timeout(Duration::from_millis(200), forwarder).await;
        }
        let log = self.last_lines.lock().map(|lines| lines.iter().cloned().collect()).unwrap_or_default();
        Some(EmbeddedFailure::Ended { signal: status.signal(), status: status.to_string(), log })
    }

    /// Waits for the child after its socket was closed; kills it if it does not end by itself.
    pub(super) async fn end(mut self, limit: Duration) {
        if timeout(limit, self.child.wait()).await.is_err() {
            tracing::warn!("the embedded agent did not end by itself; killing it");
            // A child that waits in the kernel for a device ends only when the device answers, which may never
            // happen.
            match timeout(limit, self.child.kill()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("cannot kill the embedded agent: {error}"),
                Err(_) => {
                    tracing::warn!("the embedded agent hangs in the kernel and is left behind: see `dmesg`")
                }
            }
        }
        if let Some(forwarder) = self.forwarder.take() {
            let _ = timeout(Duration::from_millis(200), forwarder).await;
        }
    }
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Forwards the child's log to the coordinator's, line by line. Invalid UTF-8 becomes replacement characters.
async fn forward(stderr: ChildStderr, screen: Screen, last_lines: Arc<Mutex<VecDeque<String>>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        screen.line(&format!("agent: {text}"));
        if let Ok(mut lines) = last_lines.lock() {
            if lines.len() == LAST_LINES {
                lines.pop_front();
            }
            lines.push_back(text);
        }
    }
}
