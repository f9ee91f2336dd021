//! Builds the scenario's cells. A problem is reported at its cause: the swept value, the arm's key or the
//! workload's key.

use proto::trial::Concurrency;

use super::{
    MAX_TOTAL_TRIALS, Problem, Scenario,
    document::{Document, Spot},
    keys::Block,
    spans::KeyPath,
};
use crate::scenario::{
    Cell,
    expand::{self, CellError},
};

/// The most problems of one kind that are shown; a sweep can have thousands of cells.
const MOST_PROBLEMS: usize = 20;

/// Every arm at every point, or the problems that prevent it.
pub(super) fn cells(document: &Document, scenario: &Scenario) -> Result<Vec<Cell>, Vec<Problem>> {
    let total = expand::total_trials(scenario);
    if total > MAX_TOTAL_TRIALS {
        let points: usize = scenario.sweep.values().map(Vec::len).product();
        let message = format!("the scenario comes to {total} trials; at most {MAX_TOTAL_TRIALS} are allowed");
        let place = KeyPath::of([if points > 1 { "sweep" } else { "trials" }]);
        let help = format!(
            "{} arms, {points} points, {} trials and an audit of each: sweep fewer values or axes",
            scenario.arms.len(),
            scenario.trials
        );
        return Err(vec![document.problem(&place, Spot::Value, message, "too many").help(help)]);
    }
    expand::cells(scenario).map_err(|errors| {
        let mut problems: Vec<Problem> = Vec::new();
        for error in &errors {
            let problem = laid(document, scenario, error);
            if problems.len() < MOST_PROBLEMS && !problems.iter().any(|known| known.repeats(&problem)) {
                problems.push(problem);
            }
        }
        problems
    })
}

/// A cell's problem, reported at its cause.
fn laid(document: &Document, scenario: &Scenario, cell: &CellError) -> Problem {
    let (block, key) = cell.error.field.split_once('.').unwrap_or((&cell.error.field, ""));
    let key = key.rsplit('.').next().unwrap_or(key);
    let swept = |key: &str| {
        let (axis, index) = cell.picks.iter().find(|(axis, _)| axis == key)?;
        Some(KeyPath::of(["sweep", axis]).index(*index))
    };
    let arm = |key: &str| KeyPath::of(["arms", &cell.arm, key]);
    let own = match block {
        "engine" => arm(key),
        "target" => cell.error.field.split('.').fold(KeyPath::default(), |path, key| path.key(key)),
        block => KeyPath::of([block, key]),
    };
    // Too many threads or buffers come from the depth more often than from what they are counted in.
    let from_depth = || {
        let threads = scenario.arms.get(&cell.arm)?.engine.concurrency == Concurrency::Threads;
        let depth = swept("depth").or_else(|| Some(arm("depth")).filter(|path| document.has(path)));
        depth.filter(|_| (key == "threads" && threads) || cell.error.message.contains("of buffers"))
    };
    // A knob that an axis gives to an arm without a ring is the axis's doing.
    let from_axis = || {
        let knobs = cell.error.message.split_once("cannot have ")?.1;
        knobs.split(", ").find_map(swept)
    };
    let written = document.has(&own);
    let place =
        swept(key).or_else(from_axis).or_else(|| if written { None } else { from_depth() }).unwrap_or(own);
    let at: Vec<String> = cell
        .picks
        .iter()
        .filter_map(|(axis, index)| {
            let value = scenario.sweep.get(axis)?.get(*index)?;
            Some(format!("{axis}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let point = if at.is_empty() { String::new() } else { format!(" at {}", at.join(" ")) };
    let message = format!("`{key}`: {}", cell.error.message);
    document.problem(&place, Spot::Value, message, "refused").help(format!(
        "{} (found in the arm `{}`{point})",
        remedy(key, &cell.error.message),
        cell.arm
    ))
}

/// What to do about a field that is refused.
fn remedy(key: &str, message: &str) -> String {
    if let Some((_, knobs)) = message.split_once("cannot have ") {
        return format!("take {knobs} out, or choose an engine with a ring: io_uring or nop");
    }
    if message.starts_with("needs single_issuer") {
        return "add `single_issuer: true`".to_owned();
    }
    if message.contains("of buffers") {
        return "lower the depth, the block size or the threads".to_owned();
    }
    if message.contains("worker threads") {
        return "lower the depth or `threads`; `concurrency: threads` multiplies them".to_owned();
    }
    let blocks = [Block::Workload, Block::Arm, Block::File, Block::Target, Block::Ramdisk, Block::Device];
    blocks.into_iter().find_map(|block| block.about(key)).unwrap_or_else(|| "change it".to_owned())
}
