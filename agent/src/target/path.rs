//! A target that exists already. It is looked at without being opened, so that naming a tape or a FIFO by
//! mistake does nothing to it, and then opened for reading and nothing else.

use std::os::fd::{AsFd, OwnedFd};

use proto::outcome::{Refusal, Warning};
use rustix::{
    fs::{self, FileType, Mode, OFlags, SeekFrom, Stat},
    io::Errno,
};

use super::{direct, failed, mib};

const FIELD: &str = "target.path";

/// Opens a regular file for reading; its size in bytes. A hole in it is told.
pub(super) fn open(
    path: &str,
    block_size: u64,
    warnings: &mut Vec<Warning>,
) -> Result<(OwnedFd, u64), Refusal> {
    let place = fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| open_failed(path, errno))?;
    let stat = fs::fstat(&place).map_err(|errno| open_failed(path, errno))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(not_a_file(path, kind));
    }
    let file = direct::reopen(place.as_fd(), OFlags::RDONLY).map_err(|errno| open_failed(path, errno))?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size < block_size {
        let message = format!("{path} has {size} bytes: not one block of {block_size}");
        return Err(
            Refusal::new("target-too-small", message, "a larger file, or a smaller block_size").at(FIELD)
        );
    }
    if let Some(message) = holes(&file, path, &stat, size) {
        let remedy = "fill the file with data, or let the agent make one: `target: {file: {size: ..}}`";
        warnings.push(Warning::new("holes", message, remedy));
    }
    Ok((file, size))
}

fn not_a_file(path: &str, kind: FileType) -> Refusal {
    let (what, remedy) = match kind {
        FileType::BlockDevice => {
            ("a block device", "name a file on it, or claim it: `target: {device: {path: .., serial: ..}}`")
        }
        FileType::CharacterDevice => ("a character device", "name a regular file"),
        FileType::Directory => ("a directory", "name a file in it"),
        FileType::Fifo => ("a FIFO", "name a regular file"),
        FileType::Socket => ("a socket", "name a regular file"),
        _ => ("no regular file", "name a regular file"),
    };
    Refusal::new("not-a-file", format!("{path} is {what}"), remedy).at(FIELD)
}

fn open_failed(path: &str, errno: Errno) -> Refusal {
    let refusal = match errno {
        Errno::NOENT | Errno::NOTDIR => Refusal::new(
            "target-missing",
            format!("there is no {path} on this host"),
            "name a file that exists on every host of the trial; it is never made",
        ),
        Errno::ACCESS | Errno::PERM => Refusal::new(
            "target-permission",
            format!("the agent may not read {path}"),
            "let the agent's user read it (and enter the directories above it), or name another",
        ),
        _ => failed(&format!("open {path}"), errno),
    };
    refusal.at(FIELD)
}

/// What is not really there, in words; nothing where all of it is.
fn holes(file: &OwnedFd, path: &str, stat: &Stat, size: u64) -> Option<String> {
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let first = fs::seek(file, SeekFrom::Hole(0)).ok().filter(|&hole| hole < size);
    match first {
        Some(hole) => Some(format!(
            "{path} has a hole at byte {hole} ({} of {} are allocated): a hole in a sparse file is not a read",
            mib(allocated.min(size)),
            mib(size)
        )),
        None if allocated < size => Some(format!(
            "{path} is sparse or compressed ({} of {} are allocated): a hole in a sparse file is not a read",
            mib(allocated),
            mib(size)
        )),
        None => None,
    }
}
