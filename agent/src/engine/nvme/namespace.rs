//! The namespace behind a device, and the format of its blocks, queried from the kernel and the drive.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use super::command::{Command, IDENTIFY, IOCTL_ADMIN_CMD, IOCTL_ID};

/// The size of the data that Identify returns, in bytes.
const IDENTIFIED: usize = 4096;

/// The properties of a namespace that commands depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number in commands.
    pub id: u32,
    /// Its number of blocks.
    pub blocks: u64,
    /// A block holds `1 << lba_shift` bytes of data.
    pub lba_shift: u8,
    /// Bytes of metadata with each block.
    pub metadata: u16,
    /// The drive checks protection information.
    pub protected: bool,
}

impl Namespace {
    /// Queries the namespace behind a device, which is a block device or its generic character device.
    ///
    /// # Errors
    /// ENOTTY when the device is not an NVMe device; EIO when the drive does not answer.
    pub fn of(device: BorrowedFd<'_>) -> io::Result<Self> {
        let id = id(device)?;
        let mut page = Box::new([0u8; IDENTIFIED]);
        let mut command = Command {
            opcode: IDENTIFY,
            nsid: id,
            addr: page.as_mut_ptr().addr() as u64,
            data_len: IDENTIFIED as u32,
            ..Command::default()
        };
        // SAFETY: the call reads and fills one command, and the drive writes one page; both outlive it.
        let status = unsafe { libc::ioctl(device.as_raw_fd(), IOCTL_ADMIN_CMD as _, &raw mut command) };
        match status {
            0 => Self::read(id, &page),
            1.. => Err(io::Error::other(format!("the drive refuses Identify (NVMe status {status:#x})"))),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Parses the page that Identify returns for a namespace.
    fn read(id: u32, page: &[u8; IDENTIFIED]) -> io::Result<Self> {
        let number = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
        let blocks = page[..8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        // The index of the format in use: four bits, and two more if there are more than 16 formats.
        let (formats, in_use) = (page[25], page[26]);
        let high = if formats > 15 { in_use >> 1 & 0x30 } else { 0 };
        let format = 128 + 4 * usize::from(in_use & 0xF | high);
        let lba_shift = page[format + 2];
        if blocks == 0 || !(9..=31).contains(&lba_shift) {
            return Err(io::Error::other("the namespace has no blocks of 512 bytes or more"));
        }
        Ok(Self { id, blocks, lba_shift, metadata: number(format), protected: page[29] & 7 != 0 })
    }

    /// The size of a block in bytes.
    #[must_use]
    pub fn lba(&self) -> u64 {
        1 << self.lba_shift
    }
}

/// The number of the namespace behind a device.
fn id(device: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: the call takes no argument and returns a number.
    let id = unsafe { libc::ioctl(device.as_raw_fd(), IOCTL_ID as _) };
    // Namespace numbers have 32 bits, but none of them has the topmost bit set.
    if id > 0 { Ok(id.cast_unsigned()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn page(formats: u8, in_use: u8, format: usize, (metadata, shift): (u16, u8)) -> [u8; IDENTIFIED] {
        let mut page = [0; IDENTIFIED];
        page[..8].copy_from_slice(&0x1_0000_0002u64.to_le_bytes());
        (page[25], page[26]) = (formats, in_use);
        page[128 + 4 * format..][..2].copy_from_slice(&metadata.to_le_bytes());
        page[128 + 4 * format + 2] = shift;
        page
    }

    #[test]
    fn finds_the_format_in_use() {
        let plain = Namespace::read(3, &page(0, 0, 0, (0, 9))).unwrap();
        let expected =
            Namespace { id: 3, blocks: 0x1_0000_0002, lba_shift: 9, metadata: 0, protected: false };
        assert_eq!((plain, plain.lba()), (expected, 512));
        let mut with_metadata = page(4, 0x13, 3, (8, 12));
        with_metadata[29] = 1;
        let found = Namespace::read(1, &with_metadata).unwrap();
        assert_eq!((found.metadata, found.lba(), found.protected), (8, 4096, true));
        // Index 35 is 2 in the upper bits and 3 in the lower; the upper bits count only if there are so many formats.
        assert_eq!(Namespace::read(1, &page(40, 0x43, 35, (0, 13))).unwrap().lba_shift, 13);
        assert_eq!(Namespace::read(1, &page(3, 0x43, 3, (0, 12))).unwrap().lba_shift, 12);
        assert!(Namespace::read(1, &[0; IDENTIFIED]).is_err(), "no NVM namespace");
    }

    #[test]
    fn refuses_pages_without_a_namespace() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Namespace::of(null.as_fd()).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
