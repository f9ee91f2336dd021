//! The options of engines, each described once. The types, the parser, the JSON Schema, `docs/options.md`, validation and
//! its remedies, and the agent's ring setup, probes and grant checks come from this table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod table;

pub use self::table::{EngineOption, Grant, Relation, Setting, setup_flag};
use self::table::{Row, engine_options, needs, setting, to};
use super::{
    kind::{
        EngineKind,
        Feature::{
            CallFlags as Flags, Data, HybridPolling, Links, Queue, Ring, SharedRing, UrgentRequests, Vectors,
        },
    },
    values::{Concurrency, Fallback, IowqWorkers, Sharing, Sqpoll},
};
use crate::{
    units::Nanos,
    urgent::{Urgent, UrgentBy},
};

const SINGLE_ISSUER: Setting = setting!("single_issuer", "true", |engine| engine.ring.single_issuer);
const DEFER_TASKRUN: Setting = setting!("defer_taskrun", "true", |engine| engine.ring.defer_taskrun);
const COOP_TASKRUN: Setting = setting!("coop_taskrun", "true", |engine| engine.ring.coop_taskrun);
const IOPOLL: Setting = setting!("iopoll", "true", |engine| engine.ring.iopoll);
const FIXED_BUFFERS: Setting = setting!("fixed_buffers", "true", |engine| engine.ring.fixed_buffers);
const LINK_SYNC: Setting = setting!("link_sync", "true", |engine| engine.ring.link_sync);
const LOCKED_RING: Setting = setting!("ring", "shared", |engine| engine.ring.sharing == Sharing::Shared);
const RING_PER_THREAD: Setting =
    setting!("ring", "per_thread", |engine| engine.ring.sharing == Sharing::PerThread);
const SHARED_SQPOLL: Setting =
    setting!("sqpoll", "{shared: true}", |engine| { engine.ring.sqpoll.is_some_and(|sqpoll| sqpoll.shared) });
const COMPLETE_BATCH_1: Setting = setting!("complete_batch", "1", |engine| engine.queue.complete_batch == 1);
const BY_IOPRIO: Setting = setting!("by", "ioprio", |engine| engine.urgent_by() == Some(UrgentBy::Ioprio));
const BY_SEPARATE_RING: Setting =
    setting!("by", "separate_ring", |engine| engine.urgent_by() == Some(UrgentBy::SeparateRing));
const NOP: Setting = setting!("engine", "nop", |engine| engine.kind == EngineKind::Nop);

fn one() -> u32 {
    1
}

engine_options! {
    /// The number of requests in flight, and how they are submitted and awaited.
    queue: QueueOptions {
        /// Requests in flight.
        depth: u32 = 1, serde(default = "one"), schemars(range(min = 1, max = 32768)) => needs(&[]);
        /// How a depth above 1 is reached.
        concurrency: Concurrency = Concurrency::Queue, serde(default) => needs(&[]);
        /// Maximum number of requests submitted in one call. Absent: as many as there are free slots.
        submit_batch: Option<u32> = None,
            serde(default, skip_serializing_if = "Option::is_none"),
            schemars(range(min = 1, max = 32768))
            => needs(&[Queue]);
        /// Minimum number of completions awaited in one call, but never more than are in flight.
        complete_batch: u32 = 1, serde(default = "one"), schemars(range(min = 1, max = 32768)) => needs(&[Queue]);
    }

    /// The setup and use of a ring.
    ring: RingOptions {
        /// Register the file once, so that requests need not look it up.
        fixed_files: bool = false, serde(default) => needs(&[Ring, Data]).register();
        /// Register the buffers once, so that requests need not pin their pages.
        fixed_buffers: bool = false, serde(default) => needs(&[Ring, Data]).register();
        /// Promise that only one thread submits (`IORING_SETUP_SINGLE_ISSUER`).
        single_issuer: bool = false, serde(default)
            => needs(&[Ring]).setup(1 << 12, "6.0").excludes(&[
                to(LOCKED_RING, "every worker submits there").instead("ring: combiner"),
            ]);
        /// Process completions only when the application asks for them (`IORING_SETUP_DEFER_TASKRUN`).
        defer_taskrun: bool = false, serde(default)
            => needs(&[Ring]).setup(1 << 13, "6.1")
                .requires(&[to(SINGLE_ISSUER, "the kernel refuses one without the other")])
                .excludes(&[to(LOCKED_RING, "every worker submits there").instead("ring: combiner")]);
        /// Do not interrupt the application to process completions (`IORING_SETUP_COOP_TASKRUN`).
        coop_taskrun: bool = false, serde(default) => needs(&[Ring]).setup(1 << 8, "5.19");
        /// Register the ring's own descriptor, so that calls need not look it up (`IORING_REGISTER_RING_FDS`).
        registered_ring: bool = false, serde(default)
            => needs(&[Ring]).register().since("5.18").excludes(&[
                to(LOCKED_RING, "a ring is registered for one thread").instead("ring: combiner"),
            ]);
        /// Omit the index array beside the submission queue (`IORING_SETUP_NO_SQARRAY`).
        no_sqarray: bool = false, serde(default) => needs(&[Ring]).setup(1 << 16, "6.6");
        /// A kernel thread polls the submission queue, so that submitting needs no system call
        /// (`IORING_SETUP_SQPOLL`). The worker polls for completions, which needs none either. `{}` sets the defaults.
        sqpoll: Option<Sqpoll> = None, serde(default, skip_serializing_if = "Option::is_none")
            => needs(&[Ring]).setup(1 << 1, "5.11 (5.1 with privileges)").excludes(&[
                to(DEFER_TASKRUN, "the kernel refuses both together"),
                to(COOP_TASKRUN, "the kernel refuses both together"),
            ]);
        /// Poll the device for completions instead of taking interrupts (`IORING_SETUP_IOPOLL`).
        iopoll: bool = false, serde(default) => needs(&[Ring, Data]).setup(1 << 0, "5.1").polls();
        /// With `iopoll`, sleep for about half the usual latency before polling (`IORING_SETUP_HYBRID_IOPOLL`).
        hybrid_iopoll: bool = false, serde(default)
            => needs(&[Ring, Data, HybridPolling]).setup(1 << 17, "6.13").polls()
                .requires(&[to(IOPOLL, "it is a way of polling")]);
        /// Hand every request to a worker thread of the kernel (`IOSQE_ASYNC`).
        force_async: bool = false, serde(default) => needs(&[Ring]).request();
        /// Use readv and writev with one element, like older programs.
        vectored: bool = false, serde(default)
            => needs(&[Ring, Data, Vectors]).request()
                .excludes(&[to(FIXED_BUFFERS, "readv does not use registered buffers")]);
        /// Submit each sync together with the write before it, linked to it (`IOSQE_IO_LINK`), instead of waiting for
        /// the write first. Needs `workload.sync`, and a depth of 2 or more.
        link_sync: bool = false, serde(default)
            => needs(&[Ring, Data, Links]).request()
                .requires(&[
                    to(RING_PER_THREAD, "another worker's requests could come between a write and its sync"),
                ])
                .excludes(&[to(
                    SHARED_SQPOLL,
                    "a shared thread takes 8 requests at a time and could separate a write from its sync",
                )]);
        /// Limits on the worker threads of the kernel (`IORING_REGISTER_IOWQ_MAX_WORKERS`); 0 keeps the kernel's limit.
        iowq_workers: Option<IowqWorkers> = None, serde(default, skip_serializing_if = "Option::is_none")
            => needs(&[Ring]).register().since("5.15");
        /// Which threads of a host share a ring.
        sharing as "ring": Sharing = Sharing::PerThread, serde(default) => needs(&[Ring, SharedRing]);
    }

    /// Flags of synchronous system calls.
    calls: CallFlags {
        /// Poll for the completion (`RWF_HIPRI`). Linux 6.0 and later ignore it.
        hipri: bool = false, serde(default) => needs(&[Flags]).polls();
        /// Try without waiting first (`RWF_NOWAIT`), and repeat the call if it would have waited.
        nowait: bool = false, serde(default) => needs(&[Flags]);
    }

    {
        /// Busy-wait for this long before each operation, at most 1ms: a slowdown of known size, to test whether
        /// verdicts detect it. Absent or 0ns: no wait.
        busy_wait: Option<Nanos> = None, serde(default, skip_serializing_if = "Option::is_none") => needs(&[]);
        /// Make a share of the operations urgent and measure them separately, such as
        /// `{share: 1%, by: ioprio, block_size: 4KiB}`.
        urgent: Option<Urgent> = None, serde(default, skip_serializing_if = "Option::is_none")
            => needs(&[Ring, UrgentRequests])
                .requires(&[
                    to(RING_PER_THREAD, "urgent requests are not supported in a shared ring"),
                    to(COMPLETE_BATCH_1, "the worker waits for both rings in ppoll, which does not count completions")
                        .when(BY_SEPARATE_RING),
                ])
                .excludes(&[
                    to(LINK_SYNC, "a write and its sync form one chain, of which no part can be preferred"),
                    to(NOP, "its requests reach no device, and the kernel refuses a priority").when(BY_IOPRIO),
                    to(IOPOLL, "no system call polls two rings").when(BY_SEPARATE_RING),
                    to(DEFER_TASKRUN, "a thread that waits for two rings does not see deferred completions")
                        .when(BY_SEPARATE_RING)
                        .instead("coop_taskrun: true"),
                ]);
        /// The response to an option that the host does not grant.
        fallback: Fallback = Fallback::Refuse, serde(default) => needs(&[]);
    }
}
