//! `trials.jsonl`: a line is a record, and only the last can be torn.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use proto::outcome::Warning;

use super::{TRIALS, record::TrialRecord};

/// What `trials.jsonl` holds.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// In the order in which they ended.
    pub records: Vec<TrialRecord>,
    /// Where the last line was cut off by a crash.
    pub torn: Option<Warning>,
}

/// Reads `trials.jsonl`. An error carries the number of the line.
pub(super) fn parse(bytes: &[u8]) -> Result<Trials, (usize, String)> {
    let mut trials = Trials::default();
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => trials.records.push(record),
            // Only the last line can lack its end, and only because writing it was interrupted.
            Err(_) if !line.ends_with(b"\n") => {
                trials.torn = Some(Warning::new(
                    "torn-record",
                    format!(
                        "{TRIALS} ends within line {}: a trial was being recorded when the run broke off",
                        index + 1
                    ),
                    "run the scenario again if that trial is missed; all others are whole",
                ));
            }
            Err(error) => return Err((index + 1, error.to_string())),
        }
    }
    Ok(trials)
}

/// Sees to it that the next line begins on a line of its own: a torn record is cut off, one that lacks only
/// its line end gets it.
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
