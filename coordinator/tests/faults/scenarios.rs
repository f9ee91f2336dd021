//! Invalid scenarios: exit 2 with line and remedy, and nothing is created.

use crate::support::{Place, bin, tiny};

/// `run` and `check` refuse the scenario in the same way.
#[track_caller]
fn refused(from: &str, to: &str, says: &[&str]) {
    let place = Place::new();
    let text = tiny();
    assert!(text.contains(from), "the scenario has no {from:?}");
    let path = place.write("bad.yaml", text.replacen(from, to, 1));
    for command in ["run", "check"] {
        let mut coordinator = place.command(bin("coordinator"));
        coordinator.arg(command).arg(&path);
        let ran = place.finish(coordinator).exits(2).says(says);
        assert_eq!(ran.stdout, "", "{command}");
        assert!(!place.path("results").exists(), "{command} made a results directory");
        assert!(place.agents().is_empty());
    }
}

#[test]
fn refuses_invalid_yaml() {
    refused("arms:\n", "arms: [\n", &["bad.yaml:", "this is not YAML", "check indentation"]);
    refused("name: tiny", "name: \"tiny", &["bad.yaml:", "this is not YAML"]);
    refused("name: tiny", "\t name: tiny", &["bad.yaml:", "this is not YAML"]);
}

#[test]
fn refuses_empty_and_binary_files() {
    let place = Place::new();
    for content in [&b""[..], b"\xff\xfe\x00", b"- a\n- b\n", b"42"] {
        let path = place.write("bad.yaml", content);
        let mut coordinator = place.command(bin("coordinator"));
        coordinator.arg("run").arg(path);
        let ran = place.finish(coordinator).exits(2).says(&["bad.yaml"]);
        assert_eq!(ran.stdout, "");
    }
    let mut coordinator = place.command(bin("coordinator"));
    coordinator.args(["run", "absent.yaml"]);
    place.finish(coordinator).exits(2).says(&["absent.yaml", "No such file"]);
    assert!(!place.path("results").exists());
}

#[test]
fn refuses_a_misspelt_key() {
    refused("baseline", "basline", &["bad.yaml:8:1", "no key `basline`", "did you mean `baseline`?"]);
    refused("block_size", "blocksize", &["bad.yaml:3:12", "did you mean `block_size`?"]);
    refused("engine", "engin", &["bad.yaml:5:9", "did you mean `engine`?"]);
}

#[test]
fn refuses_a_wrong_unit() {
    refused(
        "block_size: 4KiB",
        "block_size: 4KiX",
        &["bad.yaml:3:24", "`4KiX` is not a size", "write KiB, MiB, GiB"],
    );
    refused("60ms", "60", &["bad.yaml:3:", "workload.runtime", "60"]);
}

#[test]
fn refuses_a_depth_out_of_range() {
    let range = "out of range: from 1 to 32768";
    refused("{engine: psync}", "{engine: psync, depth: 0}", &["bad.yaml:5:31", "0 is out of range", range]);
    refused("{engine: psync}", "{engine: psync, depth: 1000000}", &["bad.yaml:5:31", "1000000", range]);
}

#[test]
fn refuses_an_empty_sweep() {
    refused("trials:", "sweep: {depth: []}\ntrials:", &["bad.yaml:7:16", "no values", "depth: [1, 8]"]);
}

#[test]
fn refuses_an_unknown_baseline() {
    refused("baseline: one", "baseline: three", &["bad.yaml:8:11", "`three` is not an arm", "one, two"]);
}

#[test]
fn refuses_an_invalid_expectation() {
    let expect = |text: &str| format!("expect: [\"{text}\"]\ntrials:");
    let reads = "an expectation has the form";
    refused("trials:", &expect("one.iops >= * two.iops"), &["bad.yaml:7:23", "found `*`", reads]);
    refused("trials:", &expect("one.iops >= 2 * twoo.iops"), &["bad.yaml:7:27", "did you mean `two`?"]);
    refused("trials:", &expect("one.iops"), &["bad.yaml:7:", reads]);
}

#[test]
fn reads_all_scenarios_before_the_first_run() {
    let place = Place::new();
    let mut command = place.run(&tiny());
    command.arg(place.write("bad.yaml", "name: [")).arg(place.write("worse.yaml", "nam: x"));
    let ran = place.finish(command).exits(2).says(&["bad.yaml", "worse.yaml"]);
    assert_eq!((ran.stdout.as_str(), place.out().exists()), ("", false));
}

#[test]
fn refuses_bad_usage() {
    let place = Place::new();
    for arguments in [
        &["run"][..],
        &["fly"],
        &["run", "a.yaml", "--format", "xml"],
        &["run", "scenario.yaml", "--set", "workload.runtime"],
        &["run", "scenario.yaml", "--agents", "::1"],
        &["run", "scenario.yaml", "--agents", "host:99999"],
        &["run", "scenario.yaml", "--agents", ","],
        &["run", "scenario.yaml", "--inventory", "absent.yaml"],
    ] {
        place.write("scenario.yaml", tiny());
        let mut command = place.command(bin("coordinator"));
        command.args(arguments);
        let ran = place.finish(command).exits(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(!place.path("results").exists());
}
