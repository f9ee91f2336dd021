//! What the course of a run means for its results: changes of its hosts, and hosts that failed.

use proto::refusal::{Refusal, SessionRefusal};

use super::warnings::Warnings;
use crate::{
    store::{
        journal::{Journal, LostHost},
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
    for LostHost { host, refusal } in journal.lost.iter().cloned() {
        warnings.add(None, RunWarning::LostHost { host, refusal });
    }
}

/// The hosts that were lost, or refused a trial that has not run since.
pub(super) fn failed_hosts(journal: &Journal, records: &[&TrialRecord]) -> Vec<String> {
    let mut failed: Vec<String> = journal.lost.iter().map(|lost| lost.host.clone()).collect();
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
