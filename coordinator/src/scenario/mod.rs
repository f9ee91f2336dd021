//! Scenarios: reads YAML into a typed model. Every error points at a line.
//!
//! Stages: `yaml` parses the text into a tree, and `spans` maps each value of the tree to its range in the text.
//! `document` applies `--set` to the tree. `read` builds the typed model and reports every problem at its line;
//! `cells` does the same for problems that appear only in a cell. `error` defines how problems are shown. The
//! options are defined by [`proto::trial`] alone: [`schema`] and `keys` are derived from those types.
//!
//! **Order of precedence**: the scenario, shortened by `--quick`, changed by `--set`. A value set by hand
//! therefore takes precedence over `--quick`, and values of an axis are never shortened.

mod cell;
mod cells;
mod document;
mod error;
mod expand;
pub mod expect;
mod itself;
pub(crate) mod keys;
mod message;
pub mod noise;
pub mod precision;
mod read;
pub mod schema;
mod spans;
mod yaml;

use std::{
    collections::BTreeMap,
    fs,
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
    itself::{Itself, against_itself},
    schema::scenario_schema,
};
use self::{document::Document, noise::NoisePolicy, spans::KeyPath};

/// The default number of trials.
pub const DEFAULT_TRIALS: u32 = 3;
/// The most trials of one cell.
pub const MAX_TRIALS: u32 = 1000;
/// The most trials of a whole run, audits included.
pub const MAX_TOTAL_TRIALS: u64 = 100_000;
/// The longest name of a scenario or an arm: both become part of file names.
pub const MAX_NAME: usize = 64;
/// Names of scenarios, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
/// Names of arms, as a regular expression: without a point, because a point ends an arm's name in an expectation.
pub const ARM_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";

/// The upper limits that `--quick` sets.
pub mod quick {
    use proto::units::{ByteSize, Nanos};

    /// Trials of a cell.
    pub const TRIALS: u32 = 2;
    /// Measured time of a trial.
    pub const RUNTIME: Nanos = Nanos(200_000_000);
    /// Warm-up time.
    pub const WARMUP: Nanos = Nanos(50_000_000);
    /// Size of a file that the agent makes.
    pub const FILE_SIZE: ByteSize = ByteSize(64 << 20);
}

/// A scenario: the arms compared, the target and workload, and the expectations.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name; part of the run directory's name.
    pub name: String,
    /// The question that the scenario answers.
    pub question: Option<String>,
    /// The target of the I/O.
    pub target: Target,
    /// The I/O pattern.
    pub workload: Workload,
    /// The arms, in the order of the scenario; never empty.
    pub arms: IndexMap<String, Arm>,
    /// Axes with their values as [`crate::params::Params`] holds them: numbers, booleans and words as they are,
    /// sizes and durations as canonical text.
    pub sweep: IndexMap<String, Vec<Value>>,
    /// Trials of each cell; the maximum if `precision` is set.
    pub trials: u32,
    /// When fewer trials suffice.
    pub precision: Option<Precision>,
    /// The equivalence margin: arms count as equal if the interval of their ratio lies within 1 ± this value (0.02
    /// for 2 %).
    pub margin: f64,
    /// The baseline, if one was named; see [`Scenario::baseline_arm`].
    pub baseline: Option<String>,
    /// Arms in the order of a ladder, each one change away from its predecessor; empty, or at least two.
    pub ladder: Vec<String>,
    /// Claims.
    pub expect: Vec<Expectation>,
    /// How noisy trials are treated.
    pub noise: NoisePolicy,
    /// The seed, if given.
    pub seed: Option<u64>,
}

impl Scenario {
    /// The baseline: the named arm, or the first one.
    #[must_use]
    pub fn baseline_arm(&self) -> &str {
        self.baseline.as_deref().or_else(|| self.arms.keys().next().map(String::as_str)).unwrap_or_default()
    }
}

/// One arm of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The engine and its knobs.
    pub engine: Engine,
    /// Labels that a host must have to run it; empty: every host runs it.
    pub hosts: BTreeMap<String, String>,
    /// A description for people.
    pub description: Option<String>,
}

/// A scenario together with its sources.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario, with overrides applied.
    pub scenario: Scenario,
    /// The text as read.
    pub text: String,
    /// The path it was read from.
    pub path: PathBuf,
    /// `--set` as given, in order.
    pub overrides: Vec<String>,
    /// Whether `--quick` shortened it.
    pub quick: bool,
    /// Locates problems in the text.
    pub(crate) document: Document,
}

impl Loaded {
    /// The cells of the scenario in its present state.
    pub(crate) fn cells(&self) -> Result<Vec<Cell>, ScenarioError> {
        cells::cells(&self.document, &self.scenario)
            .map_err(|problems| ScenarioError::new(self.document.name(), problems))
    }
}

/// Reads a scenario from a file, shortens it if `quick` is set, and applies overrides (`PATH=VALUE`, the value in
/// YAML). Every cell of the result is valid.
///
/// # Errors
/// All independent problems, each with its location and its remedy.
pub fn load(path: &Path, overrides: &[String], quick: bool) -> Result<Loaded, ScenarioError> {
    let name = path.display().to_string();
    let refuse = |message: String, help: &str| {
        ScenarioError::new(name.clone(), vec![Problem::new(message).help(help)])
    };
    let bytes = fs::read(path).map_err(|error| {
        refuse(
            format!("cannot read the scenario {name}: {error}"),
            "name a file; shipped ones are in scenarios/",
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refuse(format!("{name} is not UTF-8 (byte {at})"), "save it as UTF-8")
    })?;
    load_text(text, path, overrides, quick)
}

/// Like [`load`], for a text in memory; errors show `path` as its name.
///
/// # Errors
/// As [`load`].
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

/// Applies `--quick` to every value that no `--set` decided.
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
        // The file must still hold one block.
        *size = ByteSize(size.0.min(quick::FILE_SIZE.0.max(work.block_size.largest().0)));
    }
}

#[cfg(test)]
mod tests;
