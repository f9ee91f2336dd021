//! Tests of the real binary: `agent serve` under conditions in which it cannot or must not serve.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(30);

/// `RINGBENCH_BIN_DIR` names a directory of copies, for users who may not read the build tree.
fn bin() -> PathBuf {
    match std::env::var_os("RINGBENCH_BIN_DIR") {
        Some(dir) => Path::new(&dir).join("agent"),
        None => env!("CARGO_BIN_EXE_agent").into(),
    }
}

/// A running agent, killed when the test ends.
struct Agent {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(bin());
        command.arg("serve").args(arguments).current_dir(std::env::temp_dir()).env_remove("RUST_LOG");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The port in its first line of output.
    fn port(&mut self) -> u16 {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.unwrap_or_else(|| panic!("unexpected output {line:?}"))
    }

    /// Checks its next line of output.
    #[track_caller]
    fn line(&mut self, says: &str) {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        assert!(line.contains(says), "{line}");
    }

    fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Its exit code, and the rest of its output.
    fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > LONG => panic!("does not end"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        assert!(!text.contains("panicked"), "{text}");
        (status.code(), text)
    }
}

#[track_caller]
fn refused(arguments: &[&str], code: i32, says: &[&str]) {
    let (ended, text) = Agent::start(arguments).end();
    assert_eq!(ended, Some(code), "{text}");
    for says in says {
        assert!(text.contains(says), "`{says}` is not in: {text}");
    }
}

#[test]
fn listening_beyond_loopback_needs_insecure() {
    refused(
        &["--listen", "0.0.0.0:0"],
        3,
        &["0.0.0.0 is not a loopback address", "plain text", "--insecure"],
    );
    refused(&["--listen", "[::]:0"], 3, &["not a loopback address", "--insecure"]);

    let mut agent = Agent::start(&["--listen", "0.0.0.0:0", "--insecure"]);
    let port = agent.port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    agent.terminate();
    let (code, text) = agent.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("warning: --insecure: anyone who reaches"), "{text}");
}

/// Anybody who reaches the port could overwrite the disk.
#[test]
fn insecure_devices_are_a_decision_of_their_own() {
    let serve = ["--listen", "127.0.0.1:0", "--insecure", "--allow-device", "/dev/nvme9n1=X"];
    if rustix::process::geteuid().is_root() {
        refused(&serve, 3, &["overwrite the devices", "--tls-dir", "--insecure-devices"]);
    }
    let mut agent = Agent::start(&[&serve[..], &["--insecure-devices"]].concat());
    agent.port();
    agent.terminate();
    assert_eq!(agent.end().0, Some(0));
    refused(&["--insecure-devices"], 2, &["--insecure"]);
    refused(&["--listen", "127.0.0.1:0", "--insecure", "--tls-dir", "x"], 2, &["--insecure", "--tls-dir"]);
    refused(&["--listen", "127.0.0.1:0", "--tls-dir", "/no/such"], 3, &["/no/such/ca.pem", "No such file"]);
    refused(
        &["--allow-path", "/no/such", "--socket", "x"],
        3,
        &["--allow-path /no/such", "name a directory"],
    );
}

/// A socket in use is refused; one that a killed agent left behind is replaced. Other files are kept.
#[test]
fn sockets_are_replaced_only_if_nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let socket = path.to_str().unwrap();
    let mut first = Agent::start(&["--socket", socket]);
    first.line(&format!("listens on unix:{socket}"));
    let mode = std::fs::metadata(&path).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    refused(&["--socket", socket], 3, &[socket, "in use", "--socket PATH"]);
    let _ = first.child.kill();
    let _ = first.child.wait();
    assert!(path.exists());
    let mut second = Agent::start(&["--socket", socket]);
    second.line("listens on");
    second.terminate();
    assert_eq!(second.end().0, Some(0));
    assert!(!path.exists(), "it is removed at the end");
    std::fs::write(&path, "precious").unwrap();
    refused(&["--socket", socket], 3, &["not a socket"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn refuses_a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["--listen", &address], 3, &[&address, "in use", "--listen ADDR:PORT"]);
}

#[test]
fn a_released_port_is_usable_at_once() {
    let mut agent = Agent::start(&["--listen", "127.0.0.1:0"]);
    let address = format!("127.0.0.1:{}", agent.port());
    let connection = TcpStream::connect(&address).unwrap();
    agent.terminate();
    assert_eq!(agent.end().0, Some(0));
    drop(connection);
    let mut agent = Agent::start(&["--listen", &address]);
    agent.port();
    agent.terminate();
    assert_eq!(agent.end().0, Some(0));
}

#[test]
fn rejects_bad_arguments() {
    refused(&["--listen", "nonsense"], 2, &["--listen"]);
    refused(&["--listen", "127.0.0.1:99999"], 2, &["--listen"]);
    refused(&["--no-such-option"], 2, &["--no-such-option"]);
}

#[test]
fn refuses_an_unusable_data_directory() {
    let serve = |dir: &str, says: &[&str]| {
        refused(&["--listen", "127.0.0.1:0", "--data-dir", dir], 3, says);
    };
    serve("/no/such/dir", &["--data-dir /no/such/dir", "No such file", "name a directory"]);
    serve("/dev/null", &["--data-dir /dev/null", "ot a directory", "name a directory"]);
}

/// Clients that connect and send nothing, or invalid data, do not keep the agent running.
#[test]
fn silent_clients_do_not_prevent_termination() {
    let mut agent = Agent::start(&["--listen", "127.0.0.1:0"]);
    let port = agent.port();
    let silent: Vec<_> = (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    std::io::Write::write_all(&mut &silent[0], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    std::io::Write::write_all(&mut &silent[1], b"GET / HTTP/1.1\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    agent.terminate();
    assert_eq!(agent.end().0, Some(0));
    drop(silent);
}

/// Closes the reading end of the agent's standard error.
#[test]
fn a_closed_standard_error_does_not_end_the_agent() {
    let mut command = Command::new(bin());
    command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(std::env::temp_dir());
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    std::thread::sleep(Duration::from_millis(500));
    let alive = child.try_wait().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert!(alive.is_none(), "it ended: {alive:?}");
}

/// The answer of the metrics port.
fn scrape(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn metrics_count_refused_connections() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    let mut agent = Agent::start(&[
        "--listen",
        "127.0.0.1:0",
        "--token-file",
        token.to_str().unwrap(),
        "--metrics",
        "127.0.0.1:0",
    ]);
    let port = agent.port();
    agent.line("clients need the token");
    let mut line = String::new();
    agent.stderr.read_line(&mut line).unwrap();
    let metrics = line.strip_prefix("metrics at http://127.0.0.1:").and_then(|rest| rest.split_once('/'));
    let metrics: u16 = metrics.unwrap().0.parse().unwrap();
    // The first byte of a TLS handshake, which this agent does not speak.
    TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(&[22, 3, 1]).unwrap();
    let begun = Instant::now();
    let refused = "ringbench_agent_connections_refused_total{reason=\"handshake\"} 1";
    while !scrape(metrics).lines().any(|line| line == refused) {
        assert!(begun.elapsed() < LONG, "{}", scrape(metrics));
        std::thread::sleep(Duration::from_millis(50));
    }
    // Nothing else is answered there, and the port closes with the agent.
    agent.terminate();
    assert_eq!(agent.end().0, Some(0));
    assert!(TcpStream::connect(("127.0.0.1", metrics)).is_err());
}

#[test]
fn metrics_on_a_taken_address_are_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let agent = Agent::start(&["--socket", socket.to_str().unwrap(), "--metrics", &address]);
    let (code, text) = agent.end();
    assert_ne!(code, Some(0));
    assert!(text.contains("cannot serve metrics") && text.contains("--metrics ADDR:PORT"), "{text}");
}
