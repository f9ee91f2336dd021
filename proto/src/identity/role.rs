//! The role in a certificate: a URI such as `spiffe://ringbench.lab/agent` among its subject alternative names.

use std::{fmt, str::FromStr};

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

/// What the holder of a certificate may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves trials on a host.
    Agent,
    /// Runs scenarios on agents.
    Coordinator,
}

impl Role {
    /// The role at the other end of a connection.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Agent => Self::Coordinator,
            Self::Coordinator => Self::Agent,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Coordinator => "coordinator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Lab and role, written as `spiffe://ringbench.LAB/ROLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The lab. Both ends of a connection must have the same one.
    pub lab: String,
    /// The role.
    pub role: Role,
}

/// Why a certificate has no usable role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The certificate cannot be decoded.
    #[error("the certificate cannot be read")]
    Malformed,
    /// No name is a role.
    #[error("the certificate has no role (no URI spiffe://ringbench.LAB/agent or /coordinator)")]
    None,
    /// Several names are roles.
    #[error("the certificate has several roles")]
    Several,
    /// The name of a role is malformed.
    #[error("`{0}` is not spiffe://ringbench.LAB/agent or spiffe://ringbench.LAB/coordinator")]
    Uri(String),
    /// The certificate is for another role or lab.
    #[error("the certificate is for {has}, but {needs} is required")]
    Other {
        /// Its own.
        has: Identity,
        /// The required one.
        needs: Identity,
    },
}

const PREFIX: &str = "spiffe://ringbench.";

impl Identity {
    /// Reads the identity of a certificate. URIs of other schemes and trust domains are ignored.
    ///
    /// # Errors
    /// The certificate has no role, or more than one.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Malformed)?;
        let mut roles = parsed.valid_uri_names().filter(|uri| uri.starts_with(PREFIX));
        let first = roles.next().ok_or(IdentityError::None)?;
        if roles.next().is_some() {
            return Err(IdentityError::Several);
        }
        first.parse()
    }

    /// Whether a certificate has this identity.
    ///
    /// # Errors
    /// It has none, or another one.
    pub fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), IdentityError> {
        let has = Self::of(certificate)?;
        if has == *self { Ok(()) } else { Err(IdentityError::Other { has, needs: self.clone() }) }
    }

    /// The identity that the other end must have.
    #[must_use]
    pub fn peer(&self) -> Self {
        Self { lab: self.lab.clone(), role: self.role.peer() }
    }
}

/// Whether a word can be the name of a lab: it becomes part of a SPIFFE trust domain.
fn is_lab(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    (1..=63).contains(&word.len()) && word.chars().all(plain)
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError::Uri(uri.to_owned());
        let (lab, role) =
            uri.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')).ok_or_else(refused)?;
        let role = [Role::Agent, Role::Coordinator].into_iter().find(|known| known.word() == role);
        match role {
            Some(role) if is_lab(lab) => Ok(Self { lab: lab.to_owned(), role }),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.lab, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_written_as_uris() {
        for uri in ["spiffe://ringbench.lab/agent", "spiffe://ringbench.a-1.b_c/coordinator"] {
            assert_eq!(uri.parse::<Identity>().unwrap().to_string(), uri);
        }
        let agent: Identity = "spiffe://ringbench.lab/agent".parse().unwrap();
        assert_eq!(agent.peer().to_string(), "spiffe://ringbench.lab/coordinator");
        for uri in [
            "spiffe://ringbench./agent",
            "spiffe://ringbench.lab/agent/n1",
            "spiffe://ringbench.lab/Agent",
            "spiffe://ringbench.LAB/agent",
            "spiffe://ringbench.lab",
            "https://ringbench.lab/agent",
        ] {
            assert!(uri.parse::<Identity>().is_err(), "{uri}");
        }
    }
}
