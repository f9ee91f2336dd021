//! Reads files that users and other programs write. All of them have limits: a scenario is never read from a device
//! without end, and never takes more memory or time than its size explains.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
};

use proto::units::ByteSize;
use rustix::fs::{FileType, Mode, OFlags};
use saphyr_parser::{Event, Parser};

/// The largest scenario, inventory or fio job file.
pub const MAX_TEXT: ByteSize = ByteSize(1 << 20);
/// The largest JSON file of a run directory, such as `plan.json`.
pub const MAX_JSON: ByteSize = ByteSize(256 << 20);
/// The largest `trials.jsonl`. Interval logs have no limit, because they are read line by line.
pub const MAX_LOG: ByteSize = ByteSize(4 << 30);
/// The deepest nesting of lists and mappings in YAML. JSON is limited to 128 levels by its parser.
pub const MAX_DEPTH: usize = 64;

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It is a device, a pipe or a directory.
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    /// It is too large.
    #[error("it is larger than {0}, the limit of such files")]
    TooLarge(ByteSize),
    /// It is not UTF-8 text from this byte on.
    #[error("it is not UTF-8 (byte {0}): save it as UTF-8")]
    NotUtf8(usize),
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of the system, or an [`InputError`].
pub fn bytes(path: &Path, limit: ByteSize) -> io::Result<Vec<u8>> {
    // A FIFO without a writer would block.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::open(path, flags, Mode::empty())?;
    let about = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(io::ErrorKind::IsADirectory.into()),
        FileType::Fifo => return Err(InputError::NotAFile("a pipe").into()),
        FileType::Socket => return Err(InputError::NotAFile("a socket").into()),
        _ => return Err(InputError::NotAFile("a device").into()),
    }
    let size = u64::try_from(about.st_size).unwrap_or(0);
    let too_large = || Err(InputError::TooLarge(limit).into());
    if size > limit.0 {
        return too_large();
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // Files of /proc have no size, and a file may grow.
    File::from(file).take(limit.0 + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.0 { too_large() } else { Ok(bytes) }
}

/// Reads a regular file of at most [`MAX_TEXT`] as UTF-8 text.
///
/// # Errors
/// Like [`bytes`].
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path, MAX_TEXT)?)
        .map_err(|error| InputError::NotUtf8(error.utf8_error().valid_up_to()).into())
}

/// Why a YAML text is not read further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is not YAML.
    #[error("{message}")]
    Syntax {
        /// The parser's message.
        message: String,
        /// The character at which it stopped, from 0.
        at: usize,
    },
    /// It is nested more than [`MAX_DEPTH`] deep.
    #[error("lists and mappings are nested more than {MAX_DEPTH} deep")]
    TooDeep {
        /// The character at which the deepest level begins, from 0.
        at: usize,
    },
}

impl YamlError {
    /// The line of the place, from 1.
    #[must_use]
    pub fn line(&self, text: &str) -> usize {
        let (Self::Syntax { at, .. } | Self::TooDeep { at }) = self;
        1 + text.chars().take(*at).filter(|c| *c == '\n').count()
    }
}

/// Reads YAML event by event up to a level that is too deep. The places are characters.
pub fn yaml_events(
    text: &str,
) -> impl Iterator<Item = Result<(Event<'_>, std::ops::Range<usize>), YamlError>> {
    let mut depth = 0usize;
    Parser::new_from_str(text).map(move |event| {
        let (event, span) = event.map_err(|error| YamlError::Syntax {
            message: error.info().to_owned(),
            at: error.marker().index(),
        })?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        match depth > MAX_DEPTH {
            true => Err(YamlError::TooDeep { at: span.start.index() }),
            false => Ok((event, span.start.index()..span.end.index())),
        }
    })
}

/// Checks that a text is YAML and not nested too deeply, before another parser reads its values.
///
/// # Errors
/// It is not.
pub fn check_yaml(text: &str) -> Result<(), YamlError> {
    yaml_events(text).find_map(Result::err).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn reads_only_regular_files_up_to_their_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "hello").unwrap();
        assert_eq!(bytes(&path, ByteSize(5)).unwrap(), b"hello");
        let refused = |path: &Path| text(path).unwrap_err().to_string();
        let large = bytes(&path, ByteSize(4)).unwrap_err().to_string();
        assert_eq!(large, "it is larger than 4B, the limit of such files");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, not a regular file");
        assert!(refused(dir.path()).contains("directory"));
        std::fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(refused(&path), "it is not UTF-8 (byte 2): save it as UTF-8");
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(refused(&fifo), "it is a pipe, not a regular file");
        // A file without a size.
        assert!(bytes(Path::new("/proc/self/status"), MAX_TEXT).unwrap().len() > 100);
        assert!(bytes(Path::new("/proc/self/status"), ByteSize(10)).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_at_once() {
        let begun = Instant::now();
        for text in ["- ".repeat(500_000), "{a: ".repeat(250_000), "? ".repeat(500_000)] {
            assert!(check_yaml(&text).is_err(), "{}", &text[..4]);
        }
        // The parser looks through brackets in advance, with a limit of its own.
        assert!(check_yaml(&"[".repeat(1 << 20)).is_err());
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        check_yaml(&"- ".repeat(MAX_DEPTH)).unwrap();
        assert_eq!(check_yaml(&"- ".repeat(MAX_DEPTH + 1)), Err(YamlError::TooDeep { at: 128 }));
    }
}
