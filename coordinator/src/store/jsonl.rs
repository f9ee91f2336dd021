//! `trials.jsonl`: each line is a record; only the last can be truncated.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use super::record::TrialRecord;
use crate::warning::RunWarning;

/// The contents of `trials.jsonl`.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// The records, in the order in which the trials ended.
    pub records: Vec<TrialRecord>,
    /// A warning if a crash truncated the last line.
    pub torn: Option<RunWarning>,
}

/// Reads `trials.jsonl`. An error has the line number.
pub(super) fn parse(bytes: &[u8]) -> Result<Trials, (usize, String)> {
    let mut trials = Trials::default();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => trials.records.push(record),
            // Only the last line can be truncated, because its writing was interrupted.
            Err(_) if !line.ends_with(b"\n") => {
                trials.torn = Some(RunWarning::TornRecord { line: index as u64 + 1 });
            }
            Err(error) => return Err((index + 1, error.to_string())),
        }
    }
    Ok(trials)
}

/// Ensures that the next record starts on its own line: removes a truncated record, and completes a record that
/// lacks only its line end.
pub(super) fn mend_end(file: &mut File) -> io::Result<()> {
    let len = file.seek(SeekFrom::End(0))?;
    if len == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if serde_json::from_slice::<TrialRecord>(&bytes[start..]).is_ok() {
        file.write_all(b"\n")
    } else {
        file.set_len(start as u64)
    }
}
