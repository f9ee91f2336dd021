//! Interrupts of the device behind a target, whoever caused them: from /proc/interrupts, by the numbers that sysfs
//! gives for the device, or by the name under which its driver asked for them.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

const TABLE: &str = "/proc/interrupts";
/// Disks may lie on disks; deeper than this is no machine that is measured.
const DEEPEST: u32 = 8;

/// The interrupts of one device, or of several that make up one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    numbers: BTreeSet<u32>,
    /// What they are called in /proc/interrupts, with their numbers.
    pub label: String,
}

impl Lines {
    /// Of the block device that a target's fact `device` names, such as `254:0 vda`.
    ///
    /// # Errors
    /// Why there are none, or why they cannot be told.
    pub fn of_device(device: Option<&str>) -> Result<Self, String> {
        let number = device.and_then(|device| device.split(' ').next()).unwrap_or("none");
        let path = fs::canonicalize(Path::new("/sys/dev/block").join(number))
            .map_err(|_| "there is no block device behind the target".to_owned())?;
        let table = fs::read_to_string(TABLE).map_err(|error| format!("{TABLE}: {error}"))?;
        let mut numbers = BTreeSet::new();
        for disk in below(path, 0)? {
            numbers.extend(of_disk(&disk, &table)?);
        }
        let named =
            |(number, name): (u32, &str)| numbers.contains(&number).then(|| format!("{number} {name}"));
        let label =
            rows(&table).filter_map(|row| named((row.number, row.name))).collect::<Vec<_>>().join(", ");
        if label.is_empty() {
            Err(format!("the device's interrupts are not in {TABLE}"))
        } else {
            Ok(Self { numbers, label })
        }
    }

    /// How often they have come since the machine started.
    ///
    /// # Errors
    /// Where `/proc/interrupts` cannot be read.
    pub fn read(&self) -> io::Result<u64> {
        Ok(self.total(&fs::read_to_string(TABLE)?))
    }

    fn total(&self, table: &str) -> u64 {
        rows(table).filter(|row| self.numbers.contains(&row.number)).map(|row| row.count).sum()
    }
}

/// The disks that a disk lies on; itself, where it lies on none.
fn below(disk: PathBuf, depth: u32) -> Result<Vec<PathBuf>, String> {
    let whole = if disk.join("partition").exists() { disk.parent().unwrap_or(&disk) } else { &disk };
    let slaves: Vec<PathBuf> = fs::read_dir(whole.join("slaves"))
        .map(|entries| entries.flatten().filter_map(|entry| fs::canonicalize(entry.path()).ok()).collect())
        .unwrap_or_default();
    if slaves.is_empty() || depth == DEEPEST {
        let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return match whole.starts_with("/sys/devices/virtual") {
            true => Err(format!("{name} is a device of the kernel's own: it has no interrupts")),
            false => Ok(vec![whole.to_owned()]),
        };
    }
    slaves
        .into_iter()
        .map(|slave| below(slave, depth + 1))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.concat())
}

/// The numbers of a disk's interrupts: those of the nearest device above it that has some.
fn of_disk(disk: &Path, table: &str) -> Result<Vec<u32>, String> {
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
    Err("no device above the disk says which interrupts it has".to_owned())
}

/// An interrupt with a number; those of the CPU itself have none.
struct Row<'a> {
    number: u32,
    /// On all CPUs.
    count: u64,
    /// As its driver calls it.
    name: &'a str,
}

impl Row<'_> {
    /// Whether a driver asked for it for this device: `virtio1`, or `virtio1-req.0`.
    fn is_of(&self, device: &str) -> bool {
        self.name.strip_prefix(device).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// The rows of /proc/interrupts: a heading with the CPUs, then a number, a count for each of them, and names.
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
    fn counts_of_all_cpus_add_up() {
        let lines = Lines { numbers: [35, 36].into(), label: String::new() };
        assert_eq!(lines.total(SAMPLE), 51);
        let none = Lines { numbers: [99].into(), label: String::new() };
        assert_eq!(none.total(SAMPLE), 0);
    }

    #[test]
    fn a_driver_names_its_own() {
        let named: Vec<u32> = rows(SAMPLE).filter(|row| row.is_of("virtio1")).map(|row| row.number).collect();
        assert_eq!(named, [35, 36], "virtio10 is another");
    }

    #[test]
    fn what_has_none_says_why() {
        assert!(Lines::of_device(None).unwrap_err().contains("no block device"));
        assert!(Lines::of_device(Some("0:25 (no block device)")).unwrap_err().contains("no block device"));
        match fs::read_dir("/sys/devices/virtual/block").ok().and_then(|mut disks| disks.next()?.ok()) {
            Some(disk) => {
                let number = fs::read_to_string(disk.path().join("dev")).unwrap();
                let why = Lines::of_device(Some(number.trim())).unwrap_err();
                assert!(why.contains("no interrupts"), "{why}");
            }
            None => crate::skip::skip("no virtual block device here"),
        }
    }
}
