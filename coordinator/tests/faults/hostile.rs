//! Files and situations that are made to hurt: endless, deep and huge input, text that controls a terminal, limits of
//! the system, stopped processes.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::support::{
    Place, Ran, bin, is_root, open_bin, scenario, send, tiny, unprivileged_alone, until_timed,
};

/// Time for reading any file on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn coordinator(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(bin("coordinator"));
    command.args(arguments);
    let begun = Instant::now();
    let ran = place.finish(command);
    assert!(begun.elapsed() < SOON, "{arguments:?} took {:?}", begun.elapsed());
    ran
}

/// Reads a file as a scenario and as an inventory.
fn read_as_yaml(place: &Place, path: &Path) -> [Ran; 2] {
    let (path, good) = (path.to_str().unwrap(), place.write("good.yaml", tiny()));
    [
        coordinator(place, &["check", path]).exits(2),
        coordinator(place, &["run", good.to_str().unwrap(), "--inventory", path]).exits(2),
    ]
}

/// The same, and as a job file.
fn read_as_all(place: &Place, path: &Path) -> [Ran; 3] {
    let [check, inventory] = read_as_yaml(place, path);
    [check, inventory, coordinator(place, &["import", path.to_str().unwrap()]).exits(2)]
}

#[test]
fn only_regular_files_of_limited_size_are_read() {
    let place = Place::new();
    for ran in read_as_all(&place, Path::new("/dev/zero")) {
        ran.says(&["a device, not a regular file"]);
    }
    let fifo = place.path("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for ran in read_as_all(&place, &fifo) {
        ran.says(&["a pipe, not a regular file"]);
    }
    let large = place.write("large", "#".repeat((1 << 20) + 1));
    for ran in read_as_all(&place, &large) {
        ran.says(&["larger than 1 MiB"]);
    }
}

#[test]
fn deep_text_is_refused_at_once() {
    let place = Place::new();
    for text in ["- ".repeat(50_000), "[".repeat(500_000), "{a: ".repeat(200_000), "? ".repeat(500_000)] {
        let path = place.write("deep", text);
        let [check, inventory] = read_as_yaml(&place, &path);
        for ran in [check, inventory] {
            // The parser has a limit of its own for brackets, which it looks through in advance.
            let deep = ["nested more than 64", "recursion limit exceeded"];
            assert!(deep.iter().any(|says| ran.stderr.contains(says)), "{ran:?}");
            assert!(ran.stderr.len() < 2000, "{} bytes", ran.stderr.len());
        }
    }
    let deep = format!("question={}", "- ".repeat(1000));
    let good = place.write("good.yaml", tiny());
    let ran = coordinator(&place, &["check", good.to_str().unwrap(), "--set", &deep]).exits(2);
    assert!(ran.says(&["the value is not YAML"]).stderr.len() < 5000);
}

#[test]
fn many_problems_are_counted_and_some_are_shown() {
    let place = Place::new();
    let keys: String = (0..100_000).map(|key| format!("k{key}: 1\n")).collect();
    let path = place.write("keys.yaml", tiny() + &keys);
    let path = path.to_str().unwrap();
    // One key short of the limit of the file.
    assert!(fs::metadata(path).unwrap().len() < 1 << 20);
    let ran = coordinator(&place, &["check", path]).exits(2);
    let ran = ran.says(&["has 100000 problems", "the first 20 are shown; 99980 more"]);
    assert!(ran.stderr.len() < 20_000, "{} bytes", ran.stderr.len());
    let arms: String = (0..20_000).map(|arm| format!("  a{arm}: {{engin: x}}\n")).collect();
    let path = place.write("arms.yaml", tiny().replace("arms:\n", &format!("arms:\n{arms}")));
    let ran = coordinator(&place, &["check", path.to_str().unwrap()]).exits(2);
    assert!(ran.stderr.len() < 20_000, "{} bytes", ran.stderr.len());
    let values: String = (0..200_000).map(|_| "x, ").collect();
    let path = place.write("values.yaml", tiny() + &format!("sweep: {{depth: [{values}]}}\n"));
    coordinator(&place, &["check", path.to_str().unwrap()]).exits(2);
}

#[test]
fn no_file_controls_the_terminal() {
    let place = Place::new();
    let evil = "\\e]0;pwned\\a\\u202Ex\\u2066\\x9b2J";
    let raw = "\u{202E}\u{2066}\u{9b}2J";
    let texts = [
        format!(
            "\"{evil}\": 1\nname: \"{evil}\"\ntarget: {{path: \"{evil}\"}}\narms: {{\"{evil}\": {{engine: \"{evil}\"}}}}\n"
        ),
        format!("hosts: [{{name: \"{evil}\", address: \"{evil}\", \"{evil}\": 1}}]\n"),
        format!("hosts: [{{name: \"{evil}\", address: \"a:1\"}}]\n"),
        format!("[x]\nioengine={raw}\n{raw}={raw}\n"),
        format!("name: {raw}\n{raw}: {raw}\n"),
    ];
    for text in texts {
        let path = place.write(&format!("evil{raw}.yaml"), &text);
        for ran in read_as_all(&place, &path) {
            let bad = |c: char| c.is_control() && c != '\n' || proto::plain::changes_direction(c);
            assert!(!ran.stderr.contains(bad) && !ran.stdout.contains(bad), "{:?}", ran.stderr);
        }
    }
}

/// As at the end of an SSH session. Under `nohup` the run goes on.
#[test]
fn a_hangup_keeps_what_was_measured() {
    let place = Place::new();
    let text = scenario("{file: {size: 64KiB, direct: false}}", "warmup: 5ms, runtime: 20s");
    let run = place.start(place.run(&text));
    let agent = place.agent();
    until_timed(&place, agent);
    run.send(Signal::HUP);
    run.wait().exits(130).says(&["stopping; finished trials are kept"]);
    place.assert_clean();
    assert!(place.trials().len() >= 2);

    let place = Place::new();
    let mut command = place.command("nohup");
    let run = place.run(&tiny());
    command.arg(run.get_program()).args(run.get_args());
    let run = place.start(command);
    place.agent();
    run.send(Signal::HUP);
    run.wait().completes();
}

#[test]
fn a_window_that_was_stopped_does_not_count() {
    let place = Place::new();
    let text = scenario("{file: {size: 64KiB, direct: false}}", "warmup: 5ms, runtime: 1500ms");
    let run = place.start(place.run(&text));
    let agent = place.agent();
    until_timed(&place, agent);
    // In the middle of the window, and for longer than it lasts.
    std::thread::sleep(Duration::from_millis(700));
    send(agent, Signal::STOP);
    std::thread::sleep(Duration::from_secs(3));
    send(agent, Signal::CONT);
    let ran = run.wait().exits(4);
    let marks: String = place.trials().iter().map(|trial| trial["marks"].to_string()).collect();
    assert!(marks.contains("instead of 1500 ms"), "{marks} {ran:?}");
}

fn limit(command: &mut Command, resource: Resource, to: u64) {
    let change =
        move || setrlimit(resource, Rlimit { current: Some(to), maximum: Some(to) }).map_err(io::Error::from);
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(change) };
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_leaves_no_temporary_file() {
    for (size, complete) in [(512, false), (24 << 10, true)] {
        let place = Place::new();
        let target = place.write("target", vec![7; 64 << 10]);
        let target = format!("{{path: {}, direct: false}}", target.display());
        let text = scenario(&target, "warmup: 5ms, runtime: 60ms").replace("trials: 2", "trials: 20");
        let mut command = place.command(bin("coordinator"));
        place.run_with(&mut command, &text);
        limit(&mut command, Resource::Fsize, size);
        let ran = place.finish(command).exits(4).says(&["File too large", "LimitFSIZE="]);
        let left = walk(&place.out());
        assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
        let trials = fs::read_to_string(place.out().join("trials.jsonl")).unwrap_or_default();
        assert_eq!(trials.matches('\n').count() > 1, complete, "{ran:?}");
    }
}

/// The names of all files below a directory.
fn walk(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .flat_map(|entry| {
            let mut names = walk(&entry.path());
            names.push(entry.file_name().to_string_lossy().into_owned());
            names
        })
        .collect()
}

#[test]
fn a_limit_of_processes_is_an_error() {
    if !is_root() {
        return agent::skip::skip("the limit counts all processes of this user");
    }
    for most in [1, 2, 3, 4, 5, 6] {
        let place = Place::new();
        let mut command = place.command(open_bin("coordinator"));
        place.run_with(&mut command, &tiny()).arg("--data-dir").arg(place.data());
        limit(&mut command, Resource::Nproc, most);
        unprivileged_alone(&mut command);
        let begun = Instant::now();
        let ran = place.finish(command);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert!(matches!(ran.status.code(), Some(0 | 3 | 4)), "{most}: {ran:?}");
        if most <= 2 {
            ran.exits(4).says(&["cannot start a thread", "ulimit -u"]);
        }
    }
}

#[test]
fn a_results_disk_that_is_full_at_the_start_is_exit_4() {
    let place = Place::new();
    fs::create_dir(place.path("small")).unwrap();
    let mut command = place.command(bin("coordinator"));
    command.arg("run").arg(place.write("scenario.yaml", tiny())).args(["--out", "small/out", "--data-dir"]);
    command.arg(place.data());
    let prepare =
        "mount -t tmpfs -o size=64k none small; head -c 999999 /dev/zero >small/full 2>/dev/null || :";
    let ran = place.finish(place.in_namespace(prepare, &command));
    if ran.stderr.contains("mount:") || ran.stderr.contains("unshare:") {
        return agent::skip::skip("nothing can be mounted here");
    }
    ran.exits(4).says(&["No space left on device", "free space on the file system"]);
}

/// A sparse file of 8 EiB: its pages would be counted for centuries.
#[test]
fn a_target_of_any_size_can_be_given_up() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = dir.path().join("sparse");
    let made = fs::File::create(&path).unwrap().set_len(i64::MAX as u64);
    if made.is_err() {
        return agent::skip::skip("no file of this size on /dev/shm");
    }
    for direct in ["direct: false", "direct: false, cache: cold"] {
        let place = Place::new();
        let text = scenario(&format!("{{path: {}, {direct}}}", path.display()), "warmup: 5ms, runtime: 60ms");
        let begun = Instant::now();
        let ran = place.finish(place.run(&text));
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_ne!(ran.status.code(), Some(0), "{ran:?}");
        place.assert_clean();
    }
}
