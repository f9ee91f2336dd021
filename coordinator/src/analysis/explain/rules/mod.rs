//! The reasons for which an arm can be faster or slower. Each rule looks at one; the reasons that account for a large
//! share of the change are named.

use super::{
    change::{Candidate, Change},
    thresholds::{EXPLAINED, NAMED},
};

mod cpus;
mod threads;
mod work;

type Rule = fn(&Change<'_>) -> Option<Candidate>;

const RULES: [Rule; 14] = [
    threads::poll_thread,
    threads::poll_pace,
    threads::locks,
    threads::handover,
    threads::punts,
    threads::offload,
    work::overlap,
    work::polling,
    cpus::cpus,
    cpus::too_few_cpus,
    work::syscalls,
    work::kernel_work,
    work::user_work,
    work::waiting,
];

/// The reasons worth naming, the one with the largest share first; none if together they account for less than half of
/// the change.
pub(super) fn reasons(change: &Change<'_>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = RULES.iter().filter_map(|rule| rule(change)).collect();
    found.retain(|candidate| candidate.share >= NAMED);
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    let explained: f64 = found.iter().map(|candidate| candidate.share.min(1.0)).sum();
    if explained < EXPLAINED { Vec::new() } else { found }
}
