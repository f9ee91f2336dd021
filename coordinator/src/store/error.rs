//! What can go wrong with a run directory, each with its remedy.

use std::{io, path::PathBuf};

/// Why a run directory could not be read or written. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as in `cannot write it`.
        doing: &'static str,
        /// The file system's answer.
        source: io::Error,
    },
    /// The directory asked for holds a run already.
    #[error("{}: already holds a run", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is no run directory.
    #[error("{}: not a run directory: it has no {missing}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// The file that every run has.
        missing: &'static str,
    },
    /// A file of the run is of a release that writes it in another way.
    #[error("{}: its schema is {schema}, this release reads {reads}", path.display())]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        schema: u32,
        /// What can be read.
        reads: u32,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A file of the run is damaged.
    #[error("{}: {place}: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it, such as `line 12`.
        place: String,
        /// What is wrong there.
        message: String,
    },
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Io { path, source, .. } => io_remedy(path, source),
            Self::Taken { .. } => {
                "name another directory with --out, or look at this one with `coordinator report`".into()
            }
            Self::NotARun { .. } => "name the directory of a run, such as results/latest".into(),
            Self::OtherSchema { remedy, .. } => (*remedy).into(),
            Self::Corrupt { path, .. } => format!(
                "restore {} from a copy, or run the scenario again; the other files of the run are untouched",
                path.display()
            ),
        }
    }
}

fn io_remedy(path: &std::path::Path, source: &io::Error) -> String {
    let place = path.parent().unwrap_or(path).display();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "free space on the file system of {place}, or write elsewhere with --out; the trials recorded so \
             far are kept"
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("make {place} writable for this user, or write elsewhere with --out")
        }
        io::ErrorKind::NotFound => format!("check the path {}", path.display()),
        _ => format!("check the file system of {place}, or write elsewhere with --out"),
    }
}

/// Adds path and deed to an error of the file system.
pub(super) trait At<T> {
    /// Says what was being done to which path.
    fn at(self, path: &std::path::Path, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &std::path::Path, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { path: path.to_owned(), doing, source })
    }
}
