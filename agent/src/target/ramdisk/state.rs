//! Records of RAM disks, so that after a crash the agent's next start can remove them: only its user's, and never those
//! of a running agent. They are stored on a tmpfs, because the disks do not survive a reboot either.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// A RAM disk and its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// As in a scenario.
    pub kind: String,
    /// The kernel's name of the device, such as `zram1`.
    pub device: String,
    /// Distinguishes this disk from others of the same name: its sequence number, or a name given by the agent.
    pub identity: String,
    /// In bytes.
    pub size: u64,
    /// The agent that created it.
    pub owner: Owner,
}

/// A process, distinguished from others with the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    boot: String,
    /// Its PID namespace: ids in other namespaces refer to other processes.
    namespace: String,
    pid: u32,
    /// In clock ticks since the boot.
    started: u64,
}

impl Owner {
    /// This process.
    pub fn this() -> io::Result<Self> {
        let pid = std::process::id();
        let started = started(pid).ok_or_else(|| io::Error::other("/proc does not list this process"))?;
        Ok(Self { boot: boot()?, namespace: namespace()?, pid, started })
    }

    fn lives(&self) -> io::Result<bool> {
        Ok(self.namespace != namespace()? || started(self.pid) == Some(self.started))
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn namespace() -> io::Result<String> {
    match fs::read_link("/proc/self/ns/pid") {
        Ok(link) => Ok(link.to_string_lossy().into_owned()),
        // A kernel without PID namespaces (CONFIG_PID_NS).
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self/stat").exists() => {
            Ok("none".to_owned())
        }
        Err(error) => Err(error),
    }
}

/// Start time of a process: the 22nd word of its stat, counted from the end of its name, which may contain any
/// character. A zombie counts as ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match words.next()? {
        "Z" | "X" => None,
        _ => words.nth(18)?.parse().ok(),
    }
}

/// The directory with the records; clones share it.
#[derive(Clone, Debug)]
pub(in crate::target) struct State {
    dir: PathBuf,
}

const RECORDS: &str = "ramdisks.jsonl";
const LOCK: &str = "ramdisks.lock";

impl State {
    /// Root's directory is in /run, that of other users in their runtime directory. Only the user can write there, so
    /// others cannot make an agent remove their choice of disk.
    #[must_use]
    pub fn of_this_user() -> Self {
        let user = rustix::process::geteuid();
        let home = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !user.is_root() && !dir.is_empty());
        let home = home.map_or_else(|| PathBuf::from("/run"), PathBuf::from);
        Self::at(&home.join(format!("ringbench-{}", user.as_raw())))
    }

    /// Uses a given directory, which is created when needed.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Adds a record, before the disk is created.
    pub(super) fn add(&self, record: &Record) -> io::Result<()> {
        let _lock = self.lock()?;
        let mut line = serde_json::to_string(record)?;
        line.push('\n');
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(self.dir.join(RECORDS))?;
        file.write_all(line.as_bytes())
    }

    /// Removes the record of a removed disk.
    pub(super) fn remove(&self, gone: &Record) {
        let outcome = self.lock().and_then(|_lock| {
            let mut records = self.read()?;
            records.retain(|record| record != gone);
            self.write(&records)
        });
        if let Err(error) = outcome {
            tracing::warn!(device = gone.device, "cannot remove the record of a RAM disk: {error}");
        }
    }

    /// Calls `take_down` for each disk whose owner has ended, and removes the records for which it returns true.
    pub(super) fn sweep(&self, mut take_down: impl FnMut(&Record) -> bool) -> io::Result<()> {
        if !self.dir.join(RECORDS).exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let (boot, mut kept) = (boot()?, Vec::new());
        for record in self.read()? {
            // After a reboot the disk is gone, and its name may be in use again.
            if record.owner.boot == boot && (record.owner.lives()? || !take_down(&record)) {
                kept.push(record);
            }
        }
        self.write(&kept)
    }

    fn lock(&self) -> io::Result<File> {
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(named(&self.dir, &error));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(&self.dir)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("{} is not this user's directory", self.dir.display())));
        }
        let path = self.dir.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| named(&path, &error))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    fn read(&self) -> io::Result<Vec<Record>> {
        match fs::read_to_string(self.dir.join(RECORDS)) {
            // A truncated line belongs to a disk that was not created yet.
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file atomically.
    fn write(&self, records: &[Record]) -> io::Result<()> {
        let mut text = String::new();
        for record in records {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        }
        let new = self.dir.join("ramdisks.new");
        fs::write(&new, text)?;
        fs::rename(new, self.dir.join(RECORDS))
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(device: &str, owner: Owner) -> Record {
        Record { kind: "zram".into(), device: device.into(), identity: "1".into(), size: 1, owner }
    }

    #[test]
    fn only_disks_of_ended_agents_are_swept() {
        let dir = tempfile::TempDir::new().unwrap();
        let state = State::at(&dir.path().join("state"));
        state.sweep(|_| panic!("there is nothing")).unwrap();
        let me = Owner::this().unwrap();
        let dead = Owner { started: me.started + 1, ..me.clone() };
        let before = Owner { boot: "another".into(), ..dead.clone() };
        let elsewhere = Owner { namespace: "pid:[1]".into(), ..dead.clone() };
        let all =
            [("mine", me), ("dead", dead.clone()), ("stuck", dead), ("old", before), ("far", elsewhere)];
        for (name, owner) in all {
            state.add(&record(name, owner)).unwrap();
        }
        let mut asked = Vec::new();
        state
            .sweep(|record| {
                asked.push(record.device.clone());
                record.device != "stuck"
            })
            .unwrap();
        assert_eq!(asked, ["dead", "stuck"]);
        let left = |state: &State| state.read().unwrap().into_iter().map(|r| r.device).collect::<Vec<_>>();
        assert_eq!(left(&state), ["mine", "stuck", "far"]);
        state.remove(&state.read().unwrap()[0]);
        assert_eq!(left(&state), ["stuck", "far"]);
    }

    #[test]
    fn a_truncated_line_is_skipped() {
        let dir = tempfile::TempDir::new().unwrap();
        let state = State::at(dir.path());
        fs::write(dir.path().join(RECORDS), "{\"kind\":\"zr").unwrap();
        assert_eq!(state.read().unwrap(), []);
    }
}
