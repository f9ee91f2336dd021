//! `run.lock`: at most one process writes a run, and the next one learns how it ended.
//!
//! The kernel drops the lock when its holder ends, however it ends. The note in the file is overwritten in place within
//! its first block, which is allocated at the start, so that a full disk does not prevent it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::summary::course::PauseReason;

/// The size of the file.
const SIZE: usize = 4096;

/// A note about the process that writes a run, or wrote it last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its process ID.
    pub process: u32,
    /// The machine on which it runs.
    pub machine: String,
    /// When it last recorded something, in UTC, RFC 3339.
    pub recorded_at: String,
    /// How it ended; absent while it runs, and if it was killed.
    pub ended: Option<PauseReason>,
}

impl Writer {
    /// This process.
    fn this() -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { process: std::process::id(), machine, recorded_at: super::now(), ended: None }
    }
}

/// The lock of a run directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    writer: Writer,
    previous: Option<Writer>,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub(super) enum NotLocked {
    /// Another process holds it.
    Held(Writer),
    /// The file system returned an error.
    Io(io::Error),
}

impl From<io::Error> for NotLocked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    /// Takes the lock. The note of the previous holder is kept until [`Lock::note`].
    pub(super) fn take(path: &Path) -> Result<Self, NotLocked> {
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).custom_flags(nofollow).open(path)?;
        let mut text = Vec::new();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                file.read_to_end(&mut text)?;
                return Err(NotLocked::Held(read(&text).unwrap_or_default()));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.read_to_end(&mut text)?;
        Ok(Self { file, writer: Writer::this(), previous: read(&text) })
    }

    /// The process that wrote the run before this one.
    pub(super) fn previous(&self) -> Option<&Writer> {
        self.previous.as_ref()
    }

    /// Notes that something was recorded now, or how this process ends.
    pub(super) fn note(&mut self, ended: Option<PauseReason>) -> io::Result<()> {
        (self.writer.recorded_at, self.writer.ended) = (super::now(), ended);
        let mut text = serde_json::to_vec(&self.writer).map_err(io::Error::other)?;
        text.resize(SIZE.max(text.len() + 1), b' ');
        if let Some(last) = text.last_mut() {
            *last = b'\n';
        }
        self.file.write_all_at(&text, 0)
    }
}

fn read(text: &[u8]) -> Option<Writer> {
    // A note that was torn by a power failure reads as if there were none.
    serde_json::from_slice(text.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_and_the_next_one_learns_how_the_first_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let mut first = Lock::take(&path).unwrap();
        assert_eq!(first.previous(), None);
        first.note(None).unwrap();
        let Err(NotLocked::Held(holder)) = Lock::take(&path) else { panic!("both hold it") };
        assert_eq!((holder.process, holder.ended), (std::process::id(), None));
        first.note(Some(PauseReason::Interrupted)).unwrap();
        drop(first);
        let second = Lock::take(&path).unwrap();
        assert_eq!(second.previous().unwrap().ended, Some(PauseReason::Interrupted));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), SIZE as u64);
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join("run.lock")).unwrap();
        assert!(matches!(Lock::take(&dir.path().join("run.lock")), Err(NotLocked::Io(_))));
        assert_eq!(std::fs::read(&other).unwrap(), b"precious");
    }
}
