//! The message and the remedy of each rule.

use std::fmt;

use super::Rule;
use crate::{
    limits::{MAX_BUFFERS, MAX_DEPTH, MAX_NAME, MAX_PATH, MAX_VERIFIED, MAX_WORKERS, SECTOR},
    units::ByteSize,
};

impl Rule {
    /// The remedy for a field with this key. `None`: the description of the key is the remedy.
    #[must_use]
    pub fn remedy(&self, key: &str) -> Option<String> {
        Some(match self {
            Self::Needs { setting, or: None, .. } => format!("set `{setting}`"),
            Self::Needs { setting, or: Some(or), .. } => format!("set `{setting}`, or `{or}`"),
            Self::Excludes { value, setting, instead, .. } => {
                let own = value.unwrap_or(key);
                match instead {
                    None => format!("remove `{own}` or `{setting}`"),
                    Some(instead) => format!("remove `{own}`, or replace `{setting}` by `{instead}`"),
                }
            }
            Self::EngineLacks { options, engines, .. } => {
                let options = any(options, "and");
                match engines.as_slice() {
                    [] => format!("remove {options}: no engine has every feature this trial needs"),
                    engines => format!("remove {options}, or use engine: {}", any(engines, "or")),
                }
            }
            Self::TooManyBuffers { .. } => "lower the depth, the block size or the number of threads".into(),
            Self::TooManyWorkers { .. } => {
                "lower the depth or `threads`: `concurrency: threads` multiplies them".into()
            }
            Self::SharedRingTooDeep { .. } => "lower the depth or `threads`".into(),
            Self::SqpollTooDeep { .. } => "lower the depth, or remove `sqpoll`".into(),
            Self::SqpollIdle { .. } => "write a duration such as `sqpoll: {idle: 10ms}`".into(),
            Self::NoRoomForLink => {
                "raise `depth` and `submit_batch` to 2 or more, or remove `link_sync`".into()
            }
            Self::NoWrites => "set `read_percent` below 100, or remove `sync`".into(),
            Self::NoCpus => "write `auto`, or a list such as `[2, 3]`".into(),
            Self::TooManyBlocks { .. } => "use a smaller target or larger blocks".into(),
            Self::TooSmallToVerify { .. } => "use a larger target or fewer workers".into(),
            Self::SmallerThanBlock { .. } => "use a larger target or smaller blocks".into(),
            Self::OnlyNullBlk { options } => {
                format!("set `kind: null_blk`, or remove {}", any(options, "and"))
            }
            Self::ReadOnly => {
                "set `read_percent: 100`, or let the agent create the file: `target: {file: {size: 1GiB}}`"
                    .into()
            }
            Self::NoSerial => "find it with `lsblk -o PATH,SERIAL,WWN` on the agent's host".into(),
            Self::DestroyMissing { serial } => {
                format!("set `destroy: {serial}` to confirm, or set `read_percent: 100` without `verify`")
            }
            Self::DestroyDiffers { serial, .. } => {
                format!("set `destroy: {serial}` if the contents of this device may be destroyed")
            }
            Self::OutOfRange { .. }
            | Self::TooManyCpus { .. }
            | Self::Sizes(_)
            | Self::NotSectors { .. }
            | Self::NotMultiple { .. }
            | Self::NotWholeMib { .. }
            | Self::PathTooLong
            | Self::PathNotAbsolute { .. }
            | Self::NotAName
            | Self::Malformed { .. } => return None,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { value, limits } => write!(f, "{value} is out of range: {limits}"),
            Self::Needs { setting, why, .. } => write!(f, "needs {setting} ({why})"),
            Self::Excludes { value, setting, why, .. } => {
                if let Some(value) = value {
                    write!(f, "{value} ")?;
                }
                write!(f, "cannot be combined with {setting} ({why})")
            }
            Self::EngineLacks { engine, feature, options, .. } => {
                write!(f, "{engine} {}, so it cannot have {}", feature.absence(), any(options, "and"))
            }
            Self::TooManyBuffers { bytes } => {
                write!(f, "needs {} MiB of buffers; at most {MAX_BUFFERS} are allowed", bytes >> 20)
            }
            Self::TooManyWorkers { workers } => {
                write!(f, "makes {workers} worker threads on one host; at most {MAX_WORKERS} are allowed")
            }
            Self::SharedRingTooDeep { depth, workers, most, sharing } => {
                let total = depth.saturating_mul(*workers);
                write!(
                    f,
                    "{depth} for each of {workers} workers makes {total} in one ring; at most {most} with ring: \
                     {sharing}"
                )
            }
            Self::SqpollTooDeep { depth } => {
                let most = MAX_DEPTH / 2;
                write!(
                    f,
                    "{depth} is out of range: at most {most} with sqpoll, whose queue holds two batches"
                )
            }
            Self::SqpollIdle { idle } => {
                write!(f, "idle: {idle} is not a whole number of milliseconds, 1ms or more")
            }
            Self::NoRoomForLink => f.write_str(
                "needs a depth and a submit_batch of 2 or more: a write and its sync are submitted together",
            ),
            Self::NoWrites => f.write_str("needs writes, because only they can be made durable"),
            Self::NoCpus => f.write_str("is empty"),
            Self::TooManyCpus { entries } => {
                write!(f, "has {entries} entries; at most {MAX_WORKERS} are allowed")
            }
            Self::Sizes(problem) => problem.fmt(f),
            Self::NotSectors { size: ByteSize(0) } => f.write_str("0B is not a size"),
            Self::NotSectors { size } => write!(
                f,
                "{size} is not a whole number of sectors of {SECTOR}, which are needed with direct I/O, engine: nvme or \
                 verify"
            ),
            Self::NotMultiple { block, urgent } => write!(
                f,
                "block_size: workload.block_size {block} is not a multiple of {urgent} (an urgent operation takes the \
                 place of another)"
            ),
            Self::TooManyBlocks { blocks, unit } => {
                write!(f, "a target of {blocks} blocks of {unit} is too large; at most {MAX_VERIFIED} blocks")
            }
            Self::TooSmallToVerify { workers, needed } => {
                write!(
                    f,
                    "each of {workers} workers verifies its own part of the target, which takes {needed}"
                )
            }
            Self::SmallerThanBlock { size, block } => write!(f, "{size} does not hold one block of {block}"),
            Self::NotWholeMib { size } => write!(f, "{size} is not a whole number of MiB"),
            Self::OnlyNullBlk { options } => {
                write!(f, "must be null_blk for {}, which other kinds do not have", any(options, "and"))
            }
            Self::PathTooLong => write!(f, "is longer than a path can be ({MAX_PATH} bytes)"),
            Self::PathNotAbsolute { path } => write!(f, "`{path}` is not an absolute path"),
            Self::ReadOnly => f.write_str("must be 100: an existing file is only read"),
            Self::NoSerial => f.write_str("is empty: a device is claimed by its serial number"),
            Self::DestroyMissing { .. } => {
                f.write_str("is missing: a trial that writes destroys the contents of the device")
            }
            Self::DestroyDiffers { destroy, serial } => write!(f, "`{destroy}` is not the serial `{serial}`"),
            Self::NotAName => write!(f, "must be printable, and have 1 to {MAX_NAME} bytes"),
            Self::Malformed { why } => f.write_str(why),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any<T: ToString>(items: &[T], last: &str) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => items.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(
            [any(&["a"], "or"), any(&["a", "b"], "or"), any(&["a", "b", "c"], "and")],
            ["a", "a or b", "a, b and c"]
        );
        assert_eq!(any::<&str>(&[], "or"), "");
    }
}
