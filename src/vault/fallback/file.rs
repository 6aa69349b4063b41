//! Replaces a file as a whole: at any moment, `path` is the old file or the new one.
//!
//! A launch locks its temporary file while it runs. So the next launch can recognize a leftover file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

/// The end of a temporary file's name.
const SUFFIX: &str = ".tmp";

/// Writes a temporary file in the same directory, and renames it to `path` once it is on disk.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // A write beyond the limit would end redenv-run with a signal.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if limit.is_some_and(|limit| limit < content.len() as u64) {
        return Err(rustix::io::Errno::FBIG.into());
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let prefix = format!(".{}.", name.to_string_lossy());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    remove_leftovers(directory, &prefix);
    let temporary = directory.join(format!("{prefix}{:016x}{SUFFIX}", fastrand::u64(..)));
    // Not every system and file system has unnamed files.
    let written = write_unnamed(directory, &temporary, content)
        .or_else(|_| write_named(&temporary, content))
        .and_then(|_locked| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a file without a name, and then names it. So a launch that is killed while writing leaves no file.
#[cfg(target_os = "linux")]
fn write_unnamed(directory: &Path, temporary: &Path, content: &[u8]) -> io::Result<File> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};

    let flags = OFlags::TMPFILE.bits().cast_signed();
    let file = OpenOptions::new().write(true).custom_flags(flags).mode(0o600).open(directory)?;
    write(&file, content)?;
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, unnamed, CWD, temporary, AtFlags::SYMLINK_FOLLOW)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn write_unnamed(_: &Path, _: &Path, _: &[u8]) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn write_named(temporary: &Path, content: &[u8]) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    write(&file, content)?;
    Ok(file)
}

fn write(mut file: &File, content: &[u8]) -> io::Result<()> {
    // If the file system has no locks, the file is written without one.
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
    // The umask may have removed bits from the mode.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Removes the temporary files of launches that were killed. A failure is not worth a message.
fn remove_leftovers(directory: &Path, prefix: &str) {
    let me = rustix::process::geteuid().as_raw();
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_temporary =
            name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(SUFFIX));
        if is_temporary
            && let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(entry.path())
            && file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.uid() == me)
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}
