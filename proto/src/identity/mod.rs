//! Who is at the other end of a connection: certificates with a role, and the TLS configurations made of them.
//!
//! * [`Role`], [`Identity`]: what a certificate permits, by a URI among its names.
//! * [`Files`], [`Material`]: certificate, key, CA and revocation list, as files and as read.
//! * [`server_config`], [`client_config`]: TLS 1.3 with certificates on both ends, without session resumption, so
//!   that a revoked certificate is refused at its next connection.
//! * [`Watched`]: a configuration that follows its files.

mod files;
mod role;
mod verify;
mod watch;

pub use self::{
    files::{Files, Material, MaterialError},
    role::{Identity, IdentityError, Role},
    verify::{Server, Validity, client_config, handshake_error, own_validity, server_config},
    watch::{Config, Watched},
};

/// Names of the files in a directory that `coordinator pki` writes for one host or user.
pub mod layout {
    /// Certificates of the CA.
    pub const CA: &str = "ca.pem";
    /// The host's certificate.
    pub const CERT: &str = "cert.pem";
    /// Its private key.
    pub const KEY: &str = "key.pem";
    /// The CA's revocation list.
    pub const CRL: &str = "crl.pem";
}
