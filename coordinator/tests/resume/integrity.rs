//! Damage to a run directory is found by `verify` and by `report`; other files are never replaced.

use std::{fs, path::PathBuf};

use rustix::process::Signal;

use crate::{
    complete, on_run, resume,
    support::{Place, scenario, tiny, until},
    until_recorded, verify,
};

fn report(place: &Place) -> crate::support::Ran {
    place.finish(on_run(place, "report", &[]))
}

fn logs(place: &Place) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> =
        fs::read_dir(place.out().join("histograms")).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    logs
}

#[test]
fn a_log_copied_over_another_is_found() {
    let place = complete(&tiny());
    verify(&place).exits(0);
    let logs = logs(&place);
    fs::copy(&logs[5], &logs[4]).unwrap();
    let name = logs[4].file_name().unwrap().to_str().unwrap();
    let ran = verify(&place).exits(4).says(&["1 file or line does not fit"]);
    assert!(ran.stdout.contains(name) && ran.stdout.contains("the checksum does not fit"), "{ran:?}");
    report(&place).exits(4).says(&[name, "the checksum does not fit"]);
}

#[test]
fn a_copied_log_is_found_without_checksums() {
    let place = complete(&tiny());
    // As an earlier release wrote it.
    fs::remove_file(place.out().join("run.json")).unwrap();
    let path = place.out().join("trials.jsonl");
    let lines: Vec<String> = place
        .trials()
        .into_iter()
        .map(|mut trial| {
            trial.as_object_mut().unwrap().remove("sha256");
            trial["hosts"][0].as_object_mut().unwrap().remove("histograms_sha256");
            trial.to_string() + "\n"
        })
        .collect();
    fs::write(&path, lines.concat()).unwrap();
    verify(&place).exits(0);
    report(&place).completes();
    let logs = logs(&place);
    fs::copy(&logs[5], &logs[4]).unwrap();
    let ran = verify(&place).exits(4);
    assert!(ran.stdout.contains("the log is of the trial 0006-"), "{ran:?}");
    report(&place).exits(4).says(&["the log is of the trial 0006-"]);
}

#[test]
fn every_changed_file_is_named() {
    for (name, from, to) in [
        ("plan.json", "\"quick\": false", "\"quick\": true"),
        ("run.json", "\"looks\": 1", "\"looks\": 2"),
        ("hosts.json", "agent_version", "agent_version "),
        ("scenario.yaml", "name: tiny", "name: tinY"),
        ("trials.jsonl", "\"begin_ns\":1", "\"begin_ns\":2"),
        ("trials.jsonl", "\"block\":2", "\"block\":1"),
    ] {
        let place = complete(&tiny());
        let path = place.out().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let changed =
            (1..=9).map(|digit| from.replace('1', &digit.to_string())).find(|from| text.contains(from));
        let from = if name == "trials.jsonl" { changed.unwrap_or_else(|| from.into()) } else { from.into() };
        assert!(text.contains(&from), "{name} has no {from}");
        let to = if from == to { to.replace('2', "3") } else { to.to_owned() };
        fs::write(&path, text.replacen(&from, &to, 1)).unwrap();
        let ran = verify(&place).exits(4);
        assert!(ran.stdout.contains(name), "{name}: {ran:?}");
    }
}

#[test]
fn a_directory_with_other_files_is_not_written_to() {
    let place = Place::new();
    fs::create_dir(place.out()).unwrap();
    fs::write(place.out().join("report.html"), "mine").unwrap();
    place.finish(place.run(&tiny())).exits(2).says(&["not empty: it contains report.html", "--out"]);
    assert_eq!(fs::read(place.out().join("report.html")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(place.out()).unwrap().count(), 1);
}

#[test]
fn a_report_follows_no_links() {
    let place = complete(&tiny());
    let precious = place.write("precious", "mine");
    for name in ["summary.json", "report.html", ".summary.json.1"] {
        let _ = fs::remove_file(place.out().join(name));
        std::os::unix::fs::symlink(&precious, place.out().join(name)).unwrap();
    }
    report(&place).completes();
    assert_eq!(fs::read(&precious).unwrap(), b"mine");
    assert!(!place.out().join("summary.json").is_symlink());
}

#[test]
fn intervals_are_on_disk_while_a_trial_runs() {
    let place = Place::new();
    let workload = "warmup: 5ms, runtime: 2s, interval: 100ms";
    let run = place.start(place.run(&scenario("{file: {size: 64KiB, direct: false}}", workload)));
    until_recorded(&place, 2);
    let running = until("the log of the third trial", || logs(&place).get(2).cloned());
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("Tag=read,")).count();
    until("intervals arrive", || (lines(&fs::read_to_string(&running).unwrap()) >= 3).then_some(()));
    run.send(Signal::KILL);
    run.wait();
    let text = fs::read_to_string(&running).unwrap();
    assert!(text.contains("#trial: 0003-") && (3..20).contains(&lines(&text)), "{text:.500}");
    assert_eq!(place.trials().len(), 2, "its trial is not recorded");
    let ran = verify(&place).exits(0);
    assert!(ran.stdout.contains("no trial names it"), "{ran:?}");
    resume(&place, &["--no-progress"]).completes();
    assert_eq!(logs(&place).len(), 6);
    verify(&place).exits(0);
}
