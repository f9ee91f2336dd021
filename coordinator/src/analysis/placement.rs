//! The workers of a cell and their CPUs, as its hosts reported them when they were ready.

use proto::knob::{Knob, KnobValue, SQPOLL_CPU};

use crate::{store::record::HostTrial, summary::placement::Placement};

impl Placement {
    /// The placement over the trials of some hosts; the first ready trial of a host stands for all of its trials.
    pub(super) fn of<'a>(trials: impl Iterator<Item = &'a HostTrial>) -> Self {
        let mut seen = Vec::new();
        let mut placement = Self::default();
        for host in trials {
            let Some(ready) = &host.ready else { continue };
            if seen.contains(&host.host.as_str()) {
                continue;
            }
            seen.push(&host.host);
            let workers = &ready.pinned_cpus;
            let mut distinct = workers.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let add = |sum: &mut Option<u32>, more: usize| {
                *sum = Some(sum.unwrap_or(0).saturating_add(u32::try_from(more).unwrap_or(u32::MAX)));
            };
            add(&mut placement.workers, workers.len());
            add(&mut placement.worker_cpus, distinct.len());
            let knob = |name: &str| ready.knobs.iter().find(|knob| knob.name == name);
            if !knob("sqpoll").is_some_and(Knob::is_on) {
                continue;
            }
            let Some(KnobValue::Cpus(cpus)) = knob(SQPOLL_CPU).map(|knob| &knob.granted) else { continue };
            for &cpu in cpus {
                let shares = placement.polling_shares.get_or_insert(false);
                *shares |= workers.contains(&cpu);
                if !placement.polling_cpus.contains(&cpu) {
                    placement.polling_cpus.push(cpu);
                }
            }
        }
        placement
    }
}

#[cfg(test)]
mod tests {
    use proto::outcome::Ready;

    use super::*;
    use crate::cluster::clock::ClockOffset;

    fn host(name: &str, pinned: &[u32], knobs: &[(&str, &str)]) -> HostTrial {
        let knob = |(name, granted): &(&str, &str)| {
            Knob::new(*name, KnobValue::Auto, KnobValue::read(name, (*granted).to_owned()))
        };
        let knobs = knobs.iter().map(knob).collect();
        let ready = Ready { pinned_cpus: pinned.to_vec(), knobs, ..Ready::default() };
        HostTrial {
            host: name.into(),
            clock: ClockOffset::default(),
            ready: Some(ready),
            intervals: vec![],
            finished: None,
            refusal: None,
            histograms: None,
            histograms_sha256: None,
        }
    }

    #[test]
    fn workers_of_hosts_add_up_but_not_of_trials() {
        let hosts = [host("n1", &[1, 2, 1], &[]), host("n2", &[1], &[]), host("n1", &[1, 2, 1], &[])];
        let found = Placement::of(hosts.iter());
        assert_eq!((found.workers, found.worker_cpus, found.polling_shares), (Some(4), Some(3), None));
        assert_eq!(
            Placement::of([HostTrial { ready: None, ..host("n1", &[], &[]) }].iter()),
            Placement::default()
        );
    }

    #[test]
    fn polling_threads_that_share_a_cpu_are_found() {
        let shares = |cpus: &str, granted: &str| {
            let knobs = [("sqpoll", granted), ("sqpoll_cpu", cpus)];
            Placement::of([host("n1", &[1, 2], &knobs)].iter()).polling_shares
        };
        assert_eq!(shares("0", "true"), Some(false));
        assert_eq!(shares("0,2", "true"), Some(true));
        assert_eq!(shares("2", "false"), None, "not granted");
        assert_eq!(Placement::of([host("n1", &[1], &[("sqpoll", "true")])].iter()).polling_shares, None);
    }
}
