//! The only place that writes to standard output: what a command was asked for, and nothing else.

use std::io::{self, ErrorKind, Write as _};

/// Writes `text` to standard output, with a newline at its end. A reader that has gone away (`| head`) is
/// not an error: it has seen what it wanted.
///
/// # Errors
/// Where writing fails otherwise, such as on a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.is_empty() || text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
