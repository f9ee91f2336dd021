//! An existing file as a target. It is examined without being opened, so that a wrong path, such as a tape drive or a
//! FIFO, has no side effects, and is then opened read-only.

use std::os::fd::{AsFd, OwnedFd};

use proto::{
    refusal::{FileKind, Refusal, TargetRefusal, TargetStep},
    units::ByteSize,
    warning::{TargetWarning, Warning},
};
use rustix::{
    fs::{self, FileType, OFlags, SeekFrom, Stat},
    io::Errno,
};

use super::{AllowedPaths, descriptor, os_error};

/// Opens a regular file for reading, if it is allowed. Returns its size in bytes, and warns of holes.
pub(super) fn open(
    allowed: &AllowedPaths,
    path: &str,
    block_size: u64,
    warnings: &mut Vec<Warning>,
) -> Result<(OwnedFd, u64), Refusal> {
    let place = allowed.find(path.as_ref()).map_err(|errno| match errno {
        Some(errno) => open_failed(path, errno),
        None => allowed.refusal(path),
    })?;
    let stat = fs::fstat(&place).map_err(|errno| open_failed(path, errno))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(not_a_file(path, kind));
    }
    let file = descriptor::reopen(place.as_fd(), OFlags::RDONLY).map_err(|errno| open_failed(path, errno))?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size < block_size {
        let path = path.to_owned();
        return Err(TargetRefusal::TargetTooSmall { path, device: false, size, block_size }.into());
    }
    warnings.extend(holes(&file, path, &stat, size).map(Warning::from));
    Ok((file, size))
}

fn not_a_file(path: &str, kind: FileType) -> Refusal {
    let kind = match kind {
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::Directory => FileKind::Directory,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        _ => FileKind::Other,
    };
    TargetRefusal::NotAFile { path: path.to_owned(), kind }.into()
}

fn open_failed(path: &str, errno: Errno) -> Refusal {
    let (path, device, error) = (path.to_owned(), false, os_error(errno));
    let refusal = match errno {
        Errno::NOENT | Errno::NOTDIR => TargetRefusal::TargetMissing { path, device },
        Errno::ACCESS | Errno::PERM => TargetRefusal::TargetPermission { path, device, error },
        _ => {
            let target_field = "target.path".to_owned();
            TargetRefusal::TargetFailed { step: TargetStep::Open(path), error, target_field }
        }
    };
    refusal.into()
}

/// The warning of holes; `None` if the whole file is allocated. It marks the trial, so that a file whose allocation is only
/// delayed or unknown must not cause it.
fn holes(file: &OwnedFd, path: &str, stat: &Stat, size: u64) -> Option<TargetWarning> {
    let blocks = |stat: &Stat| u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let mut allocated = blocks(stat);
    if allocated < size {
        // File systems may allocate as late as they write.
        let _ = fs::fdatasync(file);
        allocated = fs::fstat(file).as_ref().map_or(allocated, blocks);
    }
    let first_hole = fs::seek(file, SeekFrom::Hole(0)).ok().filter(|&hole| hole < size);
    // File systems that count no blocks report 0.
    (first_hole.is_some() || (1..size).contains(&allocated)).then(|| TargetWarning::Holes {
        path: path.to_owned(),
        size: ByteSize(size),
        allocated: ByteSize(allocated.min(size)),
        first_hole,
    })
}
