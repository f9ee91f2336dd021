//! Existing targets: unreadable ones are refused by name, and readable ones are never changed.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::Duration,
};

use crate::support::{Place, Ran, open_bin, scenario, unprivileged, until_timed};

fn text(path: &Path, workload: &str) -> String {
    scenario(&format!("{{path: {}, direct: false}}", path.display()), workload)
}

fn run(place: &Place, path: &Path) -> Ran {
    place.finish(place.run(&text(path, "warmup: 5ms, runtime: 60ms")))
}

fn data() -> Vec<u8> {
    (0..1u32 << 18).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn reads_a_file_without_changing_it() {
    let place = Place::new();
    let path = place.write("target", data());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::metadata(&path).unwrap();
    run(&place, &path).completes();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.modified().unwrap(), before.len()), (after.modified().unwrap(), after.len()));
    assert!(fs::read(&path).unwrap() == data(), "its content has changed");
}

#[test]
fn refuses_to_write_to_an_existing_file() {
    let place = Place::new();
    let path = place.write("target", data());
    let ran = place.finish(place.run(&text(&path, "warmup: 5ms, runtime: 60ms, read_percent: 50")));
    let code = ran.status.code();
    assert!(matches!(code, Some(2 | 3)), "{ran:?}");
    ran.says(&["read_percent"]);
    assert!(fs::read(&path).unwrap() == data(), "its content has changed");
}

#[test]
fn refuses_paths_that_are_not_readable_files() {
    let place = Place::new();
    for (path, says) in [
        (place.path("absent"), "target-missing"),
        (place.data(), "is a directory"),
        ("/dev/null".into(), "is a character device"),
        (place.write("short", b"x"), "target-too-small"),
    ] {
        let ran = run(&place, &path).exits(3).says(&[says, path.to_str().unwrap()]);
        assert!(ran.stderr.contains("help:"), "{}", ran.stderr);
        fs::remove_dir_all(place.out()).unwrap();
    }
}

#[test]
fn refuses_a_file_without_read_permission() {
    let place = Place::new();
    let path = place.write("target", data());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = place.command(open_bin("coordinator"));
    place
        .run_with(&mut command, &text(&path, "warmup: 5ms, runtime: 60ms"))
        .arg("--data-dir")
        .arg(place.data());
    unprivileged(&mut command);
    let says = ["target-permission", "the agent may not read", "let the agent's user read it"];
    place.finish(command).exits(3).says(&says);
}

#[test]
fn marks_trials_on_a_sparse_file() {
    let place = Place::new();
    let path = place.path("sparse");
    File::create(&path).unwrap().set_len(8 << 20).unwrap();
    run(&place, &path);
    let summary = place.summary();
    let warnings = summary["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "holes"), "{warnings:#?}");
    for trial in place.trials() {
        let marks = trial["marks"].as_array().unwrap();
        assert!(
            marks.iter().any(|mark| mark.as_str().unwrap().contains("has a hole at byte 0")),
            "{trial:#}"
        );
    }
    let allocated = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&path).unwrap());
    assert_eq!(allocated, 0, "it was filled");
}

#[test]
fn reports_a_file_that_shrinks_during_the_run() {
    let place = Place::new();
    let path = place.write("target", data());
    let process = place.start(place.run(&text(&path, "warmup: 5ms, runtime: 1s")));
    let agent = place.agent();
    until_timed(&place, agent);
    std::thread::sleep(Duration::from_millis(100));
    File::options().write(true).open(&path).unwrap().set_len(64 << 10).unwrap();
    let ran = process.wait().exits(4);
    assert!(ran.stdout.contains("IOPS"), "the table is missing: {ran:?}");
    let short = "requests were transferred only in part";
    let marked = place.trials().iter().filter(|trial| trial["marks"].to_string().contains(short)).count();
    assert!(marked > 0, "{:#?}", place.trials());
    place.assert_clean();
}

/// Its cached pages could not be counted in a lifetime.
#[test]
fn refuses_a_sparse_file_of_the_largest_size_at_once() {
    let place = Place::new();
    let huge = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    huge.as_file().set_len(i64::MAX as u64).unwrap();
    let begun = std::time::Instant::now();
    let ran = run(&place, huge.path()).exits(3);
    ran.says(&["must be cached", "use a smaller target"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    place.assert_clean();
}
