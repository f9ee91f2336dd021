//! The names of errors, as they stand in tables, marks and `summary.json`.

/// The name of what block I/O fails with; of what it hardly ever fails with, the number.
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
        other => return format!("errno {other}"),
    };
    name.into()
}
