//! Scenarios: YAML is read into a typed model, and every error points at a line.
//!
//! `yaml` parses the text into a tree, and `spans` maps places in the tree to places in the text. `document` applies
//! `--set` to the tree. `read` turns the tree into the typed model and locates every problem; `expand` lays the sweep
//! over it, and `cells` locates problems that appear only in a cell. `error` is how problems are shown. The options are
//! those of [`proto::trial`]; [`schema`] and `keys` are derived from these types.
//!
//! **Order of precedence**: the scenario, then `--quick`, then `--set`. A value given with `--set` therefore wins over
//! `--quick`. Values of an axis are never shortened.

mod cell;
mod cells;
#[cfg(test)]
mod doc;
mod document;
mod error;
mod expand;
pub mod expect;
mod fault;
pub mod host_loss;
pub(crate) mod keys;
pub mod noise;
mod option;
pub mod precision;
mod read;
pub mod schema;
mod self_comparison;
mod spans;
mod versus;
mod yaml;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use proto::{
    trial::{Engine, Target, Workload},
    units::{ByteSize, Nanos},
};
use serde_json::Value;

pub use self::precision::Precision;
pub use self::{
    cell::Cell,
    error::{Problem, ScenarioError},
    expect::Expectation,
    schema::scenario_schema,
    self_comparison::{SelfComparison, compare_with_itself},
    versus::Versus,
};
use self::{document::Document, host_loss::HostLossPolicy, noise::NoisePolicy, spans::KeyPath};
use crate::input;

/// The number of trials if the scenario has none.
pub const DEFAULT_TRIALS: u32 = 3;
/// The maximum number of trials per cell.
pub const MAX_TRIALS: u32 = 1000;
/// The maximum number of trials per run, including audits.
pub const MAX_TOTAL_TRIALS: u64 = 100_000;
/// The maximum length of the name of a scenario or an arm, in bytes. Names become part of file names.
pub const MAX_NAME: usize = 64;
/// Names of scenarios, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
/// Names of arms, as a regular expression. They contain no dot, because a dot ends an arm's name in an expectation.
pub const ARM_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";

/// The limits that `--quick` applies to a scenario.
pub mod quick {
    use proto::units::{ByteSize, Nanos};

    /// Trials per cell.
    pub const TRIALS: u32 = 2;
    /// Measured time per trial.
    pub const RUNTIME: Nanos = Nanos(200_000_000);
    /// Warm-up time per trial.
    pub const WARMUP: Nanos = Nanos(50_000_000);
    /// Size of a file or RAM disk created by the agent.
    pub const FILE_SIZE: ByteSize = ByteSize(64 << 20);
}

/// A scenario: what is compared, on which target, and what is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The name, which becomes part of the run directory's name.
    pub name: String,
    /// The question that the scenario answers.
    pub question: Option<String>,
    /// The target of the I/O.
    pub target: Target,
    /// The I/O pattern.
    pub workload: Workload,
    /// The arms in the order of the scenario; never empty.
    pub arms: IndexMap<String, Arm>,
    /// Axes with their values in the form of [`crate::params::Params`]: numbers, booleans and words as they are, sizes
    /// and durations as canonical text.
    pub sweep: IndexMap<String, Vec<Value>>,
    /// Trials per cell; the maximum if `precision` is set.
    pub trials: u32,
    /// The condition for stopping before `trials` is reached.
    pub precision: Option<Precision>,
    /// Two arms are equal if the interval of their ratio lies within 1 ± this share: 0.02 for 2 %.
    pub margin: f64,
    /// The baseline named in the scenario; see [`Scenario::baseline_arm`].
    pub baseline: Option<String>,
    /// Further comparisons; none includes the baseline.
    pub compare: Vec<Versus>,
    /// The arms of the ladder, each one change away from its predecessor; empty, or at least two.
    pub ladder: Vec<String>,
    /// The expectations.
    pub expect: Vec<Expectation>,
    /// How noisy trials are treated.
    pub noise: NoisePolicy,
    /// What happens when a host is lost.
    pub on_host_loss: HostLossPolicy,
    /// The seed given in the scenario.
    pub seed: Option<u64>,
}

impl Scenario {
    /// The arm that the others are compared with: the named baseline, or the first arm.
    #[must_use]
    pub fn baseline_arm(&self) -> &str {
        self.baseline.as_deref().or_else(|| self.arms.keys().next().map(String::as_str)).unwrap_or_default()
    }

    /// Whether the first arm is compared with the second.
    #[must_use]
    pub fn compares(&self, arm: &str, against: &str) -> bool {
        let baseline = self.baseline_arm();
        (against == baseline && arm != baseline)
            || self.compare.iter().any(|versus| versus.arm == arm && versus.against == against)
    }
}

/// One of the alternatives that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The engine and its knobs.
    pub engine: Engine,
    /// Labels that a host must have to run the arm; if empty, every host runs it.
    pub hosts: BTreeMap<String, String>,
    /// A description in prose.
    pub description: Option<String>,
}

/// A scenario together with the text and overrides that it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario, with overrides applied.
    pub scenario: Scenario,
    /// The text of the file, without overrides.
    pub text: String,
    /// The file that it was read from.
    pub path: PathBuf,
    /// The `--set` arguments, in order.
    pub overrides: Vec<String>,
    /// Whether `--quick` was applied.
    pub quick: bool,
    /// Locates problems in the text.
    pub(crate) document: Document,
}

impl Loaded {
    /// Expands the scenario into its cells.
    pub(crate) fn cells(&self) -> Result<Vec<Cell>, ScenarioError> {
        cells::cells(&self.document, &self.scenario)
            .map_err(|problems| ScenarioError::new(self.document.name(), problems))
    }
}

/// Reads a scenario from a file and applies overrides (`PATH=VALUE`, with the value in YAML) and, if `quick` is set,
/// the limits of [`quick`]. The result is valid in every cell.
///
/// # Errors
/// All problems found, each with its place and its remedy.
pub fn load(path: &Path, overrides: &[String], quick: bool) -> Result<Loaded, ScenarioError> {
    let name = path.display().to_string();
    let refuse = |message: String, help: &str| {
        ScenarioError::new(name.clone(), vec![Problem::new(message).help(help)])
    };
    let text = input::text(path).map_err(|error| {
        refuse(
            format!("cannot read the scenario {name}: {error}"),
            "name a file; shipped ones are in scenarios/",
        )
    })?;
    load_text(text, path, overrides, quick)
}

/// Like [`load`], but for text in memory. Errors name `path`.
///
/// # Errors
/// Like [`load`].
pub fn load_text(
    text: String,
    path: &Path,
    overrides: &[String],
    quick: bool,
) -> Result<Loaded, ScenarioError> {
    let name = path.display().to_string();
    let fail = |problems| ScenarioError::new(name.clone(), problems);
    let (mut document, mut tree) = Document::read(&name, &text).map_err(fail)?;
    let refused: Vec<Problem> =
        overrides.iter().filter_map(|set| document.set(&mut tree, set).err()).collect();
    if !refused.is_empty() {
        return Err(fail(refused));
    }
    let mut scenario = read::scenario(&document, tree).map_err(fail)?;
    if quick {
        shorten(&mut scenario, &document);
    }
    cells::cells(&document, &scenario).map_err(fail)?;
    Ok(Loaded { scenario, text, path: path.to_owned(), overrides: overrides.to_vec(), quick, document })
}

/// Applies `--quick` to everything that no `--set` determined.
fn shorten(scenario: &mut Scenario, document: &Document) {
    let free = |keys: &[&str]| {
        let path = keys.iter().fold(KeyPath::default(), |path, key| path.key(key));
        !document.is_set(&path)
    };
    // A smoke test does not repeat noisy trials.
    if free(&["noise"]) && scenario.noise == NoisePolicy::Mark {
        scenario.noise = NoisePolicy::Warn;
    }
    let work = &mut scenario.workload;
    if free(&["trials"]) {
        scenario.trials = scenario.trials.min(quick::TRIALS);
        scenario.precision = None;
    }
    if free(&["workload", "runtime"]) {
        work.runtime = Nanos(work.runtime.0.min(quick::RUNTIME.0));
    }
    if free(&["workload", "warmup"]) {
        work.warmup = Nanos(work.warmup.0.min(quick::WARMUP.0));
    }
    let (size, kind) = match &mut scenario.target {
        Target::File(file) => (&mut file.size, "file"),
        Target::Ramdisk(disk) => (&mut disk.size, "ramdisk"),
        Target::Path(_) | Target::Device(_) => return,
    };
    if free(&["target", kind, "size"]) {
        // The target must hold at least one block.
        *size = ByteSize(size.0.min(quick::FILE_SIZE.0.max(work.block_size.largest().0)));
    }
}

#[cfg(test)]
mod tests;
