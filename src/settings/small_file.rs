//! The files that settings are read from: small ones, so that one without an end can't fill memory.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::problem::reason;

/// The most that a file may hold.
const LIMIT: u64 = 1024 * 1024;

/// Why a file can't be used.
#[derive(Debug)]
pub(crate) enum FileError {
    /// The system says so.
    Io(io::Error),
    /// It is a directory.
    Directory,
    /// It is a pipe, a device, or the like, and nobody named it.
    NotRegular,
    /// It holds more than 1 MiB.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It should be a JSON object, and isn't.
    NotJson,
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(error) => return f.write_str(&reason(error)),
            Self::Directory => "is a directory",
            Self::NotRegular => "it is not a regular file",
            Self::TooLong => "it is longer than 1 MiB",
            Self::NotUtf8 => "it is not UTF-8",
            Self::NotJson => "it is not a JSON object",
        })
    }
}

/// What a file holds that the user named. It may be a stream: `/dev/stdin`, a shell's `<(...)`.
///
/// # Errors
/// [`FileError`]: unreadable or too long.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    read_all(file, &metadata)
}

/// What a file holds that nobody named and that may be a stranger's; `None` where there is none.
///
/// # Errors
/// [`FileError`]: unreadable, too long, or no regular file.
pub(super) fn read_found(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    match read_regular(path) {
        Err(FileError::Io(error)) if is_absence(path, &error) => Ok(None),
        read => read.map(Some),
    }
}

/// A file in a directory that may not even be searched can't be meant.
fn is_absence(path: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied => fs::symlink_metadata(path).is_err(),
        _ => false,
    }
}

fn read_regular(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Before it is opened, which alone can hang (a pipe) or set something going (a device).
    check_regular(&fs::metadata(path)?)?;
    // And again what was opened, without waiting: it may have been exchanged in between.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    check_regular(&metadata)?;
    read_all(file, &metadata)
}

fn check_regular(metadata: &Metadata) -> Result<(), FileError> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(FileError::Directory),
        _ => Err(FileError::NotRegular),
    }
}

fn read_all(file: File, metadata: &Metadata) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Its size up front, and what settings that come as a stream need: growing leaves copies behind.
    let size = usize::try_from(metadata.len().min(LIMIT)).unwrap_or_default() + 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    match file.take(LIMIT + 1).read_to_end(&mut bytes)? {
        length if length as u64 > LIMIT => Err(FileError::TooLong),
        _ => Ok(bytes),
    }
}
