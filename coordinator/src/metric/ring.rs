//! Metrics of rings: batches, paths of completion, and the cost of sharing.

use super::{Column, CsvValue::*, Metric, Unit, metrics};

metrics! {
    /// Requests per io_uring_enter.
    SQES_PER_ENTER = Metric::sums("sqes_per_enter", Unit::Count, |cell| cell.ring.sqes_per_enter)
        .help("Requests that one `io_uring_enter` submits, on average.")
        .higher_is_better()
        .csv(&[("sqes_per_enter", Value)]);

    /// Requests that the kernel passed to its worker threads.
    PUNTED_TO_IO_WQ = Metric::sums("punted_to_io_wq", Unit::Count, |cell| {
        cell.ring.punted_to_io_wq.map(|count| count as f64)
    })
    .help("Requests that the kernel passed to its worker threads (io-wq), counted in the audit.")
    .exported_only()
    .csv(&[("punted_to_io_wq", Value)]);

    /// Waiting for the lock of a shared ring.
    LOCK_WAIT_PER_IO = Metric::sums("lock_wait_per_io", Unit::Nanoseconds, |cell| cell.ring.lock_wait_ns_per_io)
        .help("Shared ring: time per operation that workers wait for the ring's lock.")
        .csv(&[("lock_wait_ns_per_io", Value)]);

    /// The share of lock attempts on a shared ring that found the lock held.
    CONTENDED_SHARE = Metric::sums("contended_share", Unit::Share, |cell| cell.ring.contended_share)
        .help("Shared ring: share of the lock attempts that found the lock held.")
        .csv(&[("contended_share", Value)]);

    /// Waiting in the queues of a combiner.
    HANDOVER_PER_IO = Metric::sums("handover_per_io", Unit::Nanoseconds, |cell| cell.ring.handover_ns_per_io)
        .help("Combiner: time per operation that a request and its completion spend in queues between threads.")
        .csv(&[("handover_ns_per_io", Value)]);

    /// Waiting for a shared ring.
    SHARING_WAIT_PER_IO = Metric::sums("sharing_wait_per_io", Unit::Nanoseconds, |cell| cell.ring.wait_ns_per_io())
        .titled("wait/IO")
        .help("Time per operation spent waiting for a shared ring: `lock_wait_per_io` or `handover_per_io`.")
        .exported_only()
        .column(Column::WhereMeasured)
        .legend("wait/IO: time per I/O spent in user space waiting for a shared ring: for its lock (shared) or in \
                 queues (combiner).");

    /// Requests that completed within the call that submitted them.
    INLINE_SHARE = Metric::sums("inline_share", Unit::Share, |cell| Some(cell.ring.completed?.inline))
        .help("Share of a ring's requests that completed within the call that submitted them.")
        .csv(&[("inline_share", Value)]);

    /// Requests that task work completed.
    TASK_WORK_SHARE = Metric::sums("task_work_share", Unit::Share, |cell| Some(cell.ring.completed?.task_work))
        .help("Share of a ring's requests that task work completed, after the device's interrupt.")
        .csv(&[("task_work_share", Value)]);

    /// Requests that polling completed.
    POLLED_SHARE = Metric::sums("polled_share", Unit::Share, |cell| Some(cell.ring.completed?.polled))
        .help("Share of a ring's requests that polling the device completed.")
        .csv(&[("polled_share", Value)]);

    /// Requests that a kernel worker thread completed.
    PUNTED_SHARE = Metric::sums("punted_share", Unit::Share, |cell| Some(cell.ring.completed?.punted))
        .help("Share of a ring's requests that a kernel worker thread (io-wq) completed.")
        .csv(&[("punted_share", Value)]);
}
