//! Completion paths of a ring's requests: inside the submitting call, by task work after the device's interrupt, by
//! polling, or by a worker thread of the kernel (io-wq).
//!
//! No single counter shows the path: completions look the same on every path. So a few tracepoints are recorded on the
//! submitting thread, for a limited number of requests, and analysed in order. All of them fire in that thread's
//! context. (`io_uring_task_add` would not help: it fires for polled files only, and in interrupts, on an arbitrary
//! thread.)
//!
//! * `submit_req`, then `complete`: completed **inline**, flushed at the end of the batch.
//! * `complete`, then `local_work_run` or `task_work_run` with a number of items: that many of the last completions
//!   came by **task work**, including retried requests. If `local_work_run` looped more than once, its number covers
//!   only the last loop, and all pending completions are attributed to it.
//! * `queue_async_work`: **punted** to io-wq, regardless of where it completes.
//! * None of these, on a ring that polls: **polled**.
//!
//! Recording takes place in the warm-up of an audit, so it disturbs neither timed trials nor the audit's counts.

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    io,
    os::fd::AsRawFd as _,
};

use io_uring::opcode;
use perf_event::{Builder, Counter, SampleFlag, Sampler, events::Tracepoint};
use proto::outcome::PathCounts;

use super::{
    perf::PUNT,
    submitter::Submitter,
    tracefs::{Field, Tracefs},
};
use crate::slot::WAKE_UP;

const SUBMIT: &str = "io_uring/io_uring_submit_req";
const COMPLETE: &str = "io_uring/io_uring_complete";
const LOCAL_WORK: &str = "io_uring/io_uring_local_work_run";
const TASK_WORK: &str = "io_uring/io_uring_task_work_run";

/// Number of recorded requests of all workers.
const REQUESTS: u32 = 32_768;
/// Minimum number of recorded requests per worker.
const LEAST_REQUESTS: u32 = 256;
/// Upper bound of the size of one request's records, in bytes.
const PER_REQUEST: usize = 384;

// From linux/perf_event.h.
const IOC_REFRESH: libc::c_ulong = 0x2402;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
const IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;

/// Records the paths of the requests that one thread submits. Closed when dropped.
pub struct Paths {
    /// The sampler of submissions; the other events write into its buffer and stop with it.
    sampler: Sampler,
    _members: Vec<Counter>,
    layout: Layout,
    requests: u32,
    polls: bool,
}

impl Paths {
    /// Opens the tracepoints without starting to record. `polls`: the ring polls for completions; `workers`: number of
    /// workers that share the memory for records. Returns `None` if another thread records.
    ///
    /// # Errors
    /// If perf or tracefs is not permitted; `NotFound` if the kernel lacks one of the tracepoints.
    pub fn open(submitter: Submitter, polls: bool, workers: u32) -> io::Result<Option<Self>> {
        let thread = match submitter {
            Submitter::Caller => 0,
            Submitter::Polling(thread) => thread,
            Submitter::Elsewhere => return Ok(None),
        };
        let tracefs = Tracefs::open()?;
        let layout = Layout::read(&tracefs)?;
        let requests = (REQUESTS / workers.max(1)).max(LEAST_REQUESTS);
        let builder = |event: u64| {
            let mut builder = Builder::new(Tracepoint::with_id(event));
            builder.observe_pid(thread).any_cpu().include_kernel().sample(SampleFlag::RAW).sample_period(1);
            builder
        };
        let leader = builder(layout.submit.0).build()?;
        // Paths are reported for reads and writes only, so syncs are left out; the read that wakes a combiner is not
        // one of the trial's requests.
        filter(
            &leader,
            &CString::new(format!("user_data != {WAKE_UP} && opcode != {}", opcode::Fsync::CODE))?,
        )?;
        let mut sampler = leader.sampled(requests as usize * PER_REQUEST)?;
        let mut members = Vec::new();
        for event in [layout.complete.0, layout.punt.0, layout.local_work.0, layout.task_work.0] {
            // Members are created enabled and wait for their leader.
            let member = builder(event).enabled(true).build_with_group(sampler.as_counter_mut())?;
            let output = sampler.as_counter().as_raw_fd();
            // SAFETY: the call takes a descriptor by value; both are open.
            check(unsafe { libc::ioctl(member.as_raw_fd(), IOC_SET_OUTPUT, output) })?;
            // Runs without work are left out: a polling thread has many of them.
            if event == layout.task_work.0 {
                filter(&member, c"count > 0")?;
            } else if event == layout.local_work.0 {
                filter(&member, c"count > 0 || loops > 1")?;
            }
            members.push(member);
        }
        Ok(Some(Self { sampler, _members: members, layout, requests, polls }))
    }

    /// Starts recording. It stops by itself when the buffer's number of requests has been submitted.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn start(&mut self) -> io::Result<()> {
        // SAFETY: the call takes a number by value; the descriptor is open.
        check(unsafe { libc::ioctl(self.sampler.as_counter().as_raw_fd(), IOC_REFRESH, self.requests) })
    }

    /// Stops recording, if it has not stopped by itself.
    ///
    /// # Errors
    /// The error of the system call.
    pub fn stop(&mut self) -> io::Result<()> {
        self.sampler.as_counter_mut().disable()
    }

    /// Counts the recorded paths. Recording must have stopped.
    #[must_use]
    pub fn read(&mut self) -> PathCounts {
        let mut sorter = Sorter { polls: self.polls, ..Sorter::default() };
        while let Some(record) = self.sampler.next_record() {
            let bytes = record.to_contiguous();
            match record.ty() {
                RECORD_SAMPLE => {
                    // A length of 4 bytes, then the tracepoint's record.
                    if let Some(event) = bytes.get(4..).and_then(|raw| self.layout.event(raw)) {
                        sorter.see(event);
                    }
                }
                RECORD_LOST => {
                    let lost =
                        bytes.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
                    sorter.lose(lost.unwrap_or(1));
                }
                _ => {}
            }
        }
        sorter.counts
    }
}

fn filter(counter: &Counter, expression: &CStr) -> io::Result<()> {
    // SAFETY: the call reads a string that ends with a null byte; the descriptor is open.
    check(unsafe { libc::ioctl(counter.as_raw_fd(), IOC_SET_FILTER, expression.as_ptr()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The number of each tracepoint, and the field that is evaluated.
struct Layout {
    submit: (u64, Field),
    complete: (u64, Field),
    punt: (u64, Field),
    local_work: (u64, Field),
    loops: Field,
    task_work: (u64, Field),
}

impl Layout {
    fn read(tracefs: &Tracefs) -> io::Result<Self> {
        let of =
            |event: &str, field: &str| Ok::<_, io::Error>((tracefs.id(event)?, tracefs.field(event, field)?));
        Ok(Self {
            submit: of(SUBMIT, "req")?,
            complete: of(COMPLETE, "req")?,
            punt: of(PUNT, "req")?,
            local_work: of(LOCAL_WORK, "count")?,
            loops: tracefs.field(LOCAL_WORK, "loops")?,
            task_work: of(TASK_WORK, "count")?,
        })
    }

    fn event(&self, raw: &[u8]) -> Option<Event> {
        let id = u64::from(u16::from_ne_bytes(raw.get(..2)?.try_into().ok()?));
        let is = |(known, field): (u64, Field)| if known == id { field.of(raw) } else { None };
        is(self.submit)
            .map(Event::Submit)
            .or_else(|| is(self.complete).map(Event::Complete))
            .or_else(|| is(self.punt).map(Event::Punt))
            .or_else(|| is(self.task_work).map(Event::Ran))
            .or_else(|| {
                let items = is(self.local_work)?;
                Some(Event::Ran(if self.loops.of(raw)? > 1 { u64::MAX } else { items }))
            })
    }
}

/// An event on the submitting thread. Requests are identified by their kernel address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Submit(u64),
    Punt(u64),
    Complete(u64),
    /// This many items of task work ran; their completions have just been recorded.
    Ran(u64),
}

/// Assigns requests to paths from the sequence of events. Requests whose submission was not recorded, and those that
/// had not completed when recording stopped, are not counted.
#[derive(Default)]
struct Sorter {
    polls: bool,
    /// Requests submitted and not yet completed, and whether they were punted.
    open: HashMap<u64, bool>,
    /// Completions whose path is not known yet, and whether they are to be counted.
    pending: Vec<bool>,
    counts: PathCounts,
}

impl Sorter {
    fn see(&mut self, event: Event) {
        match event {
            Event::Submit(request) => {
                self.settle(0);
                self.open.insert(request, false);
            }
            Event::Punt(request) => {
                if let Some(punted @ false) = self.open.get_mut(&request) {
                    *punted = true;
                    self.counts.punted += 1;
                }
            }
            Event::Complete(request) => self.pending.push(self.open.remove(&request) == Some(false)),
            Event::Ran(items) => self.settle(usize::try_from(items).unwrap_or(usize::MAX)),
        }
    }

    /// Counts pending completions: the last `items` by task work, the others as polled or inline.
    fn settle(&mut self, items: usize) {
        let first = self.pending.len().saturating_sub(items);
        for (index, counts) in self.pending.drain(..).enumerate() {
            match (counts, index >= first) {
                (false, _) => {}
                (true, true) => self.counts.task_work += 1,
                (true, false) if self.polls => self.counts.polled += 1,
                (true, false) => self.counts.inline += 1,
            }
        }
    }

    /// Handles lost records: the paths of open requests are unknown.
    fn lose(&mut self, records: u64) {
        self.open.clear();
        self.pending.clear();
        self.counts.lost += records;
    }
}

#[cfg(test)]
mod tests {
    use super::{Event::*, *};

    fn sorted(polls: bool, events: &[Event]) -> PathCounts {
        let mut sorter = Sorter { polls, ..Sorter::default() };
        events.iter().for_each(|event| sorter.see(*event));
        sorter.counts
    }

    #[test]
    fn a_batch_with_all_paths_is_counted() {
        let counts = sorted(
            false,
            &[
                Submit(1),
                Submit(2),
                Submit(3),
                Punt(3),
                Submit(4),
                // Request 2 was in the cache; then the device completes 1, and io-wq 3.
                Complete(2),
                Complete(1),
                Complete(3),
                Ran(2),
                Submit(2),
                Complete(2),
                Submit(1),
                Complete(4),
                Ran(1),
            ],
        );
        // The last submission never completed.
        assert_eq!(counts, PathCounts { inline: 2, task_work: 2, polled: 0, punted: 1, lost: 0 });
    }

    #[test]
    fn completions_of_a_polling_ring_are_polled() {
        let events = [Submit(1), Submit(2), Complete(2), Complete(1), Submit(1)];
        assert_eq!(sorted(true, &events), PathCounts { polled: 2, ..PathCounts::default() });
    }

    #[test]
    fn requests_submitted_before_recording_are_ignored() {
        let events = [Punt(9), Complete(8), Ran(1), Submit(1), Complete(7), Complete(1), Ran(1), Submit(2)];
        assert_eq!(sorted(false, &events), PathCounts { task_work: 1, ..PathCounts::default() });
        // More items than completions: some were retried and wait again.
        let events = [Submit(1), Complete(1), Ran(u64::MAX), Submit(2)];
        assert_eq!(sorted(false, &events), PathCounts { task_work: 1, ..PathCounts::default() });
    }

    #[test]
    fn lost_records_are_counted_and_open_requests_dropped() {
        let mut sorter = Sorter::default();
        [Submit(1), Submit(2), Complete(1)].into_iter().for_each(|event| sorter.see(event));
        sorter.lose(12);
        [Complete(2), Submit(3), Complete(3), Submit(4)].into_iter().for_each(|event| sorter.see(event));
        assert_eq!(sorter.counts, PathCounts { inline: 1, lost: 12, ..PathCounts::default() });
    }
}
