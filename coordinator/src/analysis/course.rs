//! What the course of a run means for its results: changes of its hosts, and hosts that failed.

use proto::refusal::{Refusal, SessionRefusal};

use super::warnings::Warnings;
use crate::{
    store::{
        journal::{Journal, LostHost, ReturnedHost},
        record::TrialRecord,
    },
    summary::course::HostChange,
    warning::RunWarning,
};

/// Warns of accepted changes and of lost hosts.
pub(super) fn warn(warnings: &mut Warnings, journal: &Journal) {
    for HostChange { host, fact, was, is, after_trial } in journal.changes.iter().cloned() {
        warnings.add(Some(&host), RunWarning::HostChanged { fact, was, is, after_trial });
    }
    for ReturnedHost { host, refusal, .. } in journal.returned.iter().cloned() {
        warnings.add(None, RunWarning::HostReturned { host, refusal });
    }
    for LostHost { host, refusal } in journal.lost.iter().cloned() {
        warnings.add(None, RunWarning::LostHost { host, refusal });
    }
}

/// The hosts that were lost, or refused a trial that has not run since; a loss counts only if the run needs all hosts.
pub(super) fn failed_hosts(journal: &Journal, records: &[&TrialRecord], does_without: bool) -> Vec<String> {
    let lost = journal.lost.iter().map(|lost| lost.host.clone());
    let mut failed: Vec<String> = lost.filter(|_| !does_without).collect();
    for host in records.iter().flat_map(|record| &record.hosts) {
        let cancelled =
            |refusal: &Refusal| matches!(refusal, Refusal::Session(SessionRefusal::Cancelled { .. }));
        if host.refusal.as_ref().is_some_and(|refusal| !cancelled(refusal)) {
            failed.push(host.host.clone());
        }
    }
    failed.sort();
    failed.dedup();
    failed
}
