//! The main loop of a lease: runs trials one after another until the stream ends.

use std::sync::Arc;

use proto::{
    refusal::{AgentLimit, InvalidField, Refusal, SessionRefusal},
    trial::{FieldError, Trial},
    units::Nanos,
    wire::{Opened, lease_event::Event, lease_request::Request as Ask},
};

use super::{
    lease::{Lease, Over},
    trial,
};
use crate::metrics::TrialOutcome;

impl Lease {
    /// Serves until the stream ends. All targets are removed when this returns.
    pub(super) async fn serve(mut self) {
        self.serve_requests().await;
        self.guard.leave();
        // Removing a RAM disk may have to wait for its last user, which must not block the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn serve_requests(&mut self) {
        if self.send(Event::Opened(Opened {})).await.is_err() {
            return;
        }
        loop {
            match self.next().await {
                Ok(Ask::Prepare(trial)) => {
                    let id = trial.id.clone();
                    let outcome = match Trial::try_from(trial)
                        .map_err(|errors| invalid(&errors))
                        .and_then(|trial| self.allowed(trial))
                    {
                        Ok(trial) => {
                            self.guard.begin(&id);
                            trial::run(self, Arc::new(trial)).await
                        }
                        Err(refusal) => Ok(Err(refusal)),
                    };
                    self.host.metrics.trial(ended(&outcome));
                    let Ok(outcome) = outcome else { return };
                    self.guard.end();
                    if let Err(refusal) = outcome
                        && self.refuse(id, refusal).await.is_err()
                    {
                        return;
                    }
                }
                // This trial has already ended.
                Ok(Ask::Start(_) | Ask::Cancel(_)) => {}
                Ok(Ask::Open(_)) => return self.open_already().await,
                Err(Over) => return,
            }
        }
    }
}

impl Lease {
    /// Refuses a trial that is longer than this agent allows.
    fn allowed(&self, trial: Trial) -> Result<Trial, Refusal> {
        let (work, limit) = (&trial.workload, self.host.limits.trial_time);
        let asked = Nanos(work.warmup.0.saturating_add(work.runtime.0));
        if asked > limit {
            let limit = AgentLimit::TrialTime { asked, limit };
            return Err(SessionRefusal::AgentLimit { limit }.into());
        }
        Ok(trial)
    }
}

fn ended(outcome: &Result<Result<(), Refusal>, Over>) -> TrialOutcome {
    match outcome {
        Ok(Ok(())) => TrialOutcome::Finished,
        Ok(Err(Refusal::Session(SessionRefusal::Cancelled { .. }))) => TrialOutcome::Cancelled,
        Ok(Err(_)) => TrialOutcome::Refused,
        Err(Over) => TrialOutcome::Abandoned,
    }
}

fn invalid(errors: &[FieldError]) -> Refusal {
    SessionRefusal::InvalidTrial { errors: errors.iter().map(InvalidField::from).collect() }.into()
}
