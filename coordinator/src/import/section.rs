//! Reads one section of a job file into an engine, a workload and a target, and notes the other options by line.

use serde_json::json;

use super::{
    engine::{knobs, polling},
    job::{Job, Keys, Note},
    jobfile::Section,
    options::Options,
    rest,
    target::target,
    values::number,
    work::{cpus, durability, mix, offsets, rate, sizes, times},
};

/// Reads a section, or returns why it cannot be an arm.
pub(super) fn job(section: &Section) -> Result<Job, Vec<Note>> {
    let mut options = Options::of(section);
    let refuse = |line: usize, what: String, why: String| vec![Note::left_out(line, what, why, true)];
    let (ioengine, engine_line) = options.text("ioengine").unwrap_or(("psync".into(), section.line));
    let name = engine_name(&ioengine)
        .ok_or_else(|| refuse(engine_line, format!("ioengine={ioengine}"), rest::why_engine(&ioengine)))?;
    let (rw, rw_line) = options.text("rw").unwrap_or(("read".into(), section.line));
    let (pattern, reads) =
        direction(&rw).ok_or_else(|| refuse(rw_line, format!("rw={rw}"), rest::why_direction(&rw)))?;
    if rw.contains(':') {
        let why = "Ringbench has no strides; the part after `:` is ignored";
        options.say_became((rw_line, &format!("rw={rw}")), format!("pattern: {pattern}"), why, true);
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

/// The pattern, and the percentage of reads: 100, 0, or `None` if mixed.
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
