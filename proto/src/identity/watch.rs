//! A TLS configuration that follows its files: certificates are renewed and revoked without a restart.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{ClientConfig, Error, pki_types::CertificateDer};

use super::{Files, Material, MaterialError, Role, Server, client_config, server_config};

/// A TLS configuration that [`Watched`] can make.
pub trait Config: Sized {
    /// The role of the end that uses it.
    const ROLE: Role;

    /// Makes it.
    ///
    /// # Errors
    /// The TLS library does not accept the material.
    fn of(material: &Material) -> Result<Arc<Self>, Error>;
}

impl Config for Server {
    const ROLE: Role = Role::Agent;

    fn of(material: &Material) -> Result<Arc<Self>, Error> {
        server_config(material).map(Arc::new)
    }
}

impl Config for ClientConfig {
    const ROLE: Role = Role::Coordinator;

    fn of(material: &Material) -> Result<Arc<Self>, Error> {
        client_config(material)
    }
}

/// Device, inode, size and time of the last change of each file.
type Stamp = Vec<Option<(u64, u64, u64, i64, i64)>>;

/// The configuration made of the files as they are now. If they change to something that cannot be used, the last
/// good configuration stays, and the problem is logged once.
#[derive(Debug)]
pub struct Watched<C> {
    files: Files,
    current: Mutex<Current<C>>,
}

#[derive(Debug)]
struct Current<C> {
    stamp: Stamp,
    config: Arc<C>,
    own: CertificateDer<'static>,
}

impl<C: Config> Watched<C> {
    /// Reads the files.
    ///
    /// # Errors
    /// [`MaterialError`] if they cannot be used.
    pub fn new(files: Files) -> Result<Self, MaterialError> {
        let stamp = stamp(&files);
        let (config, own) = read(&files)?;
        Ok(Self { files, current: Mutex::new(Current { stamp, config, own }) })
    }

    /// The configuration for the next handshake.
    #[must_use]
    pub fn config(&self) -> Arc<C> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.files);
        if stamp != current.stamp {
            current.stamp = stamp;
            match read(&self.files) {
                Ok((config, own)) => {
                    (current.config, current.own) = (config, own);
                    tracing::info!("certificates were read again");
                }
                Err(error) => {
                    tracing::warn!("changed certificates are not used, the previous ones stay: {error}");
                }
            }
        }
        Arc::clone(&current.config)
    }

    /// This end's certificate.
    #[must_use]
    pub fn own(&self) -> CertificateDer<'static> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).own.clone()
    }

    /// Whether revocation is checked.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.files.crl.is_some()
    }
}

fn read<C: Config>(files: &Files) -> Result<(Arc<C>, CertificateDer<'static>), MaterialError> {
    let material = Material::read(files, C::ROLE)?;
    let refused = |error: Error| MaterialError::Refused { path: files.cert.clone(), why: error.to_string() };
    Ok((C::of(&material).map_err(refused)?, material.chain[0].clone()))
}

fn stamp(files: &Files) -> Stamp {
    let of = |path| {
        let about = fs::metadata(path).ok()?;
        Some((about.dev(), about.ino(), about.size(), about.ctime(), about.ctime_nsec()))
    };
    files.all().map(of).collect()
}
