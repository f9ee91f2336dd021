//! Interrupts of the device behind a target, regardless of their cause: from /proc/interrupts, by the numbers that
//! sysfs lists for the device, or by the names that its driver uses.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use proto::facts::{Device, InterruptLine};

const TABLE: &str = "/proc/interrupts";
/// Maximum depth of stacked disks.
const DEEPEST: u32 = 8;

/// The interrupts of a device, or of all disks of a stacked device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines(Vec<InterruptLine>);

/// The reason why the interrupts of a target are not counted.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The target has no block device.
    #[error("there is no block device behind the target")]
    NoDevice,
    /// A device without hardware, such as a loop device.
    #[error("{0} is a virtual device without interrupts")]
    Virtual(String),
    /// sysfs lists no interrupts for the hardware.
    #[error("sysfs lists no interrupts for the disk or its parent devices")]
    NotListed,
    /// None of the device's interrupts is in the table.
    #[error("the device's interrupts are not in {TABLE}")]
    NotInTable,
    /// The table cannot be read.
    #[error("{TABLE}: {0}")]
    Table(#[from] io::Error),
}

impl Lines {
    /// Finds the interrupts of the block device behind a target.
    ///
    /// # Errors
    /// [`Unavailable`], with the reason.
    pub fn of_device(device: Option<&Device>) -> Result<Self, Unavailable> {
        let Device { major, minor, .. } = device.ok_or(Unavailable::NoDevice)?;
        let path =
            fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).map_err(|_| Unavailable::NoDevice)?;
        let table = fs::read_to_string(TABLE)?;
        let mut numbers = BTreeSet::new();
        for disk in below(path, 0)? {
            numbers.extend(of_disk(&disk, &table)?);
        }
        let lines: Vec<InterruptLine> = rows(&table)
            .filter(|row| numbers.contains(&row.number))
            .map(|row| InterruptLine { number: row.number, name: row.name.to_owned() })
            .collect();
        if lines.is_empty() { Err(Unavailable::NotInTable) } else { Ok(Self(lines)) }
    }

    /// The lines of /proc/interrupts.
    #[must_use]
    pub fn lines(&self) -> &[InterruptLine] {
        &self.0
    }

    /// Number of interrupts since the machine started.
    ///
    /// # Errors
    /// If `/proc/interrupts` cannot be read.
    pub fn read(&self) -> io::Result<u64> {
        Ok(self.total(&fs::read_to_string(TABLE)?))
    }

    fn has(&self, number: u32) -> bool {
        self.0.iter().any(|line| line.number == number)
    }

    fn total(&self, table: &str) -> u64 {
        rows(table).filter(|row| self.has(row.number)).map(|row| row.count).sum()
    }
}

/// The disks under a stacked disk; the disk itself if it is not stacked.
fn below(disk: PathBuf, depth: u32) -> Result<Vec<PathBuf>, Unavailable> {
    let whole = if disk.join("partition").exists() { disk.parent().unwrap_or(&disk) } else { &disk };
    let slaves: Vec<PathBuf> = fs::read_dir(whole.join("slaves"))
        .map(|entries| entries.flatten().filter_map(|entry| fs::canonicalize(entry.path()).ok()).collect())
        .unwrap_or_default();
    if slaves.is_empty() || depth == DEEPEST {
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return match whole.starts_with("/sys/devices/virtual") {
            true => Err(Unavailable::Virtual(name)),
            false => Ok(vec![whole.to_owned()]),
        };
    }
    slaves
        .into_iter()
        .map(|slave| below(slave, depth + 1))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.concat())
}

/// The numbers of a disk's interrupts: those of its nearest parent device that has any.
fn of_disk(disk: &Path, table: &str) -> Result<Vec<u32>, Unavailable> {
    for above in disk.ancestors().take_while(|path| path.starts_with("/sys/devices/")) {
        let entries = fs::read_dir(above.join("msi_irqs"));
        let messages: Vec<u32> = entries
            .map(|entries| {
                entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
            })
            .unwrap_or_default();
        if !messages.is_empty() {
            return Ok(messages);
        }
        let wire = fs::read_to_string(above.join("irq")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(wire) = wire.filter(|number| *number != 0) {
            return Ok(vec![wire]);
        }
        let name = above.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("virtio") {
            let named: Vec<u32> = rows(table).filter(|row| row.is_of(name)).map(|row| row.number).collect();
            if !named.is_empty() {
                return Ok(named);
            }
        }
    }
    Err(Unavailable::NotListed)
}

/// A row with a numbered interrupt. Interrupts of the CPU itself have names instead.
struct Row<'a> {
    number: u32,
    /// Sum over all CPUs.
    count: u64,
    /// The name given by its driver.
    name: &'a str,
}

impl Row<'_> {
    /// Whether the interrupt belongs to this device: `virtio1` or `virtio1-req.0`.
    fn is_of(&self, device: &str) -> bool {
        self.name.strip_prefix(device).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Parses /proc/interrupts: a heading with the CPUs, then rows with a number, a count for each CPU, and names.
fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    let cpus = table.lines().next().map_or(0, |heading| heading.split_whitespace().count());
    table.lines().skip(1).filter_map(move |line| {
        let (number, rest) = line.split_once(':')?;
        let count = rest.split_whitespace().take(cpus).map_while(|word| word.parse::<u64>().ok()).sum();
        Some(Row { number: number.trim().parse().ok()?, count, name: rest.split_whitespace().last()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "           CPU0       CPU1       \n \
        24:          1          0  IO-APIC   5-edge      ACPI:Ged\n \
        35:          0          1 PCI-MSIX-0000:00:02.0   0-edge      virtio1-config\n \
        36:         20         30 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n \
        37:          5          5 PCI-MSIX-0000:00:03.0   0-edge      virtio10-req.0\n\
        NMI:          7          0   Non-maskable interrupts\n\
        ERR:          0\n";

    #[test]
    fn counts_are_summed_over_cpus() {
        let lines = |numbers: &[u32]| {
            Lines(
                numbers.iter().map(|number| InterruptLine { number: *number, name: String::new() }).collect(),
            )
        };
        assert_eq!(lines(&[35, 36]).total(SAMPLE), 51);
        assert_eq!(lines(&[99]).total(SAMPLE), 0);
    }

    #[test]
    fn virtio_interrupts_are_found_by_name() {
        let named: Vec<u32> = rows(SAMPLE).filter(|row| row.is_of("virtio1")).map(|row| row.number).collect();
        assert_eq!(named, [35, 36], "virtio10 is another device");
    }

    #[test]
    fn devices_without_interrupts_give_a_reason() {
        assert!(matches!(Lines::of_device(None), Err(Unavailable::NoDevice)));
        let none = Device { major: 0, minor: 25, name: None };
        assert!(matches!(Lines::of_device(Some(&none)), Err(Unavailable::NoDevice)));
        match fs::read_dir("/sys/devices/virtual/block").ok().and_then(|mut disks| disks.next()?.ok()) {
            Some(disk) => {
                let number = fs::read_to_string(disk.path().join("dev")).unwrap();
                let (major, minor) = number.trim().split_once(':').unwrap();
                let device =
                    Device { major: major.parse().unwrap(), minor: minor.parse().unwrap(), name: None };
                let why = Lines::of_device(Some(&device)).unwrap_err();
                assert!(matches!(why, Unavailable::Virtual(_)), "{why}");
            }
            None => crate::skip::skip("no virtual block device on this host"),
        }
    }
}
