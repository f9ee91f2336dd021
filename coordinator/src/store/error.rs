//! Errors of a run directory, each with its remedy.

use std::{io, path::PathBuf};

use super::lock::Writer;

/// The problem of contents that do not have their checksum.
pub(super) const CHANGED: &str = "the checksum does not fit: it was changed after it was written";

/// Why a run directory could not be read or written. Files written before are kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system returned an error.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The attempted operation, as in `cannot write it`.
        doing: &'static str,
        /// The file system's error.
        source: io::Error,
    },
    /// The requested directory already contains a run.
    #[error("{}: already contains a run", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The requested directory contains files that are not of a run.
    #[error("{}: not empty: it contains {contains}", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of its files.
        contains: String,
    },
    /// Another process writes the run.
    #[error("{}: process {} on {} writes this run", path.display(), writer.process, writer.machine)]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process.
        writer: Writer,
    },
    /// The directory is not a run directory.
    #[error("{}: not a run directory: it has no {missing}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// The missing file, which every run has.
        missing: &'static str,
    },
    /// A file of the run was written by a release with another schema.
    #[error("{}: its schema is {schema}, but this release reads {reads}", path.display())]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        schema: u32,
        /// The schemas that this release reads.
        reads: u32,
        /// The remedy.
        remedy: &'static str,
    },
    /// A file of the run is damaged.
    #[error("{}: {place}: {message}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The position in it, such as `line 12`.
        place: String,
        /// The problem.
        message: String,
    },
}

impl StoreError {
    /// For the screen, with its remedy.
    #[must_use]
    pub fn into_report(self) -> miette::Report {
        miette::miette!(help = self.remedy(), "{self}")
    }

    /// The error of a file, or a part of it, that does not have its checksum.
    pub(crate) fn changed(path: PathBuf, place: impl Into<String>) -> Self {
        Self::Corrupt { path, place: place.into(), message: CHANGED.into() }
    }

    /// Whether a file of the run is damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Whether the disk is full, or a limit of the size of files is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        matches!(self, Self::Io { source, .. } if full.contains(&source.kind()))
    }

    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Io { path, source, .. } => io_remedy(path, source),
            Self::Taken { .. } => {
                "choose another directory with --out, or read this one with `coordinator report`".into()
            }
            Self::NotEmpty { .. } => "choose an empty or a new directory with --out".into(),
            Self::Locked { .. } => "wait until it ends, or stop it".into(),
            Self::NotARun { .. } => "name the directory of a run, such as results/latest".into(),
            Self::OtherSchema { remedy, .. } => (*remedy).into(),
            Self::Corrupt { path, .. } => format!(
                "restore {} from a copy, or run the scenario again; `coordinator verify RUN` checks all files of a run",
                path.display()
            ),
        }
    }
}

fn io_remedy(path: &std::path::Path, source: &io::Error) -> String {
    let place = path.parent().unwrap_or(path).display();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "free space on the file system of {place}, or write elsewhere with --out; trials recorded \
             so far are kept"
        ),
        io::ErrorKind::FileTooLarge => format!(
            "raise the limit of the size of files (ulimit -f, LimitFSIZE= of a systemd unit), or write fewer or longer \
             intervals to {place}; trials recorded so far are kept"
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("make {place} writable for this user, or write elsewhere with --out")
        }
        io::ErrorKind::NotFound => format!("check the path {}", path.display()),
        _ => format!("check the file system of {place}, or write elsewhere with --out"),
    }
}

/// Adds the path and the operation to an error of the file system.
pub(super) trait At<T> {
    /// Converts the error, with the path and the operation.
    fn at(self, path: &std::path::Path, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &std::path::Path, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { path: path.to_owned(), doing, source })
    }
}
