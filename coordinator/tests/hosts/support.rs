//! Real processes: agents that serve, and a coordinator that runs a scenario.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The limit for actions that take a moment on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A binary of this workspace: from `RINGBENCH_BIN_DIR`, or from this build.
pub fn bin(name: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_BIN_EXE_coordinator")).parent().unwrap().to_owned();
    let path = std::env::var_os("RINGBENCH_BIN_DIR").map_or_else(built, PathBuf::from).join(name);
    assert!(path.is_file(), "{} is missing: cargo build --workspace makes it", path.display());
    path
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for its end. Returns its exit code, or -1 if it was killed.
    pub fn wait(&mut self) -> i32 {
        let mut code = None;
        until("the process ends", || {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent on a free loopback port, with its own data directory.
pub struct Agent {
    pub process: Process,
    pub address: String,
    pub data: TempDir,
    log: Arc<Mutex<String>>,
}

impl Agent {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts one on an address, such as that of an agent that was killed.
    pub fn start_at(address: &str) -> Self {
        let data = TempDir::new().unwrap();
        let mut command = Command::new(bin("agent"));
        command.args(["serve", "--listen", address, "--data-dir"]).arg(data.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let process = Process(child);
        let address = loop {
            let line = lines.next().expect("the agent says where it listens").unwrap();
            if let Some((_, address)) = line.split_once(" listens on ") {
                break address.to_owned();
            }
        };
        let log = Arc::<Mutex<String>>::default();
        let kept = Arc::clone(&log);
        // Read to the end; otherwise the agent would block on a full pipe.
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *kept.lock().unwrap() += &(line + "\n"));
        });
        Self { process, address, data, log }
    }

    /// Its output since it began to listen.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// The working directory of a coordinator, with scenario, inventory and results.
pub struct Lab(pub TempDir);

impl Lab {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a scenario of short trials on a small cached file. Sharing CPUs with other tests does not matter
    /// here.
    pub fn scenario(&self, trials: u32, runtime: &str, arms: &str) -> String {
        let text = format!(
            "# Kept to the letter, comments too.\nname: hosts\ntarget: {{file: {{size: 1MiB, direct: false}}}}\n\
             workload: {{warmup: 50ms, runtime: {runtime}}}\ntrials: {trials}\nnoise: ignore\narms:\n{arms}"
        );
        fs::write(self.path("hosts.yaml"), &text).unwrap();
        text
    }

    /// Writes an inventory of names, addresses and labels.
    pub fn inventory(&self, hosts: &[(&str, &Agent, &str)]) {
        let entry = |(name, agent, labels): &(&str, &Agent, &str)| {
            format!("  - {{name: {name}, address: \"{}\", labels: {{{labels}}}}}\n", agent.address)
        };
        let text: String = hosts.iter().map(entry).collect();
        fs::write(self.path("cluster.yaml"), format!("hosts:\n{text}")).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("coordinator"));
        command.args(["run", "hosts.yaml", "--no-progress", "--format", "json"]).args(args);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the scenario to the end, into a directory. On a busy machine a trial may begin late and be excluded;
    /// then it runs once more.
    pub fn run(&self, out: &str, args: &[&str]) -> Ran {
        for _ in 0..3 {
            let ran = Ran::of(&self.command(&[args, &["--out", out]].concat()).output().unwrap());
            let late = |trial: &Value| trial["marks"].as_array().unwrap().iter().any(is_late);
            if ran.code != 4 || !self.trials(out).iter().any(late) {
                return ran;
            }
            fs::remove_dir_all(self.path(out)).unwrap();
        }
        panic!("trials began late three times: this machine is too busy")
    }

    /// Starts the scenario; its output is ignored.
    pub fn spawn(&self, args: &[&str]) -> Process {
        let mut command = self.command(args);
        Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The lines written to a run's `trials.jsonl` so far.
    pub fn trials(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(run).join("trials.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn summary(&self, run: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(run).join("summary.json")).unwrap()).unwrap()
    }
}

/// Whether a mark reports a late start.
pub fn is_late(mark: &Value) -> bool {
    mark.as_str().is_some_and(|mark| mark.contains("measuring began"))
}

/// The result of a run.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        self
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The rows of an arm: merged first, then host by host.
pub fn rows<'a>(summary: &'a Value, arm: &str) -> Vec<&'a Value> {
    summary["cells"].as_array().unwrap().iter().filter(|cell| cell["arm"] == arm).collect()
}
