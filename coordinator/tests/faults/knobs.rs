//! Options that a host does not support: each is refused by name with its remedy, or, if the scenario allows it,
//! the trial runs without it and reports that.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;

use crate::support::{Place, fail_call, scenario};

const CACHED: &str = "{file: {size: 256KiB, direct: false}}";
const DIRECT: &str = "{file: {size: 256KiB, direct: true}}";
const SHORT: &str = "warmup: 5ms, runtime: 60ms";

/// Options that register resources with a ring, as arms.
const REGISTERED: [(&str, &str); 4] = [
    ("fixed_files", "true"),
    ("fixed_buffers", "true"),
    ("registered_ring", "true"),
    ("iowq_workers", "{bounded: 1}"),
];

/// A scenario with the arm `one` and an arm for each option, named like the option.
fn with_arms(target: &str, engine: &str, knobs: &[(&str, &str)], more: &str) -> String {
    let arm =
        |(knob, value): &(&str, &str)| format!("  {knob}: {{engine: {engine}, {knob}: {value}{more}}}\n");
    let text = scenario(target, SHORT);
    let (before, after) = text.split_once("  two: {engine: psync}\n").unwrap();
    format!("{before}{}{after}", knobs.iter().map(arm).collect::<String>())
}

/// A kernel that refuses every registration.
fn without_registrations(command: &mut Command) {
    fail_call(command, libc::SYS_io_uring_register, libc::EINVAL);
}

fn warning<'a>(summary: &'a Value, code: &str) -> &'a Value {
    let warnings = summary["warnings"].as_array().unwrap();
    warnings
        .iter()
        .find(|warning| warning["code"] == code)
        .unwrap_or_else(|| panic!("no {code}: {warnings:#?}"))
}

#[test]
fn refuses_unsupported_registrations_by_name() {
    let place = Place::new();
    let mut command = place.run(&with_arms(CACHED, "io_uring", &REGISTERED, ""));
    without_registrations(&mut command);
    let ran = place.finish(command).exits(3);
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    let mut ran = ran;
    for (knob, _) in REGISTERED {
        ran =
            ran.says(&[&format!("refused: {knob}"), &format!("{knob} was not granted"), "`fallback: allow`"]);
        assert_eq!(place.measured(knob), 0, "{knob}");
    }
    assert_eq!(place.measured("one"), 3);
}

#[test]
fn omits_unsupported_registrations_if_allowed() {
    let place = Place::new();
    let mut command = place.run(&with_arms(CACHED, "io_uring", &REGISTERED, ", fallback: allow"));
    without_registrations(&mut command);
    let ran = place.finish(command);
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    ran.completes();
    let summary = place.summary();
    warning(&summary, "knob-not-granted");
    for (knob, _) in REGISTERED {
        assert_eq!(place.measured(knob), 3, "{knob}");
        let cells = summary["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["arm"] == knob).unwrap();
        assert_eq!(cell["ring"]["granted"][knob].to_string().replace('"', ""), "false", "{cell:#}");
    }
}

#[test]
fn refuses_polling_on_a_device_without_polling() {
    let place = Place::new();
    let rings = [("iopoll", "true"), ("hybrid_iopoll", "true, iopoll: true")];
    let calls = [("hipri", "true")];
    let no_queues = ["queue/io_poll", "poll_queues"];
    // Kernels since 6.0 ignore the flag for every device; older ones ask the device, as for rings.
    let ignored = ["ignores the flag RWF_HIPRI", "`engine: io_uring, iopoll: true`"];
    for (engine, knobs, why) in [("io_uring", &rings[..], no_queues), ("pvsync2", &calls[..], ignored)] {
        let ran = place.finish(place.run(&with_arms(DIRECT, engine, knobs, "")));
        if ran.status.success() {
            return agent::skip::skip("the device of the temporary directory has poll queues");
        }
        if ran.stderr.contains("direct-refused") || ran.stderr.contains("ring-refused") {
            return agent::skip::skip(&format!(
                "direct I/O or io_uring is not to be had here: {}",
                ran.stderr
            ));
        }
        let mut ran = ran.exits(3);
        for (knob, _) in knobs {
            let why = if ran.stderr.contains(no_queues[0]) { no_queues } else { why };
            ran = ran.says(&["refused:", knob, "knob-refused", why[0], why[1]]);
            assert_eq!(place.measured(knob), 0, "{knob}");
        }
        std::fs::remove_dir_all(place.out()).unwrap();
    }
}

#[test]
fn warns_of_a_polling_thread_that_shares_its_cpu() {
    let place = Place::new();
    let mut command = place.run(&with_arms(CACHED, "io_uring", &[("sqpoll", "{idle: 10ms}")], ""));
    let all = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    let pin = move || {
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(pin) };
    let ran = place.finish(command);
    if ran.stderr.contains("ring-refused") {
        return agent::skip::skip("io_uring is not allowed here");
    }
    // On one shared CPU both are slow, but they measure.
    assert_eq!(place.measured("sqpoll"), 3, "{ran:?}");
    let summary = place.summary();
    let warned = warning(&summary, "sqpoll-shares-cpu");
    assert!(warned["remedy"].as_str().is_some_and(|remedy| remedy.contains("CPU")), "{warned:#}");
}
