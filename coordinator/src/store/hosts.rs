//! One entry of `hosts.json`.

use std::collections::BTreeMap;

use proto::outcome::HostDescription;
use serde::{Deserialize, Serialize};

/// A host of the run: where it was reached and what it said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Its name in the inventory.
    pub name: String,
    /// Where its agent was reached, such as `127.0.0.1:7420`.
    pub address: String,
    /// Its labels in the inventory.
    pub labels: BTreeMap<String, String>,
    /// Fingerprint and capabilities.
    pub description: HostDescription,
}
