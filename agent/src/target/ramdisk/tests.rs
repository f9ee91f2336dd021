//! Tests with real RAM disks: created, filled, read, removed, and removed after a crash.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    process::{Command, Stdio},
};

use proto::{
    facts::{CachedShare, FileSystem, MadeBy},
    trial::Target,
    units::ByteSize,
};
use tempfile::TempDir;

use super::{state::Owner, *};
use crate::target::{Prepared, Targets, descriptor, direct, lab};

const SIZE: u64 = 8 << 20;

fn disk(kind: RamdiskKind) -> RamdiskTarget {
    RamdiskTarget::new(ByteSize(SIZE), kind)
}

fn targets(dir: &TempDir) -> Targets {
    Targets { state: State::at(&dir.path().join("state")), ..Targets::new(dir.path().into()) }
}

fn prepare(targets: &mut Targets, wanted: RamdiskTarget) -> Result<Prepared, Refusal> {
    let nobody = AtomicBool::new(false);
    targets.prepare(&Target::Ramdisk(wanted), 4096, true, true, &mut |_, _, _| {}, &nobody)
}

fn records(dir: &TempDir) -> String {
    fs::read_to_string(dir.path().join("state/ramdisks.jsonl")).unwrap_or_default()
}

/// The kernel's name of a disk, such as `zram1`.
fn device(prepared: &Prepared) -> String {
    prepared.facts.device.clone().unwrap().name.unwrap()
}

/// Checks properties of every kind: filled with data, writable, and reused by the next trial.
fn serves(targets: &mut Targets, kind: RamdiskKind) -> Prepared {
    let first = prepare(targets, disk(kind)).unwrap();
    assert_eq!(
        (first.size, first.facts.other["ram"].as_str(), first.facts.made_by),
        (SIZE, "yes", Some(MadeBy::Agent))
    );
    let warnings: Vec<_> = first.warnings.iter().map(|warning| warning.code()).collect();
    assert_eq!(warnings, ["ram-backed"]);
    let worker = first.open().unwrap();
    assert!(rustix::fs::fcntl_getfl(&worker).unwrap().contains(OFlags::DIRECT));
    assert_eq!(direct::read_block(worker.as_fd(), 4096), Ok(4096));
    let plain = File::from(descriptor::reopen(worker.as_fd(), OFlags::RDWR).unwrap());
    let mut data = vec![0; SIZE as usize];
    plain.read_exact_at(&mut data, 0).unwrap();
    let blocks: std::collections::HashSet<&[u8]> = data.chunks(4096).collect();
    assert_eq!(blocks.len() as u64, SIZE / 4096, "all blocks are different");
    plain.write_all_at(&[7; 4096], 4096).unwrap();
    plain.sync_all().unwrap();
    let cached = RamdiskTarget { direct: false, ..disk(kind) };
    let second = prepare(targets, cached).unwrap();
    assert_eq!(second.facts.cached_share, Some(CachedShare::Known(1000)));
    let mut block = [0; 4096];
    File::from(second.open().unwrap()).read_exact_at(&mut block, 4096).unwrap();
    assert_eq!(block, [7; 4096], "the same disk, not refilled");
    second
}

#[test]
fn tmpfs_serves_a_file_without_mounting() {
    let dir = TempDir::new().unwrap();
    let mut targets = targets(&dir);
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let prepared = serves(&mut targets, RamdiskKind::Tmpfs);
    assert_eq!(
        (prepared.facts.ramdisk, prepared.facts.file_system),
        (Some(RamdiskKind::Tmpfs), Some(FileSystem::Tmpfs))
    );
    assert_eq!(prepared.facts.asynchronous, Some(false));
    assert_eq!(
        fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
        before,
        "no mount is added"
    );
    assert_eq!(records(&dir), "", "nothing to remove");
}

#[test]
fn zram_serves_a_new_device() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let mut targets = targets(&dir);
    if !Path::new("/sys/class/zram-control").exists() {
        crate::skip::skip("no zram on this host");
        return;
    }
    let prepared = serves(&mut targets, RamdiskKind::Zram);
    let name = device(&prepared);
    assert!(name.starts_with("zram") && name != "zram0", "a new disk: {name}");
    assert_eq!(prepared.facts.ramdisk, Some(RamdiskKind::Zram));
    let stored: f64 = prepared.facts.other["stored"].trim_end_matches('%').parse().unwrap();
    assert!(stored > 95.0, "it does not compress: {stored}");
    assert!(records(&dir).contains(&name));
    // Another size needs another disk; the first is removed when it is no longer in use.
    let larger = RamdiskTarget { size: ByteSize(2 * SIZE), ..disk(RamdiskKind::Zram) };
    drop(prepared);
    let larger = prepare(&mut targets, larger).unwrap();
    assert_eq!(records(&dir).lines().count(), 1);
    let name = device(&larger);
    drop(targets);
    assert!(sys_block(&name).exists(), "still in use");
    drop(larger);
    assert!(!sys_block(&name).exists());
    assert_eq!(records(&dir), "");
}

#[test]
fn loop_serves_a_device_over_tmpfs() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let mut targets = targets(&dir);
    let prepared = serves(&mut targets, RamdiskKind::Loop);
    let backing = sys_block(&device(&prepared)).join("loop/backing_file");
    assert!(backing.exists());
    assert_eq!((prepared.facts.ramdisk, prepared.facts.asynchronous), (Some(RamdiskKind::Loop), Some(true)));
    eprintln!("loop_direct: {}", prepared.facts.other["loop_direct"]);
    drop((prepared, targets));
    assert!(!backing.exists());
    assert_eq!(records(&dir), "");
}

#[test]
fn auto_picks_an_available_kind() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let prepared = prepare(&mut targets(&dir), disk(RamdiskKind::Auto)).unwrap();
    let kind = prepared.facts.ramdisk.unwrap();
    assert!(ORDER.contains(&kind), "{:?}", prepared.facts);
    eprintln!("auto: {}", kind.name());
}

#[test]
fn an_unavailable_kind_is_refused_with_its_remedy() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    for (kind, remedy) in [(RamdiskKind::NullBlk, "modprobe null_blk"), (RamdiskKind::Brd, "modprobe brd")] {
        match prepare(&mut targets(&dir), disk(kind)) {
            Ok(prepared) => assert_eq!(prepared.facts.ramdisk, Some(kind)),
            Err(refusal) => {
                let field = (refusal.code(), refusal.field());
                assert_eq!(field, ("ramdisk-kind", "target.ramdisk.kind".to_owned()));
                assert!(refusal.remedy().contains(remedy), "{refusal:?}");
            }
        }
    }
    let huge = RamdiskTarget { size: ByteSize(1 << 50), ..disk(RamdiskKind::Tmpfs) };
    let refusal = prepare(&mut targets(&dir), huge).unwrap_err();
    assert_eq!((refusal.code(), refusal.field().as_str()), ("ramdisk-memory", "target.ramdisk.size"));
    assert_eq!(records(&dir), "");
}

#[test]
fn a_cancelled_fill_removes_the_disk() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let mut targets = targets(&dir);
    let (cancelled, state) = (AtomicBool::new(false), dir.path().join("state/ramdisks.jsonl"));
    let mut seen = String::new();
    let mut progress = |_: &str, _: u64, _: u64| {
        seen = fs::read_to_string(&state).unwrap();
        cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let target = Target::Ramdisk(disk(RamdiskKind::Loop));
    let refusal = targets.prepare(&target, 4096, true, true, &mut progress, &cancelled).unwrap_err();
    assert_eq!(refusal.code(), "cancelled");
    let record: Record = serde_json::from_str(&seen).unwrap();
    assert!(!sys_block(&record.device).join("loop/backing_file").exists());
    assert_eq!(records(&dir), "");
}

const CHILD: &str = "RINGBENCH_TEST_RAMDISK_CHILD";

/// Not a test, but the process that the next test kills.
#[test]
fn child_that_is_killed() {
    let Ok(asked) = std::env::var(CHILD) else { return };
    let (kind, dir) = asked.split_once(':').unwrap();
    let kind = if kind == "zram" { RamdiskKind::Zram } else { RamdiskKind::Loop };
    let mut targets = Targets { state: State::at(Path::new(dir)), ..Targets::new(dir.into()) };
    let prepared = prepare(&mut targets, disk(kind)).unwrap();
    // Written directly to stderr, because the test harness captures printed output.
    writeln!(io::stderr(), "\nmade {}", device(&prepared)).unwrap();
    thread::sleep(Duration::from_secs(60));
}

/// Creates a disk in a child process, and kills the process.
fn killed(kind: &str, dir: &TempDir, mut alive: impl FnMut(&str)) -> String {
    let state = dir.path().join("state");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "target::ramdisk::tests::child_that_is_killed", "--nocapture"])
        .env(CHILD, format!("{kind}:{}", state.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let made = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("made ")?.to_owned()));
    if let Some(name) = &made {
        alive(name);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    made.expect("the child creates a disk")
}

#[test]
fn after_a_crash_the_next_start_removes_the_disk() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let state = State::at(&dir.path().join("state"));
    let name = killed("zram", &dir, |name| {
        sweep(&state);
        assert!(sys_block(name).exists(), "its owner is running");
    });
    assert!(sys_block(&name).exists(), "not removed yet");
    sweep(&state);
    assert!(!sys_block(&name).exists());
    assert_eq!(records(&dir), "");

    // A loop device is cleared when its owner ends; only the record is left.
    let name = killed("loop", &dir, |name| assert!(sys_block(name).join("loop/backing_file").exists()));
    assert!(lab::wait_for(|| !sys_block(&name).join("loop/backing_file").exists()));
    assert!(records(&dir).contains(&name));
    sweep(&state);
    assert_eq!(records(&dir), "");
}

/// A disk that has the name in a record but another identity is left alone.
#[test]
fn foreign_disks_are_left_alone() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let state = State::at(&dir.path().join("state"));
    let device = lab::Loop::new(&[]);
    let name = device.path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut dead = serde_json::to_value(Owner::this().unwrap()).unwrap();
    dead["started"] = 1.into();
    let record = |kind: &str, device: &str| Record {
        kind: kind.into(),
        device: device.into(),
        identity: "ringbench-of-yesterday".into(),
        size: lab::SIZE,
        owner: serde_json::from_value(dead.clone()).unwrap(),
    };
    for record in
        [record("loop", &name), record("zram", "zram0"), record("null_blk", "nullb0"), record("loop", "none")]
    {
        state.add(&record).unwrap();
    }
    sweep(&state);
    assert!(sys_block(&name).join("loop/backing_file").exists());
    assert_eq!(Path::new("/sys/block/zram0").exists(), Path::new("/dev/zram0").exists());
    assert_eq!(records(&dir), "", "the records are removed");
}
