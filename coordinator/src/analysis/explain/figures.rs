//! A cell in the figures that rules reason with: what a CPU that its workers have spends on an I/O, and what is in
//! flight. What is not measured, or is no number, is absent.

use crate::summary::CellSummary;

/// Figures of one cell; per operation unless a name says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures<'a> {
    pub(super) cell: &'a CellSummary,
    /// Operations per second; above zero.
    pub(super) iops: f64,
    /// CPUs that workers can be on at the same time: no more than there are workers.
    pub(super) slots: Option<f64>,
    /// CPU time of workers in user mode, in ns.
    pub(super) user: Option<f64>,
    /// CPU time of workers in the kernel, in ns.
    pub(super) system: Option<f64>,
    /// CPU time of the kernel's own threads, in ns.
    pub(super) kernel_threads: Option<f64>,
    /// System calls.
    pub(super) calls: Option<f64>,
    /// Context switches of workers.
    pub(super) switches: Option<f64>,
    /// Mean latency in ns.
    pub(super) latency: Option<f64>,
    /// Bytes moved.
    pub(super) bytes: Option<f64>,
}

impl<'a> Figures<'a> {
    /// Of a cell that did something.
    pub(super) fn of(cell: &'a CellSummary) -> Option<Self> {
        let number = |value: f64| (value.is_finite() && value >= 0.0).then_some(value);
        let above = |value: f64| number(value).filter(|value| *value > 0.0);
        let iops = above(cell.iops.as_ref()?.mean)?;
        let cpu = cell.cpu_ns_per_io;
        let placement = &cell.placement;
        let slots = placement.workers.zip(placement.worker_cpus).map(|(workers, cpus)| workers.min(cpus));
        let bandwidth = cell.bandwidth_bytes_per_s.as_ref();
        Some(Self {
            cell,
            iops,
            slots: slots.map(f64::from).and_then(above),
            user: cpu.and_then(|cpu| number(cpu.user)),
            system: cpu.and_then(|cpu| number(cpu.system)),
            kernel_threads: cpu.and_then(|cpu| cpu.kernel_threads).and_then(number),
            calls: cell.syscalls_per_io.and_then(number),
            switches: cell.context_switches_per_io.and_then(number),
            latency: cell.latency_ns.as_ref().and_then(|latency| above(latency.mean)),
            bytes: bandwidth.and_then(|rate| above(rate.mean / iops)),
        })
    }

    /// What the workers' CPUs have for an I/O, in ns: CPUs / IOPS. CPU time is a part of it, the rest is waiting.
    pub(super) fn time(&self) -> Option<f64> {
        Some(1e9 * self.slots? / self.iops)
    }

    /// What a worker has for an I/O, in ns: workers / IOPS. More than [`Figures::time`] where workers take turns.
    pub(super) fn worker_time(&self) -> Option<f64> {
        Some(1e9 * f64::from(self.cell.placement.workers?) / self.iops).filter(|time| *time > 0.0)
    }

    /// CPU time of workers, in ns.
    pub(super) fn cpu(&self) -> Option<f64> {
        Some(self.user? + self.system?)
    }

    /// How much of the workers' CPUs they use, from 0 to 1. Clocks of CPU time and of the window differ by a little.
    pub(super) fn busy(&self) -> Option<f64> {
        Some((self.cpu()? / self.time()?).min(1.0))
    }

    /// Time of the workers' CPUs in which no worker ran, in ns.
    pub(super) fn waiting(&self) -> Option<f64> {
        Some((self.time()? - self.cpu()?).max(0.0))
    }

    /// Requests in flight, by Little's law: IOPS times mean latency.
    pub(super) fn in_flight(&self) -> Option<f64> {
        Some(self.iops * self.latency? / 1e9).filter(|requests| *requests > 0.0)
    }

    /// CPU time of workers for a byte, in ns.
    pub(super) fn cpu_per_byte(&self) -> Option<f64> {
        Some(self.cpu()? / self.bytes?)
    }

    /// Bytes a second.
    pub(super) fn bandwidth(&self) -> Option<f64> {
        Some(self.bytes? * self.iops)
    }

    /// Whether a knob was granted.
    pub(super) fn granted(&self, knob: &str) -> bool {
        self.cell.ring.granted.get(knob).is_some_and(|granted| granted == "true")
    }

    /// Whether workers look for completions or at the clock all the time: then their CPU is full whatever they do.
    pub(super) fn spins(&self) -> bool {
        let polls = ["sqpoll", "iopoll", "hybrid_iopoll", "hipri"].into_iter().any(|knob| self.granted(knob));
        polls || self.cell.offered_per_s.is_some()
    }

    /// Whether some thread between worker and kernel is shared: a lock, or a combiner.
    pub(super) fn sharing(&self) -> Option<&'a str> {
        self.cell.ring.sharing.as_deref().filter(|sharing| *sharing != "per_thread")
    }

    /// The share of requests that went to a thread of io-wq, from 0 to 1.
    pub(super) fn punted(&self) -> Option<f64> {
        Some(self.cell.ring.completed?.punted).filter(|share| share.is_finite())
    }

    /// Whether requests bypass the page cache, or find it empty.
    pub(super) fn reaches_device(&self) -> bool {
        self.cell.target.reaches_device()
    }

    /// Whether requests are served from the page cache.
    pub(super) fn cached(&self) -> bool {
        self.cell.target.is_cached()
    }
}
