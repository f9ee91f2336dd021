//! Imports fio job files. Sections become arms, their common options become the workload, and options without a
//! counterpart are listed by name and line.
//!
//! Stages: `jobfile` reads sections and options, `job` derives the engine, workload and target of each section,
//! `choose` selects the sections that can be compared, and `yaml` writes the scenario. The scenario's own reader
//! then validates it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    input, plan,
    scenario::{self, Problem},
};

mod choose;
mod engine;
mod job;
mod jobfile;
mod options;
mod rest;
mod section;
mod target;
#[cfg(test)]
mod tests;
mod values;
mod work;
mod yaml;

pub use job::Note;

/// The job file and its environment.
pub struct Source<'a> {
    /// The file. It names the scenario, and `include` paths are relative to it.
    pub path: &'a Path,
    /// Environment variables, for `${NAME}`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// An imported scenario, and the parts of the job file that it does not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The YAML of a valid scenario, with comments.
    pub yaml: String,
    /// The parts that were not imported, or in another form, by line.
    pub notes: Vec<Note>,
    /// The sections that became arms or points.
    pub sections: Vec<String>,
}

/// Why no scenario could be made: the reasons, by line if known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a scenario from {}", path.display())]
pub struct ImportError {
    /// The job file.
    pub path: PathBuf,
    /// The reasons.
    pub notes: Vec<Note>,
}

impl jobfile::Outside for Source<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    fn include(&self, name: &str) -> Result<String, String> {
        let path = self.path.parent().unwrap_or(Path::new("")).join(name);
        read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}

/// Reads a job file. Invalid UTF-8 becomes replacement characters, because names and comments may be in any
/// encoding.
///
/// # Errors
/// The error of the file system.
pub fn read(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&input::bytes(path, input::MAX_TEXT)?).into_owned())
}

/// Makes a scenario from the text of a job file. It uses the named sections, or, if none are named, the first
/// section and those comparable with it.
///
/// # Errors
/// No valid scenario can be made from the text.
pub fn import(text: &str, source: &Source<'_>, only: &[String]) -> Result<Imported, ImportError> {
    let fail = |mut notes: Vec<Note>| {
        notes.sort();
        ImportError { path: source.path.to_owned(), notes }
    };
    let whole = |what: &str, why: String| vec![Note::left_out(0, what, why, true)];
    let file = jobfile::parse(text, source);
    let mut notes: Vec<Note> = file
        .stray
        .iter()
        .map(|stray| Note::left_out(stray.line, stray.text.clone(), stray.why.clone(), true))
        .collect();
    if file.sections.is_empty() {
        notes.extend(whole(
            "the file",
            "it has no section but [global]: a job begins with a line such as [job]".into(),
        ));
        return Err(fail(notes));
    }
    let names: Vec<&str> = file.sections.iter().map(|section| section.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        let why = format!("there is no such section; there are: {}", names.join(", "));
        return Err(fail(whole(&format!("--section {unknown}"), why)));
    }
    let mut jobs = Vec::new();
    for section in file.sections.iter().filter(|section| only.is_empty() || only.contains(&section.name)) {
        match section::job(section) {
            Ok(job) => jobs.push(job),
            Err(reasons) => {
                let left = format!("[{}] is left out", section.name);
                notes.extend(
                    reasons.into_iter().map(|note| Note { why: format!("{left}: {}", note.why), ..note }),
                );
            }
        }
    }
    if jobs.is_empty() {
        return Err(fail(notes));
    }
    let chosen = choose::choose(jobs, &mut notes);
    for job in &chosen.jobs {
        notes.extend(job.notes.iter().cloned());
    }
    notes.sort();
    notes.dedup();
    let yaml = yaml::write(&chosen, source.path, &notes);
    let checked = scenario::load_text(yaml.clone(), source.path, &[], false)
        .and_then(|loaded| plan::plan(&loaded, 0).map(drop));
    match checked {
        Ok(()) => {
            Ok(Imported { yaml, notes, sections: chosen.jobs.iter().map(|job| job.name.clone()).collect() })
        }
        Err(error) => Err(fail(error.problems().iter().map(|problem| located(problem, &chosen)).collect())),
    }
}

/// A problem of the scenario, located at the line of the job file that caused it.
fn located(problem: &Problem, chosen: &choose::Chosen) -> Note {
    let key = problem.key().unwrap_or_default();
    let blocks = chosen.jobs.iter().flat_map(|job| [&job.engine, &job.work]);
    let line = blocks.filter_map(|keys| keys.get(key)).map(|(_, line)| *line).next();
    let line = line.or_else(|| chosen.jobs.first().map(|job| job.line)).unwrap_or(0);
    Note::left_out(line, key.to_owned(), problem.message().to_owned(), true)
}
