//! Data and results directories without space: refused with code and remedy; finished trials are kept. Small file
//! systems are mounted in separate namespaces.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{Place, bin, is_root, open_bin, scenario, tiny, unprivileged};

/// Whether the test can mount file systems in a namespace.
fn can_mount(place: &Place) -> bool {
    let works = place.in_namespace("mount -t tmpfs -o size=1m none data", &place.command("true"));
    let ran = place.finish(works);
    if !ran.status.success() {
        agent::skip::skip(&format!("nothing can be mounted here: {}", ran.stderr));
    }
    ran.status.success()
}

fn sized(size: &str) -> String {
    scenario(&format!("{{file: {{size: {size}, direct: false}}}}"), "warmup: 5ms, runtime: 60ms")
}

#[test]
fn refuses_a_read_only_data_directory() {
    let place = Place::new();
    fs::set_permissions(place.data(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = place.command(open_bin("coordinator"));
    place.run_with(&mut command, &tiny()).arg("--data-dir").arg(place.data());
    unprivileged(&mut command);
    let says = ["data-dir-read-only", "Permission denied", "--data-dir on a directory that it can write to"];
    place.finish(command).exits(3).says(&says);

    if can_mount(&place) {
        let place = Place::new();
        let command = place.in_namespace("mount -t tmpfs -o ro none data", &place.run(&tiny()));
        let says = ["data-dir-read-only", "Read-only file system", "--data-dir on a directory"];
        place.finish(command).exits(3).says(&says).says(&["refused: "]);
        assert!(place.trials().iter().all(|trial| !trial["marks"].as_array().unwrap().is_empty()));
    }
}

#[test]
fn refuses_a_data_directory_that_is_not_a_directory() {
    let place = Place::new();
    for (dir, says) in [("absent", "No such file"), ("scenario.yaml", "not a directory")] {
        let mut command = place.command(bin("coordinator"));
        place.run_with(&mut command, &tiny()).arg("--data-dir").arg(place.path(dir));
        place.finish(command).exits(3).says(&["--data-dir", dir, says]);
    }
}

#[test]
fn refuses_a_full_data_directory() {
    let place = Place::new();
    if can_mount(&place) {
        let prepare =
            "mount -t tmpfs -o size=4m none data; head -c 9999999 /dev/zero >data/full 2>/dev/null || :";
        let command = place.in_namespace(prepare, &place.run(&tiny()));
        place.finish(command).exits(3).says(&["no-space", "a smaller target.file.size", "free"]);
    }
}

#[test]
fn a_file_larger_than_the_disk_affects_only_its_cells() {
    let place = Place::new();
    if can_mount(&place) {
        let text = tiny() + "sweep: {size: [64KiB, 64MiB]}\n";
        let command = place.in_namespace("mount -t tmpfs -o size=8m none data", &place.run(&text));
        let ran =
            place.finish(command).exits(3).says(&["no-space", "64 MiB", "one size=64MiB", "two size=64MiB"]);
        assert!(ran.stdout.contains("64KiB"), "{}", ran.stdout);
        let of_size = |size: &str| {
            let trials = place.trials();
            let measured = trials.iter().filter(|trial| !trial["hosts"][0]["finished"].is_null());
            measured.filter(|trial| trial["params"]["size"] == size).count()
        };
        assert_eq!((of_size("64KiB"), of_size("64MiB")), (6, 0), "{:#?}", place.trials());
    }
}

#[test]
fn reports_a_file_size_limit() {
    let place = Place::new();
    let mut command = place.command("sh");
    command.args(["-c", "ulimit -f 2048; exec \"$@\"", "sh"]);
    let run = place.run(&sized("8MiB"));
    command.arg(run.get_program()).args(run.get_args());
    place.finish(command).exits(3).says(&["file-size-limit", "LimitFSIZE="]);
    place.assert_clean();
}

#[test]
fn a_full_results_directory_keeps_its_trials() {
    let place = Place::new();
    if can_mount(&place) {
        fs::create_dir(place.path("small")).unwrap();
        let text = tiny().replace("trials: 2", "trials: 30");
        // The result is checked inside the namespace, because its mounts vanish with it.
        let mut shell = place.command("sh");
        let script = "\"$@\"; code=$?; wc -l <small/out/trials.jsonl; exit $code";
        shell.args(["-c", script, "sh"]).arg(bin("coordinator"));
        shell.arg("run").arg(place.write("scenario.yaml", text)).args(["--out", "small/out", "--data-dir"]);
        shell.arg(place.data());
        let command = place.in_namespace("mount -t tmpfs -o size=96k none small", &shell);
        let ran = place.finish(command).exits(4);
        let ran = ran.says(&["No space left on device", "free space on the file system", "--out"]);
        let kept: u32 = ran.stdout.lines().last().unwrap().trim().parse().unwrap();
        assert!((1..62).contains(&kept), "{ran:?}");
        place.assert_clean();
    }
}

#[test]
fn refuses_a_results_directory_that_cannot_be_made() {
    let place = Place::new();
    let before_any_trial = |ran: crate::support::Ran| {
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("[1/"), "{ran:?}");
    };
    let mut command = place.command(bin("coordinator"));
    command.arg("run").arg(place.write("scenario.yaml", tiny())).args(["--data-dir", "data", "--out"]);
    command.arg("scenario.yaml/out");
    before_any_trial(place.finish(command).exits(2).says(&["scenario.yaml/out", "--out"]));

    // The default, results/, in a directory without write permission.
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = place.command(open_bin("coordinator"));
    command.arg("run").arg(place.path("scenario.yaml")).arg("--data-dir").arg(place.data());
    command.current_dir(&closed);
    unprivileged(&mut command);
    let says = ["results: cannot make it", "Permission denied", "writable for this user", "--out"];
    before_any_trial(place.finish(command).exits(2).says(&says));
    place.assert_clean();
    if !is_root() {
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
