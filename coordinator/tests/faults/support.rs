//! Support for these tests: a directory for each test, processes that end with it, and bounded waits.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// The limit for events that must happen even on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);
/// An unprivileged user that every system has.
const NOBODY: u32 = 65534;

/// A binary of this workspace. `RINGBENCH_BIN_DIR` names a directory of copies, for users who may not read the
/// build tree.
pub fn bin(name: &str) -> PathBuf {
    let coordinator = Path::new(env!("CARGO_BIN_EXE_coordinator"));
    let path = match std::env::var_os("RINGBENCH_BIN_DIR") {
        Some(dir) => Path::new(&dir).join(name),
        None => coordinator.with_file_name(name),
    };
    assert!(path.exists(), "there is no {}: run `cargo build --workspace` first", path.display());
    path
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A directory for one test, with a data directory in it.
pub struct Place {
    root: TempDir,
    ran: AtomicU32,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("ringbench-").tempdir().unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        fs::set_permissions(root.path().join("data"), fs::Permissions::from_mode(0o777)).unwrap();
        Self { root, ran: AtomicU32::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// A command that runs in this directory and writes its output here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root.path()).stdin(Stdio::null()).env_remove("RUST_LOG");
        command
    }

    /// `coordinator run` of a scenario on an embedded agent, into `out`.
    pub fn run(&self, scenario: &str) -> Command {
        let mut command = self.command(bin("coordinator"));
        self.run_with(&mut command, scenario);
        command.arg("--data-dir").arg(self.data());
        command
    }

    /// The same, on the given agents.
    pub fn run_on(&self, agents: &str, scenario: &str) -> Command {
        let mut command = self.command(bin("coordinator"));
        self.run_with(&mut command, scenario).args(["--agents", agents]);
        command
    }

    pub fn run_with<'a>(&self, command: &'a mut Command, scenario: &str) -> &'a mut Command {
        let path = self.write("scenario.yaml", scenario);
        command.arg("run").arg(path).arg("--out").arg(self.out())
    }

    /// The same in a separate mount namespace, which a line of shell prepares.
    pub fn in_namespace(&self, prepare: &str, command: &Command) -> Command {
        let mut unshare = self.command("unshare");
        unshare.args(if is_root() { &["-m"][..] } else { &["-rm"] });
        unshare.args(["sh", "-ec", &format!("{prepare}\nexec \"$@\""), "sh"]);
        unshare.arg(command.get_program()).args(command.get_args());
        unshare
    }

    pub fn start(&self, mut command: Command) -> Process {
        let number = self.ran.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.path(&format!("{name}.{number}")));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Process { child: command.spawn().unwrap(), stdout, stderr }
    }

    /// Runs a command to its end.
    pub fn finish(&self, command: Command) -> Ran {
        self.start(command).wait()
    }

    /// Lines of trials.jsonl.
    pub fn trials(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.out().join("trials.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The number of measured trials of an arm, audits included.
    pub fn measured(&self, arm: &str) -> usize {
        let of_arm = |trial: &&Value| trial["arm"] == arm && !trial["hosts"][0]["finished"].is_null();
        self.trials().iter().filter(of_arm).count()
    }

    pub fn summary(&self) -> Value {
        serde_json::from_slice(&fs::read(self.out().join("summary.json")).unwrap()).unwrap()
    }

    /// The embedded agents of this test: its data directory is on their command line.
    pub fn agents(&self) -> Vec<i32> {
        let data = self.data();
        processes(|arguments| arguments.contains(&"__agent") && arguments.contains(&data.to_str().unwrap()))
    }

    pub fn agent(&self) -> i32 {
        until("an embedded agent starts", || self.agents().first().copied())
    }

    /// Asserts that no agent and no file of an agent remains.
    pub fn assert_clean(&self) {
        until("the embedded agent is gone", || self.agents().is_empty().then_some(()));
        let left: Vec<_> = fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

fn processes(wanted: impl Fn(&[&str]) -> bool) -> Vec<i32> {
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        wanted(&line.split('\0').collect::<Vec<_>>())
    })
    .collect()
}

/// A thread of a process that has this name.
pub fn has_thread(process: i32, name: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    tasks
        .flatten()
        .any(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
}

/// Waits until the audits of two cells are done and a timed trial has a worker.
pub fn until_timed(place: &Place, agent: i32) {
    until("both audits are done", || (place.trials().len() == 2).then_some(()));
    until("a worker is there", || has_thread(agent, "worker-0").then_some(()));
}

/// Whether a process has a target open in its data directory; its small probe file does not count.
pub fn has_open(process: i32, dir: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().map(|file| file.path()).any(|file| {
        fs::read_link(&file).is_ok_and(|to| to.starts_with(dir) && to != dir)
            && fs::metadata(&file).is_ok_and(|file| file.len() > 1 << 20)
    })
}

pub fn send(process: i32, signal: Signal) {
    // A process may have ended meanwhile.
    let _ = rustix::process::kill_process(Pid::from_raw(process).unwrap(), signal);
}

/// Waits for a condition, with a time limit.
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begun.elapsed() < LONG, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that is killed at the end of the test, even if the test fails.
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn send(&self, signal: Signal) {
        send(self.id(), signal);
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it handles SIGINT, some milliseconds after its start.
    pub fn listens_to_signals(&mut self) {
        let status = format!("/proc/{}/status", self.id());
        until("signals are caught", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            (caught & 0b10 != 0 || self.has_ended()).then_some(())
        });
    }

    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < LONG, "does not end; its output:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        };
        let ran = Ran { status, stdout: fs::read_to_string(&self.stdout).unwrap(), stderr: self.stderr() };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }
}

/// The output of a process.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Self { status, stdout, stderr } = &self;
        assert_eq!(status.code(), Some(code), "{status}\n-- stdout\n{stdout}\n-- stderr\n{stderr}");
        self
    }

    /// Asserts that it ran to the end. On a busy machine a trial may begin late and be excluded from verdicts:
    /// exit code 4.
    #[track_caller]
    pub fn completes(self) -> Self {
        let late = self.status.code() == Some(4)
            && (self.stdout.contains("measuring began") || self.stdout.contains("the measured window has"));
        if late { self } else { self.exits(0) }
    }

    /// Asserts that standard error contains each of these, regardless of line breaks.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        let words = |text: &str| {
            text.split(|c: char| c.is_whitespace() || c == '│')
                .filter(|word| !word.is_empty())
                .collect::<String>()
        };
        let output = words(&self.stderr);
        for text in texts {
            assert!(output.contains(&words(text)), "`{text}` is not in:\n{}", self.stderr);
        }
        self
    }
}

/// Makes a system call of a command fail with a chosen errno.
pub fn fail_call(command: &mut Command, call: libc::c_long, errno: i32) {
    let call = u32::try_from(call).unwrap();
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(), 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let install = move || {
        let mut filter = filter;
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: both calls change this process only; the program lives on the stack until they return.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
        };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

/// Runs a command as an unprivileged user if the test runs as root.
pub fn unprivileged(command: &mut Command) {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// The same with a unique user: the kernel counts locked memory by user, so parallel tests would use up the limit.
pub fn unprivileged_alone(command: &mut Command) {
    static USERS: AtomicU32 = AtomicU32::new(0);
    if is_root() {
        // Small enough to be mapped if the test is root only in a container.
        let user = 60_000 + (std::process::id() * 8 + USERS.fetch_add(1, Ordering::Relaxed)) % 5_000;
        command.uid(user).gid(NOBODY);
    }
}

/// A binary that an unprivileged user can execute: a copy if the build tree is not accessible.
pub fn open_bin(name: &str) -> PathBuf {
    static COPIES: OnceLock<TempDir> = OnceLock::new();
    let path = bin(name).canonicalize().unwrap();
    let open = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o005 == 0o005;
    if !is_root() || path.ancestors().all(open) {
        return path;
    }
    let copies = COPIES.get_or_init(|| {
        let copies = tempfile::tempdir().unwrap();
        fs::set_permissions(&copies, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["agent", "coordinator"] {
            fs::copy(bin(name), copies.path().join(name)).unwrap();
        }
        copies
    });
    copies.path().join(name)
}

/// `agent serve` on a free port of this machine.
pub struct Agent {
    pub process: Process,
    pub address: String,
}

impl Agent {
    pub fn start(place: &Place) -> Self {
        let mut command = place.command(bin("agent"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(place.data());
        let process = place.start(command);
        let address = until("the agent listens", || {
            Some(process.stderr().split_once("listens on ")?.1.split_once('\n')?.0.to_owned())
        });
        Self { process, address }
    }
}

/// Two synchronous arms that finish within moments, even on a busy machine.
pub fn tiny() -> String {
    scenario("{file: {size: 64KiB, direct: false}}", "warmup: 5ms, runtime: 60ms")
}

pub fn scenario(target: &str, workload: &str) -> String {
    format!(
        "name: tiny\ntarget: {target}\nworkload: {{block_size: 4KiB, threads: 1, {workload}}}\narms:\n  one: \
         {{engine: psync}}\n  two: {{engine: psync}}\ntrials: 2\nbaseline: one\nnoise: ignore\n"
    )
}
