//! New run directories, and the link to the newest.

use std::{
    fs, io,
    path::{Component, Path},
};

use time::{OffsetDateTime, macros::format_description};

use super::{
    HISTOGRAMS, PLAN, RunDir, SCENARIO, TRIALS,
    error::{At as _, StoreError},
    files::{file_name, sync_dir},
};

/// The link to the newest run, in the results directory.
const LATEST: &str = "latest";
/// What a new file system contains.
const OF_FILE_SYSTEM: &str = "lost+found";

impl RunDir {
    /// Makes the directory of a new run, locks it, and writes the scenario into it. Without `out` it is
    /// `results/<time>-<name>`, and `results/latest` points at it.
    ///
    /// # Errors
    /// The directory cannot be made, or `out` is not empty.
    pub fn create(out: Option<&Path>, scenario_name: &str, scenario_text: &str) -> Result<Self, StoreError> {
        match out {
            Some(out) => Self::create_at(out, scenario_text),
            None => Self::create_under(
                Path::new("results"),
                OffsetDateTime::now_utc(),
                scenario_name,
                scenario_text,
            ),
        }
    }

    /// Checks that a new run can use this directory: it does not exist, or it is empty.
    ///
    /// # Errors
    /// It contains a run, or other files, which the run's files might replace.
    pub fn check_free(path: &Path) -> Result<(), StoreError> {
        // Whatever else prevents reading it appears when it is made.
        let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.retain(|name| name != OF_FILE_SYSTEM);
        names.sort();
        let Some(first) = names.first() else { return Ok(()) };
        let is_run =
            [SCENARIO, PLAN, TRIALS, HISTOGRAMS].iter().any(|own| names.iter().any(|name| name == own));
        let path = path.to_owned();
        Err(if is_run {
            StoreError::Taken { path }
        } else {
            StoreError::NotEmpty { path, contains: first.to_string_lossy().into_owned() }
        })
    }

    fn create_at(path: &Path, scenario_text: &str) -> Result<Self, StoreError> {
        Self::check_free(path)?;
        fs::create_dir_all(path).at(path, "make it")?;
        let mut run = Self::at(path.to_owned());
        let histograms = path.join(HISTOGRAMS);
        // create_dir, not create_dir_all: if two runs start in one directory at once, only one succeeds.
        match fs::create_dir(&histograms) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Taken { path: path.to_owned() });
            }
            made => made.at(&histograms, "make it")?,
        }
        run.lock()?;
        run.note(None)?;
        run.replace(SCENARIO, scenario_text.as_bytes())?;
        Ok(run)
    }

    pub(super) fn create_under(
        root: &Path,
        now: OffsetDateTime,
        scenario_name: &str,
        scenario_text: &str,
    ) -> Result<Self, StoreError> {
        fs::create_dir_all(root).at(root, "make it")?;
        let stamp = now
            .format(format_description!("[year][month][day]T[hour][minute][second]Z"))
            .map_err(io::Error::other)
            .at(root, "name a run by the time")?;
        let base = format!("{stamp}-{}", file_name(scenario_name));
        let mut name = base.clone();
        for suffix in 2.. {
            let path = root.join(&name);
            // create_dir, not create_dir_all: if two runs start in the same second, only one gets the name.
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{base}-{suffix}");
                }
                made => {
                    made.at(&path, "make it")?;
                    break;
                }
            }
        }
        let run = Self::create_at(&root.join(&name), scenario_text)?;
        sync_dir(root)?;
        // The link is a convenience; a failure to make it must not lose the run.
        if let Err(error) = point_latest_at(root, &name) {
            tracing::warn!(path = %root.join(LATEST).display(), %error, "cannot point it at the new run");
        }
        Ok(run)
    }
}

/// Points `latest` at a run atomically, so that the link always exists. Whatever else has that name is left alone.
fn point_latest_at(root: &Path, name: &str) -> io::Result<()> {
    let latest = root.join(LATEST);
    match fs::read_link(&latest) {
        Ok(target) if names_a_run(&target) => {}
        Ok(_) => return Err(io::Error::other("it is a link to another place")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return Err(io::Error::other("it is not a link")),
    }
    let make = |path: &Path| std::os::unix::fs::symlink(name, path);
    let link = tempfile::Builder::new().prefix(".latest.").make_in(root, make)?;
    // Renamed, because this replaces the link and does not follow it.
    link.into_temp_path().persist(latest).map_err(|error| error.error)
}

/// Whether a link has the form of the links made here: a name within the same directory.
fn names_a_run(target: &Path) -> bool {
    let mut parts = target.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_replaces_only_its_own_link() {
        let root = tempfile::tempdir().unwrap();
        let latest = root.path().join(LATEST);
        point_latest_at(root.path(), "one").unwrap();
        point_latest_at(root.path(), "two").unwrap();
        assert_eq!(fs::read_link(&latest).unwrap(), Path::new("two"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "no temporary link is left");
        fs::remove_file(&latest).unwrap();
        fs::write(&latest, "mine").unwrap();
        assert!(point_latest_at(root.path(), "three").is_err());
        assert_eq!(fs::read(&latest).unwrap(), b"mine");
        fs::remove_file(&latest).unwrap();
        std::os::unix::fs::symlink("/etc", &latest).unwrap();
        assert!(point_latest_at(root.path(), "three").is_err());
        assert_eq!(fs::read_link(&latest).unwrap(), Path::new("/etc"));
    }

    #[test]
    fn a_directory_with_other_files_is_refused() {
        let root = tempfile::tempdir().unwrap();
        RunDir::check_free(root.path()).unwrap();
        fs::create_dir(root.path().join(OF_FILE_SYSTEM)).unwrap();
        RunDir::check_free(root.path()).unwrap();
        RunDir::check_free(&root.path().join("new")).unwrap();
        fs::write(root.path().join("summary.json"), "mine").unwrap();
        let error = RunDir::create(Some(root.path()), "x", "").unwrap_err();
        assert!(matches!(error, StoreError::NotEmpty { .. }), "{error}");
        assert!(error.to_string().contains("summary.json") && error.remedy().contains("--out"), "{error}");
        assert_eq!(fs::read(root.path().join("summary.json")).unwrap(), b"mine");
    }
}
