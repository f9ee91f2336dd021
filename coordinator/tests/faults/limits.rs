//! Limits and restrictions of the host: refused by name with the remedy, while the other arms run.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::{Place, Ran, fail_call, is_root, open_bin, scenario, unprivileged_alone};

const CACHED: &str = "{file: {size: 256KiB, direct: false}}";
const SHORT: &str = "warmup: 5ms, runtime: 60ms";

fn limit(command: &mut Command, resource: Resource, to: u64) {
    let change =
        move || setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) }).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(change) };
}

/// Makes `io_uring_setup` fail, as the seccomp profiles of containers do: with EPERM, or with ENOSYS.
fn forbid_rings(command: &mut Command, errno: i32) {
    fail_call(command, libc::SYS_io_uring_setup, errno);
}

fn with_ring(engine: &str) -> String {
    scenario(CACHED, SHORT).replace("two: {engine: psync}", &format!("two: {{{engine}}}"))
}

#[test]
fn reports_rings_forbidden_by_seccomp() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let place = Place::new();
        let mut command = place.run(&with_ring("engine: io_uring"));
        forbid_rings(&mut command, errno);
        let ran = place.finish(command).exits(3);
        let ran =
            ran.says(&["refused: two", "ring-refused", "seccomp", "io_uring_setup", "trials were not run"]);
        assert!(ran.stdout.contains("one") && !ran.stdout.contains("Linux 5.1"), "{ran:?}");
        assert_eq!((place.measured("one"), place.measured("two")), (3, 0));
        place.assert_clean();
    }
}

/// The sysctl applies to the whole machine and is not changed here. A filter forbids the rings, and the agent
/// reads a mounted file in place of the sysctl. The value 1 does not explain why a process under a filter fails.
#[test]
fn reports_rings_forbidden_by_sysctl() {
    let sysctl = "/proc/sys/kernel/io_uring_disabled";
    for (value, says) in [("2", "`sysctl kernel.io_uring_disabled=0`"), ("1", "seccomp")] {
        let place = Place::new();
        let sysctl_file = place.write("sysctl", value);
        let prepare = format!("mount --bind '{}' {sysctl}", sysctl_file.display());
        let ran = place.finish(place.in_namespace(&prepare, &place.command("true")));
        if !ran.status.success() {
            return agent::skip::skip(&format!("nothing can be mounted here: {}", ran.stderr));
        }
        let mut command = place.in_namespace(&prepare, &place.run(&with_ring("engine: io_uring")));
        forbid_rings(&mut command, libc::EPERM);
        place.finish(command).exits(3).says(&["refused: two", "ring-refused", says]);
        assert_eq!(place.measured("one"), 3);
    }
}

#[test]
fn reports_too_few_open_files_for_the_workers() {
    let place = Place::new();
    let mut command = place.run(&scenario(CACHED, SHORT).replace("threads: 1", "threads: 128"));
    limit(&mut command, Resource::Nofile, 64);
    place.finish(command).exits(3).says(&["open-files", "LimitNOFILE=", "fewer threads"]);
    place.assert_clean();
}

#[test]
fn reports_too_few_open_files_for_the_rings() {
    let place = Place::new();
    let text = with_ring("engine: io_uring").replace("threads: 1", "threads: 32");
    let mut command = place.run(&text);
    limit(&mut command, Resource::Nofile, 64);
    let ran = place.finish(command).exits(3);
    ran.says(&["refused: two", "open-files", "io_uring_setup", "LimitNOFILE="]);
    assert_eq!(place.measured("one"), 3);
}

#[test]
fn too_few_open_files_for_perf_lose_only_its_counts() {
    let place = Place::new();
    let mut command = place.run(&scenario(CACHED, SHORT).replace("threads: 1", "threads: 28"));
    limit(&mut command, Resource::Nofile, 64);
    let ran = place.finish(command);
    ran.completes();
    let summary = place.summary();
    assert_eq!((place.measured("one"), place.measured("two")), (3, 3));
    let warnings = summary["warnings"].as_array().unwrap();
    let perf = warnings.iter().find(|warning| warning["code"] == "perf-not-available").unwrap();
    if is_root() {
        assert!(perf["remedy"].as_str().unwrap().contains("limit of open files"), "{perf:#}");
    }
    for trial in place.trials() {
        let finished = &trial["hosts"][0]["finished"];
        assert!(finished["perf"].is_null(), "{trial:#}");
        assert!(finished["syscalls_self"]["pread64"].as_u64().unwrap() > 0, "{trial:#}");
    }
}

/// As a user with a limit of locked memory.
fn with_locked_memory(place: &Place, limited: u64, engine: &str) -> Ran {
    let target = "{file: {size: 8MiB, direct: false}}";
    let text = scenario(target, SHORT).replace("4KiB", "2MiB");
    let text = text.replace("two: {engine: psync}", &format!("two: {{{engine}}}"));
    let mut command = place.command(open_bin("coordinator"));
    place.run_with(&mut command, &text).arg("--data-dir").arg(place.data());
    limit(&mut command, Resource::Memlock, limited);
    unprivileged_alone(&mut command);
    place.finish(command)
}

/// Enough for a ring of depth one, but not for its buffers.
const ENOUGH_FOR_RINGS: u64 = 1 << 20;

/// Whether rings are refused for a reason other than memory.
fn forbidden(ran: &Ran) -> bool {
    let forbidden = ran.stderr.contains("Operation not permitted");
    if forbidden {
        agent::skip::skip("an ordinary user may not use io_uring here");
    }
    forbidden
}

#[test]
fn refuses_fixed_buffers_without_locked_memory() {
    let place = Place::new();
    let ran = with_locked_memory(&place, ENOUGH_FOR_RINGS, "engine: io_uring, fixed_buffers: true").exits(3);
    if forbidden(&ran) {
        return;
    }
    let ran = ran.says(&["refused: two", "knob-refused", "fixed_buffers was not granted", "LimitMEMLOCK="]);
    assert!(ran.stdout.contains("one"), "{ran:?}");
    assert_eq!(place.measured("one"), 3);
}

#[test]
fn falls_back_without_locked_memory_if_allowed() {
    let place = Place::new();
    let engine = "engine: io_uring, fixed_buffers: true, fallback: allow";
    let ran = with_locked_memory(&place, ENOUGH_FOR_RINGS, engine);
    if forbidden(&ran) {
        return;
    }
    ran.completes();
    let summary = place.summary();
    assert_eq!(place.measured("two"), 3);
    let warnings = summary["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "knob-not-granted"), "{warnings:#?}");
    let cells = summary["cells"].as_array().unwrap();
    let ring = cells.iter().find(|cell| cell["arm"] == "two").unwrap()["ring"].clone();
    let flag = |side: &str| ring[side]["fixed_buffers"].to_string().replace('"', "");
    assert_eq!((flag("requested"), flag("granted")), ("true".into(), "false".into()), "{ring:#}");
}

/// Kernels differ in whether the ring itself counts as locked memory.
#[test]
fn reports_a_zero_limit_of_locked_memory() {
    let place = Place::new();
    let ran = with_locked_memory(&place, 0, "engine: io_uring, fixed_buffers: true").exits(3);
    if !forbidden(&ran) {
        ran.says(&["refused: two", "LimitMEMLOCK=", "limit of locked memory"]);
        assert_eq!(place.measured("one"), 3);
    }
}
