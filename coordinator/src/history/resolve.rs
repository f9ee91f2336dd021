//! Finds a run by path, by name, by the beginning of a name, or by counting back from the newest.
//!
//! | text | run |
//! |---|---|
//! | a path | that directory |
//! | `20261122T100347Z-qd-sweep` | the run of that name in the results directory |
//! | `20261122` | the only run whose name begins with it |
//! | `latest`, `latest~2` | the newest run, and the second before it |
//! | `qd-sweep~1` | the run before the newest of the scenario `qd-sweep`; `~0` is the newest |

use std::path::{Path, PathBuf};

use super::load;
use crate::{scenario::keys::nearest, store::PLAN, summary::RunEntry};

/// The name of the newest run.
pub const LATEST: &str = "latest";
/// The most names that an error lists.
const FEW: usize = 5;

/// A text that names no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownRun {
    /// The problem.
    pub message: String,
    /// The remedy.
    pub help: String,
}

/// Finds a run by a path, or by a name in the results directory `dir`.
///
/// # Errors
/// The text names no run, or more than one.
pub fn resolve(text: &Path, dir: &Path) -> Result<PathBuf, UnknownRun> {
    // An existing path is used as it is; the caller reports if it is not a run.
    if text.exists() {
        return Ok(text.to_owned());
    }
    let name = text.to_string_lossy();
    if text.components().count() > 1 || name.is_empty() {
        return Err(UnknownRun {
            message: format!("there is no directory {}", text.display()),
            help:
                "give the directory of a run, such as results/latest, or a name that `coordinator list` shows"
                    .to_owned(),
        });
    }
    let history = load(dir, false).map_err(|error| UnknownRun {
        message: format!("`{name}` is not a run directory, and {} cannot be read: {error}", dir.display()),
        help: "give the directory of a run, such as results/latest, or the results directory with --dir"
            .to_owned(),
    })?;
    among(&name, &history.runs, dir).map(|name| dir.join(name))
}

/// Finds it among the runs of a results directory, oldest first.
fn among(text: &str, runs: &[RunEntry], dir: &Path) -> Result<String, UnknownRun> {
    if runs.is_empty() {
        return Err(UnknownRun {
            message: format!("there is no run `{text}`: {} has no directory with a {PLAN}", dir.display()),
            help:
                "run a scenario (`coordinator run SCENARIO`), or select another results directory with --dir"
                    .to_owned(),
        });
    }
    if let Some(run) = runs.iter().find(|run| run.name == text) {
        return Ok(run.name.clone());
    }
    let (name, back) = text.split_once('~').unwrap_or((text, ""));
    if text == LATEST || text.contains('~') {
        return counted(text, name, back, runs);
    }
    let begin: Vec<&str> =
        runs.iter().map(|run| run.name.as_str()).filter(|name| name.starts_with(text)).collect();
    match begin.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(unknown(text, runs)),
        several => Err(UnknownRun {
            message: format!("`{text}` matches {} runs", several.len()),
            help: format!("give more of the name: {}", listed(several)),
        }),
    }
}

/// `latest~2`, `qd-sweep~1`.
fn counted(text: &str, name: &str, back: &str, runs: &[RunEntry]) -> Result<String, UnknownRun> {
    let refuse = |message: String, help: String| Err(UnknownRun { message, help });
    let back: usize = match (text == LATEST, back.parse()) {
        (true, _) => 0,
        (false, Ok(back)) => back,
        (false, Err(_)) => {
            let help = format!("give the number of runs before the newest, such as {name}~1");
            return refuse(format!("`{text}` does not name a run"), help);
        }
    };
    let of: Vec<&RunEntry> = runs.iter().filter(|run| name == LATEST || run.scenario == name).collect();
    if of.is_empty() {
        let mut scenarios: Vec<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
        scenarios.sort_unstable();
        scenarios.dedup();
        scenarios.push(LATEST);
        let help = match nearest(name, &scenarios) {
            Some(meant) => format!("did you mean `{meant}~{back}`?"),
            None => format!("valid names before the `~`: {}", scenarios.join(", ")),
        };
        return refuse(format!("there are no runs of a scenario `{name}`"), help);
    }
    match of.iter().rev().nth(back) {
        Some(run) => Ok(run.name.clone()),
        None => {
            let count = of.len();
            let (are, help) =
                if count == 1 { ("is 1 run", "~0".to_owned()) } else { ("are", format!("~{}", count - 1)) };
            let are = if count == 1 { are.to_owned() } else { format!("{are} {count} runs") };
            let of = if name == LATEST { String::new() } else { format!(" of {name}") };
            refuse(format!("there is no `{text}`: there {are}{of}"), format!("the oldest is {name}{help}"))
        }
    }
}

fn unknown(text: &str, runs: &[RunEntry]) -> UnknownRun {
    let of_scenario = runs.iter().any(|run| run.scenario == text);
    let help = if of_scenario {
        format!("use {text}~0 for the newest run of that scenario")
    } else {
        format!("the closest names: {}", listed(&near(text, runs)))
    };
    UnknownRun { message: format!("there is no run `{text}`"), help }
}

/// Names of runs, the most similar to the text first.
fn near<'a>(text: &str, runs: &'a [RunEntry]) -> Vec<&'a str> {
    let mut names: Vec<&str> = runs.iter().rev().map(|run| run.name.as_str()).collect();
    names.push(LATEST);
    names.sort_by_key(|name| {
        // People usually remember the scenario's name of a run.
        let tail = name.split_once('-').map_or(*name, |(_, tail)| tail);
        strsim::damerau_levenshtein(text, name).min(strsim::damerau_levenshtein(text, tail))
    });
    names
}

fn listed(names: &[&str]) -> String {
    let few: Vec<&str> = names.iter().copied().take(FEW).collect();
    let more = names.len().saturating_sub(FEW);
    if more == 0 { few.join(", ") } else { format!("{}, and {more} more", few.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Vec<RunEntry> {
        [
            ("20261101T000000Z-sweep", "sweep"),
            ("20261102T000000Z-ladder", "ladder"),
            ("20261103T000000Z-sweep", "sweep"),
        ]
        .map(|(name, scenario)| RunEntry {
            name: name.into(),
            scenario: scenario.into(),
            ..RunEntry::default()
        })
        .to_vec()
    }

    #[test]
    fn resolves_every_form_of_a_run_name() {
        let runs = runs();
        let name = |text: &str| among(text, &runs, Path::new("results")).unwrap()[6..8].to_owned();
        for (text, day) in [
            ("latest", "03"),
            ("latest~0", "03"),
            ("latest~2", "01"),
            ("sweep~0", "03"),
            ("sweep~1", "01"),
            ("ladder~0", "02"),
            ("20261102", "02"),
            ("20261101T000000Z-sweep", "01"),
        ] {
            assert_eq!(name(text), day, "{text}");
        }
    }

    #[test]
    fn refusals_list_the_candidates() {
        let runs = runs();
        let refusal = |text: &str| {
            let UnknownRun { message, help } = among(text, &runs, Path::new("results")).unwrap_err();
            format!("{text}: {message}; {help}")
        };
        insta::assert_snapshot!(
            [
                "2026110",
                "20261104T000000Z-sweep",
                "swep~0",
                "sweep~2",
                "ladder~9",
                "latest~x",
                "latest~3",
                "sweep",
                "xyz~1"
            ]
            .map(refusal)
            .join("\n")
        );
        assert!(among("a", &[], Path::new("results")).unwrap_err().help.contains("coordinator run"));
    }
}
