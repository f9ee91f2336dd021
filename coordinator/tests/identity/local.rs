//! Agents of this machine: sockets and tokens.

use std::fs;

use crate::support::Lab;

#[test]
fn a_socket_serves_its_user() {
    let lab = Lab::new();
    let path = lab.path("agent.sock");
    let agent = lab.start(&["--socket", path.to_str().unwrap()]);
    assert_eq!(agent.address, format!("unix:{}", path.display()));
    lab.ask(&agent, &[]).succeeds();
    // TLS options concern the hosts on TCP.
    lab.ask(&agent, &["--tls-dir", "pki/coordinators/alice"]).succeeds();
    if rustix::process::geteuid().is_root() {
        lab.ask_as_nobody(&agent, &[]).is_refused("wrong-user", &["the user who started it and root only"]);
        // Even if the file's permissions are opened, the kernel's report of the user counts.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(lab.ask_as_nobody(&agent, &[]).code, 3);
        agent.logs("refused user 65534: this socket serves user 0 and root");
    }
}

#[test]
fn loopback_needs_the_token() {
    let lab = Lab::new();
    let agent = lab.start(&["--listen", "127.0.0.1:0"]);
    agent.logs("clients need the token in");
    lab.ask(&agent, &[]).succeeds();
    let wrong = lab.path("wrong");
    fs::write(&wrong, "00\n").unwrap();
    let ask = || lab.ask(&agent, &["--token-file", wrong.to_str().unwrap()]);
    fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    ask().is_refused("token-unreadable", &["other users may read it"]);
    fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ask().is_refused("token-required", &["does not accept the token in", "--token-file"]);
    if rustix::process::geteuid().is_root() {
        let ran = lab.ask_as_nobody(&agent, &[]);
        ran.is_refused(
            "token-required",
            &["accepts only clients with its token", "run the coordinator as the user"],
        );
    }
}

#[test]
fn a_token_can_be_stored_elsewhere() {
    let lab = Lab::new();
    let file = lab.path("token");
    let agent = lab.start(&["--listen", "127.0.0.1:0", "--token-file", file.to_str().unwrap()]);
    assert_eq!(lab.ask(&agent, &[]).code, 3);
    lab.ask(&agent, &["--token-file", file.to_str().unwrap()]).succeeds();
}

/// Nothing of the host is revealed beyond the directories that its agent was started with.
#[test]
fn existing_files_are_read_below_allowed_directories_only() {
    let lab = Lab::new();
    let agent = lab.start(&["--listen", "127.0.0.1:0"]);
    fs::write(lab.path("data/inside"), vec![1; 64 << 10]).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", lab.path("data/link")).unwrap();
    let run = |path: &str| {
        let text = format!(
            "name: paths\ntarget: {{path: {path}, direct: false}}\nworkload: {{block_size: 512, warmup: 1ms, \
             runtime: 20ms}}\ntrials: 1\nnoise: ignore\narms: {{one: {{engine: psync}}}}\n"
        );
        fs::write(lab.path("paths.yaml"), text).unwrap();
        let args = ["run", "paths.yaml", "--no-progress", "--agents", &agent.address];
        crate::support::Ran::of(lab.coordinator(&args).output().unwrap())
    };
    for outside in ["/etc/passwd", "/etc/no-such-file", lab.path("data/link").to_str().unwrap()] {
        let ran = run(outside);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.says("is not below a directory"), "{}", ran.stderr);
    }
    let ran = run(lab.path("data/inside").to_str().unwrap());
    assert!([0, 4].contains(&ran.code), "{}", ran.stderr);
}
