//! Why an arm is faster or slower: the change in time per I/O, taken apart.
//!
//! A CPU of the workers has `time = CPUs / IOPS` for an I/O, which is user time, system time and waiting. So the change
//! of time between two arms is the sum of the changes of these three, and every candidate for a cause accounts for a
//! share of it. Causes are ranked by that share.

use super::{
    cause::{CALLS_CHANGED, Cause, EXPLAINED, FEWEST_CALLS, MORE_IN_FLIGHT, NAMED, PUNTED, SAME},
    figures::Figures,
    words,
};
use crate::units::{nanos, per_io};

/// A possible cause.
pub(super) struct Candidate {
    pub(super) cause: Cause,
    /// The part of the change that it accounts for, from 0 to 1.
    share: f64,
    /// What happened, as what follows `because`.
    pub(super) clause: String,
    pub(super) evidence: Vec<String>,
}

/// An arm, the baseline, and what the comparison shows beyond doubt.
pub(super) struct Change<'a> {
    pub(super) arm: Figures<'a>,
    pub(super) base: Figures<'a>,
    /// Whether the arm is faster; otherwise it is slower.
    pub(super) faster: bool,
    /// The 95 % interval of the ratio of all CPU time per I/O.
    pub(super) cpu_ratio: Option<[f64; 2]>,
}

impl Change<'_> {
    /// The causes that are worth naming, the one that accounts for most first; none where together they account for
    /// less than half of the change.
    pub(super) fn causes(&self) -> Vec<Candidate> {
        let rules = [
            Self::poll_thread,
            Self::poll_pace,
            Self::locks,
            Self::handover,
            Self::punts,
            Self::offload,
            Self::overlap,
            Self::polling,
            Self::cpus,
            Self::too_few_cpus,
            Self::syscalls,
            Self::kernel_work,
            Self::user_work,
            Self::waiting,
        ];
        let mut found: Vec<Candidate> = rules.iter().filter_map(|rule| rule(self)).collect();
        found.retain(|candidate| candidate.share >= NAMED);
        found.sort_by(|a, b| b.share.total_cmp(&a.share));
        let explained: f64 = found.iter().map(|candidate| candidate.share.min(1.0)).sum();
        if explained < EXPLAINED { Vec::new() } else { found }
    }

    /// The part of the change in time per I/O that is a change of `arm - base`. `None` where CPUs differ, so that
    /// times are not of the same thing.
    pub(super) fn share(&self, arm: Option<f64>, base: Option<f64>) -> Option<f64> {
        if self.arm.slots? != self.base.slots? {
            return None;
        }
        let change = self.arm.time()? - self.base.time()?;
        let share = (arm? - base?) / (change * self.own_part().unwrap_or(1.0));
        ((change < 0.0) == self.faster && share.is_finite()).then(|| share.min(1.0))
    }

    /// Where nothing waits, in the page cache and without going to sleep, the time that workers did not run was taken
    /// by others, from both arms alike. Then what they had is what CPU time is a part of: this share of it all.
    fn own_part(&self) -> Option<f64> {
        let awake = |side: &Figures<'_>| {
            let awake = side.switches.is_some_and(|count| count < FEWEST_CALLS);
            let handed = side.sharing().is_some() || side.punted().is_some_and(|share| share >= PUNTED);
            side.cached() && awake && !handed
        };
        if !awake(&self.arm) || !awake(&self.base) {
            return None;
        }
        let part = (self.arm.cpu()? + self.base.cpu()?) / (self.arm.time()? + self.base.time()?);
        Some(part.min(1.0)).filter(|part| *part > 0.0)
    }

    pub(super) fn candidate(
        &self,
        cause: Cause,
        share: f64,
        clause: String,
        more: Vec<Option<String>>,
    ) -> Candidate {
        Candidate { cause, share: share.min(1.0), clause, evidence: more.into_iter().flatten().collect() }
    }

    /// Whether CPU time per I/O has changed beyond doubt, in the direction of the verdict, and was the workers' own:
    /// neither looking for completions nor that of a thread between them and the kernel.
    pub(super) fn cpu_tells(&self) -> bool {
        let moved =
            self.cpu_ratio.is_some_and(|[low, high]| if self.faster { high < 1.0 } else { low > 1.0 });
        let own = |side: &Figures<'_>| {
            !side.spins() && side.sharing() != Some("combiner") && side.punted().unwrap_or(0.0) < PUNTED
        };
        moved && own(&self.arm) && own(&self.base) && !self.waited_out()
    }

    /// Whether the CPU time that an arm saved (or took) went into longer (or shorter) waits instead: then it was not
    /// what IOPS hang on, as where a device is the limit.
    fn waited_out(&self) -> bool {
        let waiting = self.share(self.arm.waiting(), self.base.waiting());
        self.own_part().is_none() && waiting.is_some_and(|share| share <= -NAMED)
    }

    /// How many times as many requests are in flight on the faster side.
    fn more_in_flight(&self) -> Option<f64> {
        let ratio = self.arm.in_flight()? / self.base.in_flight()?;
        Some(if self.faster { ratio } else { 1.0 / ratio })
    }

    fn overlap(&self) -> Option<Candidate> {
        if self.more_in_flight()? < MORE_IN_FLIGHT {
            return None;
        }
        // What is asked for and answered within one call waits for nothing, however much is asked for.
        let slow = if self.faster { &self.base } else { &self.arm };
        if slow.cached() {
            return None;
        }
        let could = slow.waiting()? / slow.time()?;
        let spins = self.arm.spins() || self.base.spins();
        let share = match self.share(self.arm.waiting(), self.base.waiting()) {
            Some(share) if !spins => share,
            _ => could,
        };
        let (now, was) = (self.arm.in_flight()?, self.base.in_flight()?);
        let (now, was) = (words::requests(now), words::requests(was));
        let clause = if self.faster {
            format!("{now} requests are in flight instead of {was}, so that their waits overlap")
        } else {
            format!("{now} instead of {was} requests are in flight, and fewer waits overlap")
        };
        let more = vec![
            words::against(
                "requests in flight (IOPS x mean latency)",
                self.arm.in_flight(),
                self.base.in_flight(),
                words::requests,
            ),
            words::against("mean latency", self.arm.latency, self.base.latency, nanos),
            words::against("waiting per I/O", self.arm.waiting(), self.base.waiting(), nanos),
            words::against("CPU busy", self.arm.busy(), self.base.busy(), words::percent),
        ];
        Some(self.candidate(Cause::Overlap, share, clause, more))
    }

    /// The change in system calls per I/O, if there is one.
    fn calls_changed(&self) -> Option<f64> {
        let (now, was) = (self.arm.calls?, self.base.calls?);
        let change = now - was;
        (change.abs() >= FEWEST_CALLS && change.abs() >= CALLS_CHANGED * was.max(now)).then_some(change)
    }

    fn system_evidence(&self) -> Vec<Option<String>> {
        vec![
            words::against("system calls per I/O", self.arm.calls, self.base.calls, per_io),
            words::against("system time per I/O", self.arm.system, self.base.system, nanos),
            words::interrupts(&self.arm, &self.base),
            words::switches(&self.arm, &self.base),
        ]
    }

    fn syscalls(&self) -> Option<Candidate> {
        let change = self.calls_changed().filter(|change| (*change < 0.0) == self.faster)?;
        if !self.cpu_tells() {
            return None;
        }
        let (now, was) = (self.arm.system?, self.base.system?);
        let share = self.share(Some(now), Some(was))?;
        let verb = if self.faster { "fell" } else { "rose" };
        let clause = format!(
            "system calls per I/O {verb} from {} to {} and system time with them ({} -> {})",
            per_io(self.base.calls?),
            per_io(self.arm.calls?),
            nanos(was),
            nanos(now)
        );
        let mut more = self.system_evidence();
        more.push(Some(format!(
            "{} of system time a call, with all that the kernel did in it",
            nanos((now - was) / change)
        )));
        Some(self.candidate(Cause::Syscalls, share, clause, more))
    }

    fn kernel_work(&self) -> Option<Candidate> {
        // Fewer calls for more system time, or the reverse, are no explanation by calls either.
        if !self.cpu_tells() || self.calls_changed().is_some_and(|change| (change < 0.0) == self.faster) {
            return None;
        }
        let (now, was) = (self.arm.system?, self.base.system?);
        let share = self.share(Some(now), Some(was))?;
        let word = if self.faster { "less" } else { "more" };
        let calls = match self.calls_changed() {
            None => "in as many calls",
            Some(change) if change < 0.0 => "in fewer calls",
            Some(_) => "in more calls",
        };
        let clause = format!("the kernel works {} {word} for each I/O, {calls}", nanos((now - was).abs()));
        Some(self.candidate(Cause::KernelWork, share, clause, self.system_evidence()))
    }

    fn user_work(&self) -> Option<Candidate> {
        if !self.cpu_tells() {
            return None;
        }
        let (now, was) = (self.arm.user?, self.base.user?);
        let share = self.share(Some(now), Some(was))?;
        let word = if self.faster { "less" } else { "more" };
        let clause = format!("workers take {} {word} in user mode for each I/O", nanos((now - was).abs()));
        let more = vec![words::against("user time per I/O", Some(now), Some(was), nanos)];
        Some(self.candidate(Cause::UserWork, share, clause, more))
    }

    /// Neither CPU time nor what is in flight, but longer or shorter waits for a device.
    fn waiting(&self) -> Option<Candidate> {
        let same_depth = (self.more_in_flight()? - 1.0).abs() <= SAME;
        let plain = |side: &Figures<'_>| side.reaches_device() && !side.spins() && side.sharing().is_none();
        if !same_depth || !plain(&self.arm) || !plain(&self.base) {
            return None;
        }
        let (now, was) = (self.arm.waiting()?, self.base.waiting()?);
        let share = self.share(Some(now), Some(was))?;
        let word = if self.faster { "less" } else { "more" };
        let clause = format!(
            "workers wait {} {word} for each I/O, with as many in flight: it is no CPU time",
            nanos((now - was).abs())
        );
        let more = vec![
            words::against("waiting per I/O", Some(now), Some(was), nanos),
            words::against("mean latency", self.arm.latency, self.base.latency, nanos),
            words::against(
                "requests in flight",
                self.arm.in_flight(),
                self.base.in_flight(),
                words::requests,
            ),
        ];
        Some(self.candidate(Cause::Waiting, share, clause, more))
    }
}
