//! Reads the clocks of hosts: before a trial while it is prepared, and after it.

use std::sync::Arc;

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, timeout},
};

use super::{
    Cluster,
    clock::{ClockOffset, now_ns},
    connect::read_clock,
};

/// Round trips per reading; the shortest counts.
pub(super) const SAMPLES: usize = 8;
/// Hosts that are read at the same time. More would only wait for each other.
const AT_ONCE: usize = 4;

/// A reading: the host, the coordinator's clock at its end, and the offset; `None` if the host did not answer.
pub(super) type Reading = (usize, u64, Option<ClockOffset>);

/// Readings under way.
#[derive(Debug)]
pub(super) struct Readings {
    tasks: JoinSet<Reading>,
    places: Arc<Semaphore>,
}

impl Readings {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The next reading that is done. Waits for ever without one under way.
    pub(super) async fn next(&mut self) -> Option<Reading> {
        match self.tasks.join_next().await {
            Some(done) => done.ok(),
            None => std::future::pending().await,
        }
    }
}

impl Cluster {
    /// Begins to read the clock of a host, if its last reading is older than this.
    pub(super) fn read_clock(&self, readings: &mut Readings, index: usize, older_than: Duration) {
        let host = &self.hosts[index];
        let age = host.track.age(now_ns());
        if host.lost.is_some() || age.is_some_and(|age| age < older_than) {
            return;
        }
        let (mut client, limit) = (host.client.clone(), self.timing.answer / 2);
        let places = Arc::clone(&readings.places);
        readings.tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            let read = timeout(limit, read_clock(&mut client, SAMPLES)).await;
            (index, now_ns(), read.ok().and_then(Result::ok))
        });
    }

    /// Keeps a reading. A host that did not answer keeps its earlier ones; if it is dead, its lease will show it.
    pub(super) fn keep_reading(&mut self, (index, at_ns, offset): Reading) {
        let host = &mut self.hosts[index];
        match offset {
            Some(offset) => {
                host.track.add(at_ns, offset);
                host.clock = host.track.at(at_ns);
            }
            None => tracing::warn!("host {} did not answer when its clock was read", host.name),
        }
    }
}
