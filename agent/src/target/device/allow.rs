//! The block devices that the owner of a host lets its agent use: a list given at the agent's start, which no
//! coordinator can change. Empty unless given.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, major, minor, stat};

/// Devices with the identities that they must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    identity: String,
}

/// A list that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// An entry that is none.
    #[error(
        "`{0}` is not PATH=SERIAL with an absolute path, such as /dev/nvme0n1=S3R1AL (lsblk -o PATH,SERIAL,WWN)"
    )]
    Entry(String),
    /// A line of the file that is none.
    #[error("{}, line {line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        source: Box<AllowError>,
    },
    /// The file itself.
    #[error("--allow-devices {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl AllowList {
    /// Reads `PATH=SERIAL` entries and, if there is one, a file with such a line for each device. In the file
    /// `#` begins a comment.
    ///
    /// # Errors
    /// Names the entry or line that is none.
    pub fn read(entries: &[String], file: Option<&Path>) -> Result<Self, AllowError> {
        let mut list = Self::default();
        for text in entries {
            list.entries.push(entry(text)?);
        }
        if let Some(path) = file {
            let named = |source| AllowError::File { path: path.to_owned(), source };
            for (index, line) in fs::read_to_string(path).map_err(named)?.lines().enumerate() {
                // Only at a line's start or after a space: a serial may contain one.
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

    /// Whether no device may be used.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The identities that are listed for a device: under the name asked for, or under another name of it,
    /// such as one in /dev/disk/by-id. Nothing where it is not listed.
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

/// The number of the block device that a path leads to.
pub(super) fn device_number(path: &Path) -> Option<(u32, u32)> {
    let stat = stat(path).ok()?;
    let is_block = FileType::from_raw_mode(stat.st_mode).is_block_device();
    is_block.then(|| (major(stat.st_rdev), minor(stat.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_files_are_read() {
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
    fn what_is_no_entry_is_named() {
        for text in ["/dev/x", "/dev/x=", "dev/x=S", "="] {
            assert!(AllowList::read(&[text.to_owned()], None).is_err(), "{text}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "\n/dev/x\n").unwrap();
        let said = AllowList::read(&[], Some(file.path())).unwrap_err().to_string();
        assert!(said.contains("line 2: `/dev/x` is not PATH=SERIAL"), "{said}");
    }
}
