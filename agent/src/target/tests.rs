//! Tests of targets on real file systems. Tests that a host does not permit are skipped with a message.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{Read, Seek, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    sync::atomic::AtomicU64,
    thread,
};

use proto::trial::{FileTarget, PathTarget};
use rustix::{
    fs::{SeekFrom, seek},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};
use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;

fn file(size: u64, direct: bool) -> Target {
    Target::File(FileTarget::new(ByteSize(size), direct))
}

fn path(path: &Path, direct: bool) -> Target {
    Target::Path(PathTarget { path: path.to_str().unwrap().to_owned(), direct })
}

fn prepare(targets: &mut Targets, target: &Target) -> Result<Prepared, Refusal> {
    targets.prepare(target, 4096, true, false, &mut |_, _, _| {}, &AtomicBool::new(false))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a test on a small tmpfs, in a separate thread and mount namespace.
fn on_small_tmpfs(options: &'static str, test: impl FnOnce(&Path) + Send + 'static) {
    let thread = thread::spawn(move || {
        // SAFETY: a separate mount namespace changes no memory and no descriptors of this thread.
        if let Err(errno) = unsafe { unshare_unsafe(UnshareFlags::NEWNS) } {
            crate::skip::skip(&format!("no mount namespace: {errno}"));
            return;
        }
        let dir = TempDir::new().unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let options = std::ffi::CString::new(options).unwrap();
        if let Err(errno) = mount_change("/", private)
            .and_then(|()| mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), options.as_c_str()))
        {
            crate::skip::skip(&format!("no tmpfs: {errno}"));
            return;
        }
        test(dir.path());
        rustix::mount::unmount(dir.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    });
    thread.join().unwrap();
}

#[test]
fn a_file_is_filled_with_unique_blocks() {
    let dir = TempDir::new().unwrap();
    let size = 3 * MIB + 8192;
    let mut targets = Targets::new(dir.path().into());
    let prepared = prepare(&mut targets, &file(size, false)).unwrap();
    let fd = prepared.open().unwrap();
    assert_eq!(seek(&fd, SeekFrom::Hole(0)).unwrap(), size, "no hole before the end");
    let mut data = Vec::new();
    let mut reader = File::from(fd);
    reader.rewind().unwrap();
    reader.read_to_end(&mut data).unwrap();
    assert_eq!(data.len() as u64, size);
    let blocks: HashSet<&[u8]> = data.chunks(4096).collect();
    assert_eq!(blocks.len() as u64, size / 4096, "all blocks are different");
    for block in data.chunks(4096) {
        let values: HashSet<u8> = block.iter().copied().collect();
        assert!(values.len() > 200, "random bytes have nearly all values");
    }
    assert_eq!(prepared.facts.cached_share, Some(CachedShare::Known(1000)));
    assert_eq!(prepared.facts.made_by, Some(MadeBy::Agent));
    assert!(prepared.facts.file_system.is_some());
}

#[test]
fn a_file_is_reused_and_then_removed() {
    let dir = TempDir::new().unwrap();
    let mut targets = Targets::new(dir.path().into());
    let fills = AtomicU64::new(0);
    let mut run = |target: &Target, writes| {
        let mut progress = |stage: &str, done, total| {
            if stage == "filling" && done == total {
                fills.fetch_add(1, Ordering::Relaxed);
            }
        };
        targets.prepare(target, 4096, true, writes, &mut progress, &AtomicBool::new(false)).unwrap()
    };
    let inode = |prepared: &Prepared| File::from(prepared.open().unwrap()).metadata().unwrap().ino();
    let first = run(&file(MIB, false), true);
    File::from(first.open().unwrap()).write_all_at(&[7; 4096], 4096).unwrap();
    let second = run(&file(MIB, false), false);
    assert_eq!(inode(&first), inode(&second));
    let reader = File::from(second.open().unwrap());
    assert!((&reader).write_all(b"x").is_err(), "a trial that only reads cannot write");
    let mut block = [0; 4096];
    reader.read_exact_at(&mut block, 4096).unwrap();
    assert_eq!(block, [7; 4096]);
    drop((first, reader));
    let third = run(&file(2 * MIB, false), false);
    assert_eq!(third.size, 2 * MIB);
    assert_eq!(fills.load(Ordering::Relaxed), 2, "refilled only for another size");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    drop((second, third, targets));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn direct_and_cached_trials_share_a_file() {
    let dir = TempDir::new().unwrap();
    let mut targets = Targets::new(dir.path().into());
    let direct = match prepare(&mut targets, &file(4 * MIB, true)) {
        Ok(direct) => direct,
        Err(refusal) if refusal.code() == "direct-refused" => {
            assert_eq!(refusal.field(), "target.file.direct");
            crate::skip::skip(&refusal.message());
            return;
        }
        Err(refusal) => panic!("{refusal:?}"),
    };
    assert_eq!(direct.facts.direct, Some(true));
    let fd = direct.open().unwrap();
    assert!(rustix::fs::fcntl_getfl(&fd).unwrap().contains(OFlags::DIRECT));
    assert_eq!(direct::read_block(fd.as_fd(), 4096), Ok(4096));
    if !direct.warnings.iter().any(|warning| warning.code() == "ram-backed") {
        let share = cache::cached_share(fd.as_fd(), direct.size, &AtomicBool::new(false)).unwrap();
        assert!(share.is_some_and(|share| share < 0.01), "still cached: {share:?}");
    }
    let cached = prepare(&mut targets, &file(4 * MIB, false)).unwrap();
    assert_eq!(cached.facts.cached_share, Some(CachedShare::Known(1000)), "warmed again");
    assert!(!rustix::fs::fcntl_getfl(cached.open().unwrap()).unwrap().contains(OFlags::DIRECT));
}

#[test]
fn misaligned_direct_blocks_are_refused_with_the_alignment() {
    let dir = TempDir::new().unwrap();
    let mut targets = Targets::new(dir.path().into());
    // Trials have blocks of whole sectors, so the test forces a smaller size.
    let odd =
        targets.prepare(&file(MIB, true), 1000, true, false, &mut |_, _, _| {}, &AtomicBool::new(false));
    match odd {
        Err(refusal) => {
            assert_eq!(refusal.code(), "direct-refused");
            assert!(refusal.remedy().contains("direct: false"), "{refusal:?}");
        }
        Ok(prepared) => crate::skip::skip(&format!("{} does any block", prepared.facts.file_system.unwrap())),
    }
}

#[test]
fn both_ways_of_measuring_the_cache_agree() {
    let dir = TempDir::new().unwrap();
    let mut targets = Targets::new(dir.path().into());
    let prepared = prepare(&mut targets, &file(2 * MIB, false)).unwrap();
    let fd = prepared.open().unwrap();
    let nobody = AtomicBool::new(false);
    if let Some(cached) = cache::bytes_by_reading(fd.as_fd(), 0..prepared.size, &nobody).unwrap() {
        assert_eq!(cached, prepared.size);
    } else {
        crate::skip::skip(&format!("{} cannot read without waiting", prepared.facts.file_system.unwrap()));
    }
}

#[test]
fn a_target_larger_than_the_disk_is_refused_with_sizes() {
    let dir = TempDir::new().unwrap();
    let refusal = prepare(&mut Targets::new(dir.path().into()), &file(1 << 60, true)).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("no-space", "target.file.size"));
    assert!(refusal.message().contains("needs 1073741824.0 GiB in "), "{}", refusal.message());
    assert!(refusal.message().contains("are free"), "{}", refusal.message());
    assert!(refusal.remedy().contains("--data-dir"));
}

#[test]
fn an_unusable_data_dir_is_refused() {
    let dir = TempDir::new().unwrap();
    let refused = |dir: &Path| prepare(&mut Targets::new(dir.into()), &file(MIB, true)).unwrap_err();
    assert_eq!(refused(&dir.path().join("none")).code(), "data-dir-missing");
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(refused(&plain).code(), "data-dir-not-a-directory");
    assert_eq!(fs::read(&plain).unwrap(), b"");
    if is_root() {
        eprintln!("not tested as root, which ignores permissions: an unwritable data directory");
    } else {
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let refusal = refused(&closed);
        assert_eq!(refusal.code(), "data-dir-read-only");
        assert!(refusal.remedy().contains("--data-dir"));
    }
    // procfs allows no new files and has no O_TMPFILE.
    assert!(["data-dir-read-only", "no-space"].contains(&refused(Path::new("/proc")).code()));
}

#[test]
fn a_read_only_mount_is_refused() {
    on_small_tmpfs("size=8m", |dir| {
        rustix::mount::mount_remount(dir, MountFlags::RDONLY, c"").unwrap();
        let refusal = prepare(&mut Targets::new(dir.into()), &file(MIB, true)).unwrap_err();
        assert_eq!(refusal.code(), "data-dir-read-only");
        assert!(refusal.message().contains("Read-only"), "{}", refusal.message());
    });
}

#[test]
fn warns_of_a_target_in_memory() {
    on_small_tmpfs("size=8m", |dir| {
        let prepared = prepare(&mut Targets::new(dir.into()), &file(MIB, false)).unwrap();
        assert_eq!(prepared.facts.file_system, Some(FileSystem::Tmpfs));
        assert!(prepared.warnings.iter().any(|warning| warning.code() == "ram-backed"));
    });
}

#[test]
fn a_disk_that_fills_up_gets_its_space_back() {
    on_small_tmpfs("size=4m", |dir| {
        // The space check would refuse this, but other processes can use up the space after it.
        let full = File::from(file::create(dir).unwrap().0);
        let nobody = AtomicBool::new(false);
        let refusal = file::fill(full.as_fd(), dir, 16 * MIB, &mut |_, _, _| {}, &nobody).unwrap_err();
        assert_eq!(refusal.code(), "no-space");
        assert!(refusal.message().contains("No space left on device"), "{}", refusal.message());
        assert!(refusal.message().contains("after 4 MiB"), "{}", refusal.message());
        drop(full);
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
        let before = rustix::fs::statvfs(dir).unwrap();
        assert_eq!(before.f_bfree, before.f_blocks, "the space is free again");
        let refusal = prepare(&mut Targets::new(dir.into()), &file(4 * MIB, true)).unwrap_err();
        assert!(refusal.message().contains("of which stay free"), "{}", refusal.message());
    });
}

#[test]
fn a_cancelled_fill_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let mut targets = Targets::new(dir.path().into());
    let cancelled = AtomicBool::new(false);
    let mut reported = Vec::new();
    let mut progress = |_: &str, done, total| {
        reported.push((done, total));
        cancelled.store(done > 0, Ordering::Relaxed);
    };
    let size = 256 * MIB;
    let refusal =
        targets.prepare(&file(size, false), 4096, true, false, &mut progress, &cancelled).unwrap_err();
    assert_eq!(refusal.code(), "cancelled");
    assert_eq!(reported, [(0, size), (64 * MIB, size)], "progress every 64 MiB until cancelled");
    assert!(targets.made.is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Targets that may be any file of this user.
fn of_user(dir: &Path) -> Targets {
    Targets::new(dir.into()).allowing_paths(Arc::new(AllowedPaths::of_user()))
}

#[test]
fn existing_files_need_permission() {
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("data");
    fs::write(&name, vec![1u8; 64 << 10]).unwrap();
    let refusal = prepare(&mut Targets::new(dir.path().into()), &path(&name, false)).unwrap_err();
    assert_eq!((refusal.code(), refusal.field()), ("path-not-allowed", "target.path".to_owned()));
    let allowed = AllowedPaths::below(&[dir.path().to_owned()]).unwrap();
    let mut targets = Targets::new(dir.path().into()).allowing_paths(Arc::new(allowed));
    prepare(&mut targets, &path(&name, false)).unwrap();
    // What exists elsewhere is not revealed.
    for outside in ["/etc/passwd", "/etc/no-such-file", "/etc"] {
        assert_eq!(
            prepare(&mut targets, &path(Path::new(outside), false)).unwrap_err().code(),
            "path-not-allowed"
        );
    }
}

/// Its cached pages could not be counted in a lifetime.
#[test]
fn a_sparse_file_of_the_largest_size_is_refused_at_once() {
    let dir = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let name = dir.path().join("huge");
    File::create(&name).unwrap().set_len(i64::MAX as u64).unwrap();
    let begun = std::time::Instant::now();
    let refusal = prepare(&mut of_user(dir.path()), &path(&name, false)).unwrap_err();
    assert_eq!(refusal.code(), "not-cached", "{refusal:?}");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn an_existing_file_is_only_read() {
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("data");
    fs::write(&name, vec![1u8; 64 << 10]).unwrap();
    let before = fs::metadata(&name).unwrap();
    let mut targets = of_user(dir.path());
    let prepared = prepare(&mut targets, &path(&name, false)).unwrap();
    assert_eq!((prepared.size, prepared.facts.made_by), (64 << 10, Some(MadeBy::Exists)));
    assert!(prepared.warnings.iter().all(|warning| warning.code() != "holes"), "{:?}", prepared.warnings);
    assert!(File::from(prepared.open().unwrap()).write_all(b"x").is_err());
    let refusal = targets
        .prepare(&path(&name, false), 4096, true, true, &mut |_, _, _| {}, &AtomicBool::new(false))
        .unwrap_err();
    assert_eq!(refusal.code(), "target-read-only");
    drop((prepared, targets));
    let after = fs::metadata(&name).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec(), before.len()),
        (after.ino(), after.mtime_nsec(), after.len())
    );
    assert_eq!(fs::read(&name).unwrap(), vec![1u8; 64 << 10]);
}

#[test]
fn warns_of_a_sparse_file() {
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("sparse");
    File::create(&name).unwrap().set_len(MIB).unwrap();
    let prepared = prepare(&mut of_user(dir.path()), &path(&name, false)).unwrap();
    let warning = prepared.warnings.iter().find(|warning| warning.code() == "holes").unwrap();
    assert!(warning.message().contains("a hole at byte 0"), "{}", warning.message());
    assert!(warning.message().contains("reading a hole does no I/O"));
}

#[test]
fn paths_without_a_regular_file_are_refused() {
    let dir = TempDir::new().unwrap();
    let mut targets = of_user(dir.path());
    let mut refused = |name: &Path| {
        let refusal = prepare(&mut targets, &path(name, true)).unwrap_err();
        assert_eq!(refusal.field(), "target.path");
        refusal
    };
    assert_eq!(refused(&dir.path().join("none")).code(), "target-missing");
    assert_eq!(refused(dir.path()).code(), "not-a-file");
    assert!(refused(Path::new("/dev/null")).message().contains("a character device"));
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(refused(&fifo).message().contains("a FIFO"), "without waiting for a writer");
    let dangling = dir.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    assert_eq!(refused(&dangling).code(), "target-missing");
    let small = dir.path().join("small");
    fs::write(&small, [0; 4095]).unwrap();
    assert_eq!(refused(&small).code(), "target-too-small");
    if is_root() {
        eprintln!("not tested as root, which ignores permissions: an unreadable file");
    } else {
        fs::set_permissions(&small, fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(refused(&small).code(), "target-permission");
    }
}

#[test]
fn reads_sizes_of_meminfo() {
    assert_eq!(meminfo("MemTotal:  8 kB\nMemAvailable:   2 kB\n", "MemAvailable"), Some(2048));
}
