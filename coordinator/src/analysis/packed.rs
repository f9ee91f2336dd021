//! The work of a host in a trial, kept until all trials of its cell are read: with its histograms encoded, which takes a few
//! KiB instead of 216 KiB for each. A thousand hosts would otherwise take 216 MiB for a trial.

use hdrhistogram::Histogram;

use crate::metric::trial::{Part, Work};

/// A [`Work`], packed.
#[derive(Clone, Debug)]
pub struct PackedWork {
    ops: u64,
    iops: f64,
    bytes_per_s: f64,
    syncs_per_s: f64,
    sync: Option<Packed>,
    latency: Packed,
    service: Option<Packed>,
    urgent: Option<PackedPart>,
}

#[derive(Clone, Debug)]
struct PackedPart {
    iops: f64,
    bytes_per_s: f64,
    latency: Packed,
}

/// An encoded histogram.
#[derive(Clone, Debug)]
struct Packed(Box<[u8]>);

impl PackedWork {
    /// The number of operations.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.ops
    }

    /// Whether some of the operations were urgent.
    #[must_use]
    pub fn any_urgent(&self) -> bool {
        self.urgent.is_some()
    }

    /// The work with its histograms.
    #[must_use]
    pub fn unpack(&self) -> Work {
        let unpacked = |packed: &Option<Packed>| packed.as_ref().map(Packed::unpack);
        Work {
            iops: self.iops,
            bytes_per_s: self.bytes_per_s,
            syncs_per_s: self.syncs_per_s,
            sync: unpacked(&self.sync),
            latency: self.latency.unpack(),
            service: unpacked(&self.service),
            urgent: self.urgent.as_ref().map(|part| Part {
                iops: part.iops,
                bytes_per_s: part.bytes_per_s,
                latency: part.latency.unpack(),
            }),
        }
    }
}

impl From<&Work> for PackedWork {
    fn from(work: &Work) -> Self {
        Self {
            ops: work.latency.len(),
            iops: work.iops,
            bytes_per_s: work.bytes_per_s,
            syncs_per_s: work.syncs_per_s,
            sync: work.sync.as_ref().map(Packed::of),
            latency: Packed::of(&work.latency),
            service: work.service.as_ref().map(Packed::of),
            urgent: work.urgent.as_ref().map(|part| PackedPart {
                iops: part.iops,
                bytes_per_s: part.bytes_per_s,
                latency: Packed::of(&part.latency),
            }),
        }
    }
}

impl Packed {
    #[allow(clippy::expect_used, reason = "only a count above 2^63 cannot be encoded, which takes centuries")]
    fn of(histogram: &Histogram<u64>) -> Self {
        Self(proto::histogram::encode(histogram).expect("counts below 2^63").into())
    }

    #[allow(clippy::expect_used, reason = "it was encoded here, and a property test decodes what is encoded")]
    fn unpack(&self) -> Histogram<u64> {
        proto::histogram::decode(&self.0).expect("encoded here")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_unpacked_as_it_was_packed() {
        let latency = |value, count| {
            let mut latency = proto::histogram::empty();
            latency.saturating_record_n(value, count);
            latency
        };
        let work = Work {
            iops: 7.5,
            bytes_per_s: 8.5,
            syncs_per_s: 0.5,
            sync: Some(latency(9, 1)),
            latency: latency(1000, u64::from(u32::MAX)),
            service: None,
            urgent: Some(Part { iops: 1.5, bytes_per_s: 2.5, latency: latency(60_000_000_000, 3) }),
        };
        let packed = PackedWork::from(&work);
        assert_eq!((packed.ops(), packed.any_urgent()), (u64::from(u32::MAX), true));
        let again = packed.unpack();
        assert_eq!((again.iops, again.bytes_per_s, again.syncs_per_s), (7.5, 8.5, 0.5));
        assert_eq!((&again.sync, &again.latency, again.service.is_none()), (&work.sync, &work.latency, true));
        let (part, again) = (work.urgent.unwrap(), again.urgent.unwrap());
        assert_eq!((again.iops, again.bytes_per_s, again.latency), (1.5, 2.5, part.latency));
    }
}
