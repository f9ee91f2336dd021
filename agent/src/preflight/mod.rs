//! Facts and capabilities of this host, determined before a trial needs them.
//!
//! Facts are read; they form the fingerprint that explains differences between hosts. Capabilities are tested, because
//! a sandbox, a limit or a file system may disable what the kernel's version supports. A missing one comes with a
//! remedy.

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

/// Reads the facts and tests the capabilities. Takes some tens of milliseconds and leaves nothing behind.
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

/// Creates a capability from the result of its test: the detail, or the failure and its remedy.
fn capability(name: &str, tried: Result<String, (String, String)>) -> Capability {
    let (available, detail, remedy) = match tried {
        Ok(detail) => (true, detail, String::new()),
        Err((detail, remedy)) => (false, detail, remedy),
    };
    Capability { name: name.to_owned(), available, detail, remedy }
}
