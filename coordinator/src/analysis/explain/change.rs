//! The change in time per I/O between two arms, and how much of it a figure accounts for.
//!
//! A CPU of the workers has `time = CPUs / IOPS` for an I/O: user time, system time and waiting. The change of time
//! between two arms is therefore the sum of the changes of these three, and every possible reason accounts for a share
//! of it.

use proto::engine::Sharing;

use super::{
    figures::{Figures, Sides},
    thresholds::{CALLS_CHANGED, FEWEST_CALLS, NAMED, PUNTED},
};
use crate::summary::{
    evidence::{Evidence, Quantity},
    explanation::Reason,
};

/// A possible reason.
pub(super) struct Candidate {
    /// The share of the change that it accounts for, at most 1.
    pub(super) share: f64,
    pub(super) reason: Reason,
    pub(super) evidence: Vec<Evidence>,
}

impl Candidate {
    pub(super) fn new(share: f64, reason: Reason, evidence: Vec<Evidence>) -> Self {
        Self { share: share.min(1.0), reason, evidence }
    }
}

/// Two arms of which one is faster, as the comparison shows.
pub(super) struct Change<'a> {
    pub(super) sides: Sides<'a>,
    /// Whether the arm is faster; otherwise it is slower.
    pub(super) faster: bool,
    /// The confidence interval of the ratio of all CPU time per I/O.
    pub(super) cpu_ratio: Option<[f64; 2]>,
}

impl<'a> Change<'a> {
    /// The arm that is slower.
    pub(super) fn slow(&self) -> &Figures<'a> {
        if self.faster { &self.sides.base } else { &self.sides.arm }
    }

    /// The share of the change in time per I/O that the change from `base` to `arm` accounts for, at most 1. `None` if
    /// the arms have different numbers of CPUs: their times are then not comparable.
    pub(super) fn share(&self, arm: Option<f64>, base: Option<f64>) -> Option<f64> {
        let Sides { arm: now, base: was } = self.sides;
        if now.slots? != was.slots? {
            return None;
        }
        let change = now.time()? - was.time()?;
        let share = (arm? - base?) / (change * self.own_part().unwrap_or(1.0));
        ((change < 0.0) == self.faster && share.is_finite()).then(|| share.min(1.0))
    }

    /// The same of a quantity.
    pub(super) fn share_of(&self, quantity: Quantity) -> Option<f64> {
        let pair = self.sides.pair(quantity)?;
        self.share(Some(pair.arm), Some(pair.baseline))
    }

    /// In the page cache, without going to sleep, nothing waits: other threads of the host took the time in which the
    /// workers did not run, from both arms alike. CPU time then accounts for a part of the time that workers did have.
    /// This is the share of that time in all of it.
    fn own_part(&self) -> Option<f64> {
        let awake = |side: &Figures<'_>| {
            let awake = side.switches.is_some_and(|count| count < FEWEST_CALLS);
            let handed = side.sharing().is_some() || side.punted().is_some_and(|share| share >= PUNTED);
            side.cached() && awake && !handed
        };
        let Sides { arm, base } = &self.sides;
        if !awake(arm) || !awake(base) {
            return None;
        }
        let part = (arm.cpu()? + base.cpu()?) / (arm.time()? + base.time()?);
        Some(part.min(1.0)).filter(|part| *part > 0.0)
    }

    /// Whether CPU time per I/O clearly changed in the direction of the verdict and was the workers' own: not spent on
    /// looking for completions, nor by a thread between them and the kernel.
    pub(super) fn cpu_counts(&self) -> bool {
        let moved =
            self.cpu_ratio.is_some_and(|[low, high]| if self.faster { high < 1.0 } else { low > 1.0 });
        let own = |side: &Figures<'_>| {
            !side.spins()
                && side.sharing() != Some(Sharing::Combiner)
                && side.punted().unwrap_or(0.0) < PUNTED
        };
        moved && own(&self.sides.arm) && own(&self.sides.base) && !self.waited_out()
    }

    /// Whether the CPU time that an arm saved (or spent) went into longer (or shorter) waits. IOPS then do not depend
    /// on it, as with a device that is the limit.
    fn waited_out(&self) -> bool {
        let waiting = self.share_of(Quantity::Waiting);
        self.own_part().is_none() && waiting.is_some_and(|share| share <= -NAMED)
    }

    /// The ratio of requests in flight, the faster arm over the slower one.
    pub(super) fn more_in_flight(&self) -> Option<f64> {
        let ratio = self.sides.arm.in_flight()? / self.sides.base.in_flight()?;
        Some(if self.faster { ratio } else { 1.0 / ratio })
    }

    /// The change in system calls per I/O, if there is one.
    pub(super) fn calls_changed(&self) -> Option<f64> {
        let (now, was) = (self.sides.arm.calls?, self.sides.base.calls?);
        let change = now - was;
        (change.abs() >= FEWEST_CALLS && change.abs() >= CALLS_CHANGED * was.max(now)).then_some(change)
    }
}
