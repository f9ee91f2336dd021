//! zram: a disk that can be added and removed at run time. It compresses its contents, but the fill data is
//! incompressible and stored unchanged.

use std::{fs, io, path::Path};

use super::{
    Made, disk_sequence, failed, open_exclusively,
    state::{Owner, Record, State},
    sys_block,
};
use proto::refusal::{KindFailure, RamdiskStep};

const CONTROL: &str = "/sys/class/zram-control";

pub(super) fn make(size: u64, state: &State) -> Result<Made, KindFailure> {
    if !Path::new(CONTROL).exists() {
        return Err(KindFailure::NotOffered { path: CONTROL.to_owned() });
    }
    // Always add a new disk: an existing one belongs to another user, even if it is idle.
    let number = fs::read_to_string(format!("{CONTROL}/hot_add"))
        .map_err(|error| failed(RamdiskStep::AddZram, &error))?;
    let name = format!("zram{}", number.trim());
    set_up(&name, size, state).inspect_err(|_| _ = remove(&name))
}

fn set_up(name: &str, size: u64, state: &State) -> Result<Made, KindFailure> {
    let record = Record {
        kind: "zram".to_owned(),
        device: name.to_owned(),
        identity: disk_sequence(name).unwrap_or_default(),
        size,
        owner: Owner::this().map_err(|error| failed(RamdiskStep::IdentifyProcess, &error))?,
    };
    state.add(&record).map_err(|error| failed(RamdiskStep::Record, &error))?;
    let opened = fs::write(sys_block(name).join("disksize"), size.to_string())
        .and_then(|()| open_exclusively(&Path::new("/dev").join(name)));
    let file = opened.map_err(|error| {
        state.remove(&record);
        failed(RamdiskStep::SetUp(name.to_owned()), &error)
    })?;
    let mut facts = Vec::new();
    if let Ok(line) = fs::read_to_string(sys_block(name).join("comp_algorithm")) {
        facts.push(("compression", super::super::facts::selected(line.trim()).to_owned()));
    }
    Ok(Made { file, facts, asynchronous: false, record: Some(record) })
}

/// Compressed size of the contents relative to their size, as text; near 100% for incompressible data.
pub(super) fn stored(name: &str) -> Option<String> {
    let text = fs::read_to_string(sys_block(name).join("mm_stat")).ok()?;
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (original, compressed) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (original > 0).then(|| format!("{:.1}%", compressed as f64 * 100.0 / original as f64))
}

pub(super) fn take_down(record: &Record) -> io::Result<()> {
    let ours = disk_sequence(&record.device).unwrap_or_default() == record.identity;
    let size = fs::read_to_string(sys_block(&record.device).join("disksize"))?;
    // If the agent was killed between adding and sizing the disk, the size is 0.
    let same_size = size.trim().parse::<u64>().is_ok_and(|size| size == 0 || size == record.size);
    if ours && same_size { remove(&record.device) } else { Ok(()) }
}

/// Removes a disk. Fails with EBUSY while it is open.
fn remove(name: &str) -> io::Result<()> {
    fs::write(format!("{CONTROL}/hot_remove"), name.trim_start_matches("zram"))
}
