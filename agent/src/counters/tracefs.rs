//! The tracefs directory. If it is not mounted, this process mounts it privately.

use std::{
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

const TRACEFS: &str = "/sys/kernel/tracing";

/// The tracefs directory: the existing mount, or a detached mount.
pub(super) struct Tracefs(OwnedFd);

impl Tracefs {
    pub(super) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if Path::new(TRACEFS).join("events").exists() {
            return Ok(Self(rustix::fs::open(TRACEFS, flags, Mode::empty())?));
        }
        // Either not mounted or not readable. Reading the directory gives the more precise error.
        std::fs::read_dir(TRACEFS)?;
        let tracefs = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&tracefs)?;
        Ok(Self(fsmount(&tracefs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)?))
    }

    /// The number of a tracepoint, which perf uses and which starts its records.
    pub(super) fn id(&self, event: &str) -> io::Result<u64> {
        let text = self.read(event, "id")?;
        text.trim().parse().map_err(|_| io::Error::other(format!("`{}` is not a tracepoint id", text.trim())))
    }

    /// The position of a field in a tracepoint's records.
    pub(super) fn field(&self, event: &str, name: &str) -> io::Result<Field> {
        Field::find(&self.read(event, "format")?, name).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("the tracepoint {event} has no field `{name}`"))
        })
    }

    fn read(&self, event: &str, what: &str) -> io::Result<String> {
        let path = format!("events/{event}/{what}");
        let file = rustix::fs::openat(&self.0, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        std::fs::File::from(file).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// A numeric field of a tracepoint's records. The layout depends on the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    offset: usize,
    size: usize,
}

impl Field {
    /// Parses the lines of a `format` file, such as `field:void * req;\toffset:16;\tsize:8;\tsigned:0;`.
    fn find(format: &str, name: &str) -> Option<Self> {
        format.lines().find_map(|line| {
            let mut parts = line.trim().strip_prefix("field:")?.split(';');
            if parts.next()?.split_whitespace().last()?.trim_start_matches('*') != name {
                return None;
            }
            let mut number = |key: &str| parts.next()?.trim().strip_prefix(key)?.parse().ok();
            Some(Self { offset: number("offset:")?, size: number("size:")? })
        })
    }

    /// Its value in a record; `None` if the record is too short.
    pub(super) fn of(self, record: &[u8]) -> Option<u64> {
        let bytes = record.get(self.offset..self.offset + self.size)?;
        match self.size {
            4 => Some(u32::from_ne_bytes(bytes.try_into().ok()?).into()),
            8 => Some(u64::from_ne_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let format = "name: x\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
                      \tfield:void * req;\toffset:4;\tsize:8;\tsigned:0;\n\
                      \tfield:unsigned int count;\toffset:12;\tsize:4;\tsigned:0;\n";
        let record = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];
        assert_eq!(
            Field::find(format, "req").unwrap().of(&record),
            Some(u64::from_le_bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        );
        let count = Field::find(format, "count").unwrap();
        assert_eq!(count.of(&record), Some(7));
        assert_eq!(count.of(&record[..15]), None);
        assert_eq!(Field::find(format, "ctx"), None);
    }
}
