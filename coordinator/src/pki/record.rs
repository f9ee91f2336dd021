//! The record of what was issued. Certificates are renewed and revoked by it.

use std::collections::BTreeMap;

use proto::identity::Role;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The file `issued.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) schema: u32,
    pub(super) lab: String,
    /// Common name of the CA. Part of it is random, so that CAs of labs with the same name are told apart.
    pub(super) authority: String,
    /// Number of the last revocation list.
    pub(super) crl_number: u64,
    #[serde(with = "time::serde::timestamp")]
    pub(super) ca_not_after: OffsetDateTime,
    pub(super) certificates: Vec<Certificate>,
}

/// The version of the file.
pub(super) const SCHEMA: u32 = 1;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Serial number, in hexadecimal digits.
    pub serial: String,
    /// Role of its holder.
    pub role: Role,
    /// Name of its holder.
    pub name: String,
    /// Further DNS names and IP addresses.
    pub sans: Vec<String>,
    /// Validity in days.
    pub days: u32,
    /// When it was issued.
    #[serde(with = "time::serde::timestamp")]
    pub issued: OffsetDateTime,
    /// When it expires.
    #[serde(with = "time::serde::timestamp")]
    pub not_after: OffsetDateTime,
    /// When it was revoked.
    #[serde(default, with = "time::serde::timestamp::option", skip_serializing_if = "Option::is_none")]
    pub revoked: Option<OffsetDateTime>,
}

/// The state of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is accepted.
    Valid,
    /// It is accepted, and there is a later one of the same name.
    Replaced,
    /// It expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Record {
    /// The latest certificate of each name, in order of names.
    pub(super) fn latest(&self) -> BTreeMap<&str, &Certificate> {
        self.certificates.iter().map(|certificate| (certificate.name.as_str(), certificate)).collect()
    }

    /// The state of a certificate at a time.
    pub(super) fn state(&self, certificate: &Certificate, now: OffsetDateTime) -> State {
        let latest = self.latest().get(certificate.name.as_str()).map(|latest| &latest.serial);
        if certificate.revoked.is_some() {
            State::Revoked
        } else if certificate.not_after <= now {
            State::Expired
        } else if latest == Some(&certificate.serial) {
            State::Valid
        } else {
            State::Replaced
        }
    }
}
