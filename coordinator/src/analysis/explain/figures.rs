//! The figures of a cell that the rules use: what the CPUs of its workers spend on an I/O, and how many requests are in
//! flight. A figure that was not measured, or is not a number, is absent.

use proto::engine::{OPTIONS, Sharing};

use crate::summary::{
    CellSummary,
    evidence::{Evidence, Pair, Quantity},
};

/// Figures of one cell, per operation unless the name says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures<'a> {
    pub(super) cell: &'a CellSummary,
    /// Operations per second; above zero.
    pub(super) iops: f64,
    /// CPUs that workers can run on at the same time: at most one for each worker.
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
    /// The figures of a cell; `None` if it completed no operation.
    pub(super) fn of(cell: &'a CellSummary) -> Option<Self> {
        let number = |value: f64| (value.is_finite() && value >= 0.0).then_some(value);
        let above = |value: f64| number(value).filter(|value| *value > 0.0);
        let iops = above(cell.throughput.iops.as_ref()?.mean)?;
        let cpu = cell.cost.cpu;
        let placement = &cell.threads.placement;
        let slots = placement.workers.zip(placement.worker_cpus).map(|(workers, cpus)| workers.min(cpus));
        let bandwidth = cell.throughput.bandwidth_bytes_per_s.as_ref();
        Some(Self {
            cell,
            iops,
            slots: slots.map(f64::from).and_then(above),
            user: cpu.and_then(|cpu| number(cpu.user)),
            system: cpu.and_then(|cpu| number(cpu.system)),
            kernel_threads: cpu.and_then(|cpu| cpu.kernel_threads).and_then(number),
            calls: cell.cost.syscalls_per_io.and_then(number),
            switches: cell.cost.context_switches_per_io.and_then(number),
            latency: cell.latency.all.as_ref().and_then(|latency| above(latency.mean)),
            bytes: bandwidth.and_then(|rate| above(rate.mean / iops)),
        })
    }

    /// Time of the workers' CPUs, in ns: CPUs / IOPS. A part of it is CPU time in use, the rest is waiting.
    pub(super) fn time(&self) -> Option<f64> {
        Some(1e9 * self.slots? / self.iops)
    }

    /// Time of a worker, in ns: workers / IOPS. More than [`Figures::time`] if workers take turns.
    pub(super) fn worker_time(&self) -> Option<f64> {
        Some(1e9 * f64::from(self.cell.threads.placement.workers?) / self.iops).filter(|time| *time > 0.0)
    }

    /// CPU time of workers, in ns.
    pub(super) fn cpu(&self) -> Option<f64> {
        Some(self.user? + self.system?)
    }

    /// The share of the workers' CPUs in use, from 0 to 1. The clocks of CPU time and of the window differ a little.
    pub(super) fn busy(&self) -> Option<f64> {
        Some((self.cpu()? / self.time()?).min(1.0))
    }

    /// Time in which the workers' CPUs ran no worker, in ns.
    pub(super) fn waiting(&self) -> Option<f64> {
        Some((self.time()? - self.cpu()?).max(0.0))
    }

    /// Requests in flight: as configured in closed loop, otherwise by Little's law (IOPS times mean latency).
    pub(super) fn in_flight(&self) -> Option<f64> {
        if let Some(configured) = self.cell.threads.in_flight {
            return Some(configured as f64);
        }
        Some(self.iops * self.latency? / 1e9).filter(|requests| *requests > 0.0)
    }

    /// CPU time of workers per byte, in ns.
    pub(super) fn cpu_per_byte(&self) -> Option<f64> {
        Some(self.cpu()? / self.bytes?)
    }

    /// Bytes per second.
    pub(super) fn bandwidth(&self) -> Option<f64> {
        Some(self.bytes? * self.iops)
    }

    /// Interrupts of the device.
    pub(super) fn interrupts(&self) -> Option<f64> {
        self.cell.cost.interrupts_per_io.filter(|count| count.is_finite())
    }

    /// Whether an option was granted.
    pub(super) fn granted(&self, knob: &str) -> bool {
        self.cell.ring.granted.is_on(knob)
    }

    /// Whether workers keep looking for completions or at the clock. Their CPU is then full whatever they do.
    pub(super) fn spins(&self) -> bool {
        let polls = OPTIONS.iter().any(|option| option.polls && self.granted(option.name));
        polls || self.granted("sqpoll") || self.cell.throughput.offered_per_s.is_some()
    }

    /// How the workers share a ring, if they do: by a lock, or through a combiner.
    pub(super) fn sharing(&self) -> Option<Sharing> {
        self.cell.ring.sharing.filter(|sharing| *sharing != Sharing::PerThread)
    }

    /// The share of requests that io-wq threads completed, from 0 to 1.
    pub(super) fn punted(&self) -> Option<f64> {
        Some(self.cell.ring.completed?.punted).filter(|share| share.is_finite())
    }

    /// Whether requests bypass the page cache, or find it empty.
    pub(super) fn reaches_device(&self) -> bool {
        self.cell.state.target.reaches_device()
    }

    /// Whether requests are served from the page cache.
    pub(super) fn cached(&self) -> bool {
        self.cell.state.target.is_cached()
    }

    /// The figure of a quantity.
    fn figure(&self, quantity: Quantity) -> Option<f64> {
        match quantity {
            Quantity::Iops => Some(self.iops),
            Quantity::OfferedRate => self.cell.throughput.offered_per_s,
            Quantity::InFlight => self.in_flight(),
            Quantity::MeanLatency => self.latency,
            Quantity::Time => self.time(),
            Quantity::WorkerTime => self.worker_time(),
            Quantity::UserTime => self.user,
            Quantity::SystemTime => self.system,
            Quantity::WorkerCpuTime => self.cpu(),
            Quantity::CpuTimePerByte => self.cpu_per_byte(),
            Quantity::KernelThreads => self.kernel_threads,
            Quantity::Waiting => self.waiting(),
            Quantity::LockWait => self.cell.ring.lock_wait_ns_per_io,
            Quantity::LockContention => self.cell.ring.contended_share,
            Quantity::CombinerQueues => self.cell.ring.handover_ns_per_io,
            Quantity::SystemCalls => self.calls,
            Quantity::ContextSwitches => self.switches,
            Quantity::Interrupts => self.interrupts(),
            Quantity::Punted => self.punted(),
            Quantity::CpuBusy => self.busy(),
            Quantity::Cpus => self.slots,
            Quantity::BytesPerIo => self.bytes,
            Quantity::SystemTimePerCall => None,
        }
    }
}

/// The figures of an arm and of the baseline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    pub(super) arm: Figures<'a>,
    pub(super) base: Figures<'a>,
}

impl Sides<'_> {
    /// A quantity of both; `None` unless both have it.
    pub(super) fn pair(&self, quantity: Quantity) -> Option<Pair> {
        Pair::of(self.arm.figure(quantity), self.base.figure(quantity))
    }

    /// Those of these quantities that both have, as evidence.
    pub(super) fn evidence(&self, quantities: &[Quantity]) -> Vec<Evidence> {
        let pair = |quantity: &Quantity| Some(Evidence::Both(*quantity, self.pair(*quantity)?));
        quantities.iter().filter_map(pair).collect()
    }

    /// CPU time of the kernel's own threads per I/O, in ns; of a baseline where it was not measured, zero.
    pub(super) fn kernel_threads(&self) -> Option<Pair> {
        Pair::of(self.arm.kernel_threads, self.base.kernel_threads.or(Some(0.0)))
    }

    /// Every figure that could explain a difference.
    pub(super) fn all(&self) -> Vec<Evidence> {
        let mut found = self.evidence(&[
            Quantity::Iops,
            Quantity::InFlight,
            Quantity::UserTime,
            Quantity::SystemTime,
            Quantity::Waiting,
            Quantity::SystemCalls,
        ]);
        if [self.arm, self.base].iter().any(|side| side.kernel_threads.is_some_and(|ns| ns > 0.0)) {
            found.extend(self.evidence(&[Quantity::KernelThreads]));
        }
        found
    }
}
