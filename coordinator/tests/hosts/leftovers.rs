//! No leftovers: no file, no deleted open file, no process and no thread, however a run ends.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::support::{Agent, Lab, until};

/// Trials long enough for a check during a trial.
const LONG: &str = "60s";
const ARM: &str = "  uring: {engine: io_uring, depth: 8}\n";

fn entries(path: impl AsRef<Path>) -> Vec<PathBuf> {
    fs::read_dir(path)
        .map(|dir| dir.map_while(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// Open files of a process in `data`, including deleted ones.
fn open_files(pid: u32, data: &Path) -> Vec<PathBuf> {
    let links = entries(format!("/proc/{pid}/fd")).into_iter().filter_map(|fd| fs::read_link(fd).ok());
    // The directory itself is open for as long as the agent runs.
    links.filter(|link| link.starts_with(data) && link != data).collect()
}

/// Threads by name. The kernel's workers of a ring (`iou-wrk-…`, `iou-sqp-…`) are threads of the process too.
fn threads(pid: u32) -> Vec<String> {
    let tasks = entries(format!("/proc/{pid}/task")).into_iter();
    tasks.filter_map(|task| Some(fs::read_to_string(task.join("comm")).ok()?.trim().to_owned())).collect()
}

fn rings(pid: u32) -> usize {
    let links = entries(format!("/proc/{pid}/fd")).into_iter().filter_map(|fd| fs::read_link(fd).ok());
    links.filter(|link| link.to_string_lossy().contains("io_uring")).count()
}

fn is_working(pid: u32, data: &Path) -> bool {
    !open_files(pid, data).is_empty() && threads(pid).iter().any(|name| name.starts_with("worker-"))
}

/// Waits until a running agent has freed everything of a run.
#[track_caller]
fn until_clean(pid: u32, data: &Path) {
    let busy = |name: &String| name != "agent" && name != "runtime";
    until(&format!("agent {pid} is as before; threads {:?}", threads(pid)), || {
        assert!(Path::new(&format!("/proc/{pid}")).exists(), "the agent is gone");
        entries(data).is_empty()
            && open_files(pid, data).is_empty()
            && rings(pid) == 0
            && !threads(pid).iter().any(busy)
    });
}

/// Processes that were started with this data directory.
fn processes(data: &Path) -> Vec<u32> {
    let all = entries("/proc").into_iter().filter_map(|dir| dir.file_name()?.to_str()?.parse::<u32>().ok());
    let named = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*data.to_string_lossy()))
    };
    all.filter(named).collect()
}

#[test]
fn a_serving_agent_keeps_nothing_of_a_run() {
    let (lab, mut agent) = (Lab::new(), Agent::start());
    let (pid, data) = (agent.process.pid(), agent.data.path().canonicalize().unwrap());
    let address = agent.address.clone();

    lab.scenario(1, "100ms", ARM);
    lab.run("normal", &["--agents", &address]).expect(0);
    until_clean(pid, &data);

    lab.scenario(1, LONG, ARM);
    for (signal, code, out) in [(Signal::INT, 130, "interrupted"), (Signal::KILL, -1, "killed")] {
        let mut run = lab.spawn(&["--agents", &address, "--out", out]);
        until("a trial runs", || is_working(pid, &data));
        until("its audit has ended", || lab.trials(out).len() == 1);
        until("the long one runs", || is_working(pid, &data));
        run.signal(signal);
        assert_eq!(run.wait(), code, "{out}");
        until_clean(pid, &data);
        assert!(!lab.trials(out).is_empty(), "what was measured is kept");
    }

    // SIGTERM during a trial ends the agent in order.
    let mut run = lab.spawn(&["--agents", &address, "--out", "ended"]);
    until("a trial runs", || is_working(pid, &data));
    agent.process.signal(Signal::TERM);
    assert_eq!(agent.process.wait(), 0, "SIGTERM is an orderly end");
    assert_eq!(run.wait(), 3, "the coordinator says that it lost its host");
    assert_eq!(entries(&data), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_agent_leaves_no_file() {
    let (lab, mut agent) = (Lab::new(), Agent::start());
    lab.scenario(1, LONG, ARM);
    let mut run = lab.spawn(&["--agents", &agent.address, "--out", "run"]);
    let data = agent.data.path().canonicalize().unwrap();
    until("a trial runs", || is_working(agent.process.pid(), &data));
    agent.process.signal(Signal::KILL);
    assert_eq!(agent.process.wait(), -1);
    assert_eq!(run.wait(), 3);
    assert_eq!(entries(&data), Vec::<PathBuf>::new());
}

#[test]
fn an_embedded_agent_ends_with_its_coordinator() {
    let (lab, data) = (Lab::new(), tempfile::tempdir().unwrap());
    let data = data.path().canonicalize().unwrap();
    lab.scenario(1, LONG, ARM);
    for (signal, code, out) in [(Signal::INT, 130, "interrupted"), (Signal::KILL, -1, "killed")] {
        let mut run = lab.spawn(&["--data-dir", data.to_str().unwrap(), "--out", out]);
        until("the agent measures", || processes(&data).iter().any(|&pid| is_working(pid, &data)));
        run.signal(signal);
        assert_eq!(run.wait(), code, "{out}");
        until("no process is left", || processes(&data).is_empty());
        assert_eq!(entries(&data), Vec::<PathBuf>::new());
    }
}
