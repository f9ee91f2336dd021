//! The scenario's cells, and the problems of cells located at their cause: the swept value, the arm's key, or the
//! workload's.

use proto::trial::{Concurrency, Rule};

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

/// The most problems shown; a sweep can have thousands of cells.
const MOST_PROBLEMS: usize = 20;

/// Arms at points, or the problems that prevent them.
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
            let problem = located(document, scenario, error);
            if problems.len() < MOST_PROBLEMS && !problems.iter().any(|known| known.repeats(&problem)) {
                problems.push(problem);
            }
        }
        problems
    })
}

/// A problem of a cell, at its cause.
fn located(document: &Document, scenario: &Scenario, cell: &CellError) -> Problem {
    let CellError { arm, picks, error } = cell;
    let (block, key) = (error.field.split('.').next().unwrap_or_default(), error.key());
    let swept = |key: &str| {
        let (axis, index) = picks.iter().find(|(axis, _)| axis == key)?;
        Some(KeyPath::of(["sweep", axis]).index(*index))
    };
    let of_arm = |key: &str| KeyPath::of(["arms", arm, key]);
    let own = match block {
        "engine" => of_arm(key),
        "target" => error.field.split('.').fold(KeyPath::default(), |path, key| path.key(key)),
        block => KeyPath::of([block, key]),
    };
    // The depth causes too many threads or buffers more often than the key that they are counted in.
    let from_depth = || {
        let threads = scenario.arms.get(arm)?.engine.queue.concurrency == Concurrency::Threads;
        let depth = swept("depth").or_else(|| Some(of_arm("depth")).filter(|path| document.has(path)));
        depth.filter(|_| match error.rule {
            Rule::TooManyWorkers { .. } => threads,
            Rule::TooManyBuffers { .. } => true,
            _ => false,
        })
    };
    // An option that the engine lacks may come from an axis.
    let from_axis = || match &error.rule {
        Rule::EngineLacks { options, .. } => options.iter().find_map(|option| swept(option)),
        _ => None,
    };
    let written = document.has(&own);
    let place =
        swept(key).or_else(from_axis).or_else(|| if written { None } else { from_depth() }).unwrap_or(own);
    let point: Vec<String> = picks
        .iter()
        .filter_map(|(axis, index)| {
            let value = scenario.sweep.get(axis)?.get(*index)?;
            Some(format!("{axis}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    let point = if point.is_empty() { String::new() } else { format!(" at {}", point.join(" ")) };
    let blocks = [Block::Workload, Block::Arm, Block::File, Block::Target, Block::Ramdisk, Block::Device];
    let remedy = error.remedy().or_else(|| blocks.into_iter().find_map(|block| block.about(key)));
    let remedy = remedy.unwrap_or_else(|| "change it".to_owned());
    document
        .problem(&place, Spot::Value, format!("`{key}`: {}", error.rule), "refused")
        .help(format!("{remedy} (found in the arm `{arm}`{point})"))
}
