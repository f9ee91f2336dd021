//! Evidence as lines of text: a name, and the figures with their units.

use super::{percent, requests};
use crate::{
    summary::evidence::{Evidence, Quantity},
    units::{count, nanos, per_io},
};

/// A line of evidence.
pub(crate) fn line(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Both(quantity, pair) => {
            let (name, show) = quantity_in_words(*quantity);
            format!("{name}: {} against {}", show(pair.arm), show(pair.baseline))
        }
        Evidence::One(quantity, value) => {
            let (name, show) = quantity_in_words(*quantity);
            format!("{name}: {}", show(*value))
        }
        Evidence::Placement { polling, workers } => {
            format!("polling thread on CPU {}, workers on CPU {}", cpus(polling), cpus(workers))
        }
        Evidence::SharedCpu { time_ns, worker, polling_thread } => format!(
            "of the CPU's time per I/O ({}), the worker uses {} and the polling thread {}",
            nanos(*time_ns),
            percent(*worker),
            percent(*polling_thread)
        ),
        Evidence::Hosts { arm, baseline } => {
            format!("hosts: {} against {}", arm.join(", "), baseline.join(", "))
        }
    }
}

/// `0, 2`.
pub(super) fn cpus(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The name of a quantity, and the format of its values.
fn quantity_in_words(quantity: Quantity) -> (&'static str, fn(f64) -> String) {
    match quantity {
        Quantity::Iops => ("IOPS", count),
        Quantity::OfferedRate => ("offered I/Os per second", count),
        Quantity::InFlight => ("requests in flight", requests),
        Quantity::MeanLatency => ("mean latency", nanos),
        Quantity::Time => ("time per I/O", nanos),
        Quantity::WorkerTime => ("worker time per I/O", nanos),
        Quantity::UserTime => ("user time per I/O", nanos),
        Quantity::SystemTime => ("system time per I/O", nanos),
        Quantity::SystemTimePerCall => ("system time per call, including the I/O itself", nanos),
        Quantity::WorkerCpuTime => ("CPU time of the workers per I/O", nanos),
        Quantity::CpuTimePerByte => ("CPU time per byte", nanos),
        Quantity::KernelThreads => ("CPU time of kernel threads per I/O", nanos),
        Quantity::Waiting => ("waiting per I/O", nanos),
        Quantity::LockWait => ("waiting per I/O for the ring's lock", nanos),
        Quantity::LockContention => ("lock attempts that found the lock taken", small_percent),
        Quantity::CombinerQueues => ("waiting per I/O in the combiner's queues", nanos),
        Quantity::SystemCalls => ("system calls per I/O", per_io),
        Quantity::ContextSwitches => ("context switches per I/O", per_io),
        Quantity::Interrupts => ("interrupts per I/O", per_io),
        Quantity::Punted => ("requests punted to io-wq", percent),
        Quantity::CpuBusy => ("CPU busy", percent),
        Quantity::Cpus => ("CPUs of the workers", |cpus| format!("{cpus:.0}")),
        Quantity::BytesPerIo => ("bytes per I/O", |bytes| format!("{bytes:.0}")),
    }
}

/// A share that may be small: `0.28 %`.
fn small_percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
