//! The thread that encodes the intervals of a running trial and writes them to its logs.
//!
//! Intervals wait in a queue of [`QUEUE`]. If it is full, whoever adds one waits until the thread has written another:
//! the coordinator then reads nothing from its hosts, their streams fill up, and each agent keeps what it has measured
//! until there is room. Memory thus does not grow with the number of hosts or with the length of a trial.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::SystemTime,
};

use proto::outcome::Interval;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    HISTOGRAMS,
    error::{At as _, StoreError},
    files::sync_dir,
    open_log::{FinishedLog, OpenLog},
};

/// Intervals that wait to be written.
const QUEUE: usize = 8;

/// An interval of a running trial.
pub(super) struct Arrived {
    pub(super) trial: String,
    pub(super) host: String,
    /// When the trial was started, in UTC, RFC 3339.
    pub(super) started_at: String,
    pub(super) interval: Interval,
}

/// The finished logs of a trial, by host.
pub(super) type FinishedLogs = BTreeMap<String, FinishedLog>;

enum Job {
    // Boxed, because the queue would otherwise hold the size of the largest job for each place.
    Add(Box<Arrived>),
    /// Completes the logs of a trial; those of other trials are left, because no record will name them.
    Finish(String, SyncSender<FinishedLogs>),
}

/// The logs of the trial that runs.
#[derive(Debug)]
pub(super) struct LogWriter {
    jobs: SyncSender<Job>,
    /// Ends with the first error.
    thread: JoinHandle<Result<(), StoreError>>,
    directory: PathBuf,
}

impl LogWriter {
    /// Starts the thread for a run directory.
    pub(super) fn start(directory: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let directory = directory.to_owned();
        let of_thread = directory.clone();
        let thread = thread::Builder::new()
            .name("interval-logs".into())
            .spawn(move || write(&of_thread, &queue))
            .at(&directory, "start a thread that writes to it")?;
        Ok(Self { jobs, thread, directory })
    }

    /// Adds an interval to the log of its host. It waits while the queue is full.
    pub(super) fn add(self, arrived: Arrived) -> Result<Self, StoreError> {
        match self.jobs.send(Job::Add(Box::new(arrived))) {
            Ok(()) => Ok(self),
            Err(_) => Err(self.failure()),
        }
    }

    /// Completes the logs of a trial, and waits until they are on the disk.
    pub(super) fn finish(self, trial: &str) -> Result<(Self, FinishedLogs), StoreError> {
        let (reply, finished) = sync_channel(1);
        // If the job cannot be sent, its sender is dropped, and the receiver notices.
        let _ = self.jobs.send(Job::Finish(trial.to_owned(), reply));
        match finished.recv() {
            Ok(logs) => Ok((self, logs)),
            Err(_) => Err(self.failure()),
        }
    }

    /// Why the thread ended.
    fn failure(self) -> StoreError {
        let unknown = || io::Error::other("the thread that writes intervals ended");
        match self.thread.join() {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => StoreError::Io {
                path: self.directory.join(HISTOGRAMS),
                doing: "write to it",
                source: unknown(),
            },
        }
    }
}

/// Does the jobs until there are no more senders, or until the first error.
fn write(directory: &Path, queue: &Receiver<Job>) -> Result<(), StoreError> {
    let mut trial = String::new();
    let mut logs: BTreeMap<String, OpenLog> = BTreeMap::new();
    while let Ok(job) = queue.recv() {
        match job {
            Job::Add(arrived) => {
                let Arrived { trial: of, host, started_at, interval } = *arrived;
                if of != trial {
                    logs.clear();
                    trial = of;
                }
                let mut log = match logs.remove(&host) {
                    Some(log) => log,
                    None => OpenLog::create(directory, &trial, &host, time_of(&started_at))?,
                };
                log.add(&interval)?;
                logs.insert(host, log);
            }
            Job::Finish(of, reply) => {
                let open = std::mem::take(&mut logs);
                let mut finished = FinishedLogs::new();
                if of == trial {
                    for (host, log) in open {
                        finished.insert(host, log.finish()?);
                    }
                    let histograms = directory.join(HISTOGRAMS);
                    sync_dir(&histograms)?;
                }
                let _ = reply.send(finished);
            }
        }
    }
    Ok(())
}

fn time_of(started_at: &str) -> SystemTime {
    OffsetDateTime::parse(started_at, &Rfc3339).map_or_else(|_| SystemTime::now(), SystemTime::from)
}
