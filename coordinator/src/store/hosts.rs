//! One entry of `hosts.json`.

use std::collections::BTreeMap;

use proto::outcome::HostDescription;
use serde::{Deserialize, Serialize};

use crate::cluster::Host;

/// A host of the run: its address and its description.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Its name in the inventory.
    pub name: String,
    /// The address of its agent, such as `127.0.0.1:7420`.
    pub address: String,
    /// The name in its certificate, if the inventory names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_name: Option<String>,
    /// Its labels in the inventory.
    pub labels: BTreeMap<String, String>,
    /// Fingerprint and capabilities.
    pub description: HostDescription,
}

impl From<&Host> for HostEntry {
    fn from(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            address: host.address.clone(),
            tls_name: host.tls_name.clone(),
            labels: host.labels.clone(),
            description: host.description.clone(),
        }
    }
}
