//! A lab with its authority, certificates of every fault, and real processes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use tempfile::TempDir;
use time::OffsetDateTime;

const LONG: Duration = Duration::from_secs(30);
/// An unprivileged user that every system has.
const NOBODY: u32 = 65534;

/// A binary of this workspace: from `RINGBENCH_BIN_DIR`, or from this build.
pub fn bin(name: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_BIN_EXE_coordinator")).parent().unwrap().to_owned();
    let path = std::env::var_os("RINGBENCH_BIN_DIR").map_or_else(built, PathBuf::from).join(name);
    assert!(path.is_file(), "{} is missing: cargo build --workspace makes it", path.display());
    path
}

/// A directory that every user can enter, with an authority, the agent `n1` and the coordinator `alice`.
pub struct Lab(TempDir);

impl Lab {
    pub fn new() -> Self {
        let lab = Self(tempfile::Builder::new().prefix("ringbench-").tempdir().unwrap());
        fs::set_permissions(lab.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        lab.pki(&["init"]);
        lab.pki(&["agent", "n1", "--san", "127.0.0.1", "--san", "localhost"]);
        lab.pki(&["coordinator", "alice"]);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn coordinator(&self, args: &[&str]) -> Command {
        let mut command = Command::new(bin("coordinator"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null()).env_remove("RUST_LOG");
        command
    }

    #[track_caller]
    pub fn pki(&self, args: &[&str]) -> String {
        let ran = self.coordinator(&[&["pki"], args].concat()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Starts an agent with a TLS directory on a free port of loopback.
    pub fn agent(&self, dir: &str) -> Agent {
        self.start(&["--listen", "127.0.0.1:0", "--tls-dir", dir])
    }

    pub fn start(&self, args: &[&str]) -> Agent {
        let data = self.path("data");
        fs::create_dir_all(&data).unwrap();
        let mut command = Command::new(bin("agent"));
        command.arg("serve").args(args).arg("--data-dir").arg(&data).current_dir(self.0.path());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().expect("the agent prints where it listens").unwrap();
        let (_, address) = first.split_once(" listens on ").unwrap_or_else(|| panic!("{first}"));
        let address = address.to_owned();
        let log = Arc::<Mutex<String>>::default();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *kept.lock().unwrap() += &(line + "\n"));
        });
        Agent { child, address, log }
    }

    /// `coordinator agents` on an agent with further options.
    pub fn ask(&self, agent: &Agent, args: &[&str]) -> Ran {
        let mut command = self.coordinator(&["agents", "--json", "--agents", &agent.address]);
        Ran::of(command.args(args).output().unwrap())
    }

    /// The same as an unprivileged user.
    pub fn ask_as_nobody(&self, agent: &Agent, args: &[&str]) -> Ran {
        let copy = self.path("coordinator");
        fs::copy(bin("coordinator"), &copy).unwrap();
        let mut command = Command::new(copy);
        command.args(["agents", "--json", "--agents", &agent.address]).args(args);
        command.current_dir("/").env("XDG_RUNTIME_DIR", "/nonexistent").uid(NOBODY).gid(NOBODY);
        Ran::of(command.output().unwrap())
    }

    /// Writes a directory with a certificate that the lab's authority would not issue.
    pub fn craft(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let record: serde_json::Value =
            serde_json::from_slice(&fs::read(self.path("pki/ca/issued.json")).unwrap()).unwrap();
        let key = fs::read_to_string(self.path("pki/ca/ca.key.pem")).unwrap();
        let issuer = authority(record["authority"].as_str().unwrap(), &key);
        self.write(name, &issuer, change)
    }

    /// The same, signed by a CA of which nobody knows.
    pub fn craft_elsewhere(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let issuer = authority("another CA", &KeyPair::generate().unwrap().serialize_pem());
        self.write(name, &issuer, change)
    }

    fn write(
        &self,
        name: &str,
        issuer: &Issuer<'_, KeyPair>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> String {
        let mut params = CertificateParams::default();
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - time::Duration::HOUR, now + time::Duration::HOUR);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        let dir = self.path(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        fs::set_permissions(dir.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        for file in ["ca.pem", "crl.pem"] {
            fs::copy(self.path("pki/ca").join(file), dir.join(file)).unwrap();
        }
        name.to_owned()
    }
}

fn authority(name: &str, key: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Issuer::new(params, KeyPair::from_pem(key).unwrap())
}

/// The names and purpose of a coordinator.
pub fn coordinator_of(lab: &str) -> impl Fn(&mut CertificateParams) {
    let uri = format!("spiffe://ringbench.{lab}/coordinator");
    move |params| {
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }
}

/// The names and purpose of an agent on loopback.
pub fn agent_of(lab: &str) -> impl Fn(&mut CertificateParams) {
    let uri = format!("spiffe://ringbench.{lab}/agent");
    move |params| {
        let address = SanType::IpAddress("127.0.0.1".parse().unwrap());
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap()), address];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    }
}

/// An agent that ends with the test.
pub struct Agent {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
}

impl Agent {
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line in its log.
    #[track_caller]
    pub fn logs(&self, what: &str) {
        until(what, || self.log().contains(what));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "in vain until: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The result of a command.
pub struct Ran {
    pub code: i32,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stderr }
    }

    #[track_caller]
    pub fn succeeds(&self) {
        assert_eq!(self.code, 0, "{}", self.stderr);
    }

    /// Whether standard error says this. Lines are wrapped, so white space and frames do not count.
    pub fn says(&self, what: &str) -> bool {
        let dense = |text: &str| text.chars().filter(|&c| !c.is_whitespace() && c != '│').collect::<String>();
        dense(&self.stderr).contains(&dense(what))
    }

    /// Checks that the host is refused with this code, cause and remedy.
    #[track_caller]
    pub fn is_refused(&self, code: &str, says: &[&str]) {
        assert_eq!(self.code, 3, "{}", self.stderr);
        for says in [&[code, "host ", "help: "], says].concat() {
            assert!(self.says(says), "`{says}` is not in: {}", self.stderr);
        }
    }
}
