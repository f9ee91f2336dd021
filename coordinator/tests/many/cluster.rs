//! A run of the real coordinator over synthetic hosts, with what it costs.

use std::{
    fmt::{self, Write as _},
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use coordinator::cluster::clock::now_ns;
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use serde_json::Value;
use tempfile::TempDir;

use super::synthetic::{Invented, Observed, serve};

/// How often memory and CPU time are read.
const SAMPLE: Duration = Duration::from_millis(50);

/// The load of a run.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub hosts: usize,
    /// Timed trials.
    pub trials: u32,
    /// The measured window, in milliseconds.
    pub runtime_ms: u64,
    pub interval_ms: u64,
}

/// A finished run.
pub struct Ran {
    pub place: TempDir,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub cost: Cost,
    pub invented: Arc<Invented>,
}

/// What the coordinator took.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// CPU time within measured windows by their time, as a share of one core.
    pub core: f64,
    /// CPU time of the whole process.
    pub cpu: Duration,
    /// The largest resident memory until the last window ended, and of the whole process, in bytes.
    pub running_bytes: u64,
    pub peak_bytes: u64,
    /// The part of `running_bytes` that is not the program itself.
    pub anonymous_bytes: u64,
    /// Resident memory after a quarter of the last window, and at its end.
    pub quarter_bytes: u64,
    pub end_bytes: u64,
    /// Bytes on disk of an interval of a host.
    pub interval_bytes: u64,
    /// The longest time for which an interval waited to be sent.
    pub waited: Duration,
}

/// Starts hosts and runs a scenario on all of them.
pub fn run(load: Load) -> Ran {
    allow_files(4 * load.hosts as u64 + 256);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (invented, observed) = (Arc::new(Invented::new()), Arc::new(Observed::default()));
    let addresses = runtime.block_on(serve(load.hosts, &invented, &observed));
    let place = TempDir::new().unwrap();
    let mut inventory = String::from("hosts:\n");
    for (host, address) in addresses.iter().enumerate() {
        writeln!(inventory, "  - {{name: n{host}, address: \"{address}\"}}").unwrap();
    }
    fs::write(place.path().join("lab.yaml"), inventory).unwrap();
    let Load { trials, runtime_ms, interval_ms, .. } = load;
    let scenario = format!(
        "name: many\ntarget: {{file: {{size: 1MiB, direct: false}}}}\ntrials: {trials}\nnoise: ignore\n\
         workload: {{warmup: 10ms, runtime: {runtime_ms}ms, interval: {interval_ms}ms}}\narms:\n  sync: {{engine: psync}}\n"
    );
    fs::write(place.path().join("many.yaml"), scenario).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_coordinator"))
        .args(["run", "many.yaml", "--inventory", "lab.yaml", "--out", "run", "--no-progress"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(place.path().join("stdout")).unwrap())
        .stderr(fs::File::create(place.path().join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let (code, mut cost) = watch(child, &load, &observed);
    runtime.shutdown_background();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap_or_default();
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    let mut ran = Ran { place, code, stdout, stderr, cost: Cost::default(), invented };
    let logs: u64 = fs::read_dir(ran.path("histograms"))
        .map_or(0, |logs| logs.map(|log| log.unwrap().metadata().unwrap().len()).sum());
    let intervals = load.hosts as u64 * u64::from(trials + 1) * runtime_ms.div_ceil(interval_ms);
    cost.interval_bytes = logs / intervals;
    cost.waited = Duration::from_nanos(observed.waited_ns.load(Ordering::Relaxed));
    ran.cost = cost;
    ran
}

impl Ran {
    /// A file of the run directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join("run").join(name)
    }

    pub fn summary(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("summary.json")).unwrap()).unwrap()
    }
}

/// Reads what the process takes until it ends.
fn watch(mut child: Child, load: &Load, observed: &Observed) -> (i32, Cost) {
    let mut cost = Cost::default();
    let window_ns = load.runtime_ms * 1_000_000;
    let (mut begun, mut cpu_before) = (0, Duration::ZERO);
    let patience = Instant::now() + Duration::from_secs(600);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > patience {
            let _ = child.kill();
        }
        let Some(Used { cpu, resident, peak, anonymous }) = Used::of(child.id()) else { continue };
        (cost.cpu, cost.peak_bytes) = (cpu, peak.max(cost.peak_bytes));
        let (begin, now) = (observed.begin_ns.load(Ordering::Relaxed), now_ns());
        if begin != begun && now >= begin {
            (begun, cpu_before) = (begin, cpu);
            cost.quarter_bytes = 0;
        }
        // The intervals of the last slice arrive at the end of the window.
        let until = begin + window_ns + load.interval_ms * 500_000;
        if begun > 0 && begin == begun && now <= until {
            let spent = Duration::from_nanos(now - begun).as_secs_f64().max(0.05);
            cost.core = (cpu - cpu_before).as_secs_f64() / spent;
            (cost.end_bytes, cost.running_bytes) = (resident, peak.max(cost.running_bytes));
            cost.anonymous_bytes = anonymous.max(cost.anonymous_bytes);
            if cost.quarter_bytes == 0 && now >= begun + window_ns / 4 {
                cost.quarter_bytes = resident;
            }
        }
        thread::sleep(SAMPLE);
    };
    (status.code().unwrap_or(-1), cost)
}

/// What a process uses.
struct Used {
    cpu: Duration,
    resident: u64,
    peak: u64,
    anonymous: u64,
}

impl Used {
    /// Reads it from /proc; `None` once the process has ended.
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<u64> =
            stat.rsplit_once(')')?.1.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let ticks = fields.get(11)? + fields.get(12)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let size = |key: &str| -> Option<u64> {
            let found = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(found.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
        };
        Some(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64),
            resident: fields.get(21)? * page_size() as u64,
            peak: size("VmHWM:")?,
            anonymous: size("RssAnon:")?,
        })
    }
}

/// Raises the limit of open files: each host is a listener and both ends of a connection.
fn allow_files(files: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < files) {
        let wanted = maximum.map_or(files, |maximum| maximum.min(files));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:5.1} % of a core, {:6.1} s CPU in all; running {:6.1} MiB ({:.1} without the program; quarter {:6.1}, end {:6.1}), peak {:6.1} MiB; \
             {} B an interval on disk; waited {:?}",
            100.0 * self.core,
            self.cpu.as_secs_f64(),
            mib(self.running_bytes),
            mib(self.anonymous_bytes),
            mib(self.quarter_bytes),
            mib(self.end_bytes),
            mib(self.peak_bytes),
            self.interval_bytes,
            self.waited,
        )
    }
}
