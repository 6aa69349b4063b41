//! The files that settings are read from: small ones, so that one without an end can't fill memory,
//! and read within the deadline, so that a pipe without a writer can't hold a launch.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::deadline::Deadline;
use crate::ui::report::reason;

/// The most that a file of settings may hold.
pub(super) const LIMIT: Limit = Limit { mebibytes: 1 };
/// The most that a file of certificates may hold: bundles that explain each one come near 1 MiB.
pub(super) const CERTIFICATES: Limit = Limit { mebibytes: 16 };

/// The most that is read of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    mebibytes: u64,
}

impl Limit {
    fn bytes(self) -> u64 {
        self.mebibytes * 1024 * 1024
    }
}

/// Why a file can't be used.
#[derive(Debug)]
pub(crate) enum FileError {
    /// The system says so.
    Io(io::Error),
    /// It is a directory.
    Directory,
    /// It is a pipe, a device, or the like, and nobody named it.
    NotRegular,
    /// It holds more than it may.
    TooLong(Limit),
    /// It is a pipe or the like, whose end did not come within the deadline of this span.
    Endless(Duration),
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
            Self::TooLong(limit) => return write!(f, "it is longer than {} MiB", limit.mebibytes),
            Self::Endless(span) => {
                let span = humantime::format_duration(*span);
                return write!(f, "it did not come to an end within {span}");
            }
            Self::NotUtf8 => "it is not UTF-8",
            Self::NotJson => "it is not a JSON object",
        })
    }
}

/// What a file holds that the user named. It may be a stream: `/dev/stdin`, a shell's `<(...)`. That
/// is waited for until the deadline, or for ever where there is none.
///
/// # Errors
/// [`FileError`]: unreadable, too long, or without an end in time.
pub(super) fn read(
    path: &Path,
    limit: Limit,
    deadline: Option<Deadline>,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    match deadline {
        Some(deadline) if !fs::metadata(path)?.is_file() => {
            // Already to open a pipe waits for its writer.
            let (path, (end, ended)) = (path.to_owned(), mpsc::sync_channel(1));
            let read = move || drop(end.send(read_opened(&path, limit)));
            thread::Builder::new().name("file".into()).spawn(read)?;
            ended.recv_timeout(deadline.remaining()).map_err(|_| FileError::Endless(deadline.span()))?
        }
        _ => read_opened(path, limit),
    }
}

fn read_opened(path: &Path, limit: Limit) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    read_all(file, &metadata, limit)
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
    read_all(file, &metadata, LIMIT)
}

fn check_regular(metadata: &Metadata) -> Result<(), FileError> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(FileError::Directory),
        _ => Err(FileError::NotRegular),
    }
}

fn read_all(file: File, metadata: &Metadata, limit: Limit) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Its size up front, and what settings that come as a stream need: growing leaves copies behind.
    let size = usize::try_from(metadata.len().min(limit.bytes())).unwrap_or_default() + 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    match file.take(limit.bytes() + 1).read_to_end(&mut bytes)? {
        length if length as u64 > limit.bytes() => Err(FileError::TooLong(limit)),
        _ => Ok(bytes),
    }
}
