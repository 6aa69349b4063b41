//! Reading the files that settings come from: small ones, so that an endless one can't fill memory, and
//! within the deadline, so that a pipe without a writer can't hold up a launch.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::deadline::Deadline;
use crate::ui::report::reason;

/// The most that a file of settings may hold.
pub(super) const LIMIT: Limit = Limit { mebibytes: 1 };
/// The most that a file of certificates may hold: bundles that explain each one come near 1 MiB.
pub(super) const CERTIFICATES: Limit = Limit { mebibytes: 16 };

/// The most that redenv-run reads of a file.
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
#[derive(thiserror::Error, Debug)]
pub(crate) enum FileError {
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    #[error("it is a directory")]
    Directory,
    /// A pipe, a device, or the like that nobody named.
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is longer than {} MiB", .0.mebibytes)]
    TooLong(Limit),
    /// A pipe or the like that didn't end before the deadline, which was this long.
    #[error("it did not end within {}", friendly(*.0))]
    Endless(Duration),
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not a JSON object")]
    NotJson,
}

fn friendly(duration: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// Reads a file that the user named. It may be a stream, such as `/dev/stdin` or a shell's `<(...)`, which
/// is waited for until the deadline, or for ever without one.
///
/// # Errors
/// [`FileError`] for a file that is unreadable, too long, or didn't end in time.
pub(super) fn read(
    path: &Path,
    limit: Limit,
    deadline: Option<Deadline>,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    match deadline {
        Some(deadline) if !fs::metadata(path)?.is_file() => {
            // Opening a pipe already waits for its writer.
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

/// Reads a file that nobody named and that may be a stranger's; `None` if there is none.
///
/// # Errors
/// [`FileError`] for a file that is unreadable, too long, or not a regular one.
pub(super) fn read_found(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    match read_regular(path) {
        Err(FileError::Io(error)) if is_absence(path, &error) => Ok(None),
        read => read.map(Some),
    }
}

/// Whether a file doesn't exist. One in a directory that this user may not search counts as that.
fn is_absence(path: &Path, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied => fs::symlink_metadata(path).is_err(),
        _ => false,
    }
}

fn read_regular(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Before it is opened: opening can hang (a pipe) or start something (a device).
    check_regular(&fs::metadata(path)?)?;
    // And again after it was opened, without waiting: it may have been replaced in between.
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
    // The whole size at once, with room for a stream: growing would leave copies behind.
    let size = usize::try_from(metadata.len().min(limit.bytes())).unwrap_or_default() + 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    match file.take(limit.bytes() + 1).read_to_end(&mut bytes)? {
        length if length as u64 > limit.bytes() => Err(FileError::TooLong(limit)),
        _ => Ok(bytes),
    }
}
