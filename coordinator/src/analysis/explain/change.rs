//! Why an arm is faster or slower: the change in time per I/O, taken apart.
//!
//! A CPU of the workers has `time = CPUs / IOPS` for an I/O, which is user time, system time and waiting. So the change
//! of time between two arms is the sum of the changes of these three, and every candidate for a cause accounts for a
//! share of it. Causes are ranked by that share.

use super::{
    cause::{
        CALLS_CHANGED, Cause, EXPLAINED, FEWEST_CALLS, FULL, MORE_IN_FLIGHT, NAMED, PUNTED, SAME, TOGETHER,
    },
    figures::Figures,
    words,
};
use crate::report::units::{nanos, per_io};

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
    fn share(&self, arm: Option<f64>, base: Option<f64>) -> Option<f64> {
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
            let sleeps = side.cell.context_switches_per_io.is_none_or(|count| !(count < FEWEST_CALLS));
            let handed = side.sharing().is_some() || side.punted().is_some_and(|share| share >= PUNTED);
            side.from_cache() && !sleeps && !handed
        };
        if !awake(&self.arm) || !awake(&self.base) {
            return None;
        }
        let part = (self.arm.cpu()? + self.base.cpu()?) / (self.arm.time()? + self.base.time()?);
        Some(part.min(1.0)).filter(|part| *part > 0.0)
    }

    fn candidate(&self, cause: Cause, share: f64, clause: String, more: Vec<Option<String>>) -> Candidate {
        Candidate { cause, share: share.min(1.0), clause, evidence: more.into_iter().flatten().collect() }
    }

    /// Whether CPU time per I/O has changed beyond doubt, in the direction of the verdict, and was the workers' own:
    /// neither looking for completions nor that of a thread between them and the kernel.
    fn cpu_tells(&self) -> bool {
        let moved =
            self.cpu_ratio.is_some_and(|[low, high]| if self.faster { high < 1.0 } else { low > 1.0 });
        let own = |side: &Figures<'_>| {
            !side.spins() && side.sharing() != Some("combiner") && side.punted().unwrap_or(0.0) < PUNTED
        };
        moved && own(&self.arm) && own(&self.base)
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
        if slow.from_cache() {
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

    fn locks(&self) -> Option<Candidate> {
        let wait = |side: &Figures<'_>| match side.cell.ring.lock_wait_ns_per_io {
            Some(ns) => Some(ns).filter(|ns| ns.is_finite()),
            None => Some(0.0),
        };
        let (now, was) = (wait(&self.arm)?, wait(&self.base)?);
        if now == was || (now < was) != self.faster {
            return None;
        }
        // Each worker waits for itself, whichever CPU it is on.
        let change = self.arm.worker_time()? - self.base.worker_time()?;
        let share = (now - was) / change;
        let same = self.arm.cell.placement.workers == self.base.cell.placement.workers;
        if !same || (change < 0.0) != self.faster || !share.is_finite() {
            return None;
        }
        let clause = if self.faster {
            format!("workers wait {} less for a ring's lock for each I/O", nanos(was - now))
        } else {
            format!(
                "workers wait {} for the lock of the ring that they share, for each I/O",
                nanos(now - was)
            )
        };
        let contended = self.arm.cell.ring.contended_share.or(self.base.cell.ring.contended_share);
        let more = vec![
            words::against("waiting for the lock per I/O", Some(now), Some(was), nanos),
            contended
                .map(|share| format!("the lock was taken {:.2} % of the times it was wanted", 100.0 * share)),
            words::against("a worker's time per I/O", self.arm.worker_time(), self.base.worker_time(), nanos),
            words::switches(&self.arm, &self.base),
        ];
        Some(self.candidate(Cause::Locks, share, clause, more))
    }

    /// Requests wait in queues to and from a combiner, many at a time: so it is latency that this is a part of.
    fn handover(&self) -> Option<Candidate> {
        let ns = self.arm.cell.ring.handover_ns_per_io.filter(|ns| ns.is_finite() && !self.faster)?;
        let change = self.arm.latency? - self.base.latency?;
        let share = ns / change;
        if change <= 0.0 || !share.is_finite() {
            return None;
        }
        let clause = format!("each request waits {} in the queues to the combiner and back", nanos(ns));
        let more = vec![
            Some(format!("waiting in the combiner's queues per I/O: {}", nanos(ns))),
            words::against("mean latency", self.arm.latency, self.base.latency, nanos),
            words::switches(&self.arm, &self.base),
        ];
        Some(self.candidate(Cause::Handover, share, clause, more))
    }

    fn punts(&self) -> Option<Candidate> {
        let (now, was) = (self.arm.punted()?, self.base.punted().unwrap_or(0.0));
        let threads = self.arm.kernel_threads? - self.base.kernel_threads.unwrap_or(0.0);
        if self.faster || now - was < PUNTED || threads <= 0.0 {
            return None;
        }
        let share = self.share(Some(threads + self.arm.cpu()?), Some(self.base.cpu()?))?;
        let clause = format!(
            "{} of the requests are handed to threads of the kernel (io-wq), which take {} of CPU time for each I/O",
            words::percent(now),
            nanos(self.arm.kernel_threads?)
        );
        let more = vec![
            Some(format!("requests punted: {} against {}", words::percent(now), words::percent(was))),
            words::against(
                "kernel threads per I/O",
                self.arm.kernel_threads,
                self.base.kernel_threads.or(Some(0.0)),
                nanos,
            ),
            words::against("CPU time of workers per I/O", self.arm.cpu(), self.base.cpu(), nanos),
            words::switches(&self.arm, &self.base),
        ];
        Some(self.candidate(Cause::Punts, share, clause, more))
    }

    fn polling_cpus(&self) -> String {
        let cpus: Vec<String> = self.arm.cell.placement.polling_cpus.iter().map(u32::to_string).collect();
        cpus.join(", ")
    }

    fn poll_thread(&self) -> Option<Candidate> {
        let arm = &self.arm;
        if self.faster || !arm.granted("sqpoll") || arm.cell.placement.polling_shares != Some(true) {
            return None;
        }
        let (time, worker, thread) = (arm.time()?, arm.cpu()?, arm.kernel_threads?);
        if (worker + thread) / time < TOGETHER {
            return None;
        }
        let clause = format!(
            "the polling thread shares CPU {} with a worker, and one waits while the other runs",
            self.polling_cpus()
        );
        let more = vec![
            Some(format!("polling on CPU {}, workers on {:?}", self.polling_cpus(), arm.cell.pinned_cpus)),
            Some(format!(
                "of the CPU's time per I/O ({}), the worker takes {} and the polling thread {}",
                nanos(time),
                words::percent(worker / time),
                words::percent(thread / time)
            )),
            words::against("time per I/O", arm.time(), self.base.time(), nanos),
            words::switches(arm, &self.base),
        ];
        // They take turns: all of the loss is what they wait for each other.
        Some(self.candidate(Cause::PollThread, 1.0, clause, more))
    }

    fn poll_pace(&self) -> Option<Candidate> {
        let arm = &self.arm;
        let apart = arm.cell.placement.polling_shares == Some(false);
        if self.faster || !apart || !arm.granted("sqpoll") || arm.calls? >= FEWEST_CALLS {
            return None;
        }
        let share = self.share(arm.user, self.base.user)?;
        let clause = format!(
            "the polling thread on CPU {} sets the pace: workers make no calls, and look for completions all the time",
            self.polling_cpus()
        );
        let more = vec![
            words::against("system calls per I/O", arm.calls, self.base.calls, per_io),
            words::against("user time per I/O (looking for completions)", arm.user, self.base.user, nanos),
            words::against("system time per I/O", arm.system, self.base.system, nanos),
            arm.kernel_threads.map(|ns| format!("polling thread per I/O: {}", nanos(ns))),
        ];
        Some(self.candidate(Cause::PollPace, share, clause, more))
    }

    fn offload(&self) -> Option<Candidate> {
        let threads = self.arm.kernel_threads? - self.base.kernel_threads.unwrap_or(0.0);
        let shares = self.arm.cell.placement.polling_shares == Some(true);
        if !self.faster || shares || threads < SAME * self.base.time()? {
            return None;
        }
        let (now, was) = (self.arm.system?, self.base.system?);
        let share = self.share(Some(now), Some(was))?;
        let who = if self.arm.granted("sqpoll") { "the polling thread" } else { "threads of io-wq" };
        let clause = format!(
            "{who} on other CPUs do the kernel's part ({} of CPU time for each I/O), and the workers' system time \
             fell ({} -> {})",
            nanos(self.arm.kernel_threads?),
            nanos(was),
            nanos(now)
        );
        let more = vec![
            words::against("system time per I/O", Some(now), Some(was), nanos),
            words::against(
                "kernel threads per I/O",
                self.arm.kernel_threads,
                self.base.kernel_threads.or(Some(0.0)),
                nanos,
            ),
            words::against("system calls per I/O", self.arm.calls, self.base.calls, per_io),
        ];
        Some(self.candidate(Cause::Offload, share, clause, more))
    }

    /// Polling the device instead of sleeping until its interrupt.
    fn polling(&self) -> Option<Candidate> {
        let polls = |side: &Figures<'_>| side.granted("iopoll") || side.granted("hipri");
        let interrupts = |side: &Figures<'_>| side.cell.interrupts_per_io.filter(|count| count.is_finite());
        let (now, was) = (interrupts(&self.arm)?, interrupts(&self.base)?);
        if !self.faster || !polls(&self.arm) || polls(&self.base) || now > 0.5 * was {
            return None;
        }
        let share = self.base.waiting()? / self.base.time()?;
        let clause = format!(
            "completions are polled for: interrupts per I/O fell from {} to {}, and no worker sleeps until one comes",
            per_io(was),
            per_io(now)
        );
        let more = vec![
            words::interrupts(&self.arm, &self.base),
            words::switches(&self.arm, &self.base),
            words::against("mean latency", self.arm.latency, self.base.latency, nanos),
            words::against("CPU time of workers per I/O", self.arm.cpu(), self.base.cpu(), nanos),
        ];
        Some(self.candidate(Cause::Polling, share, clause, more))
    }

    fn cpus(&self) -> Option<Candidate> {
        let (now, was) = (self.arm.slots?, self.base.slots?);
        let few = if self.faster { &self.base } else { &self.arm };
        if now == was || (now > was) != self.faster || few.spins() || few.busy()? < FULL {
            return None;
        }
        let share = (now / was).ln() / (self.arm.iops / self.base.iops).ln();
        let clause = format!("workers have {now:.0} CPUs instead of {was:.0}");
        let more = vec![
            words::against("CPUs of workers", Some(now), Some(was), |cpus| format!("{cpus:.0}")),
            words::against("CPU busy", self.arm.busy(), self.base.busy(), words::percent),
        ];
        share.is_finite().then(|| self.candidate(Cause::Cpus, share, clause, more))
    }

    fn too_few_cpus(&self) -> Option<Candidate> {
        let crowd = |side: &Figures<'_>| Some(f64::from(side.cell.placement.workers?) / side.slots?);
        let switches = |side: &Figures<'_>| side.cell.context_switches_per_io;
        let more_switches = switches(&self.arm)? - switches(&self.base)?;
        let crowded = crowd(&self.arm)? > crowd(&self.base)?.max(1.0);
        if self.faster || !crowded || more_switches < CALLS_CHANGED || !self.cpu_tells() {
            return None;
        }
        let share = self.share(self.arm.cpu(), self.base.cpu())?;
        let clause = format!(
            "{} workers take turns on {:.0} {}, and {} more context switches per I/O take CPU time",
            self.arm.cell.placement.workers?,
            self.arm.slots?,
            if self.arm.slots? > 1.5 { "CPUs" } else { "CPU" },
            per_io(more_switches)
        );
        let more = vec![
            words::switches(&self.arm, &self.base),
            words::against("CPU time of workers per I/O", self.arm.cpu(), self.base.cpu(), nanos),
        ];
        Some(self.candidate(Cause::TooFewCpus, share, clause, more))
    }
}
