//! `coordinator import` as a process: the job files of this test, and fio's examples if they are installed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

/// `RINGBENCH_BIN_DIR` names a directory of copies, for users who may not read the build tree.
fn coordinator() -> Command {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_coordinator"));
    Command::new(
        std::env::var_os("RINGBENCH_BIN_DIR").map_or(built, |dir| Path::new(&dir).join("coordinator")),
    )
}

fn import(job: &Path) -> Command {
    let mut command = coordinator();
    command.arg("import").arg(job).env("ENGINE", "psync").env("FIO_RW", "randread").env_remove("RUST_LOG");
    command
}

fn own(name: &str) -> PathBuf {
    // Tests run in the crate's directory.
    Path::new("tests/import/jobs").join(name)
}

/// The YAML on standard output, checked by `coordinator check`, and the text on standard error.
fn converted(job: &Path) -> (String, String) {
    let output = import(job).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let yaml = String::from_utf8(output.stdout).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.yaml");
    fs::write(&path, &yaml).unwrap();
    coordinator().arg("check").arg(&path).assert().code(0);
    (yaml, stderr)
}

#[test]
fn imports_the_job_files_of_this_test() {
    for name in ["engines", "grid", "open-loop", "disk"] {
        let (yaml, stderr) = converted(&own(&format!("{name}.fio")));
        insta::assert_snapshot!(name, format!("{yaml}--- on standard error\n{stderr}"));
    }
}

#[test]
fn refuses_invalid_job_files_with_exit_code_2() {
    let missing = import(Path::new("no-such.fio")).assert().code(2);
    let stderr = String::from_utf8(missing.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("no-such.fio") && stderr.contains("name a fio job file"), "{stderr}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.fio");
    fs::write(&path, "[a]\nioengine=net\n").unwrap();
    let refused = import(&path).assert().code(2).stdout("");
    let stderr = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(stderr.contains("line 2: ioengine=net ([a] is left out"), "{stderr}");
}

#[test]
fn imports_or_refuses_the_examples_of_fio() {
    let dir = std::env::var_os("FIO_EXAMPLES").unwrap_or_else(|| "/usr/share/doc/fio/examples".into());
    let Ok(entries) = fs::read_dir(&dir) else {
        println!("SKIPPED: {} is not there; Debian has it in the package fio-examples", dir.display());
        return;
    };
    let jobs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "fio"))
        .collect();
    let (mut whole, mut partly, mut not) = (0, 0, 0);
    for job in &jobs {
        let output = import(job).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) if output.stderr.is_empty() => whole += 1,
            Some(0) => partly += 1,
            // Each refusal names the lines that cannot be imported.
            Some(2) => {
                assert!(stderr.contains("not imported: line "), "{}: {stderr}", job.display());
                not += 1;
            }
            other => panic!("{}: {other:?}: {stderr}", job.display()),
        }
    }
    println!("{} job files: {whole} whole, {partly} with omissions, {not} not at all", jobs.len());
    assert!(jobs.len() < 20 || (whole > 0 && partly + whole > not / 2), "{whole} {partly} {not}");
}
