//! Absent, silent, outdated and busy hosts, and selectors without a match: exit 3 or 2, each named.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use crate::{
    fake::{Act, Fake},
    support::{Agent, Place, bin, scenario, tiny, until},
};

/// An address on which no process listens.
fn absent() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A listening socket with a full queue: to a client, packets seem to vanish.
fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: it is a listening socket of this test; calling listen again only shortens its queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    for _ in 0..16 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => queue.push(stream),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return (listener, queue);
            }
        }
    }
    panic!("the queue does not fill");
}

#[test]
fn names_all_hosts_that_do_not_answer() {
    let place = Place::new();
    let (gone, (deaf, _queue)) = (absent().to_string(), deaf());
    let deaf = deaf.local_addr().unwrap().to_string();
    // The system accepts connections to this one, but it never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().map(|address| (mute, address.to_string())).unwrap();
    let begun = Instant::now();
    let ran = place.finish(place.run_on(&format!("{gone},{deaf},{}", mute.1), &tiny())).exits(3);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    let ran = ran.says(&[
        &format!("cannot connect to {gone}"),
        "refused",
        &format!("cannot connect to {deaf}: no answer within 5 s"),
        &format!("host {}: accepted the connection, but did not answer within 5 s", mute.1),
        &format!("check that `agent serve --listen {gone}` runs there"),
        &format!("coordinator agents --agents {deaf}"),
    ]);
    assert_eq!((ran.stdout.as_str(), place.out().exists()), ("", false));
}

#[test]
fn reports_an_unknown_host_name() {
    let place = Place::new();
    let ran = place.finish(place.run_on("no-such-host.invalid:7420", &tiny())).exits(3);
    ran.says(&["cannot connect to no-such-host.invalid:7420", "lookup"]);
}

#[test]
fn reports_a_server_that_is_not_an_agent() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n");
        std::thread::sleep(Duration::from_millis(300));
    });
    let ran = place.finish(place.run_on(&address, &tiny())).exits(3);
    ran.says(&[&address, "check that `agent serve` listens on that address"]);
    server.join().unwrap();
}

/// Runs the coordinator against a fake agent.
fn against(fake: Fake, exit: i32, says: &[&str]) {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let running = runtime.block_on(fake.listen());
    let address = running.address.to_string();
    let ran = place.finish(place.run_on(&address, &tiny())).exits(exit).says(says).says(&[&address]);
    assert_eq!((ran.stdout.as_str(), place.out().exists()), ("", false));
    runtime.block_on(async { drop(running) });
}

#[test]
fn refuses_an_agent_with_another_protocol_version() {
    let (ours, other) = (proto::PROTOCOL_VERSION, proto::PROTOCOL_VERSION + 1);
    let says = format!("speaks protocol {other}, this coordinator {ours}");
    let newer = Fake { protocol: other, ..Fake::new(Act::Run) };
    against(newer, 3, &[&says, "install the same release on both"]);
}

#[test]
fn reports_a_busy_agent_with_the_other_run() {
    against(Fake::new(Act::Busy), 3, &["is busy with another run", "2026-11-22-other"]);

    let place = Place::new();
    let agent = Agent::start(&place);
    let other = Place::new();
    let long = scenario("{file: {size: 64KiB, direct: false}}", "warmup: 20s, runtime: 20s");
    let first = other.start(other.run_on(&agent.address, &long.replace("tiny", "the-other")));
    until("the first run begins", || other.out().join("plan.json").exists().then_some(()));
    let ran = place.finish(place.run_on(&agent.address, &tiny())).exits(3);
    ran.says(&[
        "is busy with another run",
        "the-other@",
        &first.id().to_string(),
        "wait until that run has ended",
    ]);
    assert!(!place.out().exists());
    // Killing the first run frees the agent.
    drop(first);
    until("the agent is free", || {
        let ran = place.finish(place.run_on(&agent.address, &tiny()));
        matches!(ran.status.code(), Some(0 | 4)).then_some(())
    });
}

#[test]
fn refuses_a_selector_without_a_match() {
    let places = [Place::new(), Place::new()];
    let agents = places.each_ref().map(Agent::start);
    let inventory = format!(
        "hosts:\n  - {{name: n1, address: \"{}\", labels: {{kernel: stock}}}}\n  - {{name: n2, address: \"{}\", \
         labels: {{kernel: vendor}}}}\n",
        agents[0].address, agents[1].address
    );
    let place = Place::new();
    let inventory = place.write("cluster.yaml", inventory);
    let run = |labels: &str| {
        let text =
            tiny().replace("two: {engine: psync", &format!("two: {{engine: psync, hosts: {{{labels}}}"));
        let mut command = place.command(bin("coordinator"));
        place.run_with(&mut command, &text).arg("--inventory").arg(&inventory);
        place.finish(command)
    };
    let ran = run("kernel: patched").exits(2);
    let ran = ran.says(&["arm `two`", "{kernel: patched}", "n1 {kernel: stock}", "n2 {kernel: vendor}"]);
    assert_eq!((ran.stdout.as_str(), place.out().exists()), ("", false));
    run("kernel: vendor").completes();
}
