//! Tests of claims on real loop devices: refusals, and exclusive access.

use std::{
    ffi::CString,
    fs::{self, File},
    os::{
        fd::{AsFd, AsRawFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    sync::atomic::AtomicBool,
};

use proto::{
    facts::{CachedShare, FileSystem},
    trial::Target,
};
use rustix::{
    mount::{MountFlags, mount},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::*;
use crate::target::{
    Prepared, Targets,
    lab::{self, Loop, Mounted},
    ramdisk::loops,
};

fn wanted(device: &Loop, destroy: bool) -> DeviceTarget {
    DeviceTarget {
        path: device.path.to_str().unwrap().to_owned(),
        serial: device.serial.clone(),
        destroy: destroy.then(|| device.serial.clone()),
        direct: true,
    }
}

fn listing(path: &str, serial: &str) -> Targets {
    let list = AllowList::read(&[format!("{path}={serial}")], None).unwrap();
    Targets::new(std::env::temp_dir()).allowing(Arc::new(list))
}

fn allowing(device: &Loop) -> Targets {
    listing(device.path.to_str().unwrap(), &device.serial)
}

fn prepare(targets: &mut Targets, wanted: &DeviceTarget, writes: bool) -> Result<Prepared, Refusal> {
    let target = Target::Device(wanted.clone());
    targets.prepare(&target, 4096, true, writes, &mut |_, _, _| {}, &AtomicBool::new(false))
}

/// Asserts that the device is refused for reading and for writing, although all other conditions are met.
fn refused(device: &Loop, code: &str) -> Refusal {
    let write = prepare(&mut allowing(device), &wanted(device, true), true).unwrap_err();
    assert_eq!(write.code(), code, "{write:?}");
    let read = prepare(&mut allowing(device), &wanted(device, false), false).unwrap_err();
    assert_eq!((read.code(), read.field().as_str()), (code, "target.device.path"), "{read:?}");
    assert!(!read.remedy().is_empty());
    read
}

#[test]
fn a_claimed_device_is_readable_and_exclusive() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let mut targets = allowing(&device);
    let prepared = prepare(&mut targets, &wanted(&device, false), false).unwrap();
    assert_eq!(prepared.size, lab::SIZE);
    assert_eq!(prepared.facts.other["identity"], format!("{} (loop/backing_file)", device.serial));
    assert_eq!(prepared.facts.other["signature"], "none");
    assert_eq!(prepared.facts.file_system, Some(FileSystem::BlockDevice));
    let name = prepared.facts.device.as_ref().unwrap().name.as_deref();
    assert_eq!(name, device.path.file_name().unwrap().to_str());
    let worker = prepared.open().unwrap();
    assert!(rustix::fs::fcntl_getfl(&worker).unwrap().contains(OFlags::DIRECT));
    assert_eq!(crate::target::direct::read_block(worker.as_fd(), 4096), Ok(4096));
    let plain = File::from(descriptor::reopen(worker.as_fd(), OFlags::RDONLY).unwrap());
    let mut block = [0; 512];
    plain.read_exact_at(&mut block, 8192).unwrap();
    assert_eq!(block, [0xA5; 512]);
    assert!(plain.write_at(&block, 0).is_err(), "a trial that only reads cannot write");

    // The claim belongs to one open file: another with O_EXCL is refused, in this process too.
    let exclusive = || open(&device.path, OFlags::RDONLY | OFlags::EXCL, Mode::empty());
    assert_eq!(exclusive().unwrap_err(), Errno::BUSY);
    let dir = tempfile::TempDir::new().unwrap();
    assert_eq!(mount(&device.path, dir.path(), "ext4", MountFlags::empty(), c""), Err(Errno::BUSY));
    // It stays claimed between trials, and a trial that writes needs a new claim.
    drop((prepared, worker, plain));
    assert_eq!(exclusive().unwrap_err(), Errno::BUSY);
    let refusal = prepare(&mut targets, &wanted(&device, false), true).unwrap_err();
    assert_eq!(refusal.code(), "device-destroy");
    drop(targets);
    drop(exclusive().unwrap());
}

#[test]
fn waits_for_a_claim_that_ends_and_refuses_one_that_stays() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let other = open(&device.path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let refusal = prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap_err();
    assert_eq!(refusal.code(), "device-held", "{refusal:?}");
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(CLAIM_TIMEOUT / 5);
            drop(other);
        });
        prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
    });
}

/// Imitates a worker with its own descriptor table. The kernel closes the table after the thread has been joined;
/// without waiting, about every other claim finds the device busy.
#[test]
fn a_joined_worker_does_not_block_the_next_claim() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    for _ in 0..50 {
        let mut targets = allowing(&device);
        let prepared = prepare(&mut targets, &wanted(&device, false), false).unwrap();
        let worker = thread::spawn(|| {
            // SAFETY: the thread uses no descriptor after this.
            unsafe { unshare_unsafe(UnshareFlags::FILES) }
        });
        worker.join().unwrap().unwrap();
        drop((prepared, targets));
    }
}

#[test]
fn writing_a_device_needs_consent() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let mut targets = allowing(&device);
    let refusal = prepare(&mut targets, &wanted(&device, false), true).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("device-destroy", "target.device.destroy"));
    let other = DeviceTarget { destroy: Some("other".into()), ..wanted(&device, true) };
    assert!(prepare(&mut targets, &other, true).unwrap_err().message().contains("`destroy: other`"));
    let first = prepare(&mut targets, &wanted(&device, true), true).unwrap();
    let through_cache = descriptor::reopen(first.open().unwrap().as_fd(), OFlags::RDWR).unwrap();
    File::from(through_cache).write_all_at(&[7; 4096], 4096).unwrap();
    drop(first);
    let second = prepare(&mut targets, &wanted(&device, true), true).unwrap();
    let mut block = [0; 4096];
    let reader = descriptor::reopen(second.open().unwrap().as_fd(), OFlags::RDONLY).unwrap();
    File::from(reader).read_exact_at(&mut block, 4096).unwrap();
    assert_eq!(block, [7; 4096]);
    let cached = DeviceTarget { direct: false, ..wanted(&device, false) };
    drop(second);
    let cached = prepare(&mut targets, &cached, false).unwrap();
    assert_eq!(cached.facts.cached_share, Some(CachedShare::Known(1000)));
}

#[test]
fn unlisted_and_mismatched_devices_are_refused() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let path = device.path.to_str().unwrap();
    let read = wanted(&device, false);
    // Like an embedded agent.
    let refusal = prepare(&mut Targets::new(std::env::temp_dir()), &read, false).unwrap_err();
    assert_eq!(refusal.code(), "device-not-allowed");
    assert!(refusal.remedy().contains(&format!("agent serve --allow-device {path}={}", device.serial)));
    let refusal = prepare(&mut listing("/dev/other", &device.serial), &read, false).unwrap_err();
    assert_eq!(refusal.code(), "device-not-allowed");

    let refusal = prepare(&mut listing(path, "other"), &read, false).unwrap_err();
    assert_eq!(refusal.code(), "device-serial");
    // The actual identity is a permission to overwrite the device: neither text nor facts may have it.
    assert!(!format!("{refusal:?} {}", refusal.message()).contains(&device.serial), "{}", refusal.message());
    let other = DeviceTarget { serial: "other".into(), ..read.clone() };
    let refusal = prepare(&mut allowing(&device), &other, false).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("device-serial", "target.device.serial"));

    // Another path to the same device.
    let dir = tempfile::TempDir::new().unwrap();
    let link = dir.path().join("by-id");
    std::os::unix::fs::symlink(&device.path, &link).unwrap();
    let by_link = DeviceTarget { path: link.to_str().unwrap().into(), ..read.clone() };
    prepare(&mut allowing(&device), &by_link, false).unwrap();

    let refusal = |mut targets: Targets, path: &str| {
        let wanted = DeviceTarget { path: path.into(), ..read.clone() };
        prepare(&mut targets, &wanted, false).unwrap_err().code().to_owned()
    };
    for (path, code) in
        [("/dev/none", "target-missing"), ("/dev/null", "not-a-device"), ("/proc/version", "not-a-device")]
    {
        assert_eq!(refusal(listing(path, &device.serial), path), code);
        // What exists at a path that is not listed is not revealed.
        assert_eq!(refusal(allowing(&device), path), "device-not-allowed");
    }
}

#[test]
fn a_signature_forbids_writes_even_with_consent() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[(0, b"XFSB")]);
    let before = fs::read(&device.serial).unwrap();
    let mut targets = allowing(&device);
    assert_eq!(prepare(&mut targets, &wanted(&device, false), true).unwrap_err().code(), "device-destroy");
    let refusal = prepare(&mut targets, &wanted(&device, true), true).unwrap_err();
    assert_eq!(refusal.code(), "device-signature");
    assert!(refusal.message().contains("xfs") && refusal.remedy().contains("wipefs"), "{refusal:?}");
    let prepared = prepare(&mut targets, &wanted(&device, false), false).unwrap();
    assert_eq!(prepared.facts.other["signature"], "xfs");
    assert!(fs::read(&device.serial).unwrap() == before, "not a byte was written");
}

#[test]
fn passthrough_needs_an_nvme_device() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let mut prepared = prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
    let refusal = prepared.pass_through(4096, 4096).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("passthrough-refused", "engine.engine"));
    let name = device.path.file_name().unwrap().to_str().unwrap();
    assert!(
        refusal.message().contains(&format!("{name} is not a namespace of an NVMe drive")),
        "{refusal:?}"
    );
    assert!(
        refusal.remedy().contains("Linux 5.19") && refusal.remedy().contains("/dev/ng0n1"),
        "{refusal:?}"
    );
    prepared.open().unwrap();
}

#[test]
fn warns_of_a_blank_device() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[(0, &vec![0; lab::SIZE as usize])]);
    let prepared = prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
    assert!(prepared.warnings.iter().any(|warning| warning.code() == "blank-device"));
}

#[test]
fn a_mounted_device_is_refused() {
    let Some(_devices) = lab::devices() else { return };
    let Some(device) = Loop::ext4() else { return };
    let before = prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
    assert_eq!(before.facts.other["signature"], "ext2, ext3 or ext4", "readable while not mounted");
    drop(before);
    let mounted = Mounted::new(&device.path);
    let refusal = refused(&device, "device-mounted");
    assert!(refusal.message().contains(mounted.dir.path().to_str().unwrap()), "{}", refusal.message());
    drop(mounted);
    prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
}

/// A mount in a thread's own namespace is not visible elsewhere, but the kernel's claim still is.
#[test]
fn a_device_mounted_in_a_hidden_namespace_is_refused() {
    let Some(_devices) = lab::devices() else { return };
    let Some(device) = Loop::ext4() else { return };
    let (path, (hold, held), (mounted, is_mounted)) =
        (device.path.clone(), std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel());
    let thread = thread::spawn(move || {
        // SAFETY: a separate mount namespace changes no memory and no descriptors of this thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        let private =
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        let guard = Mounted::new(&path);
        mounted.send(()).unwrap();
        let _ = held.recv();
        drop(guard);
    });
    is_mounted.recv().unwrap();
    refused(&device, "device-held");
    drop(hold);
    thread.join().unwrap();
}

#[test]
fn a_disk_with_a_mounted_partition_is_refused() {
    let Some(_devices) = lab::devices() else { return };
    let (device, partition) = Loop::with_partition();
    if !partition.exists() {
        crate::skip::skip("this kernel reads no partition tables of loop devices");
        return;
    }
    let part = || {
        let path = partition.to_str().unwrap();
        let wanted = DeviceTarget { path: path.into(), ..wanted(&device, true) };
        prepare(&mut listing(path, &device.serial), &wanted, true)
    };
    let prepared = prepare(&mut allowing(&device), &wanted(&device, false), false).unwrap();
    assert!(prepared.facts.other["signature"].contains("MBR"));
    assert_eq!(part().unwrap_err().code(), "device-held", "the whole disk is claimed");
    drop(prepared);
    let prepared = part().unwrap();
    assert_eq!(prepared.size, 8 << 20);
    assert_eq!(refused(&device, "device-held").code(), "device-held", "its partition is claimed");
    drop(prepared);
    if lab::make_ext4(&partition) {
        let mounted = Mounted::new(&partition);
        let refusal = refused(&device, "device-mounted");
        assert!(refusal.message().contains("p1 is mounted at"), "{}", refusal.message());
        assert_eq!(part().unwrap_err().code(), "device-mounted");
        drop(mounted);
        assert_eq!(part().unwrap_err().code(), "device-signature");
    }
}

struct Swap(CString);

impl Drop for Swap {
    fn drop(&mut self) {
        // SAFETY: a NUL-terminated string, borrowed for the call.
        unsafe { libc::swapoff(self.0.as_ptr()) };
    }
}

#[test]
fn swap_is_refused() {
    let Some(_devices) = lab::devices() else { return };
    let pages = u32::try_from(lab::SIZE / 4096 - 1).unwrap();
    let mut header = [0u8; 4096];
    header[1024..1028].copy_from_slice(&1u32.to_le_bytes());
    header[1028..1032].copy_from_slice(&pages.to_le_bytes());
    header[4086..].copy_from_slice(b"SWAPSPACE2");
    let device = Loop::new(&[(0, &header)]);
    let swap = Swap(CString::new(device.path.as_os_str().as_bytes()).unwrap());
    // SAFETY: a NUL-terminated string, borrowed for the call.
    if unsafe { libc::swapon(swap.0.as_ptr(), 0) } != 0 {
        crate::skip::skip(&format!("no swap here: {}", std::io::Error::last_os_error()));
        return;
    }
    let refusal = refused(&device, "device-swap");
    assert!(refusal.remedy().contains("swapoff"), "{refusal:?}");
    drop(swap);
    let refusal = prepare(&mut allowing(&device), &wanted(&device, true), true).unwrap_err();
    assert_eq!(refusal.code(), "device-signature", "no longer in use, but still swap");
}

#[test]
fn a_device_held_by_another_is_refused() {
    let Some(_devices) = lab::devices() else { return };
    let device = Loop::new(&[]);
    let other = open(&device.path, OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let refusal = refused(&device, "device-held");
    assert!(refusal.message().contains("another program"), "{}", refusal.message());
    drop(other);
    // The kernel counts a loop device neither as a holder nor as a claim.
    let whole = File::options().read(true).write(true).open(&device.path).unwrap();
    let (upper, name) = loops::attach(whole.as_fd(), 4, |name, _| Ok(name.to_owned()), |_| ()).unwrap();
    assert!(upper.as_raw_fd() >= 0);
    let refusal = refused(&device, "device-held");
    assert!(refusal.message().contains(&format!("part of {name}")), "{}", refusal.message());
    drop((upper, whole));
    assert!(lab::wait_for(|| prepare(&mut allowing(&device), &wanted(&device, false), false).is_ok()));
}
