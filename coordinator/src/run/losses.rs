//! What happens to lost hosts, as `on_host_loss` in the scenario wants it.

use std::ops::ControlFlow;

use proto::refusal::{HostRefusal, LossCause, Refusal};

use super::{driver::Driver, host_changes};
use crate::{plan::PlannedTrial, scenario::host_loss::HostLossPolicy, store::HostEntry};

impl Driver<'_> {
    /// Keeps the losses since the last time, and waits for lost hosts or goes on without them. `Break` if the run is
    /// interrupted meanwhile.
    ///
    /// # Errors
    /// The sink cannot keep a loss.
    pub(super) async fn settle(&mut self) -> miette::Result<ControlFlow<()>> {
        self.keep_losses()?;
        let lost: Vec<usize> = self
            .cluster
            .hosts()
            .iter()
            .enumerate()
            .filter(|(_, host)| host.lost.is_some())
            .map(|(index, _)| index)
            .filter(|index| !self.given_up.contains(index))
            .collect();
        for index in lost {
            match self.plan.on_host_loss {
                HostLossPolicy::Fail => {
                    self.given_up.insert(index);
                }
                HostLossPolicy::Continue => {
                    self.given_up.insert(index);
                    self.cell_hosts.iter_mut().for_each(|hosts| hosts.retain(|host| *host != index));
                }
                HostLossPolicy::Retry => {
                    if self.wait_for(index).await?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn wait_for(&mut self, index: usize) -> miette::Result<ControlFlow<()>> {
        let before = HostEntry::from(&self.cluster.hosts()[index]);
        self.progress.awaits(&before.name);
        let Some(back) = self.stop.or(self.cluster.regain(index)).await else {
            self.outcome.interrupted = true;
            return Ok(ControlFlow::Break(()));
        };
        match back.and_then(|()| unchanged(&before, &HostEntry::from(&self.cluster.hosts()[index]))) {
            Ok(()) => {
                self.lost.remove(&index);
                self.outcome.returned.push(before.name.clone());
                self.sink.returned(&before.name)?;
            }
            Err(refusal) => {
                self.cluster.give_up(index, refusal);
                self.given_up.insert(index);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a trial that lost a host is repeated: its cell can still run.
    pub(super) fn repeats_after_loss(&self, planned: &PlannedTrial) -> bool {
        self.plan.on_host_loss != HostLossPolicy::Fail && !self.cannot_run(planned)
    }
}

/// Refuses a host that is no longer the one that was lost.
fn unchanged(before: &HostEntry, after: &HostEntry) -> Result<(), Refusal> {
    let changes = host_changes::changes(std::slice::from_ref(before), std::slice::from_ref(after));
    let facts: Vec<String> = changes.into_iter().map(|change| change.fact).collect();
    if facts.is_empty() {
        Ok(())
    } else {
        Err(HostRefusal::Lost { cause: LossCause::Changed { facts } }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_comes_back_with_another_kernel_is_refused() {
        let with = |kernel: &str| {
            let mut host = HostEntry { name: "n1".into(), ..HostEntry::default() };
            host.description.facts.insert("kernel.release".into(), kernel.into());
            host
        };
        assert_eq!(unchanged(&with("6.12"), &with("6.12")), Ok(()));
        let refusal = unchanged(&with("6.12"), &with("6.18")).unwrap_err();
        assert!(refusal.message().contains("changed in kernel.release"), "{}", refusal.message());
    }
}
