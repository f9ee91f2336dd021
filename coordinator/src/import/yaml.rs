//! Writes the scenario, with comments for readers.

use std::{fmt::Write as _, path::Path};

use proto::units::ByteSize;
use serde_json::Value;

use super::{
    choose::{Chosen, fit},
    job::{Goal, Keys, Note},
};

/// Keys that belong to the target instead of the workload.
const OF_TARGET: [&str; 2] = ["direct", "cache"];

pub(super) fn write(chosen: &Chosen, path: &Path, notes: &[Note]) -> String {
    let file =
        path.file_name().map_or_else(|| "a job file".into(), |name| name.to_string_lossy().into_owned());
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let mut out = format!("# From fio's job file {}.\n", line_of(&file));
    for (grave, head) in
        [(true, "CAUTION: these change the measurement"), (false, "These do not change the measurement")]
    {
        let of_kind: Vec<&Note> = notes.iter().filter(|note| note.grave == grave).collect();
        if !of_kind.is_empty() {
            let _ = writeln!(out, "#\n# {head}:");
        }
        for note in of_kind {
            let _ = writeln!(out, "# {}: {}", note.fate(), note_line(note));
        }
    }
    let _ = writeln!(out, "\nname: {}", quoted_if_needed(&fit(&stem, true)));
    // Options that all sections inherit concern the whole file.
    let shared = chosen.jobs.first().and_then(|job| job.description.as_deref());
    let shared = shared.filter(|text| chosen.jobs.iter().all(|job| job.description.as_deref() == Some(text)));
    let question = match (shared, chosen.jobs.len()) {
        (Some(text), _) => text.to_owned(),
        (None, 1) => format!("How does the job {} of {file} perform?", first(chosen)),
        _ => format!("How do the jobs of {file} compare?"),
    };
    let _ = writeln!(out, "question: {}", text(&question));
    target(chosen, &mut out);
    out.push_str("workload:\n");
    for (key, (value, _)) in chosen.work.iter().filter(|(key, _)| !OF_TARGET.contains(key)) {
        let _ = writeln!(out, "  {key}: {}", flow(value));
    }
    out.push_str("arms:\n");
    for (name, (engine, description)) in &chosen.arms {
        let _ = writeln!(out, "  {}:", quoted_if_needed(name));
        keys(engine, &mut out);
        if let (Some(description), None) = (description, shared) {
            let _ = writeln!(out, "    description: {}", text(description));
        }
    }
    if !chosen.sweep.is_empty() {
        out.push_str("# The sections differ in these keys; each arm runs at every combination.\nsweep:\n");
        for (axis, values) in &chosen.sweep {
            let _ = writeln!(out, "  {axis}: {}", flow(&Value::Array(values.clone())));
        }
    }
    out.push_str("trials: 3\n");
    if let Some(seed) = chosen.jobs.iter().find_map(|job| job.seed) {
        let _ = writeln!(out, "seed: {seed}");
    }
    out
}

fn first(chosen: &Chosen) -> &str {
    chosen.jobs.first().map_or("", |job| &job.name)
}

fn target(chosen: &Chosen, out: &mut String) {
    let Some(job) = chosen.jobs.first() else { return };
    let bytes = chosen.jobs.iter().map(|job| job.bytes).max().unwrap_or(job.bytes);
    let mut direct = String::new();
    for key in OF_TARGET {
        if let Some((value, _)) = chosen.work.get(key) {
            let _ = write!(direct, ", {key}: {}", flow(value));
        }
    }
    let target = match &job.goal {
        Goal::File => {
            out.push_str(
                "# A file that the agent creates, fills and removes; --data-dir selects the disk.\n",
            );
            if chosen.work.contains_key("cache") {
                out.push_str(
                    "# fio drops the file from the page cache once, before it starts; here it \
                              stays uncached (cold).\n",
                );
            }
            format!("{{file: {{size: {}{direct}}}}}", ByteSize(bytes))
        }
        Goal::Path(path) => {
            out.push_str("# It already exists and is only read.\n");
            format!("{{path: {}{}}}", text(path), direct.replace(", cache: \"cold\"", ""))
        }
        Goal::Nvme(path) => {
            out.push_str(
                "# Put the drive's serial number here (lsblk -o NAME,SERIAL); agents refuse \
                          the drive without it.\n",
            );
            format!("{{device: {{path: {}, serial: SERIAL{direct}}}}}", text(path))
        }
    };
    let _ = writeln!(out, "target: {target}");
}

fn keys(keys: &Keys, out: &mut String) {
    for (key, (value, _)) in keys {
        let _ = writeln!(out, "    {key}: {}", flow(value));
    }
}

/// Writes YAML's flow style, a superset of JSON; words are unquoted where possible.
fn flow(value: &Value) -> String {
    match value {
        Value::String(word) => quoted_if_needed(word),
        Value::Array(values) => format!("[{}]", values.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{}: {}", quoted_if_needed(key), flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted_if_needed(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let read = serde_yaml::from_str::<Value>(word);
    if word.chars().all(plain) && matches!(read, Ok(Value::String(same)) if same == word) {
        word.to_owned()
    } else {
        text(word)
    }
}

/// Quotes a text on one line.
fn text(text: &str) -> String {
    Value::String(line_of(text)).to_string()
}

/// Removes characters that could end a line or a comment.
fn line_of(text: &str) -> String {
    let ends = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|c| if ends(c) { ' ' } else { c }).collect()
}

/// `line 12: rwmixcycle=10 (why)`, or `line 12: numjobs=2 as threads: 2 (why)`.
pub(super) fn note_line(note: &Note) -> String {
    let place = if note.line == 0 { String::new() } else { format!("line {}: ", note.line) };
    let became = note.became.as_ref().map_or_else(String::new, |became| format!(" as {became}"));
    line_of(&format!("{place}{}{became} ({})", note.what, note.why))
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&note_line(self))
    }
}
