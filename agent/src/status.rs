//! The status of the calling thread in `/proc`.

/// A field of the calling thread's `/proc` status.
pub(crate) fn status_field(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim().to_owned())
}

/// Whether a seccomp filter applies to the calling thread.
pub(crate) fn is_filtered() -> bool {
    status_field("Seccomp").is_some_and(|mode| mode == "2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_status_field_by_its_whole_name() {
        assert!(status_field("Seccomp").is_some_and(|mode| mode.len() == 1));
        assert_eq!(status_field("Secc"), None);
    }
}
