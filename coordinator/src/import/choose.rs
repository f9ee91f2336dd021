//! Which sections can be compared: a scenario has one workload for all of its arms, fio has one a section.
//!
//! Sections of one workload are arms. Where their workloads form a full grid (each engine at each of them),
//! the keys in which they differ are axes. Otherwise the largest group of one workload is taken, and the other
//! sections are told with the option that imports them.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::job::{Job, Keys, Note};

/// What becomes the scenario.
pub(super) struct Chosen {
    /// The sections that went in.
    pub(super) jobs: Vec<Job>,
    /// Name to engine and knobs, with the sections' description.
    pub(super) arms: IndexMap<String, (Keys, Option<String>)>,
    /// The workload that they share, and the target's `direct` and `cache`.
    pub(super) work: Keys,
    /// Axes with their values.
    pub(super) sweep: IndexMap<&'static str, Vec<Value>>,
}

/// A workload with what it goes to, as what two sections must have in common.
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
        notes.push(Note { line, what: format!("{all} sections"), why: why.into(), grave: true });
    }
    let sweep = grid.unwrap_or_default();
    let mut arms: IndexMap<String, (Keys, Option<String>)> = IndexMap::new();
    for job in &jobs {
        let alike = |(keys, _): &&(Keys, Option<String>)| values(keys) == values(&job.engine);
        if arms.values().any(|arm| alike(&arm)) {
            if sweep.is_empty() {
                let why = "it asks for the same as a section before it; one arm serves for both";
                notes.push(Note {
                    line: job.line,
                    what: format!("[{}]", job.name),
                    why: why.into(),
                    grave: true,
                });
            }
            continue;
        }
        // With axes the arm stands for several sections: the engine names it better than one of them.
        let name = match (sweep.is_empty(), job.engine.get("engine").and_then(|(name, _)| name.as_str())) {
            (false, Some(engine)) => engine.to_owned(),
            _ => job.name.clone(),
        };
        arms.insert(free_name(&name, &arms), (job.engine.clone(), job.description.clone()));
    }
    let mut work = jobs.first().map(|job| job.work.clone()).unwrap_or_default();
    work.retain(|key, _| !sweep.contains_key(key));
    // What is kept cold must be cold at every point.
    if jobs.iter().any(|job| !job.work.contains_key("cache")) {
        work.shift_remove("cache");
    }
    Chosen { jobs, arms, work, sweep }
}

fn values(keys: &Keys) -> Shape {
    keys.iter().map(|(key, (value, _))| (*key, value.clone())).collect()
}

/// The workload without `cache`, which follows from the rest.
fn shape(job: &Job) -> Shape {
    let mut shape = values(&job.work);
    shape.retain(|(key, _)| *key != "cache");
    shape.push(("target", json!(format!("{:?}", job.goal))));
    shape
}

/// Threads that do one request each are a depth, and a depth may differ between arms.
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

/// The axes, if the workloads of the sections are all combinations of the values of some keys, for each engine.
fn grid(jobs: &[Job]) -> Option<IndexMap<&'static str, Vec<Value>>> {
    let mut axes: IndexMap<&'static str, Vec<Value>> = IndexMap::new();
    let shapes: Vec<Shape> = jobs.iter().map(shape).collect();
    let first = shapes.first()?;
    for other in &shapes {
        // All say something of the same keys: what one leaves out is no value of an axis.
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
            "it has another workload ({}), and all arms of a scenario share one; import it by itself with --section \
             '{}'",
            differ.join(", "),
            job.name
        );
        notes.push(Note { line: job.line, what: format!("[{}]", job.name), why, grave: true });
    }
    kept
}

/// A name that an arm can have, and none has yet.
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

/// A text as the name of an arm, or of a scenario, which may have points in it.
pub(super) fn fit(text: &str, points: bool) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (points && c == '.');
    let name: String = text.chars().map(|c| if kept(c) { c } else { '-' }).take(50).collect();
    let name = name.trim_start_matches(['-', '_', '.']).trim_end_matches(['-', '.']);
    if name.is_empty() { "job".into() } else { name.into() }
}
