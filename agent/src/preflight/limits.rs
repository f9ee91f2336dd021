//! Limits of this process.

use proto::units::ByteSize;
use rustix::process::{Resource, getrlimit};

use crate::status::status_field;

/// A limit as a fact: a size if `bytes`, otherwise a number.
pub(super) fn limit(resource: Resource, bytes: bool) -> String {
    match getrlimit(resource).current {
        None => "unlimited".to_owned(),
        Some(limit) if bytes => ByteSize(limit).to_string(),
        Some(limit) => limit.to_string(),
    }
}

/// The remedy for a limit on locked memory that is too low.
pub(super) fn memlock_remedy() -> String {
    "raise the limit of locked memory (ulimit -l, LimitMEMLOCK=infinity), or grant CAP_IPC_LOCK".to_owned()
}

/// Text of the limit on locked memory, and whether it applies to this process.
pub(super) fn memlock_limit() -> String {
    // CAP_IPC_LOCK is bit 14 of the effective capabilities.
    let exempt = status_field("CapEff")
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
        .is_some_and(|bits| bits & (1 << 14) != 0);
    let limit = getrlimit(Resource::Memlock)
        .current
        .map_or_else(|| "unlimited".to_owned(), |bytes| ByteSize(bytes).to_string());
    format!("memlock limit {limit}{}", if exempt { ", not enforced (CAP_IPC_LOCK)" } else { "" })
}
