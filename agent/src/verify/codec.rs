//! The format of verified sectors: the trial, the sector's offset and the number of writes, protected by a checksum of
//! the whole sector.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `RBverify` |
//! | 8..16 | the trial's mark |
//! | 16..24 | offset of the sector in the target |
//! | 24..28 | sequence: 0 when filled, incremented by each write of its block |
//! | 28..32 | CRC-32 (IEEE) of all other bytes of the sector |
//! | 32..512 | payload |
//!
//! Numbers are little-endian. CRC-32 detects all burst errors of up to 32 bits, and so every single-bit error.

/// Size of a sector in bytes.
pub const SECTOR: usize = 512;
const HEADER: usize = 32;
const MAGIC: [u8; 8] = *b"RBverify";

/// The header of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The trial that wrote it.
    pub mark: u64,
    /// Offset in the target, in bytes.
    pub offset: u64,
    /// Sequence number of the write of its block.
    pub sequence: u32,
}

/// Stamps one sector, keeping its payload. A slice of any other length stays unchanged.
pub fn write(sector: &mut [u8], stamp: Stamp) {
    if sector.len() != SECTOR {
        return;
    }
    sector[..8].copy_from_slice(&MAGIC);
    sector[8..16].copy_from_slice(&stamp.mark.to_le_bytes());
    sector[16..24].copy_from_slice(&stamp.offset.to_le_bytes());
    sector[24..28].copy_from_slice(&stamp.sequence.to_le_bytes());
    let crc = checksum(sector);
    sector[28..HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// The header of a sector, if its checksum is correct.
#[must_use]
pub fn read(sector: &[u8]) -> Option<Stamp> {
    let word =
        |at: usize| -> Option<u64> { Some(u64::from_le_bytes(sector.get(at..at + 8)?.try_into().ok()?)) };
    let tail = word(24)?;
    let sound = sector.len() == SECTOR && sector[..8] == MAGIC && checksum(sector) == (tail >> 32) as u32;
    sound.then_some(Stamp { mark: word(8)?, offset: word(16)?, sequence: tail as u32 })
}

fn checksum(sector: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sector[..28]);
    crc.update(&sector[HEADER..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_flipped_bit_is_detected(
            payload in prop::collection::vec(any::<u8>(), SECTOR), mark in any::<u64>(), offset in any::<u64>(),
            sequence in any::<u32>(),
        ) {
            let stamp = Stamp { mark, offset, sequence };
            let mut sector = payload;
            write(&mut sector, stamp);
            prop_assert_eq!(read(&sector), Some(stamp));
            for bit in 0..SECTOR * 8 {
                sector[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(read(&sector), None, "bit {}", bit);
                sector[bit / 8] ^= 1 << (bit % 8);
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(read(&bytes), None);
        }
    }

    #[test]
    fn a_zeroed_sector_is_refused() {
        assert_eq!(read(&[0; SECTOR]), None);
    }
}
