//! `trials.jsonl`: each line is a record; only the last can be truncated.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use super::{
    error::CHANGED,
    record::TrialRecord,
    seal::{self, Seal},
};
use crate::warning::RunWarning;

/// The contents of `trials.jsonl`.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// The records, in the order in which the trials ended.
    pub records: Vec<TrialRecord>,
    /// A warning if a crash truncated the last line.
    pub torn: Option<RunWarning>,
}

/// One line of `trials.jsonl`.
pub(super) struct JsonLine {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its record, or the problem.
    pub(super) record: Result<TrialRecord, Damage>,
    /// Whether it carries a checksum.
    pub(super) seal: Seal,
}

/// Why a line is no record.
pub(super) enum Damage {
    /// It is the last one, and its writing was interrupted.
    Torn,
    /// It cannot be read, or does not have its checksum.
    Changed(String),
}

/// The lines of `trials.jsonl` that are not empty.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = JsonLine> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(index, line)| {
        let seal = seal::check(line);
        let record = match serde_json::from_slice(line) {
            Ok(_) if seal == Seal::Broken => Err(Damage::Changed(CHANGED.into())),
            Ok(record) => Ok(record),
            // Only the last line can be truncated, because its writing was interrupted.
            Err(_) if !line.ends_with(b"\n") => Err(Damage::Torn),
            Err(error) => Err(Damage::Changed(error.to_string())),
        };
        JsonLine { number: index + 1, record, seal }
    })
}

/// Reads `trials.jsonl`. An error has the line number.
pub(super) fn parse(bytes: &[u8]) -> Result<Trials, (usize, String)> {
    let mut trials = Trials::default();
    for JsonLine { number, record, .. } in lines(bytes) {
        match record {
            Ok(record) => trials.records.push(record),
            Err(Damage::Torn) => trials.torn = Some(RunWarning::TornRecord { line: number as u64 }),
            Err(Damage::Changed(message)) => return Err((number, message)),
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
