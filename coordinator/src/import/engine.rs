//! Reads the options of an engine.

use serde_json::json;

use super::{
    job::Keys,
    options::Options,
    values::{number, truth},
};

pub(super) fn knobs(options: &mut Options, name: &str, engine: &mut Keys) {
    let queues = matches!(name, "libaio" | "io_uring" | "nvme");
    let ring = matches!(name, "io_uring" | "nvme");
    let depth = options.take("iodepth", number);
    // fio's engines that do one request at a time ignore it, too.
    if let Some((depth, line)) = depth.filter(|_| queues || name == "null") {
        engine.insert("depth", (json!(depth), line));
    }
    let batch = options.take("iodepth_batch", number);
    if let (true, Some((deep, line))) = (queues, depth.filter(|(depth, _)| *depth > 1)) {
        match batch {
            Some((0, _)) => {}
            Some((batch, line)) => _ = engine.insert("submit_batch", (json!(batch.min(deep)), line)),
            // fio's default.
            None => _ = engine.insert("submit_batch", (json!(1), line)),
        }
    }
    let complete = options.left.get("iodepth_batch_complete").cloned();
    if let (true, Some((batch, line))) = (queues, options.take("iodepth_batch_complete", number)) {
        match (batch, complete) {
            (0, Some(option)) => {
                let why = "Ringbench waits for at least one completion";
                options.note_became(&option, "complete_batch: 1", why, true);
            }
            (batch, _) => _ = engine.insert("complete_batch", (json!(batch), line)),
        }
    }
    if !ring {
        return;
    }
    for (theirs, ours) in [("registerfiles", "fixed_files"), ("fixedbufs", "fixed_buffers")] {
        if let Some(line) = options.flag(theirs) {
            engine.insert(ours, (json!(true), line));
        }
    }
    if let Some((vectored, line)) = options.take("nonvectored", truth).map(|(on, line)| (!on, line))
        && vectored
        && name == "io_uring"
    {
        engine.insert("vectored", (json!(true), line));
    }
    if let Some(option) = options.left.shift_remove("force_async") {
        match option.value.as_str() {
            "0" => {}
            "1" | "" => _ = engine.insert("force_async", (json!(true), option.line)),
            _ => options.note(&option, "`force_async` applies to all requests or to none", true),
        }
    }
    let cpu = options.take("sqthread_poll_cpu", number);
    if let Some(line) = options.flag("sqthread_poll") {
        let sqpoll = cpu.map_or(json!({}), |(cpu, _)| json!({ "cpu": cpu }));
        engine.insert("sqpoll", (sqpoll, line));
    }
    if name == "nvme" {
        match options.text("cmd_type") {
            Some((kind, line)) if kind != "nvme" => {
                let why = "only NVMe commands are supported";
                options.say_became((line, &format!("cmd_type={kind}")), "engine: nvme", why, true);
            }
            _ => {}
        }
    }
}

pub(super) fn polling(options: &mut Options, name: &str, engine: &mut Keys, work: &Keys) {
    let Some(option) = options.left.get("hipri").cloned() else { return };
    if options.flag("hipri").is_none() {
        return;
    }
    let direct = work.get("direct").is_some_and(|(direct, _)| *direct == true);
    match name {
        _ if !direct => options.note(&option, "polling needs direct I/O; add direct=1", true),
        "io_uring" | "nvme" if work.contains_key("sync") => {
            options.note(&option, "a polling ring cannot sync", true);
        }
        "io_uring" | "nvme" => _ = engine.insert("iopoll", (json!(true), option.line)),
        "pvsync2" => _ = engine.insert("hipri", (json!(true), option.line)),
        _ => options.note(&option, format!("the engine {name} cannot poll"), true),
    }
}
