//! Tests of preflight under restrictions: a seccomp filter, a limit, the sysctl.

use std::{
    io,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use proto::outcome::Capability;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use super::*;

/// Set in child processes that tests start from this executable.
const CHILD: &str = "RINGBENCH_TEST_CHILD";

fn find<'a>(capabilities: &'a [Capability], name: &str) -> &'a Capability {
    capabilities.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_description_is_quick_and_complete() {
    let topology = Topology::discover().unwrap();
    let dir = TempDir::new().unwrap();
    let begin = Instant::now();
    let host = describe(&topology, dir.path());
    let took = begin.elapsed();
    // It takes tens of milliseconds; the bound allows for a busy build host.
    assert!(took < Duration::from_secs(5), "{took:?}");
    for name in ["kernel.release", "arch", "cpu.count", "data_dir.file_system", "agent.build", "memory.total"]
    {
        assert!(host.facts.contains_key(name), "no {name}");
    }
    assert!(find(&host.capabilities, "data_dir").available);
    for one in &host.capabilities {
        assert_eq!(one.available, one.remedy.is_empty(), "{one:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    eprintln!("{}(took {took:?})", render(&host));
}

#[test]
fn a_missing_data_dir_disables_two_capabilities() {
    let host = describe(&Topology::discover().unwrap(), Path::new("/nonexistent/ringbench"));
    for name in ["data_dir", "direct_io"] {
        let one = find(&host.capabilities, name);
        assert!(!one.available && one.remedy.contains("--data-dir"), "{one:?}");
    }
}

#[test]
fn lines_are_wrapped_and_remedies_follow() {
    let mut host = describe(&Topology::discover().unwrap(), Path::new("/"));
    host.capabilities = vec![
        capability("io_uring", Err(("word ".repeat(60), "do that".to_owned()))),
        capability("cpus", Ok("fine".to_owned())),
    ];
    let text = render(&host);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(text.contains("Capabilities (1 of 2 missing)\n  NO  io_uring  word"), "{text}");
    assert!(text.contains("\n      → do that\n  ok  cpus      fine\n"), "{text}");
}

/// Makes io_uring_setup fail with EPERM on the calling thread, and on no other.
fn forbid_io_uring() -> io::Result<()> {
    // Load the number of the call, compare it, and return an error or allow the call.
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the calls read the program, which lives until they return, and change only this thread.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn a_filter_that_forbids_io_uring_is_recognised() {
    thread::spawn(|| {
        if let Err(error) = forbid_io_uring() {
            crate::skip::skip(&format!("no seccomp filter: {error}"));
            return;
        }
        let capabilities = ring::capabilities();
        let plain = find(&capabilities, "io_uring");
        assert!(!plain.available);
        assert!(plain.detail.contains("Operation not permitted"), "{plain:?}");
        match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").as_deref().map(str::trim) {
            Ok("2") => crate::skip::skip("io_uring is disabled for all users on this host"),
            _ => {
                assert!(plain.detail.contains("seccomp filter"), "{plain:?}");
                assert!(plain.remedy.contains("seccomp profile"), "{plain:?}");
            }
        }
        for one in &capabilities {
            assert!(!one.available, "{one:?}");
        }
        assert_eq!(find(&capabilities, "io_uring.sqpoll").remedy, "see io_uring first");
    })
    .join()
    .unwrap();
}

#[test]
fn no_locked_memory_is_recognised() {
    // Limits apply to the whole process, so this runs in a child process.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "preflight::tests::without_locked_memory", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{stderr}\n{}", String::from_utf8_lossy(&child.stdout));
    eprint!("{stderr}");
}

#[test]
#[ignore = "runs in a process that another test starts"]
fn without_locked_memory() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let maximum = getrlimit(Resource::Memlock).maximum;
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), maximum }).unwrap();
    if rustix::process::geteuid().is_root() {
        // Root is exempt from the limit; the user nobody is not.
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
    }
    let capabilities = ring::capabilities();
    let plain = find(&capabilities, "io_uring");
    if !plain.available && !plain.detail.contains("os error 12") {
        crate::skip::skip(&plain.detail);
        return;
    }
    // Before Linux 5.12, the ring itself counted towards the limit.
    let buffers = if plain.available { find(&capabilities, "io_uring.fixed_buffers") } else { plain };
    assert!(!buffers.available, "{buffers:?}");
    assert!(buffers.detail.contains("Cannot allocate memory"), "{buffers:?}");
    assert!(buffers.remedy.contains("LimitMEMLOCK"), "{buffers:?}");
}
