//! Gets a lost host back: connects again, and takes a new lease.

use proto::refusal::{HostRefusal, LossCause, Refusal};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::{
    Cluster, Host, HostSpec, connect,
    lease::{Event, Lease},
};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

impl Cluster {
    /// Waits until a lost host is back, at most for [`Timing::host_return`](super::Timing), and takes its lease. The
    /// agent may have to notice first that its former connection is dead.
    ///
    /// # Errors
    /// It did not come back: why the last attempt failed, or, for an embedded agent, why it was lost.
    pub async fn regain(&mut self, index: usize) -> Result<(), Refusal> {
        let gone = || Refusal::from(HostRefusal::Lost { cause: LossCause::Gone });
        let host = &self.hosts[index];
        let Some(spec) = host.spec.clone() else { return Err(host.lost.clone().unwrap_or_else(gone)) };
        let deadline = Instant::now() + self.timing.host_return;
        let mut last = host.lost.clone().unwrap_or_else(gone);
        loop {
            match timeout_at(deadline, self.reconnect(index, &spec)).await {
                Ok(Ok(host)) => {
                    self.forget_events(index);
                    self.hosts[index] = host;
                    return Ok(());
                }
                Ok(Err(refusal)) => last = refusal,
                Err(_) => {}
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(last);
            }
            sleep(PAUSE).await;
        }
    }

    /// Gives up a host for good.
    pub fn give_up(&mut self, index: usize, refusal: Refusal) {
        self.hosts[index].lost = None;
        self.lose(index, refusal);
    }

    async fn reconnect(&self, index: usize, spec: &HostSpec) -> Result<Host, Refusal> {
        let link = connect::reach(spec, &self.security, &self.timing).await?;
        let met =
            Host::meet(spec.name.clone(), spec.address.to_string(), spec.labels.clone(), link, self.timing);
        let host = met.await?;
        let (client, events) = (host.client.clone(), self.sender.clone());
        let lease = Lease::open(client, index, &self.run_id, events, self.timing.answer).await?;
        Ok(Host { tls_name: spec.tls_name.clone(), spec: Some(spec.clone()), lease: Some(lease), ..host })
    }

    /// Drops the pending events of a host's former lease. Those of other hosts belong to a trial that has ended, except
    /// losses.
    fn forget_events(&mut self, index: usize) {
        while let Ok(from) = self.events.try_recv() {
            if let Event::Lost(refusal) = from.event
                && from.host != index
            {
                self.lose(from.host, refusal);
            }
        }
    }
}
