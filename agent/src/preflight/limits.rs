//! Limits of this process, and other lines of its status.

use proto::units::ByteSize;
use rustix::process::{Resource, getrlimit};

/// A line of the calling thread's status.
pub(super) fn status_field(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim().to_owned())
}

/// A limit as a fact, in bytes or in pieces.
pub(super) fn limit(resource: Resource, bytes: bool) -> String {
    match getrlimit(resource).current {
        None => "unlimited".to_owned(),
        Some(limit) if bytes => ByteSize(limit).to_string(),
        Some(limit) => limit.to_string(),
    }
}

/// The remedy where the limit on locked memory is too low.
pub(super) fn memlock_remedy() -> String {
    "raise the limit of locked memory (ulimit -l, LimitMEMLOCK=infinity), or CAP_IPC_LOCK".to_owned()
}

/// The limit on locked memory, and whether it binds this process, in words.
pub(super) fn memlock_limit() -> String {
    // Bit 14 of the effective capabilities.
    let exempt = status_field("CapEff")
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
        .is_some_and(|bits| bits & (1 << 14) != 0);
    let limit = getrlimit(Resource::Memlock)
        .current
        .map_or_else(|| "unlimited".to_owned(), |bytes| ByteSize(bytes).to_string());
    format!("memlock limit {limit}{}", if exempt { ", not binding (CAP_IPC_LOCK)" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_status_line_by_its_whole_name() {
        assert!(status_field("Seccomp").is_some_and(|mode| mode.len() == 1));
        assert_eq!(status_field("Secc"), None);
    }
}
