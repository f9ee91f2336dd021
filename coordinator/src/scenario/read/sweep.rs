//! `sweep` and `expect`: the axes, and the claims about their points.

use std::collections::HashSet;

use indexmap::IndexMap;
use proto::trial::{Engine, EngineKind, Target, Workload};
use serde_json::Value;

use super::{Arms, Fixed, Reader};
use crate::scenario::{
    Expectation,
    document::Spot,
    error::MAX_SHOWN,
    expand::canonical,
    expect,
    fault::Fault,
    keys::Block,
    spans::{KeyPath, Step},
};

impl Reader<'_> {
    pub(super) fn sweep(
        &mut self,
        value: Option<Value>,
        (workload, arms, target): (&Option<Workload>, &Arms, &Option<Target>),
        fixed: &Fixed,
    ) -> IndexMap<String, Vec<Value>> {
        let mut sweep = IndexMap::new();
        let Some(value) = value.filter(|value| !value.is_null()) else { return sweep };
        let Some(mut axes) = self.section("sweep", Some(value), "`sweep: {depth: [1, 8, 32]}`") else {
            return sweep;
        };
        let at = KeyPath::of(["sweep"]);
        self.known(Block::Sweep, &mut axes, &at);
        // Axes are checked against valid blocks, so that problems of the blocks are not reported for the axes.
        let workload = workload.clone().unwrap_or_default();
        let engine =
            arms.values().next().map_or_else(|| Engine::new(EngineKind::IoUring), |arm| arm.engine.clone());
        for (axis, value) in axes {
            let at = at.key(&axis);
            for arm in fixed.iter().filter(|(_, keys)| keys.contains(&axis)).map(|(arm, _)| arm) {
                let place = KeyPath::of(["arms", arm, &axis]);
                let message = format!("`{axis}` is swept, but the arm `{arm}` fixes it");
                let help = format!("remove `{axis}` from the arm or from `sweep`");
                self.report(&place, message, "fixed here", help);
            }
            let values = match value {
                Value::Array(values) if !values.is_empty() => values,
                Value::Array(_) => {
                    let help = format!("list its values, such as `{axis}: [1, 8]`, or remove the axis");
                    self.report(&at, format!("the axis `{axis}` has no values"), "empty", help);
                    continue;
                }
                _ => {
                    let help = format!(
                        "write a list, such as `{axis}: [1, 8]`; a single value belongs in its block"
                    );
                    self.report(&at, format!("the axis `{axis}` must be a list"), "not a list", help);
                    continue;
                }
            };
            let Some(target) = target.as_ref() else {
                sweep.insert(axis, values);
                continue;
            };
            if axis == "size" && matches!(target, Target::Path(_) | Target::Device(_)) {
                let help = "remove the axis, or let the agent create the file: `target: {file: {size: …}}`";
                self.report(&at, "the size of an existing target cannot be swept", "not an axis here", help);
                continue;
            }
            let values = self.values(&axis, values, &at, (&workload, &engine, target));
            sweep.insert(axis, values);
        }
        sweep
    }

    /// The values in canonical form. A repeated value would make two identical cells.
    fn values(
        &mut self,
        axis: &str,
        values: Vec<Value>,
        at: &KeyPath,
        parts: (&Workload, &Engine, &Target),
    ) -> Vec<Value> {
        let mut known: Vec<Value> = Vec::new();
        let mut seen = HashSet::new();
        for (index, value) in values.into_iter().enumerate() {
            // A long list of wrong values is not read to its end.
            if self.problems.len() > MAX_SHOWN {
                break;
            }
            let place = at.index(index);
            let read = if value.is_null() {
                Err(Fault::NotA { found: "nothing".to_owned(), wanted: "a value".to_owned() })
            } else {
                canonical(axis, &value, parts)
            };
            match read {
                Err(fault) => {
                    let (message, label, help) = fault.at(&place);
                    let about = help.or_else(|| Block::Sweep.about(axis));
                    let problem = self.document.problem(&place, Spot::Value, message, &label);
                    self.problems.push(match about {
                        Some(about) => problem.help(about),
                        None => problem,
                    });
                }
                Ok(value) if !seen.insert(value.to_string()) => {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let message = format!("the axis `{axis}` has {shown} twice");
                    self.report(
                        &place,
                        message,
                        "again",
                        "remove one; `trials` sets how often a cell is repeated",
                    );
                }
                Ok(value) => known.push(value),
            }
        }
        known
    }

    pub(super) fn expect(
        &mut self,
        value: Option<Value>,
        arms: &[&str],
        sweep: Option<&IndexMap<String, Vec<Value>>>,
    ) -> Vec<Expectation> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let at = KeyPath::of(["expect"]);
        let Value::Array(list) = value else {
            let help = "write a list of strings: `- \"uring.iops >= sync.iops\"`";
            self.report(&at, "`expect` must be a list", "not a list", help);
            return Vec::new();
        };
        let axes: Option<Vec<(&str, &[Value])>> = sweep
            .map(|sweep| sweep.iter().map(|(axis, values)| (axis.as_str(), values.as_slice())).collect());
        let mut claims = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = KeyPath(vec![Step::Key("expect".to_owned()), Step::Index(index)]);
            let Some(text) = self.typed::<String>(value, &place, Some(Block::Scenario)) else { continue };
            let errors = match expect::parse(&text) {
                Ok(claim) => {
                    let mut errors =
                        if arms.is_empty() { Vec::new() } else { claim.check(arms, axes.as_deref()) };
                    // A sweep that is shortened with --set may lack the points of some claims.
                    if let Some(axes) =
                        axes.as_deref().filter(|_| !self.document.is_set(&KeyPath::of(["sweep"])))
                    {
                        errors.extend(claim.check_points(axes));
                    }
                    claims.push(claim);
                    errors
                }
                Err(error) => vec![error],
            };
            for error in errors {
                let part = error.part.clone();
                let problem = self.document.problem_within(&place, &text, part, error.message, "here");
                self.problems.push(problem.help(error.help));
            }
        }
        claims
    }
}
