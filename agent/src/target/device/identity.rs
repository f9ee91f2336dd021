//! The identity of a device: its serial numbers and world-wide names in sysfs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use proto::refusal::{DeviceRefusal, IdentityFailure, Refusal};

/// A block device in sysfs.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its directory.
    pub dir: PathBuf,
    /// The directory of the whole disk; the same unless it is a partition.
    pub disk: PathBuf,
}

impl Node {
    /// Finds a device by its number.
    pub fn find(sys: &Path, (major, minor): (u32, u32)) -> io::Result<Self> {
        let dir = fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}")))?;
        let parent = dir.parent().filter(|_| dir.join("partition").exists());
        let disk = parent.unwrap_or(&dir).to_owned();
        Ok(Self { dir, disk })
    }
}

/// Files with serial numbers and world-wide names, relative to the directory of the whole disk.
const PLACES: [&str; 12] = [
    "serial",
    "device/serial",
    "device/cid",
    "wwid",
    "device/wwid",
    "uuid",
    "nguid",
    "eui",
    "dm/uuid",
    "md/uuid",
    "device/vpd_pg80",
    "loop/backing_file",
];

/// All identities of a device, each with its file. A partition has the identities of its disk.
pub(super) fn identities(node: &Node) -> Vec<(&'static str, String)> {
    let read = |place: &'static str| {
        let bytes = fs::read(node.disk.join(place)).ok()?;
        // The SCSI page with the serial number begins with a header of four bytes.
        let bytes = if place.ends_with("vpd_pg80") { bytes.get(4..)? } else { &bytes };
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        // Devices without a serial number report zeros, and the name of a deleted file is not unique.
        let meaningful = text.bytes().any(|byte| !matches!(byte, b'0' | b'-' | b' '));
        (meaningful && !text.ends_with(" (deleted)")).then(|| (place, text.to_owned()))
    };
    PLACES.into_iter().filter_map(read).collect()
}

/// Whether an identity in a configuration matches one that the kernel reports.
fn is(written: &str, found: &str) -> bool {
    // lsblk prints 0x5000.. for what sysfs calls naa.5000.., and the case of hexadecimal digits is irrelevant.
    let bare = |name: &str| {
        let name = name.trim();
        let prefix = ["naa.", "eui.", "uuid.", "0x"].into_iter().find(|prefix| name.starts_with(prefix));
        prefix.map(|prefix| name[prefix.len()..].to_ascii_lowercase())
    };
    written.trim() == found || bare(written).is_some_and(|name| bare(found) == Some(name))
}

/// Checks that the device has the identity given both in the scenario and in the host's list. Returns this identity.
pub(super) fn check(node: &Node, path: &str, serial: &str, allowed: &[&str]) -> Result<String, Refusal> {
    let found = identities(node);
    let refused = |failure| Err(DeviceRefusal::Serial { path: path.to_owned(), failure }.into());
    if found.is_empty() {
        return refused(IdentityFailure::None);
    }
    // The right serial number is what a scenario needs to overwrite the device, so only the host's log has it.
    let log = |wanted: &str| {
        let found: Vec<String> = found.iter().map(|(place, text)| format!("{text} ({place})")).collect();
        tracing::warn!("refused {path} as `{wanted}`; it is {}", found.join(", "));
    };
    let Some((place, text)) = found.iter().find(|(_, text)| is(serial, text)) else {
        log(serial);
        return refused(IdentityFailure::Scenario { serial: serial.to_owned(), identities: Vec::new() });
    };
    if !allowed.iter().any(|allowed| found.iter().any(|(_, text)| is(allowed, text))) {
        log(&allowed.join("` or `"));
        return refused(IdentityFailure::AllowList { allowed: Vec::new(), identities: Vec::new() });
    }
    Ok(format!("{text} ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_match_regardless_of_prefix_and_case() {
        assert!(is("S3R1AL", "S3R1AL") && is(" S3R1AL ", "S3R1AL"));
        assert!(!is("s3r1al", "S3R1AL") && !is("", "x"));
        assert!(is("0x5000C500AB", "naa.5000c500ab"));
        assert!(is("EUI.0025", "EUI.0025") && is("eui.0025AA", "eui.0025aa"));
        assert!(!is("0x5000", "naa.50001"));
    }

    #[test]
    fn identities_are_read_and_checked() {
        let root = tempfile::TempDir::new().unwrap();
        let disk = root.path().join("sda");
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::create_dir_all(disk.join("loop")).unwrap();
        fs::write(disk.join("device/vpd_pg80"), b"\0\x80\0\x08  WD-1234\0").unwrap();
        fs::write(disk.join("device/wwid"), "naa.5000c5\n").unwrap();
        fs::write(disk.join("nguid"), "00000000-0000\n").unwrap();
        fs::write(disk.join("loop/backing_file"), "/#12 (deleted)\n").unwrap();
        let node = Node { dir: disk.clone(), disk };
        let found = identities(&node);
        assert_eq!(
            found,
            [("device/wwid", "naa.5000c5".to_owned()), ("device/vpd_pg80", "WD-1234".to_owned())]
        );
        assert_eq!(check(&node, "/dev/sda", "WD-1234", &["0x5000C5"]).unwrap(), "WD-1234 (device/vpd_pg80)");
        let refusal = check(&node, "/dev/sda", "other", &["WD-1234"]).unwrap_err();
        assert_eq!(refusal.message(), "/dev/sda is not `other`");
        let refusal = check(&node, "/dev/sda", "WD-1234", &["other"]).unwrap_err();
        assert_eq!(refusal.message(), "/dev/sda does not have the serial number of the agent's list");
        // The right serial number is in neither, nor in their facts.
        assert!(!format!("{refusal:?}").contains("naa"), "{refusal:?}");
    }
}
