//! Reads the I/O options of a section: offsets, sizes, times, rate, durability.

use proto::units::{ByteSize, Nanos};
use serde_json::{Value, json};

use super::{
    job::Keys,
    options::Options,
    values::{self, number, size, time, truth},
};

/// The measured time if the job file ends by the amount of data.
const DEFAULT_RUNTIME: &str = "5s";

pub(super) fn offsets(options: &mut Options, pattern: &'static str, line: usize, work: &mut Keys) {
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
                _ => {
                    let why = format!("`{theta}` is not a valid theta");
                    options.note_became(&option, "pattern: zipf, zipf_theta: 1.1", why, true);
                }
            }
        }
        _ => options.note_became(&option, "pattern: random", "only random and zipf are supported", true),
    }
}

pub(super) fn mix(options: &mut Options, reads: Option<u32>) -> (u32, Option<usize>) {
    let percent = |text: &str| match text.split(',').next().unwrap_or_default().trim().parse::<u32>() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(format!("`{text}` is not a percentage")),
    };
    // If both are set, fio lets the second override the first.
    let of_reads = options.take("rwmixread", percent);
    let of_writes = options.take("rwmixwrite", percent).map(|(writes, line)| (100 - writes, line));
    let last = of_reads.into_iter().chain(of_writes).max_by_key(|(_, line)| *line);
    match (reads, last) {
        (Some(reads), _) => (reads, None),
        (None, Some((reads, line))) => (reads, Some(line)),
        (None, None) => (50, None),
    }
}

pub(super) fn sizes(options: &mut Options, read_percent: u32, line: usize, work: &mut Keys) {
    let base = options.kb_base;
    // fio has values for reads and for writes, separated by a comma; a single value applies to both.
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
            let why = "Ringbench uses the same sizes for reads and writes: those of reads";
            let became = format!("block_size: {}", of_side(&option.value).trim());
            options.note_became(&option, became, why, true);
        }
    }
    let range = options.left.get("bsrange").cloned();
    let spread = options.take("bsrange", |text| values::range(&of_side(text), base));
    let single = options.take("bs", |text| size(&of_side(text), base)).filter(|(bytes, _)| *bytes > 0);
    let (bytes, line) = single.unwrap_or((4096, line));
    work.insert("block_size", (json!(ByteSize(bytes).to_string()), line));
    if let (Some((sizes, line)), Some(option)) = (spread, range) {
        let names: Vec<String> = sizes.iter().map(|bytes| ByteSize(*bytes).to_string()).collect();
        if let ([.., _, _], [first, .., last]) = (&names[..], &names[..]) {
            let sizes = format!("block_size: {} sizes from {first} to {last}", names.len());
            options.note_became(&option, sizes, "they have about equal shares", true);
        }
        let shares =
            (0..names.len()).map(|index| (100 * (index + 1)) / names.len() - 100 * index / names.len());
        let parts: serde_json::Map<String, Value> =
            names.iter().cloned().zip(shares.map(|share| json!(share))).collect();
        let single = names.first().filter(|_| names.len() == 1).map(|size| json!(size));
        work.insert("block_size", (single.unwrap_or(Value::Object(parts)), line));
    }
    if let Some((parts, line)) = options.take("bssplit", |text| values::split(&of_side(text), base)) {
        let sizes: serde_json::Map<String, Value> =
            parts.iter().map(|(bytes, percent)| (ByteSize(*bytes).to_string(), json!(percent))).collect();
        let single = sizes.keys().next().filter(|_| sizes.len() == 1).map(|size| json!(size));
        work.insert("block_size", (single.unwrap_or(Value::Object(sizes)), line));
    }
}

pub(super) fn times(options: &mut Options, line: usize, work: &mut Keys) {
    let duration = |nanos: u64| json!(Nanos(nanos).to_string());
    match options.take("runtime", time).filter(|(nanos, _)| *nanos > 0) {
        Some((nanos, line)) => _ = work.insert("runtime", (duration(nanos), line)),
        None => {
            let why = "the job ends when all data has been transferred; Ringbench measures for a time";
            let runtime = format!("runtime: {DEFAULT_RUNTIME}");
            options.say_became((line, "no runtime"), runtime, why, false);
            work.insert("runtime", (json!(DEFAULT_RUNTIME), line));
        }
    }
    if let Some((nanos, line)) = options.take("ramp_time", time) {
        work.insert("warmup", (duration(nanos), line));
    }
}

/// The rate of a job. fio has rates for reads and for writes, separated by a comma; a single rate applies to each. A job
/// that mixes them does both at their rates, so that the rates determine the mix.
pub(super) fn rate(options: &mut Options, threads: u64, work: &mut Keys) {
    let poisson = options.left.get("rate_process").is_some_and(|option| option.value == "poisson");
    let reads = work.get("read_percent").and_then(|(percent, _)| percent.as_u64()).unwrap_or(100);
    let either = options.left.get("rate_iops").or(options.left.get("rate")).cloned();
    let base = options.kb_base;
    let requests = options.take("rate_iops", |text| sides(text, number));
    let block = work.get("block_size").and_then(|(size, _)| size.as_str()?.parse::<ByteSize>().ok());
    let given = options.left.get("rate").cloned();
    let bytes = options.take("rate", |text| sides(text, |side| size(side, base)));
    let per_job = requests.or_else(|| match (bytes, block) {
        (Some((bytes, line)), Some(block)) if bytes.iter().flatten().all(|bytes| *bytes >= block.0) => {
            Some((bytes.map(|bytes| bytes.map(|bytes| bytes / block.0)), line))
        }
        _ => None,
    });
    if let (None, Some(option), true) = (per_job, &given, bytes.is_some()) {
        options.note(option, "a rate in bytes can be imported only with a single block size", true);
    }
    options.left.shift_remove("io_submit_mode");
    let (Some((per_job, line)), Some(option)) = (per_job, either) else { return };
    let per_job = match (reads, per_job) {
        (100, [read, _]) => read,
        (0, [_, write]) => write,
        (_, [Some(read), Some(write)]) if read.saturating_add(write) > 0 => {
            let all = read.saturating_add(write);
            let percent = (100.0 * read as f64 / all as f64).round() as u64;
            let why = "fio limits reads and writes each; here they are added up and determine the mix";
            let became = format!("rate: {}, read_percent: {percent}", all.saturating_mul(threads));
            options.note_became(&option, became, why, percent != reads);
            work.insert("read_percent", (json!(percent), line));
            Some(all)
        }
        _ => {
            let why = "only one direction of a mixed job has a rate; here a rate applies to both together";
            options.note(&option, why, true);
            None
        }
    };
    let Some(per_job) = per_job.filter(|rate| *rate > 0) else { return };
    options.left.shift_remove("rate_process");
    // fio's rate is per job, Ringbench's per host.
    let all = per_job.saturating_mul(threads);
    let rate = if poisson { json!({"per_second": all, "arrival": "poisson"}) } else { json!(all) };
    work.insert("rate", (rate, line));
}

/// The values for reads and for writes: `90,10`, `90,` (reads only), `,10` (writes only) or `90` (each).
fn sides<T: Copy>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<[Option<T>; 2], String> {
    let one = |text: &str| if text.trim().is_empty() { Ok(None) } else { read(text.trim()).map(Some) };
    let mut parts = text.split(',');
    let first = one(parts.next().unwrap_or_default())?;
    Ok([first, parts.next().map_or(Ok(first), one)?])
}

pub(super) fn durability(options: &mut Options, name: &str, writes: bool, work: &mut Keys) {
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
            options.note(&option, format!("the engine {name} does not support verification"), true);
        }
        _ => _ = work.insert("verify", (json!(true), option.line)),
    }
}

pub(super) fn cpus(options: &mut Options, work: &mut Keys) {
    let mask = options.take("cpumask", values::cpu_mask);
    if let Some((list, line)) = options.take("cpus_allowed", values::cpus).or(mask) {
        work.insert("cpus", (json!(list), line));
    }
}
