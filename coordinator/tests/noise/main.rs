//! Real noise on this machine: a busy program next to a worker is detected, and its trials are marked and
//! repeated; a quiet trial is not marked. This is a separate binary, so that no other test causes noise.

#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../hosts/support.rs"]
mod support;

use std::{
    fs,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use serde_json::Value;
use support::{Lab, Process, Ran};

/// One test at a time, because each is noise to the other.
static TURN: Mutex<()> = Mutex::new(());
/// The attempts to get a quiet trial on a busy machine.
const TRIES: usize = 6;
/// A busy worker that waits for less than this share of the time has its CPU to itself.
const QUIET: f64 = 0.005;

/// A CPU without the embedded agent's runtime; `None` if there is only one CPU.
fn spare_cpu() -> Option<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu)).filter(|_| allowed.count() >= 2)
}

/// A program that keeps a CPU busy until it is dropped.
fn hog(cpu: usize) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
    let child = command.spawn().unwrap();
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(Some(Pid::from_child(&child)), &one).unwrap();
    Process(child)
}

/// One arm that is always busy on that CPU. It reads nothing, so the disk does not matter.
fn lab(cpu: usize) -> Lab {
    let lab = Lab::new();
    let text = format!(
        "name: noise\ntarget: {{file: {{size: 1MiB, direct: false}}}}\nworkload: {{cpus: [{cpu}], warmup: 50ms, runtime: \
         600ms}}\narms: {{busy: {{engine: nop, depth: 8}}}}\ntrials: 1\n"
    );
    fs::write(lab.path("hosts.yaml"), text).unwrap();
    lab
}

fn run(lab: &Lab, out: &str) -> Ran {
    let output = lab.command(&["--out", out]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn timed(lab: &Lab, out: &str) -> Vec<Value> {
    lab.trials(out).into_iter().filter(|trial| trial["measure"] == "timed").collect()
}

fn is_noisy(trial: &Value) -> bool {
    trial["marks"].as_array().unwrap().iter().any(|mark| mark.as_str().unwrap().starts_with("noisy ("))
}

fn codes(lab: &Lab, out: &str) -> Vec<String> {
    let summary = lab.summary(out);
    let warnings = summary["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn detects_a_busy_neighbour_and_repeats_the_trials() {
    let _turn = TURN.lock();
    let Some(cpu) = spare_cpu() else { return agent::skip::skip("one CPU is too few to disturb another") };
    let (lab, neighbour) = (lab(cpu), hog(cpu));
    let ran = run(&lab, "loud");
    drop(neighbour);
    assert_eq!(ran.code, 4, "noise stayed: the run is incomplete\n{}", ran.stderr);
    let trials = timed(&lab, "loud");
    assert_eq!(trials.len(), 2, "one trial, and its one repeat");
    for trial in &trials {
        assert_eq!(trial["id"], trials[0]["id"]);
        // The hypervisor may take time of its own, which is marked beside it.
        let marks = trial["marks"].as_array().unwrap();
        let foreign =
            |mark: &Value| mark.as_str().unwrap().starts_with("noisy (foreign-load): other programs ran ");
        assert!(marks.iter().any(foreign), "{marks:?}");
        let noise = &trial["hosts"][0]["finished"]["noise"];
        let share = |ns: &Value| ns.as_f64().unwrap() / noise["span_ns"].as_f64().unwrap();
        // Two busy programs share a CPU evenly; more of them leave less to the worker.
        let (ran, waited) = (share(&noise["foreign"]["user_ns"]), noise["waited_share"].as_f64().unwrap());
        assert!(ran > 0.25 && waited > 0.25, "{noise}");
        assert_eq!(noise["cpus"], serde_json::json!([cpu]));
    }
    let found = codes(&lab, "loud");
    for code in ["foreign-load", "repeated-for-noise", "trial-kept-out"] {
        assert!(found.iter().any(|found| found == code), "no {code} in {found:?}");
    }

    fs::remove_dir_all(lab.path("loud")).unwrap();
    let neighbour = hog(cpu);
    let output = lab.command(&["--out", "warned", "--set", "noise=warn"]).output().unwrap();
    drop(neighbour);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(timed(&lab, "warned").len(), 1);
    assert!(codes(&lab, "warned").contains(&"foreign-load".to_owned()));
}

/// For a worker that is always busy, two kernel counters measure the same thing: the time of other tasks on its
/// CPU, in ticks, and the worker's wait for that CPU, by the scheduler's clock. A quiet trial can therefore be
/// identified without the noise guard.
#[test]
fn does_not_mark_a_quiet_trial() {
    let _turn = TURN.lock();
    let Some(cpu) = spare_cpu() else { return agent::skip::skip("one CPU has the agent on it, too") };
    let lab = lab(cpu);
    for attempt in 0..TRIES {
        let out = format!("quiet{attempt}");
        let ran = run(&lab, &out);
        let trials = timed(&lab, &out);
        for trial in &trials {
            let noise = &trial["hosts"][0]["finished"]["noise"];
            let Some(waited) = noise["waited_share"].as_f64() else {
                return agent::skip::skip("this kernel does not tell how long a thread waits for its CPU");
            };
            let span = noise["span_ns"].as_f64().unwrap();
            let foreign = noise["foreign"]["total_ns"].as_f64().unwrap() / span;
            let marked = is_noisy(trial);
            println!("others ran {:.1} %, waited {:.1} %, marked: {marked}", foreign * 100.0, waited * 100.0);
            assert!((foreign - waited).abs() < 0.2, "two accounts of the same disagree: {noise}");
        }
        let last = trials.last().unwrap();
        let noise = &last["hosts"][0]["finished"]["noise"];
        if noise["waited_share"].as_f64().unwrap() < QUIET && noise["steal_ns"] == 0 {
            assert!(!is_noisy(last), "{last:#}");
            assert_eq!(noise["foreign"]["total_ns"], 0, "{noise}");
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            return;
        }
        thread::sleep(Duration::from_millis(500));
    }
    eprintln!("SKIPPED: nobody left this CPU alone for as long as a trial takes");
}
