//! Output: directories that already contain a run, and closed pipes.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use crate::support::{LONG, Place, bin, open_bin, tiny, unprivileged};

#[test]
fn refuses_a_directory_that_contains_a_run() {
    let place = Place::new();
    place.finish(place.run(&tiny())).completes();
    let before = fs::read(place.out().join("trials.jsonl")).unwrap();
    let ran = place.finish(place.run(&tiny())).exits(2);
    let ran = ran.says(&["already contains a run", "choose another directory with --out"]);
    assert!(ran.stdout.is_empty() && !ran.stderr.contains("[1/"), "{ran:?}");
    assert_eq!(fs::read(place.out().join("trials.jsonl")).unwrap(), before);
    place.assert_clean();
}

#[test]
fn checks_all_directories_before_the_first_run() {
    let place = Place::new();
    let other = place.write("other.yaml", tiny().replace("name: tiny", "name: other"));
    let mut twice = place.run(&tiny());
    twice.arg(place.path("scenario.yaml"));
    place.finish(twice).exits(2).says(&["two scenarios have the name `tiny`"]);
    assert!(!place.out().exists());
    fs::create_dir_all(place.out().join("other")).unwrap();
    fs::write(place.out().join("other/plan.json"), "{}").unwrap();
    let mut command = place.run(&tiny());
    command.arg(other);
    place.finish(command).exits(2).says(&["out/other: already contains a run"]);
    assert!(!place.out().join("tiny").exists());
}

#[test]
fn reports_a_run_in_a_read_only_directory() {
    let place = Place::new();
    place.finish(place.run(&tiny())).completes();
    let report = || {
        let mut command = place.command(open_bin("coordinator"));
        command.arg("report").arg(place.out());
        command
    };
    let before = place.finish(report());
    fs::set_permissions(place.out(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = report();
    unprivileged(&mut command);
    let after = place.finish(command).says(&["was not updated", "Permission denied"]);
    assert_eq!((after.status, &after.stdout), (before.status, &before.stdout));
    fs::set_permissions(place.out(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a command whose output pipe is closed from the start.
fn unheard(mut command: std::process::Command, stderr: bool) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let text = if stderr {
        std::io::read_to_string(child.stderr.take().unwrap()).unwrap()
    } else {
        drop(child.stderr.take());
        String::new()
    };
    let begun = std::time::Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > LONG => {
                child.kill().unwrap();
                panic!("does not end");
            }
            None => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    assert!(!text.contains("panicked"), "{text}");
    // A trial that began late on a busy machine gives exit code 4.
    assert!(matches!(status.code(), Some(0 | 4)), "{status}: {text}");
}

#[test]
fn survives_closed_output_pipes() {
    for stderr in [true, false] {
        let place = Place::new();
        unheard(place.run(&tiny()), stderr);
        place.assert_clean();
        let mut report = place.command(bin("coordinator"));
        report.arg("report").arg(place.out()).args(["--format", "json"]);
        unheard(report, stderr);
        for arguments in [&["schema", "summary"][..], &["--help"], &["check", "scenario.yaml"]] {
            let mut command = place.command(bin("coordinator"));
            command.args(arguments);
            unheard(command, stderr);
        }
        let mut probe = place.command(bin("agent"));
        probe.args(["probe", "--json"]);
        unheard(probe, stderr);
    }
}

#[test]
fn reports_a_full_standard_output() {
    let place = Place::new();
    let mut command = place.command("sh");
    let run = place.run(&tiny());
    command.args(["-c", "exec \"$@\" >/dev/full", "sh"]).arg(run.get_program()).args(run.get_args());
    place.finish(command).exits(4).says(&["cannot write to standard output", "No space left"]);
    assert_eq!(place.summary()["cells"].as_array().unwrap().len(), 2);
}

#[test]
fn refuses_to_report_a_directory_without_a_run() {
    let place = Place::new();
    for run in ["data", "absent", "scenario.yaml"] {
        place.write("scenario.yaml", tiny());
        let mut command = place.command(bin("coordinator"));
        command.args(["report", run]);
        place.finish(command).exits(2).says(&[run, "not a run directory", "results/latest"]);
    }
}

#[test]
fn names_damaged_runs_by_file_and_line() {
    let place = Place::new();
    place.finish(place.run(&tiny())).completes();
    let trials = place.out().join("trials.jsonl");
    let good = fs::read_to_string(&trials).unwrap();
    let report = || {
        let mut command = place.command(bin("coordinator"));
        command.arg("report").arg(place.out());
        place.finish(command)
    };
    // A crash while writing a line: that trial is lost, the others are reported.
    fs::write(&trials, &good[..good.len() - 40]).unwrap();
    report().exits(4);
    fs::write(&trials, good.replacen('{', "<", 1)).unwrap();
    report().exits(4).says(&["trials.jsonl", "line 1", "restore"]);
    fs::write(&trials, &good).unwrap();
    report().completes();
    let logs = fs::read_dir(place.out().join("histograms")).unwrap();
    logs.for_each(|log| fs::write(log.unwrap().path(), "#[not a log]\n").unwrap());
    report().exits(4).says(&["out/histograms/", ".hlog", "restore"]);
}
