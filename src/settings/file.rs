//! Reads the files that settings come from. A size limit stops an endless file from filling the memory. The
//! deadline stops a pipe without a writer from blocking a launch.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::deadline::Deadline;
use crate::ui::text::reason;
use crate::ui::time::span;

/// The most bytes that a file of settings may hold.
pub(super) const LIMIT: u64 = 1 << 20;
/// The most bytes of a file of certificates: bundles with a comment for each certificate come near 1 MiB.
pub(super) const CERTIFICATES: u64 = 16 << 20;

/// The hint for a pipe that did not end.
const ENDLESS: &str = "a pipe ends when every program that writes to it has closed it; \
    --timeout (REDENV_TIMEOUT) gives more time";

/// Why a file can't be used.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum FileError {
    #[error("{}", reason(.0))]
    #[diagnostic(help("check the path, and that this user may read the file"))]
    Io(#[from] io::Error),
    #[error("it is a directory")]
    Directory,
    /// A pipe, a device, or the like that the user did not name.
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is longer than {} MiB", .0 >> 20)]
    TooLong(u64),
    /// A pipe or the like that didn't end before the deadline. Holds the whole time limit.
    #[error("it did not end within {}", span(*.0))]
    #[diagnostic(help("{ENDLESS}"))]
    Endless(Duration),
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not a JSON object")]
    NotJson,
}

impl FileError {
    /// `hint`, or the pipe's own hint if a pipe did not end.
    pub(super) fn hint_or(&self, hint: &'static str) -> &'static str {
        if matches!(self, Self::Endless(_)) { ENDLESS } else { hint }
    }
}

/// Reads a file that the user named. It may be a stream, such as `/dev/stdin` or a shell's `<(...)`. This
/// function waits for a stream until the deadline, or for ever without a deadline.
///
/// # Errors
/// [`FileError`] for a file that is unreadable, too long, or didn't end in time.
pub(super) fn read(
    path: &Path,
    limit: u64,
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

fn read_opened(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    read_all(file, &metadata, limit)
}

/// Reads an opened file of at most `limit`.
pub(super) fn read_all(file: File, metadata: &Metadata, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // The whole size at once, with room for a stream: growing would leave copies behind.
    let size = usize::try_from(metadata.len().min(limit)).unwrap_or_default() + 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    match file.take(limit + 1).read_to_end(&mut bytes)? {
        length if length as u64 > limit => Err(FileError::TooLong(limit)),
        _ => Ok(bytes),
    }
}
