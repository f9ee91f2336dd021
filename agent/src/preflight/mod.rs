//! What this host is, and what it can do: known before a trial asks for it.
//!
//! Facts are read, and make up the fingerprint by which differences between hosts are explained. Capabilities
//! are tried, because what a kernel's version promises a sandbox, a limit or a file system may take back.
//! Where one is missing, its remedy is named.

mod facts;
mod host;
mod hypervisor;
mod limits;
mod render;
mod ring;
#[cfg(test)]
mod tests;

use std::path::Path;

use proto::outcome::{Capability, HostDescription};

pub use render::render;

use crate::{
    counters::{hardware, perf},
    topology::Topology,
};

/// Looks at the host, and tries what it can do. Takes some tens of milliseconds; leaves nothing behind.
#[must_use]
pub fn describe(topology: &Topology, data_dir: &Path) -> HostDescription {
    let mut capabilities = ring::capabilities();
    capabilities.push(perf::self_test());
    capabilities.push(hardware::self_test());
    capabilities.extend(host::capabilities(topology, data_dir));
    HostDescription {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: proto::PROTOCOL_VERSION,
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        facts: facts::gather(topology, data_dir),
        cpus: topology.cpus.clone(),
        runtime_cpu: topology.runtime_cpu,
        capabilities,
    }
}

/// A capability from what came of trying it: what worked, or what went wrong and the remedy.
fn capability(name: &str, tried: Result<String, (String, String)>) -> Capability {
    let (available, detail, remedy) = match tried {
        Ok(detail) => (true, detail, String::new()),
        Err((detail, remedy)) => (false, detail, remedy),
    };
    Capability { name: name.to_owned(), available, detail, remedy }
}
