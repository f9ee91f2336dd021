//! Costs of operations: system calls, CPU time, context switches, interrupts.

use super::{Column, CsvValue::*, Family, Metric, Unit, metrics};

const CPU: Family =
    Family { name: "ringbench_cpu_per_operation_seconds", unit: "seconds", help: "CPU time per operation." };

metrics! {
    /// System calls per operation, counted by the engine.
    SYSCALLS_PER_IO = Metric::sums("syscalls_per_io", Unit::PerIo, |cell| cell.cost.syscalls_per_io)
        .titled("sys/IO")
        .heading("System calls per I/O")
        .help("System calls per operation, counted by the engine; those of syncs are included.")
        .kept(|trial| trial.per_io(|costs| Some(costs.calls.syscalls())))
        .column(Column::Always)
        .legend("sys/IO: system calls per I/O. cpu/IO: CPU time per I/O, including kernel threads. -: not measured.")
        .csv(&[("syscalls_per_io", Value)])
        .trials_csv("syscalls_per_io")
        .gauge("ringbench_syscalls_per_operation", "System calls per operation, counted by the engine.");

    /// System calls per operation, counted by perf in the audit.
    SYSCALLS_AUDIT = Metric::sums("syscalls_per_io_audit", Unit::PerIo, |cell| cell.cost.syscalls.audit_per_io)
        .help("System calls per operation, counted by perf in the audit.")
        .exported_only()
        .csv(&[("syscalls_per_io_audit", Value)]);

    /// CPU time per operation.
    CPU_PER_IO = Metric::sums("cpu_per_io", Unit::Nanoseconds, |cell| cell.cost.cpu.map(|cpu| cpu.total()))
        .titled("cpu/IO")
        .heading("CPU time per I/O")
        .help("CPU time per operation: user, system and kernel threads; that of syncs is included.")
        .kept(|trial| trial.per_io(|costs| Some(costs.cpu_ns())))
        .column(Column::Always);

    /// CPU time per operation in user mode.
    CPU_USER = Metric::sums("cpu_user_per_io", Unit::Nanoseconds, |cell| Some(cell.cost.cpu?.user))
        .help("CPU time of the workers in user mode, per operation.")
        .exported_only()
        .in_trials(|trial| trial.per_io(|costs| Some(costs.cpu.user_ns)))
        .csv(&[("cpu_ns_per_io_user", Value)])
        .trials_csv("cpu_ns_per_io_user")
        .labelled(CPU, "mode", "user");

    /// CPU time per operation in the kernel.
    CPU_SYSTEM = Metric::sums("cpu_system_per_io", Unit::Nanoseconds, |cell| Some(cell.cost.cpu?.system))
        .help("CPU time of the workers in the kernel, per operation.")
        .exported_only()
        .in_trials(|trial| trial.per_io(|costs| Some(costs.cpu.system_ns)))
        .csv(&[("cpu_ns_per_io_system", Value)])
        .trials_csv("cpu_ns_per_io_system")
        .labelled(CPU, "mode", "system");

    /// CPU time per operation of the kernel's threads.
    CPU_KERNEL_THREADS = Metric::sums("cpu_kernel_threads_per_io", Unit::Nanoseconds, |cell| {
        cell.cost.cpu?.kernel_threads
    })
    .help("CPU time of the kernel threads that work for a ring, per operation.")
    .exported_only()
    .in_trials(|trial| trial.per_io(|costs| costs.cpu.kernel_threads_ns))
    .csv(&[("cpu_ns_per_io_kernel_threads", Value)])
    .trials_csv("cpu_ns_per_io_kernel_threads")
    .labelled(CPU, "mode", "kernel_threads");

    /// Context switches of the workers per operation.
    CONTEXT_SWITCHES_PER_IO = Metric::sums("context_switches_per_io", Unit::PerIo, |cell| {
        cell.cost.context_switches_per_io
    })
    .help("Context switches of the workers per operation, voluntary and involuntary.")
    .kept(|trial| trial.per_io(|costs| Some(costs.cpu.switches())))
    .csv(&[("context_switches_per_io", Value)])
    .trials_csv("context_switches_per_io")
    .gauge("ringbench_context_switches_per_operation", "Context switches per operation.");

    /// Interrupts of the device per operation.
    INTERRUPTS_PER_IO = Metric::sums("interrupts_per_io", Unit::PerIo, |cell| cell.cost.interrupts_per_io)
        .help("Interrupts of the device behind the target per operation, regardless of their cause.")
        .kept(|trial| trial.per_io(|costs| costs.device.interrupts))
        .csv(&[("interrupts_per_io", Value)]);
}
