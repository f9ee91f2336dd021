//! Scenarios: YAML to a typed model, where every error points at a line.
//!
//! The path of a text: `yaml` makes a tree of it and `spans` a map from places of the tree to places of
//! the text; `document` applies `--set` to the tree; `read` makes the typed model of it and lays every
//! problem at its line; `cells` does the same for what only shows in a cell; `error` is how problems look. Options are those of [`proto::trial`] and stand
//! nowhere else: [`schema`] and `keys` are derived from those types.
//!
//! **Order of precedence**: the scenario, shortened by `--quick`, changed by `--set`. What is set by hand
//! therefore wins over `--quick`, and values of an axis are never shortened.

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

/// Trials where a scenario says nothing.
pub const DEFAULT_TRIALS: u32 = 3;
/// The most trials of one cell.
pub const MAX_TRIALS: u32 = 1000;
/// The most trials of a whole run, audits included.
pub const MAX_TOTAL_TRIALS: u64 = 100_000;
/// The longest name of a scenario or an arm: both become part of file names.
pub const MAX_NAME: usize = 64;
/// Names of scenarios, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
/// Names of arms, as a regular expression: no point, which ends an arm's name in an expectation.
pub const ARM_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";

/// What `--quick` leaves of a scenario, at most.
pub mod quick {
    use proto::units::{ByteSize, Nanos};

    /// Trials of a cell.
    pub const TRIALS: u32 = 2;
    /// Measured time of a trial.
    pub const RUNTIME: Nanos = Nanos(200_000_000);
    /// Time before measuring.
    pub const WARMUP: Nanos = Nanos(50_000_000);
    /// Size of a file that the agent makes.
    pub const FILE_SIZE: ByteSize = ByteSize(64 << 20);
}

/// What is compared, on what, and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name; part of the run directory's name.
    pub name: String,
    /// The question that it answers, in plain words.
    pub question: Option<String>,
    /// What the I/O goes to.
    pub target: Target,
    /// What the I/O looks like.
    pub workload: Workload,
    /// What is compared, in the order of the scenario; never empty.
    pub arms: IndexMap<String, Arm>,
    /// Axes with their values as they stand in [`crate::params::Params`]: numbers, truth values and words as
    /// such, sizes and durations as canonical text.
    pub sweep: IndexMap<String, Vec<Value>>,
    /// How often each cell is run; with `precision`, at most.
    pub trials: u32,
    /// When fewer trials will do.
    pub precision: Option<Precision>,
    /// Arms whose ratio lies surely within 1 ± this are called equal: 0.02 for 2 %.
    pub margin: f64,
    /// The arm that others are held against, if one was named; see [`Scenario::baseline_arm`].
    pub baseline: Option<String>,
    /// Arms in the order of a ladder, each one change away from the one before; empty, or two and more.
    pub ladder: Vec<String>,
    /// Claims.
    pub expect: Vec<Expectation>,
    /// What becomes of noisy trials.
    pub noise: NoisePolicy,
    /// The seed, if one was given.
    pub seed: Option<u64>,
}

impl Scenario {
    /// The arm that others are held against: the one that was named, or the first.
    #[must_use]
    pub fn baseline_arm(&self) -> &str {
        self.baseline.as_deref().or_else(|| self.arms.keys().next().map(String::as_str)).unwrap_or_default()
    }
}

/// One of the things compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The engine and its knobs.
    pub engine: Engine,
    /// Labels that a host must have to run it; empty: every host runs it.
    pub hosts: BTreeMap<String, String>,
    /// What is special about it, in plain words.
    pub description: Option<String>,
}

/// A scenario with all that made it what it is.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario, with overrides applied.
    pub scenario: Scenario,
    /// The text as read.
    pub text: String,
    /// Where it was read.
    pub path: PathBuf,
    /// `--set` as given, in order.
    pub overrides: Vec<String>,
    /// Whether `--quick` shortened it.
    pub quick: bool,
    /// Finds the places of problems.
    pub(crate) document: Document,
}

impl Loaded {
    /// Arms at points, as the scenario is now.
    pub(crate) fn cells(&self) -> Result<Vec<Cell>, ScenarioError> {
        cells::cells(&self.document, &self.scenario)
            .map_err(|problems| ScenarioError::new(self.document.name(), problems))
    }
}

/// Reads a scenario from a file, shortens it if `quick` says so, and applies overrides (`PATH=VALUE`, the
/// value in YAML). What comes back is valid in every cell.
///
/// # Errors
/// All problems that can be told from one another, each with its place and its remedy.
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

/// The same, of a text that is at hand already; `path` is what errors call it.
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

/// Applies `--quick` to what no `--set` decided.
fn shorten(scenario: &mut Scenario, document: &Document) {
    let free = |keys: &[&str]| {
        let path = keys.iter().fold(KeyPath::default(), |path, key| path.key(key));
        !document.is_set(&path)
    };
    // A smoke test need not be measured twice.
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
        // But never below the one block that it must hold.
        *size = ByteSize(size.0.min(quick::FILE_SIZE.0.max(work.block_size.largest().0)));
    }
}

#[cfg(test)]
mod tests;
