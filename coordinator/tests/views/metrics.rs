//! `--metrics` of a run.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    scenario,
    support::{LONG, Place, bin},
};

#[test]
fn a_run_is_scraped_while_it_runs() {
    let place = Place::new();
    let mut command = place.run(&scenario("1s"));
    command.args(["--no-progress", "--metrics", "127.0.0.1:0"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut announced = String::new();
    while !announced.ends_with('\n') {
        let mut byte = [0u8; 1];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{announced}");
        announced.push(byte[0].into());
    }
    let address =
        announced.trim().strip_prefix("metrics at http://").unwrap().strip_suffix("/metrics").unwrap();
    let begun = Instant::now();
    let text = loop {
        let text = scrape(address);
        if text.contains("ringbench_arm_iops{arm=\"slow\"}") {
            break text;
        }
        assert!(begun.elapsed() < LONG, "{text}");
        thread::sleep(Duration::from_millis(50));
    };
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    for line in [
        "# TYPE ringbench_run_trials counter",
        "ringbench_run_trials_planned 6",
        "ringbench_run_hosts_lost 0",
        "# UNIT ringbench_run_remaining_seconds seconds",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    // On a busy machine a trial may begin late, which is exit code 4.
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 4)));
    assert!(TcpStream::connect(address).is_err(), "the port closes with the run");
}

#[test]
fn an_agent_counts_leases_trials_and_bytes() {
    let place = Place::new();
    let socket = place.path("agent.sock");
    let mut serve = place.command(bin("agent"));
    serve.arg("serve").arg("--socket").arg(&socket).arg("--data-dir").arg(place.data());
    serve.args(["--metrics", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut agent = Agent(serve.spawn().unwrap());
    let mut stderr = BufReader::new(agent.0.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0);
        if let Some(address) = line.strip_prefix("metrics at http://") {
            break address.split_once("/metrics").unwrap().0.to_owned();
        }
    };
    let before = scrape(&address);
    assert!(before.contains("\nringbench_agent_trials_total{outcome=\"finished\"} 0\n"), "{before}");
    place.finish(place.run_on(&format!("unix:{}", socket.display()), &scenario("20ms"))).completes();
    let begun = Instant::now();
    let after = loop {
        let text = scrape(&address);
        // The lease ends after its coordinator.
        if text.contains("\nringbench_agent_lease_open 0\n") {
            break text;
        }
        assert!(begun.elapsed() < LONG, "{text}");
        thread::sleep(Duration::from_millis(50));
    };
    for line in [
        "ringbench_agent_leases_total 1",
        "ringbench_agent_trials_total{outcome=\"finished\"} 6",
        "ringbench_agent_trials_total{outcome=\"refused\"} 0",
        "ringbench_agent_connections_refused_total{reason=\"user\"} 0",
        "ringbench_agent_start_delay_seconds_count 6",
    ] {
        assert!(after.lines().any(|found| found == line), "{line}\n{after}");
    }
    let sent = after.lines().find_map(|line| line.strip_prefix("ringbench_agent_sent_bytes_total "));
    assert!(sent.unwrap().parse::<u64>().unwrap() > 1000, "{after}");
    assert!(after.ends_with("# EOF\n"), "{after}");
}

/// A running agent, killed when the test ends.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_address_in_use_is_refused_before_anything_is_measured() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new();
    let mut command = place.run(&scenario("10ms"));
    command.args(["--metrics", &taken.local_addr().unwrap().to_string()]);
    place.finish(command).exits(2).says(&["cannot serve metrics", "choose another address"]);
    assert!(!place.out().exists());
}

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
