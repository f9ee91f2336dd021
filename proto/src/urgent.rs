//! Urgent operations: their share, and the means by which they are preferred.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::share::{MAX_URGENT, MIN_URGENT, Share};
use crate::units::ByteSize;

/// Urgent operations, which are measured separately and may be preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Urgent {
    /// Share of the operations, from 0.001% to 50%.
    pub share: Share,
    /// The means by which they are preferred.
    pub by: UrgentBy,
    /// Size of an urgent operation; every `workload.block_size` must be a multiple of it. Absent: the workload's sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<ByteSize>,
}

/// The means by which urgent operations are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrgentBy {
    /// They are not preferred, only measured separately: the control.
    None,
    /// By the I/O priority of the request: the real-time class if permitted, otherwise the highest best-effort level.
    Ioprio,
    /// By a second ring for them in each worker, which is submitted first and polled first.
    SeparateRing,
    /// By the kernel, which issues them first within a batch (`IOSQE_URGENT`); needs the patched kernel of kernel/.
    IosqeUrgent,
}

impl UrgentBy {
    /// All means, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::None, Self::Ioprio, Self::SeparateRing, Self::IosqeUrgent];

    /// The word used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ioprio => "ioprio",
            Self::SeparateRing => "separate_ring",
            Self::IosqeUrgent => "iosqe_urgent",
        }
    }
}
