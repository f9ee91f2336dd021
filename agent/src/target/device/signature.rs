//! Detects the contents of a device by the signatures of file systems, partition tables and volume managers. A false
//! positive costs a `wipefs`, a false negative the data on a disk, so short signatures are accepted too.

use std::os::fd::BorrowedFd;

use rustix::io::{Errno, pread};

/// A signature: its offset from the start of the device in bytes, its bytes, and the name of its format.
type Signature = (u64, &'static [u8], &'static str);

const SIGNATURES: [Signature; 38] = [
    (0x438, b"\x53\xEF", "ext2, ext3 or ext4"),
    (0, b"XFSB", "xfs"),
    (0x1_0040, b"_BHRfS_M", "btrfs"),
    (0, b"LUKS\xBA\xBE", "LUKS"),
    (0x4000, b"SKUL\xBA\xBE", "LUKS"),
    (0x000, b"LABELONE", "LVM2"),
    (0x200, b"LABELONE", "LVM2"),
    (0x400, b"LABELONE", "LVM2"),
    (0x600, b"LABELONE", "LVM2"),
    (0, b"\xFC\x4E\x2B\xA9", "an md RAID (1.1)"),
    (0x1000, b"\xFC\x4E\x2B\xA9", "an md RAID (1.2)"),
    (0x0FF6, b"SWAPSPACE2", "swap"),
    (0x0FF6, b"SWAP-SPACE", "swap"),
    (0x1FF6, b"SWAPSPACE2", "swap"),
    (0x3FF6, b"SWAPSPACE2", "swap"),
    (0xFFF6, b"SWAPSPACE2", "swap"),
    (0x0FF6, b"S1SUSPEND", "a hibernated system"),
    (0x1018, b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81", "bcache"),
    (0x1018, b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF", "bcachefs"),
    (0x200, b"EFI PART", "a GPT partition table"),
    (0x1000, b"EFI PART", "a GPT partition table"),
    (0x400, b"\x10\x20\xF5\xF2", "f2fs"),
    (0x400, b"\xE2\xE1\xF5\xE0", "erofs"),
    (0, b"hsqs", "squashfs"),
    (3, b"NTFS    ", "ntfs"),
    (3, b"EXFAT   ", "exfat"),
    (54, b"FAT1", "fat"),
    (82, b"FAT32", "fat"),
    (0x8001, b"CD001", "iso9660"),
    (0, b"bluestore block device", "Ceph BlueStore"),
    (0x1004, b"!Stra0tis\x86\xFF\x02^\x41rh", "Stratis"),
    (0, b"dmvdo001", "VDO"),
    (0x20, b"ORCLDISK", "Oracle ASM"),
    (0x1_0034, b"ReIsErFs", "reiserfs"),
    (0x1_0034, b"ReIsEr2Fs", "reiserfs"),
    (0x8000, b"JFS1", "jfs"),
    (0x1_0000, b"\x01\x16\x19\x70", "gfs2"),
    (0x1FE, b"\x55\xAA", "an MBR partition table, or a boot sector"),
];

/// Size of the examined start of the device, in bytes; it includes the first two labels of ZFS.
const HEAD: u64 = 512 << 10;
/// Offset, length and entry size of the array of uberblocks in a ZFS label, in bytes.
const UBERBLOCKS: (usize, usize, usize) = (128 << 10, 128 << 10, 1 << 10);
const UBERBLOCK: u64 = 0x00BA_B10C;

/// The name of the first signature found.
pub(super) fn find(fd: BorrowedFd<'_>, size: u64) -> Result<Option<&'static str>, Errno> {
    let head = read(fd, 0, HEAD.min(size))?;
    let at = |offset: u64, magic: &[u8]| {
        usize::try_from(offset).ok().and_then(|at| head.get(at..at + magic.len())) == Some(magic)
    };
    if let Some((_, _, name)) = SIGNATURES.iter().find(|(offset, magic, _)| at(*offset, magic)) {
        return Ok(Some(name));
    }
    for label in [0, 256 << 10] {
        let (begin, len, step) = UBERBLOCKS;
        let entries = head.get(label + begin..label + begin + len).unwrap_or_default();
        let is_one =
            |entry: &[u8]| entry[..8] == UBERBLOCK.to_le_bytes() || entry[..8] == UBERBLOCK.to_be_bytes();
        if entries.chunks_exact(step).any(is_one) {
            return Ok(Some("zfs"));
        }
    }
    // md 1.0, md 0.90 and the backup GPT are at the end.
    let sectors = size >> 9;
    let tail: [(Option<u64>, &[u8], &'static str); 5] = [
        (sectors.checked_sub(16).map(|at| (at & !7) << 9), b"\xFC\x4E\x2B\xA9", "an md RAID (1.0)"),
        ((size & !0xFFFF).checked_sub(0x1_0000), b"\xFC\x4E\x2B\xA9", "an md RAID (0.90)"),
        ((size & !0xFFFF).checked_sub(0x1_0000), b"\xA9\x2B\x4E\xFC", "an md RAID (0.90)"),
        (size.checked_sub(512), b"EFI PART", "a GPT partition table (its copy at the end)"),
        (size.checked_sub(4096), b"EFI PART", "a GPT partition table (its copy at the end)"),
    ];
    for (offset, magic, name) in tail {
        if let Some(offset) = offset
            && read(fd, offset, magic.len() as u64)? == magic
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn read(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0u8; usize::try_from(len).unwrap_or(0)];
    let mut done = 0;
    while done < bytes.len() {
        match pread(fd, &mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsFd, os::unix::fs::FileExt};

    use super::*;

    const SIZE: u64 = 4 << 20;

    fn with(offset: u64, magic: &[u8]) -> Option<&'static str> {
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(magic, offset).unwrap();
        find(file.as_fd(), SIZE).unwrap()
    }

    #[test]
    fn every_signature_is_found() {
        assert_eq!(with(0, b""), None);
        for (offset, magic, name) in SIGNATURES {
            assert!(with(offset, magic).is_some(), "{name} at {offset:#x}");
        }
        assert_eq!(with((128 << 10) + 3072, &UBERBLOCK.to_le_bytes()), Some("zfs"));
        assert_eq!(with((384 << 10) + 1024, &UBERBLOCK.to_be_bytes()), Some("zfs"));
        assert_eq!(with(SIZE - 8192, b"\xFC\x4E\x2B\xA9"), Some("an md RAID (1.0)"));
        assert_eq!(with(SIZE - 65536, b"\xFC\x4E\x2B\xA9"), Some("an md RAID (0.90)"));
        assert!(with(SIZE - 512, b"EFI PART").is_some_and(|name| name.contains("GPT")));
    }

    #[test]
    fn a_device_smaller_than_the_signatures_is_handled() {
        let file: File = tempfile::tempfile().unwrap();
        file.set_len(512).unwrap();
        assert_eq!(find(file.as_fd(), 512), Ok(None));
    }
}
