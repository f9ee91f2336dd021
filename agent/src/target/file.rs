//! The file that the agent creates. It has no name, so it overwrites nothing and disappears with the process. It is
//! filled with data that neither compresses nor repeats, so that no layer below can take shortcuts.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use proto::{
    refusal::{NoSpaceCause, Refusal, TargetRefusal, TargetStep},
    units::ByteSize,
};
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::{
    fs::{FallocateFlags, Mode, OFlags, StatVfsMountFlags, fallocate, fdatasync, open, statvfs, unlink},
    io::{Errno, pwrite},
    process::{Resource, getrlimit},
};

use super::{Progress, check_cancelled, direct, facts, failed, memory_available, os_error, room_in_cache};

/// Size of one write, in bytes.
const CHUNK: usize = 1 << 20;
/// Size of the blocks that are all different from each other, in bytes.
const BLOCK: usize = 4096;
/// Size of the file that tests direct I/O, in bytes.
const PROBED: u64 = 256 << 10;
/// Seed of the contents; fixed, so that all runs read the same bytes.
const SEED: u64 = 0x5249_4E47_4245_4E43;

/// A file that has been created and filled.
#[derive(Debug)]
pub(super) struct Made {
    /// Opened for reading and writing, without O_DIRECT.
    pub file: Arc<OwnedFd>,
    /// In bytes.
    pub size: u64,
    /// Whether it was created without a name (O_TMPFILE).
    pub anonymous: bool,
}

/// Creates and fills a file of `size` bytes. `cached`: it must also fit into the page cache.
pub(super) fn make(
    data_dir: &Path,
    size: u64,
    cached: bool,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
) -> Result<Made, Refusal> {
    check_cancelled(cancelled)?;
    check_dir(data_dir)?;
    check_limit(size)?;
    check_space(data_dir, size)?;
    let (file, anonymous) = create(data_dir)?;
    let in_memory = facts::describe(&file).memory.is_some();
    if in_memory {
        check_memory(data_dir, size)?;
    } else if cached {
        room_in_cache(size, "target.file.direct")?;
    }
    // Allocate before writing: a lack of space shows at once, and the file's layout is less fragmented.
    match fallocate(&file, FallocateFlags::empty(), 0, size) {
        // Not supported by every file system; filling then allocates.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(errno) => return Err(no_space_or(errno, data_dir, size, 0)),
    }
    fill(file.as_fd(), data_dir, size, progress, cancelled)?;
    Ok(Made { file: Arc::new(file), size, anonymous })
}

/// Checks, without writing, that the data directory exists and is not read-only.
fn check_dir(data_dir: &Path) -> Result<(), Refusal> {
    let path = || data_dir.display().to_string();
    match std::fs::metadata(data_dir) {
        Ok(found) if !found.is_dir() => {
            return Err(TargetRefusal::DataDirNotADirectory { path: path() }.into());
        }
        Ok(_) => {}
        Err(error) => {
            return Err(TargetRefusal::DataDirMissing { path: path(), error: error.into() }.into());
        }
    }
    if statvfs(data_dir).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return Err(read_only(data_dir, Errno::ROFS));
    }
    Ok(())
}

fn read_only(data_dir: &Path, errno: Errno) -> Refusal {
    TargetRefusal::DataDirReadOnly { path: data_dir.display().to_string(), error: os_error(errno) }.into()
}

/// Checks RLIMIT_FSIZE. A write beyond it raises SIGXFSZ, which would kill the process.
fn check_limit(size: u64) -> Result<(), Refusal> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if size > limit => {
            Err(TargetRefusal::FileSizeLimit { needed: ByteSize(size), limit: ByteSize(limit) }.into())
        }
        _ => Ok(()),
    }
}

fn check_space(data_dir: &Path, size: u64) -> Result<(), Refusal> {
    // If the file system does not report free space, filling will fail if there is too little.
    let Ok(fs) = statvfs(data_dir) else { return Ok(()) };
    let free = fs.f_bavail.saturating_mul(fs.f_frsize);
    // Leave some space for the rest of the host.
    let margin = (fs.f_blocks.saturating_mul(fs.f_frsize) / 100).clamp(1 << 20, 1 << 30);
    if size.saturating_add(margin) > free {
        let cause = NoSpaceCause::Free { free: ByteSize(free), reserved: ByteSize(margin) };
        return Err(no_space(data_dir, size, cause));
    }
    Ok(())
}

/// Checks the available memory for a file on tmpfs: running out of memory would kill processes.
fn check_memory(data_dir: &Path, size: u64) -> Result<(), Refusal> {
    match memory_available() {
        Some(available) if size > available / 10 * 9 => {
            Err(no_space(data_dir, size, NoSpaceCause::Memory { available: ByteSize(available) }))
        }
        _ => Ok(()),
    }
}

fn no_space(data_dir: &Path, size: u64, cause: NoSpaceCause) -> Refusal {
    let place = data_dir.display().to_string();
    TargetRefusal::NoSpace { place, needed: ByteSize(size), cause }.into()
}

fn no_space_or(errno: Errno, data_dir: &Path, size: u64, written: u64) -> Refusal {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => {
            let (written, error) = (ByteSize(written), os_error(errno));
            no_space(data_dir, size, NoSpaceCause::Write { written, error })
        }
        _ => failed(TargetStep::Fill(data_dir.display().to_string()), errno),
    }
}

/// Creates a file without a name. Returns whether it was created so, or was unlinked after its creation.
pub(super) fn create(data_dir: &Path) -> Result<(OwnedFd, bool), Refusal> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match open(data_dir, flags | OFlags::TMPFILE, mode) {
        Ok(file) => return Ok((file, true)),
        // The errors of file systems and kernels without O_TMPFILE.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::NOSYS) => {}
        Err(errno) => return Err(create_failed(data_dir, errno)),
    }
    for _ in 0..16 {
        let random = RandomState::new().build_hasher().finish();
        let path = data_dir.join(format!("ringbench-{}-{random:016x}.tmp", std::process::id()));
        match open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode) {
            Ok(file) => {
                unlink(&path)
                    .map_err(|errno| failed(TargetStep::Unlink(path.display().to_string()), errno))?;
                return Ok((file, false));
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(create_failed(data_dir, errno)),
        }
    }
    Err(create_failed(data_dir, Errno::EXIST))
}

fn create_failed(data_dir: &Path, errno: Errno) -> Refusal {
    match errno {
        // procfs returns ENOENT.
        Errno::ROFS | Errno::ACCESS | Errno::PERM | Errno::NOENT => read_only(data_dir, errno),
        Errno::NOSPC | Errno::DQUOT => no_space(data_dir, 0, NoSpaceCause::Create { error: os_error(errno) }),
        _ => failed(TargetStep::Create(data_dir.display().to_string()), errno),
    }
}

/// Writes the whole file and waits until the data is on the device.
pub(super) fn fill(
    fd: BorrowedFd<'_>,
    data_dir: &Path,
    size: u64,
    progress: Progress<'_>,
    cancelled: &AtomicBool,
) -> Result<(), Refusal> {
    let mut tile = vec![0u8; CHUNK];
    Xoshiro256PlusPlus::seed_from_u64(SEED).fill_bytes(&mut tile);
    progress("filling", 0, size);
    let (mut offset, mut reported) = (0u64, 0u64);
    while offset < size {
        check_cancelled(cancelled)?;
        stamp(&mut tile, offset);
        let len = (CHUNK as u64).min(size - offset) as usize;
        let mut done = 0;
        while done < len {
            match pwrite(fd, &tile[done..len], offset + done as u64) {
                Ok(0) => return Err(no_space_or(Errno::NOSPC, data_dir, size, offset)),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(no_space_or(errno, data_dir, size, offset + done as u64)),
            }
        }
        offset += len as u64;
        if offset - reported >= super::PROGRESS_STEP {
            reported = offset;
            progress("filling", offset, size);
        }
    }
    // With delayed allocation, a lack of space may show only here.
    fdatasync(fd).map_err(|errno| no_space_or(errno, data_dir, size, size))?;
    progress("filling", size, size);
    Ok(())
}

/// Makes each block of the tile unique in the file by writing its offset at its start.
fn stamp(tile: &mut [u8], offset: u64) {
    for (index, block) in tile.chunks_exact_mut(BLOCK).enumerate() {
        block[..8].copy_from_slice(&(offset + (index * BLOCK) as u64).to_le_bytes());
    }
}

/// Tests direct I/O with a small file in the data directory. Returns a description of the test.
pub(crate) fn probe_direct_io(data_dir: &Path) -> Result<String, Refusal> {
    check_dir(data_dir)?;
    let (file, anonymous) = create(data_dir)?;
    let nobody = AtomicBool::new(false);
    fill(file.as_fd(), data_dir, PROBED, &mut |_, _, _| {}, &nobody)?;
    let storage = facts::describe(&file);
    let check =
        |writes| direct::check(file.as_fd(), (PROBED, BLOCK as u64), writes, &storage.file_system, "");
    check(false)?;
    let kind = if anonymous { "a file without a name" } else { "an unlinked file" };
    let writes = match check(true) {
        Ok(true) => "no pages in the page cache".to_owned(),
        Ok(false) => "other caches unknown".to_owned(),
        Err(refusal) => format!("but not for writes: {refusal} ({})", refusal.remedy()),
    };
    Ok(format!("read {} of {kind} on {}; {writes}", ByteSize(BLOCK as u64), storage.file_system))
}
