//! RAM disks, made for real: filled, read, taken down, and taken down after a crash.

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
use crate::target::{Prepared, Targets, direct, lab};

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

/// The kernel's name of a disk that was made: the end of `253:1 zram1`.
fn device(prepared: &Prepared) -> String {
    prepared.facts.device.clone().unwrap().name.unwrap()
}

/// What every kind keeps: full of data, written and read back, the same one for the next trial.
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
    let plain = File::from(direct::reopen(worker.as_fd(), OFlags::RDWR).unwrap());
    let mut data = vec![0; SIZE as usize];
    plain.read_exact_at(&mut data, 0).unwrap();
    let blocks: std::collections::HashSet<&[u8]> = data.chunks(4096).collect();
    assert_eq!(blocks.len() as u64, SIZE / 4096, "each block is unlike the others");
    plain.write_all_at(&[7; 4096], 4096).unwrap();
    plain.sync_all().unwrap();
    let cached = RamdiskTarget { direct: false, ..disk(kind) };
    let second = prepare(targets, cached).unwrap();
    assert_eq!(second.facts.cached_share, Some(CachedShare::Known(1000)));
    let mut block = [0; 4096];
    File::from(second.open().unwrap()).read_exact_at(&mut block, 4096).unwrap();
    assert_eq!(block, [7; 4096], "the same disk, not filled again");
    second
}

#[test]
fn a_file_on_tmpfs() {
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
        "mounted nowhere"
    );
    assert_eq!(records(&dir), "", "nothing to take down");
}

#[test]
fn a_zram_device() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let mut targets = targets(&dir);
    if !Path::new("/sys/class/zram-control").exists() {
        crate::skip::skip("no zram here");
        return;
    }
    let prepared = serves(&mut targets, RamdiskKind::Zram);
    let name = device(&prepared);
    assert!(name.starts_with("zram") && name != "zram0", "a new one: {name}");
    assert_eq!(prepared.facts.ramdisk, Some(RamdiskKind::Zram));
    let stored: f64 = prepared.facts.other["stored"].trim_end_matches('%').parse().unwrap();
    assert!(stored > 95.0, "it does not compress: {stored}");
    assert!(records(&dir).contains(&name));
    // Another size is another disk; the first goes when nobody has it any more.
    let larger = RamdiskTarget { size: ByteSize(2 * SIZE), ..disk(RamdiskKind::Zram) };
    drop(prepared);
    let larger = prepare(&mut targets, larger).unwrap();
    assert_eq!(records(&dir).lines().count(), 1);
    let name = device(&larger);
    drop(targets);
    assert!(sys_block(&name).exists(), "in use still");
    drop(larger);
    assert!(!sys_block(&name).exists());
    assert_eq!(records(&dir), "");
}

#[test]
fn a_loop_device_over_tmpfs() {
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
fn the_first_that_there_is() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let prepared = prepare(&mut targets(&dir), disk(RamdiskKind::Auto)).unwrap();
    let kind = prepared.facts.ramdisk.unwrap();
    assert!(ORDER.contains(&kind), "{:?}", prepared.facts);
    eprintln!("auto: {}", kind.name());
}

#[test]
fn what_is_not_offered_is_named_with_its_remedy() {
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
fn a_cancelled_fill_takes_the_disk_down() {
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

/// Not a test of its own: the process that the next test kills.
#[test]
fn child_that_is_killed() {
    let Ok(asked) = std::env::var(CHILD) else { return };
    let (kind, dir) = asked.split_once(':').unwrap();
    let kind = if kind == "zram" { RamdiskKind::Zram } else { RamdiskKind::Loop };
    let mut targets = Targets { state: State::at(Path::new(dir)), ..Targets::new(dir.into()) };
    let prepared = prepare(&mut targets, disk(kind)).unwrap();
    // Past the harness, which keeps what a test prints to itself.
    writeln!(io::stderr(), "\nmade {}", device(&prepared)).unwrap();
    thread::sleep(Duration::from_secs(60));
}

/// Makes a disk in a process of its own, and kills that without warning.
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
    made.expect("the child makes a disk")
}

#[test]
fn after_a_crash_the_next_start_takes_it_down() {
    let Some(_devices) = lab::devices() else { return };
    let dir = TempDir::new().unwrap();
    let state = State::at(&dir.path().join("state"));
    let name = killed("zram", &dir, |name| {
        sweep(&state);
        assert!(sys_block(name).exists(), "its owner lives: left alone");
    });
    assert!(sys_block(&name).exists(), "nobody took it down yet");
    sweep(&state);
    assert!(!sys_block(&name).exists());
    assert_eq!(records(&dir), "");

    // A loop device clears itself when its owner is gone; only the record is left.
    let name = killed("loop", &dir, |name| assert!(sys_block(name).join("loop/backing_file").exists()));
    assert!(lab::wait_for(|| !sys_block(&name).join("loop/backing_file").exists()));
    assert!(records(&dir).contains(&name));
    sweep(&state);
    assert_eq!(records(&dir), "");
}

/// What is in the way of a record and is not the disk that was recorded stays.
#[test]
fn what_is_not_ours_is_left_alone() {
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
    assert_eq!(records(&dir), "", "and forgotten");
}
