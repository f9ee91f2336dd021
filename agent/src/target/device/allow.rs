//! The block devices that the agent may use: a list set at the agent's start, which coordinators cannot change. Empty
//! by default.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, major, minor, stat};

/// Devices and the identities that they must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    identity: String,
}

/// An invalid list.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// An invalid entry.
    #[error(
        "`{0}` is not PATH=SERIAL with an absolute path, such as /dev/nvme0n1=S3R1AL (lsblk -o PATH,SERIAL,WWN)"
    )]
    Entry(String),
    /// An invalid line of the file.
    #[error("{}, line {line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The error in this line.
        source: Box<AllowError>,
    },
    /// The file cannot be read.
    #[error("--allow-devices {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: std::io::Error,
    },
}

impl AllowList {
    /// Reads `PATH=SERIAL` entries and, if given, a file with one entry per line, in which `#` begins a comment.
    ///
    /// # Errors
    /// [`AllowError`] with the invalid entry or line.
    pub fn read(entries: &[String], file: Option<&Path>) -> Result<Self, AllowError> {
        let mut list = Self::default();
        for text in entries {
            list.entries.push(entry(text)?);
        }
        if let Some(path) = file {
            let named = |source| AllowError::File { path: path.to_owned(), source };
            for (index, line) in fs::read_to_string(path).map_err(named)?.lines().enumerate() {
                // `#` begins a comment only at the start of a line or after a space, because a serial number may
                // contain it.
                let line = line.split(" #").next().unwrap_or(line).trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let placed = |source| AllowError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    source: Box::new(source),
                };
                list.entries.push(entry(line).map_err(placed)?);
            }
        }
        Ok(list)
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the list has this path.
    pub(super) fn names(&self, path: &str) -> bool {
        self.entries.iter().any(|entry| entry.path == Path::new(path))
    }

    /// The identities listed for a device, under the given path or another path to it, such as one in /dev/disk/by-id.
    /// `None` if the device is not listed.
    pub(super) fn find(&self, path: &str, number: (u32, u32)) -> Option<Vec<&str>> {
        let same =
            |entry: &&Entry| entry.path == Path::new(path) || device_number(&entry.path) == Some(number);
        let found: Vec<&str> =
            self.entries.iter().filter(same).map(|entry| entry.identity.as_str()).collect();
        (!found.is_empty()).then_some(found)
    }
}

fn entry(text: &str) -> Result<Entry, AllowError> {
    let refused = || AllowError::Entry(text.to_owned());
    let (path, identity) = text.split_once('=').ok_or_else(refused)?;
    let (path, identity) = (path.trim(), identity.trim());
    if !path.starts_with('/') || identity.is_empty() {
        return Err(refused());
    }
    Ok(Entry { path: path.into(), identity: identity.to_owned() })
}

/// The number of the block device at a path.
pub(super) fn device_number(path: &Path) -> Option<(u32, u32)> {
    let stat = stat(path).ok()?;
    let is_block = FileType::from_raw_mode(stat.st_mode).is_block_device();
    is_block.then(|| (major(stat.st_rdev), minor(stat.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_and_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "# lab\n/dev/sdb=naa.5000  # the old one\n\n /dev/sdc = A#1\n").unwrap();
        let list = AllowList::read(&["/dev/x=S=1".to_owned()], Some(file.path())).unwrap();
        assert_eq!(list.find("/dev/x", (9999, 0)), Some(vec!["S=1"]));
        assert_eq!(list.find("/dev/sdb", (9999, 0)), Some(vec!["naa.5000"]));
        assert_eq!(list.find("/dev/sdc", (9999, 0)), Some(vec!["A#1"]));
        assert_eq!(list.find("/dev/sdd", (9999, 0)), None);
        assert_eq!(AllowList::default().find("/dev/x", (1, 1)), None);
    }

    #[test]
    fn names_the_invalid_entry() {
        for text in ["/dev/x", "/dev/x=", "dev/x=S", "="] {
            assert!(AllowList::read(&[text.to_owned()], None).is_err(), "{text}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "\n/dev/x\n").unwrap();
        let message = AllowList::read(&[], Some(file.path())).unwrap_err().to_string();
        assert!(message.contains("line 2: `/dev/x` is not PATH=SERIAL"), "{message}");
    }
}
