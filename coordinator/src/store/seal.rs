//! Checksums of the run directory's files: SHA-256, in hexadecimal, as `sha256sum` prints it.
//!
//! A JSON object carries its own checksum as its last member, `sha256`: the checksum of the object without that member.
//! Objects of earlier releases have none.

use sha2::{Digest as _, Sha256};

/// The member that carries the checksum, up to its value.
const MEMBER: &[u8] = b",\"sha256\":\"";
/// Digits of a checksum.
const DIGITS: usize = 64;

/// The checksum of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// There is none: an earlier release wrote it.
    Absent,
    /// It fits the contents.
    Fits,
    /// The contents were changed after they were written.
    Broken,
}

/// The checksum of a file's contents.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The checksum of everything that was added to it.
pub(super) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Adds the checksum to a JSON object with at least one member.
pub(super) fn seal(object: &mut Vec<u8>) {
    let digest = sha256(object);
    if object.pop_if(|last| *last == b'}').is_some() {
        object.extend_from_slice(MEMBER);
        object.extend_from_slice(digest.as_bytes());
        object.extend_from_slice(b"\"}");
    }
}

/// Compares an object with its checksum. White space around the object is ignored.
pub(super) fn check(object: &[u8]) -> Seal {
    let sealed = || {
        let rest = object.trim_ascii().strip_suffix(b"\"}")?;
        let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        Some((rest.strip_suffix(MEMBER)?, digest))
    };
    let Some((contents, digest)) = sealed() else { return Seal::Absent };
    if sha256(&[contents, b"}"].concat()).as_bytes() == digest { Seal::Fits } else { Seal::Broken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_sha256sum() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn any_changed_byte_breaks_the_checksum() {
        let mut object = br#"{"id":"0001-sync","marks":[]}"#.to_vec();
        assert_eq!(check(&object), Seal::Absent);
        seal(&mut object);
        assert_eq!(check(&object), Seal::Fits);
        assert_eq!(check(&[&object[..], b"\n"].concat()), Seal::Fits);
        let read: serde_json::Value = serde_json::from_slice(&object).unwrap();
        assert_eq!(read["id"], "0001-sync");
        for at in 0..object.len() - MEMBER.len() - DIGITS - 2 {
            let mut changed = object.clone();
            changed[at] ^= 1;
            assert_eq!(check(&changed), Seal::Broken, "byte {at}");
        }
    }
}
