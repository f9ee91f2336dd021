//! Chooses the sections to compare. A scenario has one workload for all its arms; fio has one per section.
//!
//! Sections with the same workload become arms. If their workloads form a full grid (each engine with each
//! workload), the keys that differ become axes. Otherwise the largest group with one workload is taken, and a note
//! for each other section names the option that imports it.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::job::{Job, Keys, Note};

/// The content of the scenario.
pub(super) struct Chosen {
    /// The sections used.
    pub(super) jobs: Vec<Job>,
    /// Name to engine and knobs, with the sections' description.
    pub(super) arms: IndexMap<String, (Keys, Option<String>)>,
    /// Their common workload, and the target's `direct` and `cache`.
    pub(super) work: Keys,
    /// Axes with their values.
    pub(super) sweep: IndexMap<&'static str, Vec<Value>>,
}

/// A workload and its target: the part that two sections must have in common.
type Shape = Vec<(&'static str, Value)>;

pub(super) fn choose(mut jobs: Vec<Job>, notes: &mut Vec<Note>) -> Chosen {
    threads_as_depth(&mut jobs);
    let all = jobs.len();
    let at_once = jobs.iter().skip(1).filter(|job| !job.waits).count();
    let grid = grid(&jobs);
    if grid.is_none() {
        jobs = largest_group(jobs, notes);
    }
    if all > 1 && at_once > 0 {
        let line = jobs.last().map_or(0, |job| job.line);
        let why = "fio runs sections without stonewall at once, each disturbing the others; Ringbench runs one arm \
                   at a time";
        notes.push(Note::left_out(line, format!("{all} sections"), why, true));
    }
    let sweep = grid.unwrap_or_default();
    let mut arms: IndexMap<String, (Keys, Option<String>)> = IndexMap::new();
    for job in &jobs {
        let alike = |(keys, _): &&(Keys, Option<String>)| values(keys) == values(&job.engine);
        if arms.values().any(|arm| alike(&arm)) {
            if sweep.is_empty() {
                let why = "it is the same as an earlier section; one arm represents both";
                notes.push(Note::left_out(job.line, format!("[{}]", job.name), why, true));
            }
            continue;
        }
        // With axes, an arm stands for several sections. It is named after its engine rather than one of them.
        let name = match (sweep.is_empty(), job.engine.get("engine").and_then(|(name, _)| name.as_str())) {
            (false, Some(engine)) => engine.to_owned(),
            _ => job.name.clone(),
        };
        arms.insert(free_name(&name, &arms), (job.engine.clone(), job.description.clone()));
    }
    let mut work = jobs.first().map(|job| job.work.clone()).unwrap_or_default();
    work.retain(|key, _| !sweep.contains_key(key));
    // A cold cache must be cold at every point.
    if jobs.iter().any(|job| !job.work.contains_key("cache")) {
        work.shift_remove("cache");
    }
    Chosen { jobs, arms, work, sweep }
}

fn values(keys: &Keys) -> Shape {
    keys.iter().map(|(key, (value, _))| (*key, value.clone())).collect()
}

/// The workload without `cache`, which is derived from the other keys.
fn shape(job: &Job) -> Shape {
    let mut shape = values(&job.work);
    shape.retain(|(key, _)| *key != "cache");
    shape.push(("target", json!(format!("{:?}", job.goal))));
    shape
}

/// Threads with one request each amount to a depth, and arms may differ in depth.
fn threads_as_depth(jobs: &mut [Job]) {
    let threads = |job: &Job| job.work.get("threads").cloned();
    let differ = jobs.windows(2).any(|pair| threads(&pair[0]).map(|t| t.0) != threads(&pair[1]).map(|t| t.0));
    for job in jobs.iter_mut().filter(|_| differ) {
        let single = job.engine.get("engine").is_some_and(|(name, _)| name == "psync" || name == "pvsync2");
        if let (true, Some((count, line))) = (single, threads(job)) {
            job.engine.insert("depth", (count, line));
            job.engine.insert("concurrency", (json!("threads"), line));
            job.work.insert("threads", (json!(1), line));
        }
    }
}

/// The axes, if the workloads of the sections cover all combinations of the values of some keys, for each engine.
fn grid(jobs: &[Job]) -> Option<IndexMap<&'static str, Vec<Value>>> {
    let mut axes: IndexMap<&'static str, Vec<Value>> = IndexMap::new();
    let shapes: Vec<Shape> = jobs.iter().map(shape).collect();
    let first = shapes.first()?;
    for other in &shapes {
        // All must set the same keys, because an axis has no value for a missing key.
        if other.len() != first.len() {
            return None;
        }
        for (key, value) in other {
            let (_, known) = first.iter().find(|(known, _)| known == key)?;
            if value != known {
                axes.entry(key).or_insert_with(|| vec![known.clone()]);
            }
        }
    }
    if axes.contains_key("target") {
        return None;
    }
    for (key, seen) in &mut axes {
        for (_, value) in shapes.iter().flatten().filter(|(other, _)| other == key) {
            if !seen.contains(value) {
                seen.push(value.clone());
            }
        }
    }
    let points = axes.values().map(Vec::len).try_fold(1usize, usize::checked_mul)?;
    let mut by_engine: Vec<(Shape, Vec<&Shape>)> = Vec::new();
    for (job, shape) in jobs.iter().zip(&shapes) {
        let engine = values(&job.engine);
        match by_engine.iter_mut().find(|(known, _)| *known == engine) {
            Some((_, shapes)) if shapes.contains(&shape) => {}
            Some((_, shapes)) => shapes.push(shape),
            None => by_engine.push((engine, vec![shape])),
        }
    }
    by_engine.iter().all(|(_, shapes)| shapes.len() == points).then_some(axes)
}

fn largest_group(jobs: Vec<Job>, notes: &mut Vec<Note>) -> Vec<Job> {
    let shapes: Vec<Shape> = jobs.iter().map(shape).collect();
    let size = |shape: &Shape| shapes.iter().filter(|other| *other == shape).count();
    let most = shapes.iter().map(size).max().unwrap_or(0);
    let Some(taken) = shapes.iter().find(|shape| size(shape) == most).cloned() else { return jobs };
    let (mut kept, mut first_name) = (Vec::new(), String::new());
    for (job, shape) in jobs.into_iter().zip(&shapes) {
        if *shape == taken {
            if kept.is_empty() {
                first_name.clone_from(&job.name);
            }
            kept.push(job);
            continue;
        }
        let differ: Vec<&str> = shape
            .iter()
            .filter(|pair| !taken.contains(pair))
            .map(|(key, _)| *key)
            .chain(
                taken.iter().map(|(key, _)| *key).filter(|key| shape.iter().all(|(other, _)| other != key)),
            )
            .collect();
        let why = format!(
            "its workload differs ({}), and all arms of a scenario share one; import it alone with \
             --section '{}'",
            differ.join(", "),
            job.name
        );
        notes.push(Note::left_out(job.line, format!("[{}]", job.name), why, true));
    }
    kept
}

/// A valid arm name that is not yet in use.
fn free_name(name: &str, taken: &IndexMap<String, (Keys, Option<String>)>) -> String {
    let name = fit(name, false);
    let mut free = name.clone();
    for suffix in 2.. {
        if !taken.contains_key(&free) {
            break;
        }
        free = format!("{name}-{suffix}");
    }
    free
}

/// Turns a text into a valid name of an arm, or of a scenario, which may contain points.
pub(super) fn fit(text: &str, points: bool) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (points && c == '.');
    let name: String = text.chars().map(|c| if kept(c) { c } else { '-' }).take(50).collect();
    let name = name.trim_start_matches(['-', '_', '.']).trim_end_matches(['-', '.']);
    if name.is_empty() { "job".into() } else { name.into() }
}
