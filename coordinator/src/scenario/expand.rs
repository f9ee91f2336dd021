//! Expands a scenario into its cells: each arm at each point of the sweep.

use proto::trial::{Engine, FieldError, Measure, Target, Trial, Workload};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Cell, Scenario, fault::Fault, keys::Block};
use crate::params::Params;

/// The block that an axis changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AxisBlock {
    Workload,
    Engine,
    Target,
}

/// The block that has the key of this name; `None` if it cannot be an axis.
pub(crate) fn axis_block(axis: &str) -> Option<AxisBlock> {
    match axis {
        "engine" | "hosts" | "description" => None,
        _ if Block::Workload.has(axis) => Some(AxisBlock::Workload),
        _ if Block::Arm.has(axis) => Some(AxisBlock::Engine),
        _ if Block::File.has(axis) || Block::Ramdisk.has(axis) => Some(AxisBlock::Target),
        _ => None,
    }
}

/// Why a cell is invalid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CellError {
    /// The arm.
    pub arm: String,
    /// The point: each axis with an index into its values.
    pub picks: Vec<(String, usize)>,
    /// The field and the rule that it breaks.
    pub error: FieldError,
}

/// Replaces keys of a block by values of axes.
pub(crate) fn overlay<'a, T: Serialize + DeserializeOwned>(
    block: &T,
    values: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Result<T, Fault> {
    let mut tree = serde_json::to_value(block).map_err(|error| Fault::of(&error))?;
    let place = keys_of(&mut tree);
    for (key, value) in values {
        place[key] = value.clone();
    }
    serde_json::from_value(tree).map_err(|error| Fault::of(&error))
}

/// The object that holds a block's keys; of most targets, it is one level down.
fn keys_of(tree: &mut Value) -> &mut Value {
    match ["file", "ramdisk", "device"].into_iter().find(|key| tree.get(key).is_some_and(Value::is_object)) {
        Some(key) => &mut tree[key],
        None => tree,
    }
}

/// The value of an axis in canonical form, checked against the scenario's blocks.
pub(crate) fn canonical(
    axis: &str,
    value: &Value,
    parts: (&Workload, &Engine, &Target),
) -> Result<Value, Fault> {
    fn through<T: Serialize + DeserializeOwned>(
        block: &T,
        axis: &str,
        value: &Value,
    ) -> Result<Value, Fault> {
        let block = overlay(block, [(axis, value)])?;
        let mut tree = serde_json::to_value(&block).map_err(|error| Fault::of(&error))?;
        Ok(keys_of(&mut tree)[axis].take())
    }
    let (workload, engine, target) = parts;
    match axis_block(axis) {
        Some(AxisBlock::Workload) => through(workload, axis, value),
        Some(AxisBlock::Engine) => through(engine, axis, value),
        Some(AxisBlock::Target) => through(target, axis, value),
        None => Err(Fault::Other(format!("`{axis}` cannot be an axis"))),
    }
}

/// All points of the sweep, with the first axis changing slowest; without a sweep, one empty point.
pub(crate) fn points(scenario: &Scenario) -> Vec<(Params, Vec<(String, usize)>)> {
    let mut points = vec![(Params::new(), Vec::new())];
    for (axis, values) in &scenario.sweep {
        let further = |(params, picks): &(Params, Vec<(String, usize)>)| {
            let (params, picks) = (params.clone(), picks.clone());
            values.iter().enumerate().map(move |(index, value)| {
                let (mut params, mut picks) = (params.clone(), picks.clone());
                params.insert(axis.clone(), value.clone());
                picks.push((axis.clone(), index));
                (params, picks)
            })
        };
        points = points.iter().flat_map(further).collect();
    }
    points
}

/// The total number of trials, including audits.
pub(crate) fn total_trials(scenario: &Scenario) -> u64 {
    let counts = scenario.sweep.values().map(|values| values.len() as u64);
    counts.chain([scenario.arms.len() as u64, u64::from(scenario.trials) + 1]).fold(1, u64::saturating_mul)
}

/// The cells, arm by arm within each point. All are valid.
pub(crate) fn cells(scenario: &Scenario) -> Result<Vec<Cell>, Vec<CellError>> {
    let (mut cells, mut errors) = (Vec::new(), Vec::new());
    for (params, picks) in points(scenario) {
        for arm in scenario.arms.keys() {
            match cell(scenario, arm, &params) {
                Ok(cell) => cells.push(cell),
                Err(found) => errors.extend(found.into_iter().map(|error| CellError {
                    arm: arm.clone(),
                    picks: picks.clone(),
                    error,
                })),
            }
        }
    }
    if errors.is_empty() { Ok(cells) } else { Err(errors) }
}

fn cell(scenario: &Scenario, name: &str, params: &Params) -> Result<Cell, Vec<FieldError>> {
    let arm = &scenario.arms[name];
    let of = |wanted: AxisBlock| {
        let picked = params.iter().filter(move |(axis, _)| axis_block(axis) == Some(wanted));
        picked.map(|(axis, value)| (axis.as_str(), value))
    };
    let refuse = |field: &str, fault: Fault| vec![FieldError::malformed(field, fault.to_string())];
    let template = Trial {
        id: String::new(),
        seed: 0,
        target: overlay(&scenario.target, of(AxisBlock::Target)).map_err(|fault| refuse("target", fault))?,
        workload: overlay(&scenario.workload, of(AxisBlock::Workload))
            .map_err(|fault| refuse("workload", fault))?,
        engine: overlay(&arm.engine, of(AxisBlock::Engine)).map_err(|fault| refuse("engine", fault))?,
        measure: Measure::Timed,
    };
    template.validate()?;
    Ok(Cell { arm: name.to_owned(), params: params.clone(), hosts: arm.hosts.clone(), template })
}
