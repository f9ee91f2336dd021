//! An error of the operating system as a fact.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// An error of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsError {
    /// Its number; none where the error did not come from a system call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// Its text.
    pub text: String,
}

impl OsError {
    /// The error with this number.
    #[must_use]
    pub fn from_errno(errno: i32) -> Self {
        io::Error::from_raw_os_error(errno).into()
    }
}

impl From<&io::Error> for OsError {
    fn from(error: &io::Error) -> Self {
        Self { errno: error.raw_os_error(), text: error.to_string() }
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
