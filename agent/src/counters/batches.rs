//! Batch counters of the kernel, from the fdinfo of a ring. They need the patched kernel; see kernel/README.md.

use std::{fs, io, os::fd::RawFd, thread::sleep, time::Duration};

use proto::{counters::Counters as _, outcome::BatchCounts};

/// Number of attempts to read a ring's fdinfo: while a batch is being submitted, the kernel may omit lines that need
/// the ring's lock.
const TRIES: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_micros(500);

/// Batch counters of rings, read at the beginning and the end of a window.
pub struct Batches {
    rings: Vec<RawFd>,
    before: Option<BatchCounts>,
    counted: Option<BatchCounts>,
}

impl Batches {
    /// Opens the counters of rings of the calling thread. `None` if there are no rings or the kernel does not count
    /// batches.
    #[must_use]
    pub fn open(rings: Vec<RawFd>) -> Option<Self> {
        let of = |ring: &RawFd| read(*ring).ok().flatten().is_some();
        (!rings.is_empty() && rings.iter().all(of)).then_some(Self { rings, before: None, counted: None })
    }

    /// Starts the window.
    pub fn begin(&mut self) {
        self.before = self.read();
    }

    /// Ends the window.
    pub fn end(&mut self) {
        let after = self.read();
        self.counted = self.before.take().zip(after).map(|(before, after)| after.since(&before));
    }

    /// The counts within the window; `None` if either reading failed.
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

/// Reads the counters of one ring; `None` if fdinfo has no such lines. Uses the thread's fdinfo, because a worker may
/// have its own descriptor table.
fn read(ring: RawFd) -> io::Result<Option<BatchCounts>> {
    Ok(parse(&fs::read_to_string(format!("/proc/thread-self/fdinfo/{ring}"))?))
}

/// Parses a ring's fdinfo; `None` unless all counters are present.
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
    fn counters_are_parsed_among_other_lines() {
        let counts = parse(TEXT).unwrap();
        assert_eq!((counts.batches, counts.requests, counts.largest, counts.empty), (7, 420, 128, 2));
        assert_eq!((counts.urgent, counts.jumped, counts.drain_flushes), (5, 4, 1));
        assert_eq!((counts.by_size.len(), counts.by_size[3], counts.by_size[7]), (16, 3, 3));
        assert_eq!(parse("pos:\t0\nSqMask:\t0x7f\n"), None, "a stock kernel");
        assert_eq!(parse(&TEXT.replace("SubmitJumped:\t4\n", "")), None, "incomplete");
        let later =
            TEXT.replace("420\nSubmitLargest", "500\nSubmitLargest").replace("\t1 0 0 3", "\t2 0 0 5");
        let since = parse(&later).unwrap().since(&counts);
        assert_eq!((since.requests, since.batches, &since.by_size[..4]), (80, 0, &[1, 0, 0, 2][..]));
    }

    #[test]
    fn counters_are_available_if_fdinfo_has_them() {
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
