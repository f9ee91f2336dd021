//! The cause of a failed io_uring_setup, for trials and for `agent probe`.

use std::io;

use proto::refusal::{EngineRefusal, OpenFor, Refusal, RingFailure, WorkerRefusal};

use crate::status::is_filtered;

/// The refusal if no ring can be set up at all. `large`: its entries are larger than usual.
pub(crate) fn setup_refusal(error: &io::Error, depth: u32, large: bool) -> Refusal {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            WorkerRefusal::OpenFiles { by: OpenFor::Ring, error: error.into() }.into()
        }
        Some(libc::EINVAL) if large => {
            EngineRefusal::Ring { failure: RingFailure::LargeEntries(error.into()) }.into()
        }
        _ => {
            let disabled = disabled.as_deref().map(str::trim);
            EngineRefusal::Ring { failure: failure(error, depth, disabled, is_filtered()) }.into()
        }
    }
}

/// The cause by errno. `disabled`: the sysctl kernel.io_uring_disabled, which is named first, because it applies even
/// without a filter. `filtered`: a seccomp filter is active.
fn failure(error: &io::Error, depth: u32, disabled: Option<&str>, filtered: bool) -> RingFailure {
    match (error.raw_os_error(), disabled) {
        // A kernel with the sysctl has io_uring. Some filters return ENOSYS, so that programs fall back.
        (Some(libc::ENOSYS), _) if filtered || disabled.is_some() => RingFailure::Forbidden(error.into()),
        (Some(libc::ENOSYS), _) => RingFailure::NotSupported(error.into()),
        (Some(libc::EPERM), Some("2")) => RingFailure::Disabled(error.into()),
        (Some(libc::EPERM), _) if filtered => RingFailure::Forbidden(error.into()),
        (Some(libc::EPERM), Some("1")) => RingFailure::Unprivileged(error.into()),
        (Some(libc::EPERM | libc::EACCES), _) => RingFailure::Policy(error.into()),
        (Some(libc::ENOMEM), _) => RingFailure::LockedMemory(error.into()),
        _ => RingFailure::Other { depth, error: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failed_setup_is_identified() {
        let refusal = |errno, disabled, filtered| -> Refusal {
            let error = io::Error::from_raw_os_error(errno);
            EngineRefusal::Ring { failure: failure(&error, 4, disabled, filtered) }.into()
        };
        let says = |errno, disabled, filtered| refusal(errno, disabled, filtered).message();
        assert!(says(libc::EPERM, Some("2"), true).contains("is 2"));
        assert!(refusal(libc::EPERM, Some("2"), false).remedy().contains("kernel.io_uring_disabled=0"));
        assert!(refusal(libc::EPERM, Some("1"), false).remedy().contains("kernel.io_uring_group"));
        assert!(says(libc::EPERM, Some("1"), true).contains("seccomp"));
        assert!(says(libc::EPERM, Some("0"), false).contains("security policy"));
        assert!(says(libc::EPERM, None, false).contains("security policy"));
        let filtered = refusal(libc::ENOSYS, Some("0"), true);
        assert!(filtered.message().contains("seccomp filter"), "{filtered}");
        assert!(!filtered.remedy().contains("5.1"), "{}", filtered.remedy());
        assert!(says(libc::ENOSYS, None, true).contains("seccomp filter"));
        assert!(refusal(libc::ENOSYS, None, false).remedy().contains("Linux 5.1"));
    }
}
