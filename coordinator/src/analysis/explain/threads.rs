//! Causes that lie with other threads: a lock, a combiner, the kernel's own threads, and CPUs that are shared.

use super::{
    cause::{CALLS_CHANGED, Cause, FEWEST_CALLS, FULL, PUNTED, SAME, TOGETHER},
    change::{Candidate, Change},
    figures::Figures,
    words,
};
use crate::units::{nanos, per_io};

impl Change<'_> {
    pub(super) fn locks(&self) -> Option<Candidate> {
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
        let same = self.arm.cell.threads.placement.workers == self.base.cell.threads.placement.workers;
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
    pub(super) fn handover(&self) -> Option<Candidate> {
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

    pub(super) fn punts(&self) -> Option<Candidate> {
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
        let cpus: Vec<String> =
            self.arm.cell.threads.placement.polling_cpus.iter().map(u32::to_string).collect();
        cpus.join(", ")
    }

    pub(super) fn poll_thread(&self) -> Option<Candidate> {
        let arm = &self.arm;
        if self.faster || !arm.granted("sqpoll") || arm.cell.threads.placement.polling_shares != Some(true) {
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
            Some(format!(
                "polling on CPU {}, workers on {:?}",
                self.polling_cpus(),
                arm.cell.threads.pinned_cpus
            )),
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

    pub(super) fn poll_pace(&self) -> Option<Candidate> {
        let arm = &self.arm;
        let apart = arm.cell.threads.placement.polling_shares == Some(false);
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

    pub(super) fn offload(&self) -> Option<Candidate> {
        let threads = self.arm.kernel_threads? - self.base.kernel_threads.unwrap_or(0.0);
        let shares = self.arm.cell.threads.placement.polling_shares == Some(true);
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
    pub(super) fn polling(&self) -> Option<Candidate> {
        let polls = |side: &Figures<'_>| side.granted("iopoll") || side.granted("hipri");
        let interrupts =
            |side: &Figures<'_>| side.cell.cost.interrupts_per_io.filter(|count| count.is_finite());
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

    pub(super) fn cpus(&self) -> Option<Candidate> {
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

    pub(super) fn too_few_cpus(&self) -> Option<Candidate> {
        let crowd = |side: &Figures<'_>| Some(f64::from(side.cell.threads.placement.workers?) / side.slots?);
        let more_switches = self.arm.switches? - self.base.switches?;
        let crowded = crowd(&self.arm)? > crowd(&self.base)?.max(1.0);
        if self.faster || !crowded || more_switches < CALLS_CHANGED || !self.cpu_tells() {
            return None;
        }
        let share = self.share(self.arm.cpu(), self.base.cpu())?;
        let clause = format!(
            "{} workers take turns on {:.0} {}, and {} more context switches per I/O take CPU time",
            self.arm.cell.threads.placement.workers?,
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
