//! The files of one end: CA, certificate, private key, revocation list.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem, pem::PemObject},
};

use super::{Identity, IdentityError, Role, layout};

/// The largest file that is read, in bytes. A revocation list of 20,000 certificates has less than 1 MB.
const MAX_BYTES: u64 = 4 << 20;

/// Paths of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the CA that issued the other end's certificate, in PEM.
    pub ca: PathBuf,
    /// This end's certificate, followed by its intermediate certificates, in PEM.
    pub cert: PathBuf,
    /// This end's private key, in PEM.
    pub key: PathBuf,
    /// The CA's revocation list, in PEM; `None` if revocation is not checked.
    pub crl: Option<PathBuf>,
}

impl Files {
    /// The files in a directory that `coordinator pki` wrote. The revocation list is mandatory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            ca: dir.join(layout::CA),
            cert: dir.join(layout::CERT),
            key: dir.join(layout::KEY),
            crl: Some(dir.join(layout::CRL)),
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.ca, &self.cert, &self.key].into_iter().chain(self.crl.as_ref()).map(PathBuf::as_path)
    }
}

/// The contents of the files.
#[derive(Debug)]
pub struct Material {
    /// The CA's certificates.
    pub roots: Arc<RootCertStore>,
    /// This end's certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// This end's private key.
    pub key: PrivateKeyDer<'static>,
    /// The revocation list.
    pub crl: Option<CertificateRevocationListDer<'static>>,
    /// This end's identity.
    pub identity: Identity,
}

/// Why the files cannot be used. The message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is too large or not a regular file.
    #[error("{} is not a regular file of at most {} MiB", path.display(), MAX_BYTES >> 20)]
    Unsuitable {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the private key.
    #[error(
        "other users may read the private key {} (mode {mode:04o}): chmod 600 {}",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file does not contain what it should, in PEM.
    #[error("{} contains no {what} in PEM", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The missing item.
        what: &'static str,
    },
    /// A file has a malformed item.
    #[error("{} is malformed: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The problem.
        why: String,
    },
    /// A revocation file has more than one list; only the first would count.
    #[error("{} contains {count} revocation lists; it must contain one, that of the CA", path.display())]
    Lists {
        /// The file.
        path: PathBuf,
        /// Their number.
        count: usize,
    },
    /// The certificate has no role, or the wrong one.
    #[error("{}: {source}; `coordinator pki {role}` writes a certificate for this role", path.display())]
    Role {
        /// The file.
        path: PathBuf,
        /// The role of this end.
        role: Role,
        /// The problem.
        source: IdentityError,
    },
    /// Certificate and key do not belong together, or the TLS library does not accept them.
    #[error("{} cannot be used: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The problem.
        why: String,
    },
}

impl Material {
    /// Reads the files for an end with this role.
    ///
    /// # Errors
    /// [`MaterialError`] with the first file that cannot be used.
    pub fn read(files: &Files, role: Role) -> Result<Self, MaterialError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca)? {
            let refused = |error: rustls::Error| malformed(&files.ca, &error);
            roots.add(certificate).map_err(refused)?;
        }
        let chain = certificates(&files.cert)?;
        let of_role = |source| MaterialError::Role { path: files.cert.clone(), role, source };
        let identity = Identity::of(&chain[0]).map_err(of_role)?;
        if identity.role != role {
            let needs = Identity { role, ..identity.clone() };
            return Err(of_role(IdentityError::Other { has: identity, needs }));
        }
        let (key, mode) = read(&files.key)?;
        if mode & 0o077 != 0 {
            return Err(MaterialError::Exposed { path: files.key.clone(), mode });
        }
        let key =
            PrivateKeyDer::from_pem_slice(&key).map_err(|error| in_pem(&files.key, "private key", error))?;
        let crl = files.crl.as_deref().map(revocation_list).transpose()?;
        Ok(Self { roots: Arc::new(roots), chain, key, crl, identity })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let (text, _) = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| malformed(path, &error))?;
    if found.is_empty() { Err(missing(path, "certificate")) } else { Ok(found) }
}

fn revocation_list(path: &Path) -> Result<CertificateRevocationListDer<'static>, MaterialError> {
    let (text, _) = read(path)?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let mut found = found.map_err(|error| malformed(path, &error))?;
    match (found.len(), found.pop()) {
        (1, Some(list)) => Ok(list),
        (0, _) => Err(missing(path, "revocation list (X509 CRL)")),
        (count, _) => Err(MaterialError::Lists { path: path.to_owned(), count }),
    }
}

/// The contents of a file and its mode.
fn read(path: &Path) -> Result<(Vec<u8>, u32), MaterialError> {
    let failed = |source| MaterialError::Read { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(MaterialError::Unsuitable { path: path.to_owned() });
    }
    Ok((fs::read(path).map_err(failed)?, about.mode() & 0o7777))
}

fn in_pem(path: &Path, what: &'static str, error: pem::Error) -> MaterialError {
    match error {
        pem::Error::NoItemsFound => missing(path, what),
        error => malformed(path, &error),
    }
}

fn missing(path: &Path, what: &'static str) -> MaterialError {
    MaterialError::Missing { path: path.to_owned(), what }
}

fn malformed(path: &Path, error: &dyn std::error::Error) -> MaterialError {
    MaterialError::Malformed { path: path.to_owned(), why: error.to_string() }
}
