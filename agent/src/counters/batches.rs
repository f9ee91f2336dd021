//! Batches as the kernel counts them, in the fdinfo of a ring. The patched kernel of kernel/ does; see
//! kernel/README.md.

use std::{fs, io, os::fd::RawFd, thread::sleep, time::Duration};

use proto::{counters::Counters as _, outcome::BatchCounts};

/// How often a ring's fdinfo is read again where its lines are not there: while a batch is submitted, kernels may leave
/// out what they would have to lock the ring for.
const TRIES: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_micros(500);

/// Reads the batch counters of some rings at the edges of a window.
pub struct Batches {
    rings: Vec<RawFd>,
    before: Option<BatchCounts>,
    counted: Option<BatchCounts>,
}

impl Batches {
    /// Of rings of the calling thread. `None` where there are none, or this kernel does not count.
    #[must_use]
    pub fn open(rings: Vec<RawFd>) -> Option<Self> {
        let of = |ring: &RawFd| read(*ring).ok().flatten().is_some();
        (!rings.is_empty() && rings.iter().all(of)).then_some(Self { rings, before: None, counted: None })
    }

    /// The window begins.
    pub fn begin(&mut self) {
        self.before = self.read();
    }

    /// The window ends.
    pub fn end(&mut self) {
        let after = self.read();
        self.counted = self.before.take().zip(after).map(|(before, after)| after.since(&before));
    }

    /// What was counted between the two; `None` where an edge could not be read.
    #[must_use]
    pub fn counted(&self) -> Option<BatchCounts> {
        self.counted.clone()
    }

    fn read(&self) -> Option<BatchCounts> {
        let mut sum = BatchCounts::default();
        for ring in &self.rings {
            let found = (0..TRIES).find_map(|again| {
                if again > 0 {
                    sleep(BETWEEN_TRIES);
                }
                read(*ring).ok().flatten()
            });
            sum.add(&found?);
        }
        Some(sum)
    }
}

/// `None`: no such lines. Of the thread, since a worker may have a table of descriptors of its own.
fn read(ring: RawFd) -> io::Result<Option<BatchCounts>> {
    Ok(parse(&fs::read_to_string(format!("/proc/thread-self/fdinfo/{ring}"))?))
}

/// The counters in the text of a ring's fdinfo; `None` unless all are there.
fn parse(text: &str) -> Option<BatchCounts> {
    let values = |name: &str| -> Option<Vec<u64>> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Submit")?.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().map(|value| value.parse().ok()).collect()
    };
    let value = |name: &str| values(name)?.first().copied();
    Some(BatchCounts {
        batches: value("Batches")?,
        requests: value("Requests")?,
        largest: value("Largest")?,
        empty: value("Empty")?,
        urgent: value("Urgent")?,
        jumped: value("Jumped")?,
        drain_flushes: value("DrainFlushes")?,
        by_size: values("Histogram")?,
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    const TEXT: &str = "pos:\t0\nflags:\t02000002\nSqMask:\t0x7f\nSqHead:\t420\nPollList:\nSubmitBatches:\t7\n\
        SubmitRequests:\t420\nSubmitLargest:\t128\nSubmitEmpty:\t2\nSubmitUrgent:\t5\nSubmitJumped:\t4\n\
        SubmitDrainFlushes:\t1\nSubmitHistogram:\t1 0 0 3 0 0 0 3 0 0 0 0 0 0 0 0\nCqOverflowList:\n";

    #[test]
    fn lines_are_read_wherever_they_stand() {
        let counts = parse(TEXT).unwrap();
        assert_eq!((counts.batches, counts.requests, counts.largest, counts.empty), (7, 420, 128, 2));
        assert_eq!((counts.urgent, counts.jumped, counts.drain_flushes), (5, 4, 1));
        assert_eq!((counts.by_size.len(), counts.by_size[3], counts.by_size[7]), (16, 3, 3));
        assert_eq!(parse("pos:\t0\nSqMask:\t0x7f\n"), None, "a stock kernel");
        assert_eq!(parse(&TEXT.replace("SubmitJumped:\t4\n", "")), None, "half of it");
        let later =
            TEXT.replace("420\nSubmitLargest", "500\nSubmitLargest").replace("\t1 0 0 3", "\t2 0 0 5");
        let since = parse(&later).unwrap().since(&counts);
        assert_eq!((since.requests, since.batches, &since.by_size[..4]), (80, 0, &[1, 0, 0, 2][..]));
    }

    #[test]
    fn a_ring_here_has_them_or_has_not() {
        let ring = match io_uring::IoUring::new(4) {
            Ok(ring) => ring,
            Err(error) => return crate::skip::skip(&format!("no ring: {error}")),
        };
        let text = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", ring.as_raw_fd())).unwrap();
        let counts = Batches::open(vec![ring.as_raw_fd()]);
        assert_eq!(counts.is_some(), text.contains("SubmitBatches:"), "{text}");
        assert!(Batches::open(Vec::new()).is_none());
    }
}
