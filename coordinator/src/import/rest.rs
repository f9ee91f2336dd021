//! fio options without a counterpart in a scenario, each with the reason, and options that need none.

use super::jobfile::Opt;

/// Why an option is not imported, and whether the scenario therefore measures something else. `None` if Ringbench
/// always behaves that way, or if the option has no effect.
pub(super) fn why(option: &Opt) -> Option<(&'static str, bool)> {
    let off = option.value == "0" || option.value == "none";
    Some(match option.key.as_str() {
        // Ringbench always uses one process, a thread for each worker, a fixed time, a seeded plan, one merged
        // result and trials in sequence; it creates the file before and removes it afterwards.
        "thread" | "group_reporting" | "time_based" | "norandommap" | "randrepeat" | "allrandrepeat"
        | "name" | "new_group" | "directory" | "create_serialize" | "create_fsync" | "unlink"
        | "clocksource" => return None,
        "overwrite" | "allow_file_create" | "invalidate" | "iodepth" => return None,
        "cpus_allowed_policy" if option.value == "split" => return None,
        _ if off => return None,
        "iodepth_batch_complete_max" | "iodepth_low" => {
            ("the queue is refilled as soon as requests complete; see submit_batch and complete_batch", true)
        }
        "registerfiles" | "fixedbufs" | "nonvectored" | "force_async" | "sqthread_poll"
        | "sqthread_poll_cpu" => ("its engine has no ring", false),
        "bs_unaligned" | "ba" => ("offsets are multiples of the block size", true),
        "startdelay" => ("trials run one after another", true),
        "thinktime" | "thinktime_blocks" | "thinktime_spin" => {
            ("workers do not pause; `rate` sets the arrival rate of requests", true)
        }
        "sync" => ("files are not opened with O_SYNC; `sync: {every: 1}` syncs after each write", true),
        "loops" | "number_ios" | "io_size" | "fill_device" => {
            ("Ringbench measures for a time, not for an amount of data", false)
        }
        "rate_process"
        | "rate_min"
        | "ratemin"
        | "rate_cycle"
        | "ratecycle"
        | "rate_iops_min"
        | "rate_ignore_thinktime" => ("it has no effect without a fixed rate", false),
        "rwmixcycle" | "rwmix" => ("the mix is drawn for each operation", false),
        "percentage_random" => ("a trial is random or sequential", true),
        "offset" | "offset_increment" | "offset_align" | "zonesize" | "zoneskip" | "zonerange"
        | "zonemode" | "max_open_zones" | "job_max_open_zones" | "read_beyond_wp" => {
            ("offsets cover the whole target", true)
        }
        "openfiles" | "file_service_type" | "filename_format" | "opendir" | "lockfile"
        | "unique_filename" => ("there is one target", true),
        "trim_percentage" | "trim_backlog" | "trim_verify_zero" => ("Ringbench does not trim", true),
        key if key.starts_with("verify") || key == "do_verify" || key == "experimental_verify" => {
            ("`verify: true` uses its own check of every sector", false)
        }
        "fsync_on_close" | "end_fsync" | "sync_file_range" | "write_barrier" => {
            ("syncs are made after a number of writes: `workload.sync`", true)
        }
        "cpus_allowed_policy" => ("workers are pinned to one CPU each (split)", true),
        key if key.starts_with("numa_") => ("use `cpus`; memory is local to the worker's CPU", true),
        "nice" | "prio" | "prioclass" | "ioprio" | "ioscheduler" | "cgroup" | "cgroup_weight" | "iomem"
        | "hugepage-size" | "iomem_align" | "lockmem" | "cmdprio_percentage" | "cmdprio_bssplit"
        | "cmdprio_class" | "cmdprio" => ("Ringbench has no such setting", true),
        key if key.starts_with("cmdprio") => ("requests have no priorities", true),
        "hipri_percentage" | "nowait" | "uncached" | "rwf" | "userspace_reap" | "atomic" => {
            ("Ringbench has no such setting", true)
        }
        key if key.starts_with("buffer_")
            || key.starts_with("dedupe")
            || matches!(key, "refill_buffers" | "scramble_buffers" | "zero_buffers") =>
        {
            ("buffers hold incompressible data", true)
        }
        "exec_prerun" | "exec_postrun" => ("Ringbench runs no commands", true),
        "flow" | "flow_id" | "flow_sleep" | "flow_watermark" => ("sections do not run concurrently", true),
        "steadystate" | "ss" | "ss_ramp" | "ss_dur" => ("the number of trials is fixed by `trials`", true),
        key if key.starts_with("latency_") || key.starts_with("max_latency") => {
            ("the depth is fixed or swept: `sweep: {depth: [1, 8, 32]}`", true)
        }
        "fadvise_hint" | "fallocate" | "pre_read" | "create_on_open" | "create_only" | "filetype" => {
            ("the agent creates the file and fills it", false)
        }
        "exitall" | "exitall_on_error" | "exit_what" | "continue_on_error" | "ignore_error"
        | "error_dump" => ("a trial with an error is excluded from verdicts", false),
        key if key.starts_with("disable_")
            || key.starts_with("log_")
            || key.starts_with("write_")
            || key.starts_with("clat")
            || key.starts_with("lat_")
            || key.starts_with("slat")
            || key.starts_with("gtod_")
            || matches!(
                key,
                "percentile_list"
                    | "bwavgtime"
                    | "iopsavgtime"
                    | "unified_rw_reporting"
                    | "block_error_percentiles"
                    | "significant_figures"
                    | "unit_base"
                    | "per_job_logs"
                    | "status_interval"
                    | "eta"
                    | "stats"
                    | "profile"
            ) =>
        {
            ("it affects only fio's report", false)
        }
        "random_generator" | "use_os_rand" | "softrandommap" => {
            ("offsets come from Ringbench's own generator", false)
        }
        "read_iolog" | "replay_redirect" => ("Ringbench does not replay logs", true),
        _ => ("it has no counterpart", true),
    })
}

/// Why a section with this engine is not imported.
pub(super) fn why_engine(name: &str) -> String {
    let known = "; there are sync, psync, pvsync2, libaio, io_uring, io_uring_cmd and null";
    let why = match name {
        "" => "no engine is named",
        "posixaio" | "solarisaio" | "windowsaio" => "it uses threads of the C library; see libaio, io_uring",
        "mmap" | "splice" => "Ringbench reads and writes through system calls",
        "cpuio" => "it does no I/O",
        "net" | "netsplice" | "rdma" | "http" | "nfs" | "nbd" | "libiscsi" => "Ringbench does no network I/O",
        "sg" => "Ringbench sends no SCSI commands",
        "libzbc" => "Ringbench sends no zoned commands",
        "exec" => "Ringbench runs no commands",
        name if name.starts_with("file") || name == "falloc" || name == "ftruncate" => {
            "Ringbench measures reads and writes, not metadata"
        }
        _ => "Ringbench has no such engine",
    };
    format!("{why}{known}")
}

/// Why a section with this `rw` is not imported.
pub(super) fn why_direction(rw: &str) -> String {
    if rw.contains("trim") {
        "Ringbench does not trim".into()
    } else {
        "it is not one of read, write, rw, randread, randwrite, randrw".into()
    }
}
