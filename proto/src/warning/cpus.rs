//! Warnings about the CPUs that a trial's threads run on.

use serde::{Deserialize, Serialize};

use crate::notice::{CpuList, plural};

/// The placement of the polling thread of a ring, or of all rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollerPlacement {
    /// On a worker's CPU.
    WithWorker {
        /// The CPU.
        cpu: u32,
    },
    /// Several on one CPU.
    Crowded {
        /// Polling threads.
        threads: u32,
        /// CPUs that they share.
        cpus: u32,
    },
    /// On the physical core of a worker.
    OnWorkersCore {
        /// The polling thread's CPU.
        cpu: u32,
        /// The worker's.
        worker_cpu: u32,
    },
    /// On the CPU of the agent's runtime.
    WithRuntime {
        /// The CPU.
        cpu: u32,
    },
}

crate::notices! {
    /// Warnings about CPUs.
    #[derive(Eq)]
    pub enum CpuWarning {
        /// A trial has more workers than CPUs.
        "too-few-cpus" TooFewCpus {
            /// Workers.
            workers: u32,
            /// The CPUs that they share.
            cpus: CpuList,
            /// Whether the scenario lists these CPUs.
            listed: bool,
        }
        let shared = match listed {
            true => format!("the {} listed in `cpus` ({cpus})", plural(cpus.0.len() as u64, "CPU")),
            false => plural(cpus.0.len() as u64, "CPU"),
        };
        message: format!("{workers} workers share {shared}: latency includes the time workers wait for each other"),
        remedy:
            if *listed => "use fewer threads, list more CPUs in `cpus`, or lower the depth with `concurrency: threads`",
            else => "use fewer threads or a larger machine, or lower the depth with `concurrency: threads`",
        weight: f64::from(*workers),

        /// A worker runs on the CPU of the agent's runtime.
        "shares-runtime-cpu" SharesRuntimeCpu {
            /// The CPU.
            cpu: u32,
            /// Whether the agent may use no other CPU.
            only_cpu: bool,
        }
        let only = if *only_cpu { ", the only CPU it may use" } else { "" };
        message: format!("a worker shares CPU {cpu} with the agent's own runtime{only}"),
        remedy:
            if *only_cpu => "give the agent a second CPU (affinity, cpuset or virtual machine)",
            else => "leave that CPU out of `workload.cpus`, or omit `cpus`",

        /// Two workers run on one physical core.
        "shares-core" SharesCore {
            /// The CPUs of each shared core that workers run on.
            cores: Vec<CpuList>,
        }
        let first = cores.first().map(CpuList::to_string).unwrap_or_default();
        message: format!(
            "workers share {} (CPUs {first} are one core) and slow each other down",
            plural(cores.len() as u64, "physical core")
        ),
        remedy: else => "use fewer threads, or disable SMT: echo off > /sys/devices/system/cpu/smt/control",
        weight: cores.len() as f64,

        /// A polling thread (SQPOLL) shares its CPU or physical core.
        "sqpoll-shares-cpu" SqpollSharesCpu {
            /// Its placement.
            placement: PollerPlacement,
        }
        message: match placement {
            PollerPlacement::WithWorker { cpu } => {
                format!("the polling thread and a worker share CPU {cpu}, so each waits for the other")
            }
            PollerPlacement::Crowded { threads, cpus } => {
                format!("{threads} polling threads share {}", plural(*cpus, "CPU"))
            }
            PollerPlacement::OnWorkersCore { cpu, worker_cpu } => format!(
                "the polling thread on CPU {cpu} and a worker on CPU {worker_cpu} share a physical core and slow each \
                 other down"
            ),
            PollerPlacement::WithRuntime { cpu } => {
                format!("the polling thread shares CPU {cpu} with the agent's own runtime")
            }
        },
        remedy:
            if matches!(placement, PollerPlacement::WithWorker { .. }) =>
                "give SQPOLL a CPU of its own: use fewer threads, another `sqpoll.cpu`, or a larger machine",
            if matches!(placement, PollerPlacement::Crowded { .. }) =>
                "use fewer threads, `sqpoll: {{shared: true}}`, or a larger machine",
            if matches!(placement, PollerPlacement::OnWorkersCore { .. }) =>
                "use fewer threads, another `sqpoll.cpu`, or a larger machine",
            else => "use fewer threads, or a larger machine",

        /// The combiner's thread shares its CPU.
        "combiner-shares-cpu" CombinerSharesCpu {
            /// Its CPU.
            cpu: u32,
            /// Whether a worker runs there; otherwise the agent's runtime does.
            with_worker: bool,
        }
        message: match with_worker {
            true => format!("the combiner and a worker share CPU {cpu}, so each waits for the other"),
            false => format!("the combiner shares CPU {cpu} with the agent's own runtime"),
        },
        remedy:
            if *with_worker =>
                "give the combiner a CPU of its own: use fewer threads, fewer `cpus`, or a larger machine",
            else => "use fewer threads, or a larger machine",
    }
}
