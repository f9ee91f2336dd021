//! Who accepts whom: real agents and coordinators with good and bad certificates, tokens and sockets on this machine.

#![allow(clippy::unwrap_used, reason = "a test")]

mod local;
mod support;
mod wrong;

use std::fs;

use support::{Lab, Ran, until};

#[test]
fn a_run_over_mutual_tls() {
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    let address = &agent.address;
    let inventory = format!("hosts:\n- {{name: a, address: \"{address}\", tls_name: n1}}\n");
    fs::write(lab.path("cluster.yaml"), inventory).unwrap();
    fs::write(
        lab.path("tiny.yaml"),
        "name: tiny\ntarget: {file: {size: 64KiB, direct: false}}\nworkload: {warmup: 5ms, runtime: 50ms}\n\
         trials: 1\nnoise: ignore\narms: {one: {engine: psync}}\n",
    )
    .unwrap();
    let mut command = lab.coordinator(&["run", "tiny.yaml", "--no-progress", "--inventory", "cluster.yaml"]);
    let ran = Ran::of(command.args(["--tls-dir", "pki/coordinators/alice"]).output().unwrap());
    // 4: a trial began late on a busy machine.
    assert!([0, 4].contains(&ran.code), "{}", ran.stderr);
    // The same certificates one by one, as another CA would hand them out.
    let own = "pki/coordinators/alice";
    let files = ["ca", "cert", "key", "crl"].map(|name| format!("--tls-{name}={own}/{name}.pem"));
    lab.ask(&agent, &files.each_ref().map(String::as_str)).succeeds();
    lab.ask(&agent, &files[..3].iter().map(String::as_str).collect::<Vec<_>>()).succeeds();
}

#[test]
fn certificates_and_the_revocation_list_are_read_again() {
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    let alice = ["--tls-dir", "pki/coordinators/alice"];
    lab.ask(&agent, &alice).succeeds();
    lab.pki(&["renew"]);
    lab.ask(&agent, &alice).succeeds();
    // A broken file changes nothing.
    let certificate = lab.path("pki/agents/n1/cert.pem");
    let good = fs::read(&certificate).unwrap();
    fs::write(&certificate, "broken").unwrap();
    lab.ask(&agent, &alice).succeeds();
    agent.logs("changed certificates are not used, the previous ones stay");
    agent.logs("cert.pem contains no certificate in PEM");
    fs::write(&certificate, good).unwrap();
    lab.pki(&["coordinator", "bob"]);
    lab.pki(&["revoke", "alice"]);
    lab.ask(&agent, &["--tls-dir", "pki/coordinators/bob"]).succeeds();
    lab.ask(&agent, &alice)
        .is_refused("certificate-revoked", &["refuses this coordinator's certificate", "revoked"]);
}

/// A run that began before the revocation does not outlive it.
#[test]
fn a_revocation_closes_open_connections() {
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    fs::write(
        lab.path("long.yaml"),
        "name: long\ntarget: {file: {size: 64KiB, direct: false}}\nworkload: {warmup: 5ms, runtime: 60s}\n\
         trials: 1\nnoise: ignore\narms: {one: {engine: psync}}\n",
    )
    .unwrap();
    let run = ["run", "long.yaml", "--no-progress", "--out", "out", "--tls-dir", "pki/coordinators/alice"];
    let mut command = lab.coordinator(&[&run[..], &["--agents", &agent.address]].concat());
    let mut child =
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    until("the run has begun", || lab.path("out/plan.json").exists());
    lab.pki(&["revoke", "alice"]);
    let mut ended = None;
    until("the run ends", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(3));
    agent.logs("closed the connection of 127.0.0.1");
}
