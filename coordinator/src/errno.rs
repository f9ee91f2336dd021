//! Names of errors, as used in tables, marks and `summary.json`.

use proto::outcome::NVME_STATUS;

/// The name of an error of block I/O; for rare errors, the number.
pub(crate) fn errno_name(errno: i32) -> String {
    let name = match errno.abs() {
        1 => "EPERM",
        4 => "EINTR",
        5 => "EIO",
        6 => "ENXIO",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        19 => "ENODEV",
        22 => "EINVAL",
        27 => "EFBIG",
        28 => "ENOSPC",
        30 => "EROFS",
        38 => "ENOSYS",
        52 => "EBADE",
        61 => "ENODATA",
        62 => "ETIME",
        84 => "EILSEQ",
        95 => "EOPNOTSUPP",
        110 => "ETIMEDOUT",
        121 => "EREMOTEIO",
        122 => "EDQUOT",
        125 => "ECANCELED",
        status @ NVME_STATUS.. => return nvme_status(status - NVME_STATUS),
        other => return format!("errno {other}"),
    };
    name.into()
}

/// The status of an NVMe command by type and code, worded as in the specification and nvme-cli.
fn nvme_status(status: i32) -> String {
    let name = match status {
        0x002 => "invalid field",
        0x004 => "data transfer error",
        0x006 => "internal error",
        0x007 => "aborted",
        0x00B => "invalid namespace or format",
        0x015 => "operation denied",
        0x01C => "sanitize in progress",
        0x020 => "write protected",
        0x080 => "block out of range",
        0x081 => "capacity exceeded",
        0x082 => "namespace not ready",
        0x181 => "invalid protection information",
        0x182 => "write to a read-only range",
        0x280 => "write fault",
        0x281 => "unrecovered read error",
        0x286 => "access denied",
        0x287 => "deallocated or unwritten block",
        0x300..=0x303 => "path error",
        0x370 | 0x371 => "aborted by the host",
        _ => return format!("NVMe status {}/{:02x}h", status >> 8, status & 0xFF),
    };
    format!("NVMe status {}/{:02x}h ({name})", status >> 8, status & 0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_errors_of_the_kernel_and_of_drives() {
        let names = [5, -5, 1234, NVME_STATUS + 0x281, NVME_STATUS + 0x7FF, NVME_STATUS].map(errno_name);
        let expected = [
            "EIO",
            "EIO",
            "errno 1234",
            "NVMe status 2/81h (unrecovered read error)",
            "NVMe status 7/ffh",
            "NVMe status 0/00h",
        ];
        assert_eq!(names, expected);
    }
}
