//! Files of a run directory: replaced atomically, read as JSON, with checksums.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    RunDir,
    error::{At as _, StoreError},
    seal::{self, Seal},
};

use crate::input::{self, MAX_JSON};

impl RunDir {
    /// Writes a file atomically: to a temporary file of a random name, fsynced, then renamed over it. No link is
    /// followed, neither at the temporary name nor at the final one.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path().join(name);
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        // As for any new file, the umask decides who may read it.
        builder.prefix(&prefix).permissions(Permissions::from_mode(0o666));
        let written = builder.tempfile_in(self.path()).and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        });
        written.at(&path, "write it")?;
        sync_dir(self.path())
    }

    pub(crate) fn write_json(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), StoreError> {
        let mut bytes = self.json(name, value)?;
        bytes.push(b'\n');
        self.replace(name, &bytes)
    }

    /// Writes an object with its checksum.
    pub(super) fn write_sealed(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let mut bytes = self.json(name, value)?;
        seal::seal(&mut bytes);
        bytes.push(b'\n');
        self.replace(name, &bytes)
    }

    fn json(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(value).map_err(io::Error::other).at(&self.path().join(name), "write it")
    }

    /// Reads a JSON file, and compares it with its checksum if it has one.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.path().join(name);
        let bytes = input::bytes(&path, MAX_JSON).at(&path, "read it")?;
        let value = serde_json::from_slice(&bytes).map_err(|error| StoreError::Corrupt {
            path: path.clone(),
            place: format!("line {}", error.line()),
            message: error.to_string(),
        })?;
        match seal::check(&bytes) {
            Seal::Broken => Err(StoreError::changed(path, "contents")),
            Seal::Absent | Seal::Fits => Ok(value),
        }
    }
}

/// A name that needs no quoting in a shell and cannot leave its directory.
pub(super) fn file_name(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.chars().map(kept).take(100).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "unnamed".into() } else { name.into() }
}

pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).at(path, "write it to disk")
}
