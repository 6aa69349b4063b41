//! Finds the files that the user did not name, and decides which files redenv-run trusts.
//!
//! Somebody who can put a file into a directory above a project must not choose the project's secrets. So the
//! file's owner decides. The mode doesn't, because a umask of 002 and mounts from Windows make every file
//! writable.

use std::ffi::OsStr;
use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, io};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::file::{FileError, LIMIT, read_all};

/// A directory in which everyone may create files, and only their owner may delete them, such as `/tmp`.
const SHARED: u32 = 0o1002;

/// A directory to look in.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    /// Whether it is the working directory.
    is_first: bool,
    is_shared: bool,
    owner: u32,
}

/// A file that was found.
pub(super) struct FoundFile {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Why redenv-run does not trust the file. `None` if it does.
    pub(super) distrust: Option<String>,
}

/// The working directory, and the directories above it that belong to the project. The last one is the
/// repository's root or the home directory. A shared directory, or a directory of another user, is never among
/// those above.
pub(super) fn directories(home: Option<&OsStr>) -> Vec<Directory> {
    let here = env::current_dir().unwrap_or_default();
    let home = home.and_then(|home| fs::metadata(home).ok());
    let mut directories: Vec<Directory> = Vec::new();
    for path in here.ancestors() {
        let is_first = directories.is_empty();
        let Ok(metadata) = fs::metadata(if is_first { Path::new(".") } else { path }) else {
            break;
        };
        let (owner, is_shared) = (metadata.uid(), metadata.mode() & SHARED == SHARED);
        let is_of_others = directories.first().is_some_and(|first| owner != first.owner && owner != user());
        if !is_first && (is_shared || is_of_others) {
            break;
        }
        directories.push(Directory { path: path.to_owned(), is_first, is_shared, owner });
        let is_home = home.as_ref().is_some_and(|home| is_same(home, &metadata));
        if is_home || is_shared || fs::symlink_metadata(path.join(".git")).is_ok() {
            break;
        }
    }
    directories
}

fn is_same(left: &Metadata, right: &Metadata) -> bool {
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

fn user() -> u32 {
    geteuid().as_raw()
}

impl Directory {
    /// The path that opens a file. In the working directory it is relative: this works even if this user can't
    /// search a directory above.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        if self.is_first { name.into() } else { self.path.join(name) }
    }

    /// Reads a file of this directory, if it exists.
    ///
    /// # Errors
    /// [`FileError`] for a trusted file that can't be read.
    pub(super) fn read(&self, name: &str) -> Result<Option<FoundFile>, FileError> {
        let path = self.place(name);
        let Ok(link) = fs::symlink_metadata(&path) else { return Ok(None) };
        let distrust = self.distrust(link.uid());
        match read_regular(&path) {
            // The owners of a symbolic link and of its target must both be trusted.
            Ok((bytes, owner)) => {
                Ok(Some(FoundFile { bytes, distrust: distrust.or_else(|| self.distrust(owner)) }))
            }
            Err(FileError::Io(error)) if is_absence(&error) => Ok(None),
            Err(_) if distrust.is_some() => Ok(Some(FoundFile { bytes: Zeroizing::default(), distrust })),
            Err(error) => Err(error),
        }
    }

    /// Why redenv-run does not trust a file of this owner. `None` if it does: for this user, root, and the
    /// owner of the directory.
    fn distrust(&self, owner: u32) -> Option<String> {
        if self.is_shared {
            return Some("everyone may create files in its directory".to_owned());
        }
        (![user(), 0, self.owner].contains(&owner)).then(|| format!("it belongs to user {owner}"))
    }
}

/// Whether a symbolic link leads to nothing.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The content and the owner of a regular file.
fn read_regular(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), FileError> {
    // Before it is opened: opening can hang (a pipe) or start something (a device).
    check_regular(&fs::metadata(path)?)?;
    // And again after opening it, without waiting: somebody may have replaced it in between.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    check_regular(&metadata)?;
    Ok((read_all(file, &metadata, LIMIT)?, metadata.uid()))
}

fn check_regular(metadata: &Metadata) -> Result<(), FileError> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(FileError::Directory),
        _ => Err(FileError::NotRegular),
    }
}
