//! The limit of open files: each host needs a connection, and a log while a trial runs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::inventory::InventoryError;

/// Open files of a host.
const OF_HOST: u64 = 2;
/// Open files of the coordinator itself: the run directory, the runtime, name resolution.
const OWN: u64 = 64;

/// Raises the limit of open files as far as these hosts need it.
///
/// # Errors
/// The administrator's limit is lower.
pub fn allow(hosts: usize) -> Result<(), InventoryError> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = needed(hosts);
    // No limit is not to be raised.
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum };
    let allowed = maximum.is_none_or(|maximum| maximum >= needed);
    if allowed && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let limit = maximum.or(current).unwrap_or_default();
    Err(InventoryError::TooMany { hosts, needed, limit })
}

fn needed(hosts: usize) -> u64 {
    OWN.saturating_add(OF_HOST.saturating_mul(hosts as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_beyond_the_limit_are_refused_with_the_number_that_would_do() {
        assert_eq!(allow(1), Ok(()));
        assert_eq!(needed(2000), 4064);
        let refused = allow(usize::MAX);
        // Without a limit there is nothing to refuse.
        if getrlimit(Resource::Nofile).maximum.is_some() {
            let text = refused.unwrap_err().to_string();
            assert!(text.contains("hosts need") && text.contains("open files"), "{text}");
        }
    }
}
