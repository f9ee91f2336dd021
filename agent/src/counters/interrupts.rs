//! Interrupts of a disk: what shows whether completions were really polled for. They are the whole disk's, whoever
//! caused them, so that a busy disk has more than the trial's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The counters of a disk's interrupts.
#[derive(Clone, Debug)]
pub struct Interrupts {
    counts: Vec<PathBuf>,
}

impl Interrupts {
    /// Those of a disk by its kernel name, such as `nvme0n1`; nothing for one that has none of its own, such as a
    /// RAM disk or what is stacked on several.
    #[must_use]
    pub fn of_disk(name: &str) -> Option<Self> {
        Self::below(Path::new("/sys"), name)
    }

    fn below(sys: &Path, name: &str) -> Option<Self> {
        // Message-signalled interrupts stand at the PCI device, some directories above the disk.
        let disk = fs::canonicalize(sys.join("block").join(name)).ok()?;
        let listed = disk.ancestors().find_map(|dir| fs::read_dir(dir.join("msi_irqs")).ok())?;
        let count = |irq: &Path| sys.join("kernel/irq").join(irq).join("per_cpu_count");
        let counts: Vec<_> = listed.flatten().map(|entry| count(Path::new(&entry.file_name()))).collect();
        (!counts.is_empty()).then_some(Self { counts })
    }

    /// How many there have been since boot.
    #[must_use]
    pub fn read(&self) -> Option<u64> {
        self.counts.iter().map(|path| sum(&fs::read_to_string(path).ok()?)).sum()
    }
}

/// The sum of a list such as `0,12,3`; nothing if it is no such list.
fn sum(text: &str) -> Option<u64> {
    text.trim().split(',').map(|count| count.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_the_interrupts_of_its_controller() {
        let root = tempfile::TempDir::new().unwrap();
        let controller = root.path().join("devices/pci0000:00/0000:00:03.0");
        let disk = controller.join("nvme/nvme0/nvme0n1");
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(root.path().join("devices/virtual/block/ram0")).unwrap();
        fs::create_dir(root.path().join("block")).unwrap();
        for (name, at) in
            [("nvme0n1", disk.as_path()), ("ram0", &root.path().join("devices/virtual/block/ram0"))]
        {
            std::os::unix::fs::symlink(at, root.path().join("block").join(name)).unwrap();
        }
        assert!(Interrupts::below(root.path(), "nvme0n1").is_none(), "no interrupts yet");
        fs::create_dir(controller.join("msi_irqs")).unwrap();
        for (irq, counts) in [("24", "1,2\n"), ("25", "0,40\n")] {
            fs::write(controller.join("msi_irqs").join(irq), "msix\n").unwrap();
            fs::create_dir_all(root.path().join("kernel/irq").join(irq)).unwrap();
            fs::write(root.path().join("kernel/irq").join(irq).join("per_cpu_count"), counts).unwrap();
        }
        let interrupts = Interrupts::below(root.path(), "nvme0n1").unwrap();
        assert_eq!(interrupts.read(), Some(43));
        assert!(Interrupts::below(root.path(), "ram0").is_none());
        fs::remove_file(root.path().join("kernel/irq/25/per_cpu_count")).unwrap();
        assert_eq!(interrupts.read(), None, "a sum over some of them is no count");
    }

    #[test]
    fn lists_of_counts() {
        assert_eq!((sum("0,12,3\n"), sum("7"), sum(""), sum("1,x")), (Some(15), Some(7), None, None));
    }
}
