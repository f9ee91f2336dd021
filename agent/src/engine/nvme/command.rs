//! NVMe commands in the kernel's format, for a ring's request and for an ioctl.

use crate::workload::{Op, OpKind};

/// Flush, write and read of the NVM command set, and Identify of the admin commands.
const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
pub(super) const IDENTIFY: u8 = 0x06;

/// `NVME_URING_CMD_IO` and `NVME_IOCTL_ADMIN_CMD`: `_IOWR('N', number, 72 bytes)`.
pub(super) const URING_CMD_IO: u32 = iowr(0x80);
pub(super) const IOCTL_ADMIN_CMD: u32 = iowr(0x41);
/// `NVME_IOCTL_ID`: `_IO('N', 0x40)`.
pub(super) const IOCTL_ID: u32 = (b'N' as u32) << 8 | 0x40;

const fn iowr(number: u32) -> u32 {
    3 << 30 | (size_of::<Command>() as u32) << 16 | (b'N' as u32) << 8 | number
}

/// The bytes of a large request that hold the command: from the 48th of its 128 bytes to the end.
pub(super) const AREA: usize = 80;

/// `struct nvme_uring_cmd`; `struct nvme_passthru_cmd` differs only in the name of the last field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub opcode: u8,
    pub flags: u8,
    pub rsvd1: u16,
    pub nsid: u32,
    pub cdw2: u32,
    pub cdw3: u32,
    pub metadata: u64,
    /// The address of the data in memory.
    pub addr: u64,
    pub metadata_len: u32,
    /// In bytes.
    pub data_len: u32,
    pub cdw10: u32,
    pub cdw11: u32,
    pub cdw12: u32,
    pub cdw13: u32,
    pub cdw14: u32,
    pub cdw15: u32,
    /// 0 means the kernel's default.
    pub timeout_ms: u32,
    pub rsvd2: u32,
}

const _: () = assert!(size_of::<Command>() == 72 && align_of::<Command>() == 8);

impl Command {
    /// Reads or writes whole blocks of `1 << lba_shift` bytes, from or to `addr`. A sync makes all data of the
    /// namespace durable.
    #[inline]
    pub fn transfer(op: Op, nsid: u32, lba_shift: u8, addr: u64) -> Self {
        let first = op.offset >> lba_shift;
        Self {
            opcode: match op.kind {
                OpKind::Read => READ,
                OpKind::Write | OpKind::WriteLinked => WRITE,
                OpKind::Fsync | OpKind::Fdatasync => return Self { opcode: FLUSH, nsid, ..Self::default() },
            },
            nsid,
            addr,
            data_len: op.len,
            cdw10: first as u32,
            cdw11: (first >> 32) as u32,
            // Zero-based: 0 means one block. The upper half stays clear: no protection, no hints.
            cdw12: (op.len >> lba_shift).wrapping_sub(1) & 0xFFFF,
            ..Self::default()
        }
    }

    /// The command as stored in a request.
    #[inline]
    pub fn area(self) -> [u8; AREA] {
        #[repr(C)]
        struct Area {
            command: Command,
            rest: [u8; AREA - size_of::<Command>()],
        }
        // SAFETY: both are 80 bytes without padding: whole numbers, aligned one after another.
        unsafe { std::mem::transmute(Area { command: self, rest: [0; AREA - size_of::<Command>()] }) }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn commands_have_the_layout_of_the_kernel() {
        assert_eq!((URING_CMD_IO, IOCTL_ADMIN_CMD, IOCTL_ID), (0xC048_4E80, 0xC048_4E41, 0x4E40));
        assert_eq!(offset_of!(Command, nsid), 4);
        assert_eq!((offset_of!(Command, metadata), offset_of!(Command, addr)), (16, 24));
        assert_eq!((offset_of!(Command, metadata_len), offset_of!(Command, data_len)), (32, 36));
        assert_eq!((offset_of!(Command, cdw10), offset_of!(Command, cdw15)), (40, 60));
        assert_eq!((offset_of!(Command, timeout_ms), offset_of!(Command, rsvd2)), (64, 68));
    }

    #[test]
    fn transfers_count_blocks_from_zero() {
        let op = Op::new(OpKind::Read, 0x12_3456_7890_0000, 8192);
        let read = Command::transfer(op, 7, 9, 0xABCD_0000);
        assert_eq!((read.opcode, read.nsid, read.addr, read.data_len), (2, 7, 0xABCD_0000, 8192));
        assert_eq!((read.cdw10, read.cdw11), (0x2B3C_4800, 0x91A), "the block's number, in two halves");
        assert_eq!(read.cdw12, 15, "16 blocks");
        let write = Command::transfer(Op::new(OpKind::Write, 4096, 4096), 1, 12, 0);
        assert_eq!((write.opcode, write.cdw10, write.cdw11, write.cdw12), (1, 1, 0, 0), "one block");
        let flush = Command::transfer(Op::new(OpKind::Fdatasync, 0, 0), 7, 12, 0xABCD_0000);
        assert_eq!(flush, Command { nsid: 7, ..Command::default() }, "without data");
        let most = Command::transfer(Op::new(OpKind::Write, 0, 1 << 25), 1, 9, 0);
        assert_eq!(most.cdw12, 0xFFFF, "65536 blocks fill the field and nothing beyond it");
    }

    #[test]
    fn area_is_the_command_and_zeros() {
        let op = Op::new(OpKind::Read, 512, 1024);
        let area = Command::transfer(op, 0x0102_0304, 9, 0x1122_3344_5566_7788).area();
        let mut expected = [0u8; AREA];
        expected[0] = 2;
        expected[4..8].copy_from_slice(&0x0102_0304u32.to_ne_bytes());
        expected[24..32].copy_from_slice(&0x1122_3344_5566_7788u64.to_ne_bytes());
        expected[36..40].copy_from_slice(&1024u32.to_ne_bytes());
        expected[40] = 1;
        expected[48] = 1;
        assert_eq!(area, expected);
    }
}
