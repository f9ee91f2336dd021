//! The engines: name, description and features of each.
//!
//! An engine is one row of the table below. Validation, the JSON Schema, `docs/options.md` and the texts of refusals
//! come from it; the implementation is in the agent.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A feature of engines. An option or a workload key that needs a feature is refused for engines without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// One thread can keep more than one request in flight.
    Queue,
    /// It uses an io_uring.
    Ring,
    /// Its system calls take flags for each transfer.
    CallFlags,
    /// Its requests transfer data to or from the target.
    Data,
    /// Written data can be read back through the target's file and verified.
    ReadBack,
    /// Threads can share its ring.
    SharedRing,
    /// It can prefer urgent requests.
    UrgentRequests,
    /// Its requests can name a list of buffers.
    Vectors,
    /// Its requests can be linked into chains.
    Links,
    /// It can sleep before it polls for a completion.
    HybridPolling,
    /// Its requests are NVMe commands, which bypass the block layer.
    NvmeCommands,
}

impl Feature {
    /// The predicate for an engine without the feature, to follow the engine's name.
    #[must_use]
    pub fn absence(self) -> &'static str {
        match self {
            Self::Queue => "has no queue",
            Self::Ring => "has no ring",
            Self::CallFlags => "passes no flags to its system calls",
            Self::Data => "transfers no data",
            Self::ReadBack => "does not write to the target through a file",
            Self::SharedRing => "cannot share its ring between threads",
            Self::UrgentRequests => "cannot prefer urgent requests",
            Self::Vectors => "has no vectored requests",
            Self::Links => "cannot link requests",
            Self::HybridPolling => "has no hybrid polling",
            Self::NvmeCommands => "sends no NVMe commands",
        }
    }
}

/// Defines [`EngineKind`] and the functions that follow from the table.
macro_rules! engines {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal has [$($feature:ident),*];)+) => {
        /// The engines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum EngineKind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $kind,)+
        }

        impl EngineKind {
            /// All engines, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name in scenarios and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The engine's features.
            #[must_use]
            pub fn features(self) -> &'static [Feature] {
                match self {
                    $(Self::$kind => &[$(Feature::$feature),*],)+
                }
            }
        }
    };
}

engines! {
    /// Does nothing: measures the cost of Ringbench itself.
    Null = "null" has [Queue];
    /// io_uring requests that do nothing: measures the cost of the ring.
    Nop = "nop" has [Queue, Ring, SharedRing, UrgentRequests];
    /// pread and pwrite: one system call per operation.
    Psync = "psync" has [Data, ReadBack];
    /// preadv2 and pwritev2, which take flags: one system call per operation.
    Pvsync2 = "pvsync2" has [Data, ReadBack, CallFlags];
    /// io_submit and io_getevents, the older asynchronous interface.
    Libaio = "libaio" has [Queue, Data, ReadBack];
    /// io_uring, with one ring per worker unless `ring` is set.
    IoUring = "io_uring" has [
        Queue, Ring, Data, ReadBack, SharedRing, UrgentRequests, Vectors, Links, HybridPolling
    ];
    /// NVMe read and write commands through a ring, bypassing the block layer (`IORING_OP_URING_CMD`, Linux 5.19).
    /// Needs `target: {device: …}`.
    Nvme = "nvme" has [Queue, Ring, Data, NvmeCommands];
}

impl EngineKind {
    /// Whether it has a feature.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self.features().contains(&feature)
    }

    /// Whether it has a ring.
    #[must_use]
    pub fn is_ring(self) -> bool {
        self.has(Feature::Ring)
    }

    /// Whether one thread can keep more than one request in flight.
    #[must_use]
    pub fn has_queue(self) -> bool {
        self.has(Feature::Queue)
    }

    /// Whether its requests transfer data to or from the target.
    #[must_use]
    pub fn moves_data(self) -> bool {
        self.has(Feature::Data)
    }

    /// The engines that have all of some features.
    pub fn with<'a>(features: &'a [Feature]) -> impl Iterator<Item = Self> + 'a {
        Self::ALL.iter().copied().filter(|kind| features.iter().all(|feature| kind.has(*feature)))
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_the_serialised_form() {
        for kind in EngineKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(kind.to_string(), kind.name());
        }
    }

    #[test]
    fn finds_engines_by_feature() {
        let with =
            |features: &[Feature]| EngineKind::with(features).map(EngineKind::name).collect::<Vec<_>>();
        assert_eq!(with(&[Feature::CallFlags]), ["pvsync2"]);
        assert_eq!(with(&[Feature::Ring, Feature::Data]), ["io_uring", "nvme"]);
        assert!(with(&[Feature::Ring, Feature::CallFlags]).is_empty());
        assert_eq!(with(&[]).len(), EngineKind::ALL.len());
    }
}
