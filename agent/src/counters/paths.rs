//! Which way the requests of a ring complete: within the call that submits them, by task work after the device's
//! interrupt, by polling, or by a worker thread of the kernel (io-wq).
//!
//! No single count says it: a completion looks alike whoever brings it. So the records of a few tracepoints are
//! taken on the thread that submits, for so many requests and no more, and put in order. All of these fire in the
//! thread's own context. (`io_uring_task_add` would not help: it fires for polled files only, and in interrupts,
//! on whatever thread is running.)
//!
//! * `submit_req`, then `complete`: completed **inline**, flushed at the end of the batch.
//! * `complete`, then `local_work_run` or `task_work_run` with their number of pieces: the last so many completions
//!   came by **task work**, also where that had to try the request again. Where `local_work_run` went round more than
//!   once, its number is that of the last round: then all that are open came by it.
//! * `queue_async_work`: **punted** to io-wq, wherever it completes.
//! * The ring is one that polls, and none of these: **polled**.
//!
//! They are taken in the warm-up of an audit, so that they disturb neither the timed trials nor the audit's counts.

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

/// Requests that are followed, of all workers.
const REQUESTS: u32 = 32_768;
/// Requests that are followed of a worker, at least.
const LEAST_REQUESTS: u32 = 256;
/// More than what is recorded of one request, in bytes.
const PER_REQUEST: usize = 384;

// From linux/perf_event.h.
const IOC_REFRESH: libc::c_ulong = 0x2402;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
const IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;

/// Records the paths of the requests that one thread submits. Closed when dropped.
pub struct Paths {
    /// Of submissions; the others write into its buffer, and end with it.
    sampler: Sampler,
    _members: Vec<Counter>,
    layout: Layout,
    requests: u32,
    polls: bool,
}

impl Paths {
    /// Makes ready to record; nothing is recorded yet. `polls`: the ring polls for completions; `workers`: how many
    /// share the memory for records.
    ///
    /// # Errors
    /// Where perf or tracefs is not allowed here; `NotFound` where this kernel lacks one of the tracepoints.
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
        // A sync is none of the operations whose paths are told; a combiner's read that ends its sleep is no request
        // of the trial.
        filter(
            &leader,
            &CString::new(format!("user_data != {WAKE_UP} && opcode != {}", opcode::Fsync::CODE))?,
        )?;
        let mut sampler = leader.sampled(requests as usize * PER_REQUEST)?;
        let mut members = Vec::new();
        for event in [layout.complete.0, layout.punt.0, layout.local_work.0, layout.task_work.0] {
            // Members are born enabled and wait for their leader.
            let member = builder(event).enabled(true).build_with_group(sampler.as_counter_mut())?;
            let output = sampler.as_counter().as_raw_fd();
            // SAFETY: the call takes a descriptor by value; both are open.
            check(unsafe { libc::ioctl(member.as_raw_fd(), IOC_SET_OUTPUT, output) })?;
            // Whoever looks for work and finds none, as a polling thread does all the time, is left out.
            if event == layout.task_work.0 {
                filter(&member, c"count > 0")?;
            } else if event == layout.local_work.0 {
                filter(&member, c"count > 0 || loops > 1")?;
            }
            members.push(member);
        }
        Ok(Some(Self { sampler, _members: members, layout, requests, polls }))
    }

    /// Begins to record, until as many requests as there is room for have been submitted.
    ///
    /// # Errors
    /// What the system call said.
    pub fn start(&mut self) -> io::Result<()> {
        // SAFETY: the call takes a number by value; the descriptor is open.
        check(unsafe { libc::ioctl(self.sampler.as_counter().as_raw_fd(), IOC_REFRESH, self.requests) })
    }

    /// Ends recording, if it has not ended by itself.
    ///
    /// # Errors
    /// What the system call said.
    pub fn stop(&mut self) -> io::Result<()> {
        self.sampler.as_counter_mut().disable()
    }

    /// What the records say. Recording must have ended.
    #[must_use]
    pub fn read(&mut self) -> PathCounts {
        let mut sorter = Sorter { polls: self.polls, ..Sorter::default() };
        while let Some(record) = self.sampler.next_record() {
            let bytes = record.to_contiguous();
            match record.ty() {
                RECORD_SAMPLE => {
                    // The length of what follows, then the tracepoint's own record.
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

/// Each tracepoint's number, and the field that is of interest.
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
                let pieces = is(self.local_work)?;
                Some(Event::Ran(if self.loops.of(raw)? > 1 { u64::MAX } else { pieces }))
            })
    }
}

/// What happened on the thread that submits. Requests are known by their address in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Submit(u64),
    Punt(u64),
    Complete(u64),
    /// So many pieces of task work were done; their completions have just been seen.
    Ran(u64),
}

/// Puts requests to their paths, in the order of what happened to them. Requests whose submission was not seen, and
/// those that had not completed when recording ended, are on none.
#[derive(Default)]
struct Sorter {
    polls: bool,
    /// Submitted and not yet completed; whether it was punted.
    open: HashMap<u64, bool>,
    /// Completions whose bringer is not known yet; whether they are to be counted.
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
            Event::Ran(pieces) => self.settle(usize::try_from(pieces).unwrap_or(usize::MAX)),
        }
    }

    /// Counts what has completed: the last `pieces` by task work, the others by whoever it is otherwise.
    fn settle(&mut self, pieces: usize) {
        let first = self.pending.len().saturating_sub(pieces);
        for (index, counts) in self.pending.drain(..).enumerate() {
            match (counts, index >= first) {
                (false, _) => {}
                (true, true) => self.counts.task_work += 1,
                (true, false) if self.polls => self.counts.polled += 1,
                (true, false) => self.counts.inline += 1,
            }
        }
    }

    /// After a gap nothing that was open can be told.
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
    fn a_batch_of_all_kinds() {
        let counts = sorted(
            false,
            &[
                Submit(1),
                Submit(2),
                Submit(3),
                Punt(3),
                Submit(4),
                // 2 was in the cache; then the device answers for 1, and io-wq for 3.
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
    fn a_ring_that_polls() {
        let events = [Submit(1), Submit(2), Complete(2), Complete(1), Submit(1)];
        assert_eq!(sorted(true, &events), PathCounts { polled: 2, ..PathCounts::default() });
    }

    #[test]
    fn what_was_submitted_before_is_nobodys() {
        let events = [Punt(9), Complete(8), Ran(1), Submit(1), Complete(7), Complete(1), Ran(1), Submit(2)];
        assert_eq!(sorted(false, &events), PathCounts { task_work: 1, ..PathCounts::default() });
        // More pieces than completions: some were tried and wait again.
        let events = [Submit(1), Complete(1), Ran(u64::MAX), Submit(2)];
        assert_eq!(sorted(false, &events), PathCounts { task_work: 1, ..PathCounts::default() });
    }

    #[test]
    fn a_gap_is_said_and_not_guessed_over() {
        let mut sorter = Sorter::default();
        [Submit(1), Submit(2), Complete(1)].into_iter().for_each(|event| sorter.see(event));
        sorter.lose(12);
        [Complete(2), Submit(3), Complete(3), Submit(4)].into_iter().for_each(|event| sorter.see(event));
        assert_eq!(sorter.counts, PathCounts { inline: 1, lost: 12, ..PathCounts::default() });
    }
}
