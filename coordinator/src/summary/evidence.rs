//! The measured figures behind an explanation.

/// A figure of an arm and of the baseline, in the same unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The arm's figure.
    pub arm: f64,
    /// The baseline's figure.
    pub baseline: f64,
}

impl Pair {
    /// A pair of two figures; `None` unless both were measured.
    #[must_use]
    pub fn of(arm: Option<f64>, baseline: Option<f64>) -> Option<Self> {
        Some(Self { arm: arm?, baseline: baseline? })
    }

    /// The absolute difference of the figures.
    #[must_use]
    pub fn gap(self) -> f64 {
        (self.arm - self.baseline).abs()
    }
}

/// A measured quantity. "Per I/O" means per completed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Operations per second.
    Iops,
    /// Offered operations per second (open loop).
    OfferedRate,
    /// Requests in flight: as configured in closed loop, otherwise by Little's law (IOPS times mean latency).
    InFlight,
    /// Mean latency in nanoseconds.
    MeanLatency,
    /// CPU time of the workers' CPUs per I/O in nanoseconds, busy or not: CPUs / IOPS.
    Time,
    /// Time of a worker per I/O in nanoseconds: workers / IOPS.
    WorkerTime,
    /// User time of the workers per I/O in nanoseconds.
    UserTime,
    /// System time of the workers per I/O in nanoseconds.
    SystemTime,
    /// System time per system call in nanoseconds, by the change of both between the arms.
    SystemTimePerCall,
    /// User and system time of the workers per I/O in nanoseconds.
    WorkerCpuTime,
    /// User and system time of the workers per byte in nanoseconds.
    CpuTimePerByte,
    /// CPU time of the kernel's threads per I/O in nanoseconds.
    KernelThreads,
    /// Time per I/O in nanoseconds in which the workers' CPUs ran no worker.
    Waiting,
    /// Time per I/O in nanoseconds that workers waited for the lock of a shared ring.
    LockWait,
    /// The share of lock attempts that found the lock taken, from 0 to 1.
    LockContention,
    /// Time per I/O in nanoseconds in the queues to and from a combiner.
    CombinerQueues,
    /// System calls per I/O.
    SystemCalls,
    /// Context switches of the workers per I/O.
    ContextSwitches,
    /// Interrupts of the device per I/O.
    Interrupts,
    /// The share of requests that io-wq threads completed, from 0 to 1.
    Punted,
    /// The share of the workers' CPU time in use, from 0 to 1.
    CpuBusy,
    /// CPUs that workers can run on at the same time.
    Cpus,
    /// Bytes per I/O.
    BytesPerIo,
}

/// One line of evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// A quantity of both arms.
    Both(Quantity, Pair),
    /// A quantity of one arm, or of the comparison.
    One(Quantity, f64),
    /// The CPUs of the polling thread and of the workers.
    Placement {
        /// CPUs of the polling thread.
        polling: Vec<u32>,
        /// CPUs of the workers.
        workers: Vec<u32>,
    },
    /// How a worker and a polling thread share a CPU.
    SharedCpu {
        /// Time of the CPU per I/O, in nanoseconds.
        time_ns: f64,
        /// The share of the worker, from 0 to 1.
        worker: f64,
        /// The share of the polling thread, from 0 to 1.
        polling_thread: f64,
    },
    /// The arms ran on different hosts.
    Hosts {
        /// Hosts of the arm.
        arm: Vec<String>,
        /// Hosts of the baseline.
        baseline: Vec<String>,
    },
}
