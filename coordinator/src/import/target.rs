//! The target of a section's I/O.

use proto::units::ByteSize;
use serde_json::json;

use super::{
    job::{Goal, Keys, Note},
    jobfile::Section,
    options::Options,
    values::{number, truth},
};

/// The size of a file if the job file gives none.
const DEFAULT_BYTES: u64 = 1 << 30;
pub(super) fn target(
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
                "writing to {device} would destroy its contents, so the scenario does not name it. To write to it \
                 anyway, name the drive: `target: {{device: {{path: {device}, serial: S, destroy: S}}}}`, \
                 where S is its serial number"
            );
            if engine == "nvme" {
                return Err(vec![Note::left_out(
                    option.line,
                    format!("filename={}", option.value),
                    why,
                    true,
                )]);
            }
            options.note_became(option, "a new file", why, true);
            Goal::File
        }
        // The generic node cannot be a target; the namespace is named by its block device.
        (Some(device), _) if engine == "nvme" => Goal::Nvme(device.replacen("/dev/ng", "/dev/nvme", 1)),
        (Some(device), _) => Goal::Path((*device).to_owned()),
        (None, _) if engine == "nvme" => {
            let why = "the engine nvme needs a drive: filename=/dev/ng0n1".to_owned();
            return Err(vec![Note::left_out(section.line, format!("[{}]", section.name), why, true)]);
        }
        (None, _) => Goal::File,
    };
    if let (Some(option), true) = (&filename, names.len() > 1) {
        let why = format!("{} files: Ringbench uses one target with their total size", names.len());
        options.note_became(option, "one target", why, true);
    }
    let many = files.filter(|(files, _)| *files > 1 && names.len() <= 1);
    if let Some((files, line)) = many {
        let why = "Ringbench uses one file with their total size";
        options.say_became((line, &format!("nrfiles={files}")), "one file", why, true);
    }
    if let (Some(_), true, true) = (&filename, threads > 1, work["pattern"].0 == "sequential") {
        let why = "in fio every job walks the whole file from its beginning; here each thread walks through a separate part";
        let jobs = format!("numjobs={threads}");
        options.say_became((work["threads"].1, &jobs), format!("threads: {threads}"), why, true);
    }
    let given = options.bytes("size").filter(|(bytes, _)| *bytes > 0);
    let mut bytes = given.map_or(DEFAULT_BYTES, |(bytes, _)| bytes);
    if filename.is_none() && threads > 1 && goal == Goal::File {
        bytes = bytes.saturating_mul(threads);
        let why =
            format!("in fio each job has its own file; here {threads} threads share one with the total size");
        let jobs = format!("numjobs={threads}");
        options.say_became((work["threads"].1, &jobs), format!("threads: {threads}"), why, false);
    }
    if given.is_none() && goal == Goal::File {
        let size = format!("size: {}", ByteSize(DEFAULT_BYTES));
        options.say_became(
            (section.line, "no size"),
            size,
            "fio would take the size of an existing file",
            false,
        );
    }
    if !direct && goal == Goal::File && read_percent == 100 && !verify && invalidate {
        // fio drops the file from the page cache before it starts, so warm reads would not be comparable.
        work.insert("cache", (json!("cold"), line));
    }
    Ok((goal, bytes))
}
