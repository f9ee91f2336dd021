//! Who holds the leases of the hosts, and ending one that is stuck.

use proto::{
    plain::clean,
    refusal::{HostRefusal, LossCause, Question},
    wire::{LeaseHolder, ReadLeaseRequest, ReleaseRequest},
};
use tokio::{
    task::JoinSet,
    time::{Duration, timeout},
};

use super::{
    Cluster, HostError,
    connect::{silent, status_text},
};

/// The run that holds the lease of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its scenario, machine and process.
    pub run: String,
    /// Time since it took the lease.
    pub held: Duration,
    /// The trial under way.
    pub trial: Option<String>,
}

impl From<LeaseHolder> for Holder {
    fn from(LeaseHolder { run_id, held_ns, trial_id }: LeaseHolder) -> Self {
        let trial = (!trial_id.is_empty()).then(|| clean(&trial_id));
        Self { run: clean(&run_id), held: Duration::from_nanos(held_ns), trial }
    }
}

impl Cluster {
    /// The holder of each host's lease; `None` if it is free or does not answer.
    pub async fn holders(&self) -> Vec<Option<Holder>> {
        let mut tasks = JoinSet::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let (mut client, limit) = (host.client.clone(), self.timing.answer);
            tasks.spawn(async move { (index, timeout(limit, client.read_lease(ReadLeaseRequest {})).await) });
        }
        let mut holders = vec![None; self.hosts.len()];
        for (index, read) in tasks.join_all().await {
            let holder = read.ok().and_then(Result::ok).and_then(|response| response.into_inner().holder);
            holders[index] = holder.map(Holder::from);
        }
        holders
    }

    /// Ends the lease of a run on a host. Returns whether the run held it.
    ///
    /// # Errors
    /// The host does not answer.
    pub async fn release(&self, index: usize, run: &str) -> Result<bool, HostError> {
        let (host, limit) = (&self.hosts[index], self.timing.answer);
        let request = ReleaseRequest { run_id: run.to_owned() };
        let refusal = match timeout(limit, host.client.clone().release(request)).await {
            Ok(Ok(response)) => return Ok(response.into_inner().released),
            Ok(Err(status)) => {
                HostRefusal::Lost { cause: LossCause::Broken { why: status_text(&status) } }.into()
            }
            Err(_) => silent(Question::Lease, limit),
        };
        Err(HostError { host: host.name.clone(), refusal })
    }
}
