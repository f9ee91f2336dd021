//! Data faults during a trial, caused on the real target: no space, short transfers, a failing device, changed
//! bytes. Each is counted and shown, marks its trial and affects no other.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use serde_json::Value;

use crate::support::{Place, Process, is_root, until};

/// Writers, one after the other in every block, long enough to interfere with.
fn writers(extra: &str) -> String {
    format!(
        "name: damaged\ntarget: {{file: {{size: 4MiB, direct: false}}}}\nworkload: {{block_size: 4KiB, read_percent: \
         0, warmup: 0s, runtime: 1500ms{extra}}}\narms:\n  one: {{engine: psync}}\n  two: {{engine: psync}}\ntrials: \
         2\nbaseline: one\nnoise: ignore\n"
    )
}

/// The target of an embedded agent, through its open file in any namespace.
fn target(place: &Place) -> (i32, PathBuf) {
    let agent = place.agent();
    let found = until("the target is there", || {
        let files = fs::read_dir(format!("/proc/{agent}/fd")).ok()?;
        files.flatten().map(|file| file.path()).find(|file| {
            let ours = fs::read_link(file).is_ok_and(|to| to.starts_with(place.data()));
            ours && fs::metadata(file).is_ok_and(|file| file.len() == 4 << 20)
        })
    });
    (agent, found)
}

/// Waits until this number of trials is recorded and the worker of the next one is doing I/O.
fn mid_trial(place: &Place, recorded: usize) {
    until("trials are recorded", || (place.trials().len() >= recorded).then_some(()));
    working(place);
}

/// Waits until the worker has made some more calls.
fn working(place: &Place) {
    let agent = place.agent();
    until("the worker works", || {
        let before = calls(agent)?;
        std::thread::sleep(Duration::from_millis(20));
        (calls(agent)? > before + 20).then_some(())
    });
}

/// The number of reads and writes by the worker of a process.
fn calls(process: i32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten().map(|task| task.path());
    let worker =
        |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with("worker-"));
    let io = fs::read_to_string(tasks.filter(worker).last()?.join("io")).ok()?;
    let count = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(count("syscr:")? + count("syscw:")?)
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Marked trials, and the number of those that count.
fn divided(place: &Place) -> (Vec<Value>, usize) {
    let (marked, whole): (Vec<Value>, Vec<Value>) =
        place.trials().into_iter().partition(|trial| !trial["marks"].as_array().unwrap().is_empty());
    (marked, whole.len())
}

/// Runs in a mount namespace in which a line of shell prepares `data`; skips if that is not allowed.
fn mounted(place: &Place, prepare: &str, scenario: &str) -> Option<Process> {
    let works = place.finish(place.in_namespace(prepare, &place.command("true")));
    if !works.status.success() {
        agent::skip::skip(&format!("`{prepare}` is not allowed here: {}", works.stderr));
        return None;
    }
    Some(place.start(place.in_namespace(prepare, &place.run(scenario))))
}

/// Removes the blocks of every `step`th page of the target and fills the free space with another file, as other
/// users of a disk might. Writers quickly reclaim some, so it repeats until most are gone.
fn take_space(place: &Place, agent: i32, path: &Path, step: usize) -> PathBuf {
    let data = PathBuf::from(format!("/proc/{agent}/root")).join(place.data().strip_prefix("/").unwrap());
    let (target, filler) = (open(path), data.join("filler"));
    let mut file = File::create(&filler).unwrap();
    // Of 8 MiB, the target keeps the blocks that are not removed, and a little more.
    let kept = (4 << 20) - (4 << 20) / step as u64;
    let (mut taken, enough) = (0, (7 << 20) - kept);
    until("the space is taken", || {
        for page in (step as u64 - 1..1024).step_by(step) {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&target, flags, page * 4096, 4096).unwrap();
        }
        let full = loop {
            match file.write(&[1; 4096]) {
                Ok(more) => taken += more as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(full.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        (taken >= enough).then_some(())
    });
    filler
}

#[test]
fn reports_space_that_runs_out_during_a_trial() {
    let place = Place::new();
    let Some(run) = mounted(&place, "mount -t tmpfs -o size=8m none data", &writers("")) else { return };
    let (agent, path) = target(&place);
    mid_trial(&place, 3);
    let filler = take_space(&place, agent, &path, 1);
    until("a trial is marked", || (!divided(&place).0.is_empty()).then_some(()));
    let _ = fs::remove_file(&filler);
    let ran = run.wait().exits(4);
    assert!(ran.stdout.contains("ENOSPC") || ran.stdout.contains("requests failed"), "{}", ran.stdout);
    let (marked, whole) = divided(&place);
    let errors = &marked[0]["hosts"][0]["finished"]["errors"];
    assert!(errors["28"].as_u64().unwrap() > 0 && errors.as_object().unwrap().len() == 1, "{errors}");
    assert!(marked[0]["marks"][0].as_str().unwrap().contains("ENOSPC x"), "{}", marked[0]["marks"]);
    assert!(whole >= 3, "trials before it are kept: {whole}");
    let cells = place.summary()["cells"].clone();
    assert!(cells.as_array().unwrap().iter().any(|cell| cell["errors"][0]["name"] == "ENOSPC"), "{cells}");
}

#[test]
fn reports_short_reads_during_a_trial() {
    let place = Place::new();
    let text = writers("").replace("read_percent: 0", "read_percent: 100");
    let run = place.start(place.run(&text));
    let (_, path) = target(&place);
    mid_trial(&place, 3);
    // Half a block too short, so that some reads return half a block and others nothing.
    let file = open(&path);
    file.set_len((2 << 20) + 2048).unwrap();
    working(&place);
    // Restores the length, so that later trials run without fault.
    file.set_len(4 << 20).unwrap();
    run.wait().exits(4);
    let (marked, whole) = divided(&place);
    let mark = marked[0]["marks"][0].as_str().unwrap();
    assert!(mark.ends_with("requests were transferred only in part"), "{mark}");
    let finished = &marked[0]["hosts"][0]["finished"];
    assert!(finished["short_transfers"].as_u64().unwrap() > 0, "{finished}");
    assert_eq!(finished["errors"].as_object().unwrap().len(), 0, "short is no error: {finished}");
    assert!(whole >= 3, "trials before it are kept: {whole}");
    let cells = place.summary()["cells"].clone();
    let short = |cell: &Value| cell["short_transfers"].as_u64().unwrap() > 0;
    assert!(cells.as_array().unwrap().iter().any(short), "{cells}");
}

#[test]
fn reports_short_writes_during_a_trial() {
    let place = Place::new();
    // A block of two pages with room for one: the write stops half way.
    let text = writers("").replace("block_size: 4KiB", "block_size: 8KiB");
    let Some(run) = mounted(&place, "mount -t tmpfs -o size=8m none data", &text) else { return };
    let (agent, path) = target(&place);
    mid_trial(&place, 3);
    // Every other page becomes a hole: half of each write has its page.
    take_space(&place, agent, &path, 2);
    until("a trial is marked", || (!divided(&place).0.is_empty()).then_some(()));
    run.wait().exits(4);
    let (marked, whole) = divided(&place);
    let short = |trial: &Value| trial["hosts"][0]["finished"]["short_transfers"].as_u64().unwrap_or(0);
    assert!(marked.iter().any(|trial| short(trial) > 0), "{marked:#?}");
    assert!(whole >= 3, "trials before it are kept: {whole}");
}

#[test]
fn reports_a_device_that_fails_during_a_trial() {
    let place = Place::new();
    if !is_root() {
        return agent::skip::skip("a loop device needs root");
    }
    let backing = place.write("disk", vec![0; 32 << 20]);
    let text = writers("").replace("direct: false", "direct: true");
    let text = text.replace("read_percent: 0", "read_percent: 100");
    let prepare = "mkfs.ext4 -q -F -O ^has_journal disk && mount -o loop disk data && rm -rf data/lost+found";
    let Some(run) = mounted(&place, prepare, &text) else { return };
    mid_trial(&place, 3);
    // The device cannot read beyond the end of its backing file.
    let file = OpenOptions::new().write(true).open(&backing).unwrap();
    file.set_len(1 << 20).unwrap();
    working(&place);
    file.set_len(32 << 20).unwrap();
    let ran = run.wait().exits(4);
    assert!(ran.stdout.contains("EIO"), "{}", ran.stdout);
    let (marked, whole) = divided(&place);
    let errors = &marked[0]["hosts"][0]["finished"]["errors"];
    assert!(errors["5"].as_u64().unwrap() > 0 && errors.as_object().unwrap().len() == 1, "{errors}");
    assert!(whole >= 3, "trials before it are kept: {whole}");
}

#[test]
fn reports_a_byte_that_changes_during_a_trial() {
    let place = Place::new();
    let text = writers(", verify: true").replace("read_percent: 0", "read_percent: 100");
    let run = place.start(place.run(&text));
    let (_, path) = target(&place);
    mid_trial(&place, 3);
    let (file, at) = (open(&path), 3_000_000);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let ran = run.wait().exits(4);
    for expected in ["verify-failed", "at offset 2999808"] {
        let text: String = ran.stdout.split_whitespace().collect();
        assert!(text.contains(&expected.replace(' ', "")), "`{expected}` is not in:\n{}", ran.stdout);
    }
    let (marked, whole) = divided(&place);
    // The next trial fills the target again.
    assert_eq!((marked.len(), whole), (1, 5), "{marked:#?}");
    let verified = &marked[0]["hosts"][0]["finished"]["verified"];
    assert!(verified["failures"].as_u64().unwrap() > 0, "{verified}");
    let cells = place.summary()["cells"].clone();
    let failures =
        cells.as_array().unwrap().iter().map(|cell| cell["verified"]["failures"].as_u64().unwrap());
    assert_eq!(failures.filter(|failures| *failures > 0).count(), 1, "{cells}");
}
