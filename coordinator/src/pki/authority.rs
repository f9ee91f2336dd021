//! The authority of a lab, on disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use proto::identity::{Identity, Role, layout};
use rustix::fs::{FlockOperation, flock};
use time::{Duration, OffsetDateTime};

use super::{
    disk, issue,
    record::{Certificate, Record, SCHEMA, State},
};

const CA_KEY: &str = "ca.key.pem";
const RECORD: &str = "issued.json";

/// Why the authority cannot do what is asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The directory has an authority.
    #[error("{} has a certificate authority", path.display())]
    #[diagnostic(help(
        "use it, or name another directory with --dir; `coordinator pki show` lists its certificates"
    ))]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// The directory has no authority.
    #[error("{} has no certificate authority", path.display())]
    #[diagnostic(help("create one with `coordinator pki init`, or name its directory with --dir"))]
    NoAuthority {
        /// The directory.
        path: PathBuf,
    },
    /// Another process uses the authority.
    #[error("another process uses {}", path.display())]
    #[diagnostic(help("wait for it to end"))]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The record cannot be used.
    #[error("{} cannot be used: {why}", path.display())]
    #[diagnostic(help("restore it from a copy; without it nothing can be renewed or revoked"))]
    Record {
        /// The file.
        path: PathBuf,
        /// The problem.
        why: String,
    },
    /// The name cannot be used.
    #[error("`{0}` cannot be a name")]
    #[diagnostic(help(
        "a name has 1 to 63 letters, digits, `.`, `_` and `-`, and begins with a letter or digit"
    ))]
    Name(String),
    /// The lab's name cannot be used.
    #[error("`{0}` cannot be the name of a lab")]
    #[diagnostic(help("the name of a lab has 1 to 63 lower-case letters, digits, `.`, `_` and `-`"))]
    Lab(String),
    /// `--san` is neither a DNS name nor an IP address.
    #[error("--san {0} is neither a DNS name nor an IP address")]
    #[diagnostic(help("write --san n1.lab or --san 10.0.0.1"))]
    San(String),
    /// The name belongs to a certificate of the other role.
    #[error("`{name}` is the name of a certificate for the role {role}")]
    #[diagnostic(help("choose another name"))]
    OtherRole {
        /// The name.
        name: String,
        /// Its role.
        role: Role,
    },
    /// There is no certificate to renew or revoke.
    #[error("there is no certificate of `{0}` that is neither revoked nor expired")]
    #[diagnostic(help("`coordinator pki show` lists all certificates"))]
    Unknown(String),
    /// The validity ends after that of the CA.
    #[error("{days} days end after the CA expires ({ca_not_after})")]
    #[diagnostic(help("choose a smaller --days, or create a new authority"))]
    TooLong {
        /// As requested.
        days: u32,
        /// When the CA expires.
        ca_not_after: OffsetDateTime,
    },
    /// The library cannot make a key or a certificate.
    #[error("cannot make the certificate: {0}")]
    Library(#[from] rcgen::Error),
    /// No random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(#[from] rustix::io::Errno),
}

/// What `pki init` needs.
#[derive(Clone, Debug)]
pub struct NewLab<'a> {
    /// The lab's name.
    pub lab: &'a str,
    /// Validity of the CA in days.
    pub days: u32,
}

/// An authority, locked against other processes.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
    record: Record,
    _lock: File,
}

impl Authority {
    /// Creates an authority in a directory.
    ///
    /// # Errors
    /// The directory has one, or cannot be written.
    pub fn create(dir: &Path, new: &NewLab<'_>) -> Result<Self, PkiError> {
        let uri = Identity { lab: new.lab.to_owned(), role: Role::Agent }.to_string();
        if uri.parse::<Identity>().is_err() {
            return Err(PkiError::Lab(new.lab.to_owned()));
        }
        let ca = dir.join("ca");
        if ca.join(RECORD).exists() || ca.join(CA_KEY).exists() {
            return Err(PkiError::Exists { path: dir.to_owned() });
        }
        disk::make_dir(&ca).map_err(|source| written(&ca, source))?;
        let lock = lock(&ca)?;
        let now = OffsetDateTime::now_utc();
        let valid = Duration::days(new.days.into());
        let name = format!("Ringbench CA of {} {}", new.lab, &issue::serial()?[..8]);
        let issued = issue::new_authority(&name, now, valid)?;
        write(&ca.join(CA_KEY), &issued.key)?;
        write(&ca.join(layout::CA), &issued.certificate)?;
        let record = Record {
            schema: SCHEMA,
            lab: new.lab.to_owned(),
            authority: name,
            crl_number: 0,
            ca_not_after: now + valid,
            certificates: Vec::new(),
        };
        let mut authority = Self { dir: dir.to_owned(), record, _lock: lock };
        authority.publish()?;
        Ok(authority)
    }

    /// Opens the authority in a directory.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let path = dir.join("ca").join(RECORD);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PkiError::NoAuthority { path: dir.to_owned() });
            }
            Err(source) => return Err(PkiError::File { action: "read", path, source }),
        };
        let lock = lock(&dir.join("ca"))?;
        let refused = |why: String| PkiError::Record { path: path.clone(), why };
        let record: Record = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(refused(format!("it has schema {}, this release uses {SCHEMA}", record.schema)));
        }
        Ok(Self { dir: dir.to_owned(), record, _lock: lock })
    }

    /// The lab's name.
    #[must_use]
    pub fn lab(&self) -> &str {
        &self.record.lab
    }

    /// When the CA expires.
    #[must_use]
    pub fn ca_not_after(&self) -> OffsetDateTime {
        self.record.ca_not_after
    }

    /// All certificates with their state, in the order in which they were issued.
    #[must_use]
    pub fn certificates(&self) -> Vec<(&Certificate, State)> {
        let now = OffsetDateTime::now_utc();
        let all = self.record.certificates.iter();
        all.map(|certificate| (certificate, self.record.state(certificate, now))).collect()
    }

    /// Issues a certificate with a new key. Returns its directory.
    ///
    /// # Errors
    /// A name cannot be used, the validity exceeds the CA's, or the files cannot be written.
    pub fn issue(&mut self, role: Role, name: &str, sans: &[String], days: u32) -> Result<PathBuf, PkiError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=63).contains(&name.len())
            || !name.chars().all(plain)
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Err(PkiError::Name(name.to_owned()));
        }
        for san in sans {
            issue::alternative(san)
                .ok()
                .filter(|_| san.chars().all(|c| plain(c) || ":*".contains(c)) && !san.is_empty())
                .ok_or_else(|| PkiError::San(san.clone()))?;
        }
        if let Some(other) = self.record.latest().get(name).filter(|other| other.role != role) {
            return Err(PkiError::OtherRole { name: name.to_owned(), role: other.role });
        }
        let directory = self.sign(role, name, sans, days)?;
        self.publish()?;
        Ok(directory)
    }

    /// Issues new certificates for all names, or for these, with the same role and names. `days` replaces the validity.
    /// Returns their directories.
    ///
    /// # Errors
    /// A name has no certificate that could be renewed, or as for [`Authority::issue`].
    pub fn renew(&mut self, names: &[String], days: Option<u32>) -> Result<Vec<PathBuf>, PkiError> {
        let latest = self.record.latest();
        let renewable = |name: &str| latest.get(name).filter(|found| found.revoked.is_none());
        let chosen: Vec<Certificate> = match names {
            [] => latest.values().filter(|found| found.revoked.is_none()).map(|&c| c.clone()).collect(),
            names => names
                .iter()
                .map(|name| {
                    renewable(name).map(|&c| c.clone()).ok_or_else(|| PkiError::Unknown(name.clone()))
                })
                .collect::<Result<_, _>>()?,
        };
        let mut directories = Vec::new();
        for old in chosen {
            directories.push(self.sign(old.role, &old.name, &old.sans, days.unwrap_or(old.days))?);
        }
        self.publish()?;
        Ok(directories)
    }

    /// Revokes all certificates of a name, or the one with this serial number. Returns how many.
    ///
    /// # Errors
    /// There is none.
    pub fn revoke(&mut self, name: &str) -> Result<usize, PkiError> {
        let now = OffsetDateTime::now_utc();
        let accepted = |found: &&mut Certificate| found.revoked.is_none() && found.not_after > now;
        let mut count = 0;
        for found in self.record.certificates.iter_mut().filter(accepted) {
            if found.name == name || found.serial == name {
                found.revoked = Some(now);
                count += 1;
            }
        }
        if count == 0 {
            return Err(PkiError::Unknown(name.to_owned()));
        }
        self.publish()?;
        Ok(count)
    }

    /// Where the files of a certificate's holder are.
    #[must_use]
    pub fn directory(&self, role: Role, name: &str) -> PathBuf {
        let group = match role {
            Role::Agent => "agents",
            Role::Coordinator => "coordinators",
        };
        self.dir.join(group).join(name)
    }

    fn issuer(&self) -> Result<rcgen::Issuer<'static, rcgen::KeyPair>, PkiError> {
        Ok(issue::issuer(&self.record.authority, &self.read(CA_KEY)?)?)
    }

    fn read(&self, name: &str) -> Result<String, PkiError> {
        let path = self.dir.join("ca").join(name);
        fs::read_to_string(&path).map_err(|source| PkiError::File { action: "read", path, source })
    }

    /// Writes a new key and certificate, and records it before anybody can use it.
    fn sign(&mut self, role: Role, name: &str, sans: &[String], days: u32) -> Result<PathBuf, PkiError> {
        let now = OffsetDateTime::now_utc();
        let not_after = now + Duration::days(days.into());
        let ca_not_after = self.record.ca_not_after;
        if not_after > ca_not_after {
            return Err(PkiError::TooLong { days, ca_not_after });
        }
        let entry = Certificate {
            serial: issue::serial()?,
            role,
            name: name.to_owned(),
            sans: sans.to_vec(),
            days,
            issued: now,
            not_after,
            revoked: None,
        };
        let issued = issue::leaf(&self.record.lab, &entry, &self.issuer()?)?;
        self.record.certificates.push(entry);
        self.save()?;
        let directory = self.directory(role, name);
        disk::make_dir(&directory).map_err(|source| written(&directory, source))?;
        write(&directory.join(layout::CA), &self.read(layout::CA)?)?;
        write(&directory.join(layout::KEY), &issued.key)?;
        write(&directory.join(layout::CERT), &issued.certificate)?;
        Ok(directory)
    }

    fn save(&self) -> Result<(), PkiError> {
        let path = self.dir.join("ca").join(RECORD);
        let text = serde_json::to_string_pretty(&self.record)
            .map_err(|error| PkiError::Record { path: path.clone(), why: error.to_string() })?;
        write(&path, &text)
    }

    /// Writes the revocation list, here and into every holder's directory.
    fn publish(&mut self) -> Result<(), PkiError> {
        self.record.crl_number += 1;
        self.save()?;
        let list = issue::revocation_list(&self.record, OffsetDateTime::now_utc(), &self.issuer()?)?;
        write(&self.dir.join("ca").join(layout::CRL), &list)?;
        for holder in self.record.latest().values() {
            let directory = self.directory(holder.role, &holder.name);
            // The user may have moved the directory to its host.
            if directory.is_dir() {
                write(&directory.join(layout::CRL), &list)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    disk::write(path, text.as_bytes()).map_err(|source| written(path, source))
}

fn written(path: &Path, source: io::Error) -> PkiError {
    PkiError::File { action: "write", path: path.to_owned(), source }
}

/// Locks the directory of the CA until the file is dropped.
fn lock(ca: &Path) -> Result<File, PkiError> {
    let read = |source| PkiError::File { action: "read", path: ca.to_owned(), source };
    let file = File::open(ca).map_err(read)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(PkiError::InUse { path: ca.to_owned() }),
        Err(errno) => Err(read(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proto::identity::{Files, Material, client_config, server_config};
    use tempfile::TempDir;

    use super::*;

    fn lab() -> (TempDir, Authority) {
        let dir = TempDir::new().unwrap();
        let authority =
            Authority::create(&dir.path().join("pki"), &NewLab { lab: "lab", days: 100 }).unwrap();
        (dir, authority)
    }

    #[test]
    fn issued_files_are_private_and_usable() {
        let (_dir, mut authority) = lab();
        let agent = authority.issue(Role::Agent, "n1", &["10.0.0.1".into(), "n1.lab".into()], 9).unwrap();
        let user = authority.issue(Role::Coordinator, "alice", &[], 9).unwrap();
        for dir in [&agent, &user, &authority.dir.join("ca")] {
            assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
            for file in fs::read_dir(dir).unwrap() {
                assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        server_config(&Material::read(&Files::in_dir(&agent), Role::Agent).unwrap()).unwrap();
        client_config(&Material::read(&Files::in_dir(&user), Role::Coordinator).unwrap()).unwrap();
        // Only the CA's directory has the CA's key.
        let key = fs::read(authority.dir.join("ca").join(CA_KEY)).unwrap();
        assert!(
            [agent.join(layout::KEY), user.join(layout::KEY)].iter().all(|own| fs::read(own).unwrap() != key)
        );
        let error = Material::read(&Files::in_dir(&agent), Role::Coordinator).unwrap_err().to_string();
        assert!(error.contains("is for spiffe://ringbench.lab/agent, but"), "{error}");
        fs::set_permissions(agent.join(layout::KEY), fs::Permissions::from_mode(0o640)).unwrap();
        let error = Material::read(&Files::in_dir(&agent), Role::Agent).unwrap_err().to_string();
        assert!(error.contains("(mode 0640): chmod 600"), "{error}");
    }

    #[test]
    fn certificates_are_renewed_and_revoked() {
        let (_dir, mut authority) = lab();
        let agent = authority.issue(Role::Agent, "n1", &[], 9).unwrap();
        let before = fs::read(agent.join(layout::KEY)).unwrap();
        assert_eq!(authority.renew(&[], Some(5)).unwrap(), std::slice::from_ref(&agent));
        assert_ne!(fs::read(agent.join(layout::KEY)).unwrap(), before, "a new key");
        let states = |authority: &Authority| -> Vec<State> {
            authority.certificates().into_iter().map(|(_, state)| state).collect()
        };
        assert_eq!(states(&authority), [State::Replaced, State::Valid]);
        let list = fs::read(agent.join(layout::CRL)).unwrap();
        assert_eq!(authority.revoke("n1").unwrap(), 2);
        assert_ne!(fs::read(agent.join(layout::CRL)).unwrap(), list);
        assert_eq!(states(&authority), [State::Revoked, State::Revoked]);
        assert!(matches!(authority.revoke("n1"), Err(PkiError::Unknown(_))));
        assert!(matches!(authority.renew(&["n1".into()], None), Err(PkiError::Unknown(_))));
        let dir = authority.dir.clone();
        drop(authority);
        assert_eq!(states(&Authority::open(&dir).unwrap()), [State::Revoked, State::Revoked]);
    }

    #[test]
    fn refusals_are_typed() {
        let (dir, mut authority) = lab();
        let pki = dir.path().join("pki");
        assert!(matches!(Authority::open(&pki), Err(PkiError::InUse { .. })));
        for name in ["", "..", "../x", ".n1", "a/b", "-x", &"n".repeat(64)] {
            assert!(matches!(authority.issue(Role::Agent, name, &[], 1), Err(PkiError::Name(_))), "{name}");
        }
        for san in ["", "a b", "é"] {
            assert!(
                matches!(authority.issue(Role::Agent, "n1", &[san.into()], 1), Err(PkiError::San(_))),
                "{san}"
            );
        }
        assert!(matches!(authority.issue(Role::Agent, "n1", &[], 101), Err(PkiError::TooLong { .. })));
        authority.issue(Role::Agent, "n1", &[], 1).unwrap();
        let other = authority.issue(Role::Coordinator, "n1", &[], 1);
        assert!(matches!(other, Err(PkiError::OtherRole { .. })));
        drop(authority);
        assert!(matches!(
            Authority::create(&pki, &NewLab { lab: "lab", days: 1 }),
            Err(PkiError::Exists { .. })
        ));
        assert!(matches!(Authority::open(dir.path()), Err(PkiError::NoAuthority { .. })));
        let bad = Authority::create(&dir.path().join("x"), &NewLab { lab: "A b", days: 1 });
        assert!(matches!(bad, Err(PkiError::Lab(_))));
    }
}
