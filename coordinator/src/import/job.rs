//! One section of a job file as an engine, a workload and a target; and, by line, what it says beyond that.

use indexmap::IndexMap;
use proto::units::{ByteSize, Nanos};
use serde_json::{Value, json};

use super::{
    jobfile::{Opt, Section},
    rest,
    values::{self, number, size, time, truth},
};

/// Something that a scenario does not have of the job file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line in the job file, from 1.
    pub line: usize,
    /// The option or section as it stands there.
    pub what: String,
    /// Why it is not taken over, and what to do where something can be done.
    pub why: String,
    /// Whether the scenario measures something else for it.
    pub grave: bool,
}

/// A key of a scenario: its value, and the line that it comes from.
pub(super) type Keys = IndexMap<&'static str, (Value, usize)>;

/// What the I/O goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// A file of the agent's own.
    File,
    /// A device that is only read.
    Path(String),
    /// A device that the nvme engine reads.
    Nvme(String),
}

/// A section, understood.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) line: usize,
    /// The engine and its knobs.
    pub(super) engine: Keys,
    /// The workload, and `direct` and `cache` of the target.
    pub(super) work: Keys,
    pub(super) goal: Goal,
    /// Of the file, in bytes.
    pub(super) bytes: u64,
    pub(super) seed: Option<u64>,
    pub(super) description: Option<String>,
    /// Whether it waits for the sections before it.
    pub(super) waits: bool,
    pub(super) notes: Vec<Note>,
}

/// The size of a file where the job file gives none.
const DEFAULT_BYTES: u64 = 1 << 30;
/// The measured time where the job file ends by the amount of data.
const DEFAULT_RUNTIME: &str = "5s";

/// The options of a section, taken out one by one; what is left has no counterpart.
struct Options {
    left: IndexMap<String, Opt>,
    notes: Vec<Note>,
    kb_base: u64,
}

impl Options {
    fn of(section: &Section) -> Self {
        let mut left = IndexMap::new();
        for option in &section.options {
            left.insert(option.key.clone(), option.clone());
        }
        let mut options = Self { left, notes: Vec::new(), kb_base: 1024 };
        if let Some((1000, _)) = options.take("kb_base", number) {
            options.kb_base = 1000;
        }
        options
    }

    /// Takes an option; what is no value of it is noted.
    fn take<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<(T, usize)> {
        let option = self.left.shift_remove(key)?;
        match read(&option.value) {
            Ok(value) => Some((value, option.line)),
            Err(why) => {
                self.note(&option, why, true);
                None
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<(String, usize)> {
        self.take(key, |text| Ok(text.to_owned()))
    }

    fn flag(&mut self, key: &str) -> Option<usize> {
        self.take(key, truth).filter(|(on, _)| *on).map(|(_, line)| line)
    }

    fn bytes(&mut self, key: &str) -> Option<(u64, usize)> {
        let base = self.kb_base;
        self.take(key, |text| size(text.split(['-', ',']).next().unwrap_or_default(), base))
    }

    fn note(&mut self, option: &Opt, why: impl Into<String>, grave: bool) {
        let what = match option.value.as_str() {
            "" => option.key.clone(),
            value => format!("{}={value}", option.key),
        };
        self.notes.push(Note { line: option.line, what, why: why.into(), grave });
    }

    fn say(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>, grave: bool) {
        self.notes.push(Note { line, what: what.into(), why: why.into(), grave });
    }
}

/// Reads a section. `Err`: why it cannot be an arm.
pub(super) fn job(section: &Section) -> Result<Job, Vec<Note>> {
    let mut options = Options::of(section);
    let refuse = |line: usize, what: String, why: String| vec![Note { line, what, why, grave: true }];
    let (ioengine, engine_line) = options.text("ioengine").unwrap_or(("psync".into(), section.line));
    let name = engine_name(&ioengine)
        .ok_or_else(|| refuse(engine_line, format!("ioengine={ioengine}"), rest::why_engine(&ioengine)))?;
    let (rw, rw_line) = options.text("rw").unwrap_or(("read".into(), section.line));
    let (pattern, reads) =
        direction(&rw).ok_or_else(|| refuse(rw_line, format!("rw={rw}"), rest::why_direction(&rw)))?;
    if rw.contains(':') {
        options.say(
            rw_line,
            format!("rw={rw}"),
            "Ringbench has no strides: taken without what follows `:`",
            true,
        );
    }
    let mut engine = Keys::from([("engine", (json!(name), engine_line))]);
    knobs(&mut options, name, &mut engine);
    let mut work = Keys::new();
    offsets(&mut options, pattern, rw_line, &mut work);
    let read_percent = mix(&mut options, reads);
    work.insert("read_percent", (json!(read_percent.0), read_percent.1.unwrap_or(rw_line)));
    sizes(&mut options, read_percent.0, section.line, &mut work);
    let threads = options.take("numjobs", number).unwrap_or((1, section.line));
    work.insert("threads", (json!(threads.0), threads.1));
    times(&mut options, section.line, &mut work);
    rate(&mut options, threads.0, &mut work);
    durability(&mut options, name, read_percent.0 < 100, &mut work);
    let (goal, bytes) = target(&mut options, section, name, read_percent.0, threads.0, &mut work)?;
    polling(&mut options, name, &mut engine, &work);
    cpus(&mut options, &mut work);
    let seed = options.take("randseed", number).map(|(seed, _)| seed);
    let description = options.text("description").map(|(text, _)| text);
    let waits = options.flag("stonewall").is_some() | options.text("wait_for").is_some();
    for option in std::mem::take(&mut options.left).into_values() {
        if let Some((why, grave)) = rest::why(&option) {
            options.note(&option, why, grave);
        }
    }
    let notes = options.notes;
    Ok(Job {
        name: section.name.clone(),
        line: section.line,
        engine,
        work,
        goal,
        bytes,
        seed,
        description,
        waits,
        notes,
    })
}

fn engine_name(ioengine: &str) -> Option<&'static str> {
    Some(match ioengine {
        "sync" | "psync" => "psync",
        "vsync" | "pvsync" | "pvsync2" => "pvsync2",
        "libaio" => "libaio",
        "io_uring" => "io_uring",
        "io_uring_cmd" => "nvme",
        "null" => "null",
        _ => return None,
    })
}

/// Pattern, and percent of reads: all, none, or `None` where they are mixed.
fn direction(rw: &str) -> Option<(&'static str, Option<u32>)> {
    Some(match rw.split(':').next().unwrap_or_default().trim() {
        "read" => ("sequential", Some(100)),
        "write" => ("sequential", Some(0)),
        "rw" | "readwrite" => ("sequential", None),
        "randread" => ("random", Some(100)),
        "randwrite" => ("random", Some(0)),
        "randrw" => ("random", None),
        _ => return None,
    })
}

fn knobs(options: &mut Options, name: &str, engine: &mut Keys) {
    let queues = matches!(name, "libaio" | "io_uring" | "nvme");
    let ring = matches!(name, "io_uring" | "nvme");
    let depth = options.take("iodepth", number);
    // fio's own engines that do one request at a time ignore it, too.
    if let Some((depth, line)) = depth.filter(|_| queues || name == "null") {
        engine.insert("depth", (json!(depth), line));
    }
    let batch = options.take("iodepth_batch", number);
    if let (true, Some((deep, line))) = (queues, depth.filter(|(depth, _)| *depth > 1)) {
        match batch {
            Some((0, _)) => {}
            Some((batch, line)) => _ = engine.insert("submit_batch", (json!(batch.min(deep)), line)),
            // What fio does where nothing is said.
            None => _ = engine.insert("submit_batch", (json!(1), line)),
        }
    }
    let complete = options.left.get("iodepth_batch_complete").cloned();
    if let (true, Some((batch, line))) = (queues, options.take("iodepth_batch_complete", number)) {
        match (batch, complete) {
            (0, Some(option)) => options.note(&option, "Ringbench waits for one completion at least", true),
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
            _ => options.note(&option, "`force_async` is for all requests or for none", true),
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
                options.say(
                    line,
                    format!("cmd_type={kind}"),
                    "only NVMe commands are known; taken as nvme",
                    true,
                );
            }
            _ => {}
        }
    }
}

fn polling(options: &mut Options, name: &str, engine: &mut Keys, work: &Keys) {
    let Some(option) = options.left.get("hipri").cloned() else { return };
    if options.flag("hipri").is_none() {
        return;
    }
    let direct = work.get("direct").is_some_and(|(direct, _)| *direct == true);
    match name {
        _ if !direct => options.note(&option, "only direct I/O can be polled for; add direct=1", true),
        "io_uring" | "nvme" if work.contains_key("sync") => {
            options.note(&option, "a ring that polls cannot sync", true);
        }
        "io_uring" | "nvme" => _ = engine.insert("iopoll", (json!(true), option.line)),
        "pvsync2" => _ = engine.insert("hipri", (json!(true), option.line)),
        _ => options.note(&option, format!("the engine {name} cannot poll"), true),
    }
}

fn offsets(options: &mut Options, pattern: &'static str, line: usize, work: &mut Keys) {
    work.insert("pattern", (json!(pattern), line));
    let Some(option) = options.left.shift_remove("random_distribution") else { return };
    if pattern != "random" {
        return;
    }
    let (kind, theta) = option.value.split_once(':').unwrap_or((&option.value, ""));
    match (kind, theta.split(',').next().unwrap_or_default()) {
        ("random", _) => {}
        ("zipf", theta) => {
            work.insert("pattern", (json!("zipf"), option.line));
            match theta.parse::<f64>() {
                Ok(theta) if theta.is_finite() && theta > 0.0 => {
                    work.insert("zipf_theta", (json!(theta), option.line));
                }
                _ if theta.is_empty() => {}
                _ => options.note(&option, format!("`{theta}` is no theta; taken as 1.1"), true),
            }
        }
        _ => options.note(&option, "only random and zipf are known; taken as random", true),
    }
}

fn mix(options: &mut Options, reads: Option<u32>) -> (u32, Option<usize>) {
    let percent = |text: &str| match text.split(',').next().unwrap_or_default().trim().parse::<u32>() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(format!("`{text}` is no percentage")),
    };
    // Both may be there; fio's second overrides the first.
    let of_reads = options.take("rwmixread", percent);
    let of_writes = options.take("rwmixwrite", percent).map(|(writes, line)| (100 - writes, line));
    let last = of_reads.into_iter().chain(of_writes).max_by_key(|(_, line)| *line);
    match (reads, last) {
        (Some(reads), _) => (reads, None),
        (None, Some((reads, line))) => (reads, Some(line)),
        (None, None) => (50, None),
    }
}

fn sizes(options: &mut Options, read_percent: u32, line: usize, work: &mut Keys) {
    let base = options.kb_base;
    // fio's values are for reads and for writes, with a comma between; the first serves where there is one.
    let side = usize::from(read_percent == 0);
    let of_side = |text: &str| {
        let sides: Vec<&str> = text.split(',').collect();
        let chosen = sides.get(side).copied().filter(|text| !text.trim().is_empty());
        chosen.or(sides.first().copied()).unwrap_or_default().to_owned()
    };
    let mixed = (1..100).contains(&read_percent);
    for key in ["bs", "bssplit"] {
        if let Some(option) = options.left.get(key).cloned()
            && mixed
            && option.value.split(',').take(2).any(|side| side.trim() != of_side(&option.value).trim())
        {
            options.note(
                &option,
                "reads and writes have the same sizes in Ringbench: those of reads are taken",
                true,
            );
        }
    }
    let single = options.take("bs", |text| size(&of_side(text), base)).filter(|(bytes, _)| *bytes > 0);
    let (bytes, line) = single.unwrap_or((4096, line));
    work.insert("block_size", (json!(ByteSize(bytes).to_string()), line));
    if let Some((parts, line)) = options.take("bssplit", |text| values::split(&of_side(text), base)) {
        let sizes: serde_json::Map<String, Value> =
            parts.iter().map(|(bytes, percent)| (ByteSize(*bytes).to_string(), json!(percent))).collect();
        let single = sizes.keys().next().filter(|_| sizes.len() == 1).map(|size| json!(size));
        work.insert("block_size", (single.unwrap_or(Value::Object(sizes)), line));
    }
}

fn times(options: &mut Options, line: usize, work: &mut Keys) {
    let duration = |nanos: u64| json!(Nanos(nanos).to_string());
    match options.take("runtime", time).filter(|(nanos, _)| *nanos > 0) {
        Some((nanos, line)) => _ = work.insert("runtime", (duration(nanos), line)),
        None => {
            let why = format!(
                "it ends when all data has been moved; Ringbench measures for a time, here {DEFAULT_RUNTIME} a trial"
            );
            options.say(line, "no runtime", why, false);
            work.insert("runtime", (json!(DEFAULT_RUNTIME), line));
        }
    }
    if let Some((nanos, line)) = options.take("ramp_time", time) {
        work.insert("warmup", (duration(nanos), line));
    }
}

fn rate(options: &mut Options, threads: u64, work: &mut Keys) {
    let poisson = options.left.get("rate_process").is_some_and(|option| option.value == "poisson");
    let reads = work.get("read_percent").and_then(|(percent, _)| percent.as_u64()).unwrap_or(100);
    // fio's rates are for reads and for writes, with a comma between, or one that each of them may have.
    let first = |text: &str| {
        let mut sides = text.split(',').map(str::trim);
        let (read, write) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        if reads == 0 && !write.is_empty() { write.to_owned() } else { read.to_owned() }
    };
    let either = options.left.get("rate_iops").or(options.left.get("rate")).cloned();
    if let (Some(option), true) = (either, (1..100).contains(&reads)) {
        let why = "in fio it limits reads and writes each; here it is the rate of both together: the first is taken";
        options.note(&option, why, true);
    }
    let requests = options.take("rate_iops", |text| number(&first(text)));
    let base = options.kb_base;
    let block = work.get("block_size").and_then(|(size, _)| size.as_str()?.parse::<ByteSize>().ok());
    let said = options.left.get("rate").cloned();
    let bytes = options.take("rate", |text| size(&first(text), base));
    let per_job = requests.or_else(|| match (bytes, block) {
        (Some((bytes, line)), Some(block)) if bytes >= block.0 => Some((bytes / block.0, line)),
        _ => None,
    });
    if let (None, Some(option), true) = (per_job, &said, bytes.is_some()) {
        options.note(
            option,
            "bytes a second can be taken over as requests with a single block size only",
            true,
        );
    }
    options.left.shift_remove("io_submit_mode");
    let Some((per_job, line)) = per_job.filter(|(rate, _)| *rate > 0) else { return };
    options.left.shift_remove("rate_process");
    // fio's rate is for each job, ours for each host.
    let all = per_job.saturating_mul(threads);
    let rate = if poisson { json!({"per_second": all, "arrival": "poisson"}) } else { json!(all) };
    work.insert("rate", (rate, line));
}

fn durability(options: &mut Options, name: &str, writes: bool, work: &mut Keys) {
    for call in ["fsync", "fdatasync"] {
        let Some((every, line)) = options.take(call, number).filter(|(every, _)| *every > 0) else {
            continue;
        };
        if writes && name != "null" {
            let sync = if call == "fsync" { json!({"every": every, "call": call}) } else { json!(every) };
            work.insert("sync", (sync, line));
        }
    }
    let Some(option) = options.left.shift_remove("verify") else { return };
    let off = matches!(options.take("do_verify", truth), Some((false, _)));
    match option.value.as_str() {
        "0" | "none" | "null" => {}
        _ if off => {}
        _ if matches!(name, "null" | "nvme") => {
            options.note(&option, format!("the engine {name} cannot be verified"), true);
        }
        _ => _ = work.insert("verify", (json!(true), option.line)),
    }
}

fn cpus(options: &mut Options, work: &mut Keys) {
    let mask = options.take("cpumask", values::cpu_mask);
    if let Some((list, line)) = options.take("cpus_allowed", values::cpus).or(mask) {
        work.insert("cpus", (json!(list), line));
    }
}

fn target(
    options: &mut Options,
    section: &Section,
    engine: &str,
    read_percent: u32,
    threads: u64,
    work: &mut Keys,
) -> Result<(Goal, u64), Vec<Note>> {
    let buffered = options.take("buffered", truth).map(|(on, line)| (!on, line));
    let (direct, line) = options.take("direct", truth).or(buffered).unwrap_or((false, section.line));
    let direct = direct || matches!(engine, "nvme" | "null");
    work.insert("direct", (json!(direct), line));
    let invalidate = options.take("invalidate", truth).is_none_or(|(on, _)| on);
    let files = options.take("nrfiles", number);
    let filename = options.left.shift_remove("filename");
    let verify = work.contains_key("verify");
    let names: Vec<&str> = filename.iter().flat_map(|name| name.value.split(':')).collect();
    let device = names.iter().find(|name| name.starts_with("/dev/") && !name.starts_with("/dev/shm/"));
    let goal = match (device, &filename) {
        (Some(_), _) if engine == "null" => Goal::File,
        (Some(device), Some(option)) if read_percent < 100 || verify => {
            let why = format!(
                "{device} would be written to, which destroys what is on it; that is never taken over. To do it all \
                 the same, name the drive: `target: {{device: {{path: {device}, serial: S, destroy: S}}}}`, S being \
                 its serial number"
            );
            if engine == "nvme" {
                return Err(vec![Note {
                    line: option.line,
                    what: format!("filename={}", option.value),
                    why,
                    grave: true,
                }]);
            }
            options.note(option, why + ". The scenario uses a file of its own", true);
            Goal::File
        }
        // Its generic node has no target of its own: the namespace is named by its block device.
        (Some(device), _) if engine == "nvme" => Goal::Nvme(device.replacen("/dev/ng", "/dev/nvme", 1)),
        (Some(device), _) => Goal::Path((*device).to_owned()),
        (None, _) if engine == "nvme" => {
            let why = "the engine nvme needs a drive: filename=/dev/ng0n1".to_owned();
            return Err(vec![Note {
                line: section.line,
                what: format!("[{}]", section.name),
                why,
                grave: true,
            }]);
        }
        (None, _) => Goal::File,
    };
    if let (Some(option), true) = (&filename, names.len() > 1) {
        options.note(
            option,
            format!("{} files: Ringbench uses one target, as large as all of them", names.len()),
            true,
        );
    }
    let many = files.filter(|(files, _)| *files > 1 && names.len() <= 1);
    if let Some((files, line)) = many {
        options.say(
            line,
            format!("nrfiles={files}"),
            "Ringbench uses one file, as large as all of them",
            true,
        );
    }
    if let (Some(_), true, true) = (&filename, threads > 1, work["pattern"].0 == "sequential") {
        let why = "in fio every job walks the whole file from its beginning; here each thread walks a share of its own";
        options.say(work["threads"].1, format!("numjobs={threads}"), why, true);
    }
    let said = options.bytes("size").filter(|(bytes, _)| *bytes > 0);
    let mut bytes = said.map_or(DEFAULT_BYTES, |(bytes, _)| bytes);
    if filename.is_none() && threads > 1 && goal == Goal::File {
        bytes = bytes.saturating_mul(threads);
        let why = format!(
            "each job has a file of its own in fio; {threads} threads share one here, as large as all"
        );
        options.say(work["threads"].1, format!("numjobs={threads}"), why, false);
    }
    if said.is_none() && goal == Goal::File {
        let why = format!("no size is given; the scenario has {}", ByteSize(DEFAULT_BYTES));
        options.say(section.line, "no size", why, false);
    }
    if !direct && goal == Goal::File && read_percent == 100 && !verify && invalidate {
        // fio drops the file from the page cache before it starts; warm reads would answer another question.
        work.insert("cache", (json!("cold"), line));
    }
    Ok((goal, bytes))
}
