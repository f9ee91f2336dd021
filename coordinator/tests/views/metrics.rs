//! `--metrics` of a run.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::{
    scenario,
    support::{LONG, Place},
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
