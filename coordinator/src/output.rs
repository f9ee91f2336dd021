//! The only module that writes to standard output. It writes the results of commands and nothing else.

use std::io::{self, ErrorKind, Write as _};

/// Writes `text` to standard output, with a newline at its end. A closed pipe (`| head`) is not an error.
///
/// # Errors
/// Any other write error, for example a full disk.
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
