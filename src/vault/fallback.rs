//! `--fallback`: a file with the ciphertext of the last reply, for when Upstash can't be reached.
//!
//! The file is trusted only after its MAC was verified with the project's key (PEK). If Upstash replied, no
//! problem with the file stops the launch.

mod error;
mod file;
mod format;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::ui::text::{Shown, shown_path};
use crate::vault::crypto::{Key, Salt};
use crate::vault::{EncryptedVault, Name, Request};

pub(crate) use error::FallbackError;
use format::Header;

/// More bytes than any reply has.
const LIMIT: u64 = 65 * 1024 * 1024;
/// How far in the future a fetch time may be, because clocks get adjusted.
const SKEW: Duration = Duration::from_secs(60);
/// The mode bits that let other users write.
const OTHERS_MAY_WRITE: u32 = 0o022;

/// The settings `--fallback`, `--max-stale` and `--offline`.
#[derive(Debug)]
pub(crate) struct FallbackSettings {
    pub(crate) path: PathBuf,
    pub(crate) max_stale: Duration,
    /// `--offline`: the launch starts from the file at once, without any request.
    pub(crate) offline: bool,
}

/// The fallback file of a launch, as it was found at the start.
pub(crate) struct Fallback<'a> {
    pub(crate) settings: &'a FallbackSettings,
    request: &'a Request<'a>,
    /// The file, if a launch could start from it.
    pub(crate) found: Result<Stored, FallbackError>,
}

/// A file that is usable if its MAC is right.
pub(crate) struct Stored {
    header: Header,
    rest: BufReader<File>,
    /// The time since its reply was fetched.
    pub(crate) age: Duration,
}

impl<'a> Fallback<'a> {
    /// Opens the file, and checks its owner, header and age.
    pub(crate) fn open(settings: &'a FallbackSettings, request: &'a Request<'a>) -> Self {
        Self { settings, request, found: find(settings, request) }
    }

    /// The salt in the file. The derivation can start with it: a wrong salt only costs time.
    pub(crate) fn salt(&self) -> Option<Salt> {
        Salt::from_hex(&self.found.as_ref().ok()?.header.salt)
    }

    /// The environments in the file that this launch replaces with its own environments.
    pub(crate) fn displaced_environments(&self) -> Option<String> {
        match &self.found {
            Err(FallbackError::OtherEnvironments(names)) => Some(Shown(&names.join(", ")).to_string()),
            _ => None,
        }
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> String {
        shown_path(&self.settings.path)
    }

    /// Replaces the file with this vault, atomically and with mode 0600, unless the file belongs to something
    /// else.
    pub(crate) fn write(
        self,
        vault: &EncryptedVault<'_>,
        pek: &Key,
        deadline: Deadline,
    ) -> Result<(), FallbackError> {
        match self.found {
            Err(refusal) if !refusal.allows_overwriting() => return Err(refusal),
            _ => {}
        }
        let (path, content) = (target(&self.settings.path)?, format::write(self.request, vault, pek));
        // On its own thread: a disk that hangs must not block the launch.
        let (send, done) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("fallback".into())
            .spawn(move || drop(send.send(file::replace(&path, &content))))
            .and_then(|_| done.recv_timeout(deadline.remaining()).map_err(|_| io::ErrorKind::TimedOut.into()))
            .and_then(|written| written)
            .map_err(|error| FallbackError::Io { doing: "write", error })
    }

    /// Deletes the file if it belongs to this project and token. Returns whether it did.
    pub(crate) fn delete(&self) -> Result<bool, FallbackError> {
        let ours = matches!(
            self.found,
            Ok(_)
                | Err(FallbackError::Stale { .. }
                    | FallbackError::Future(_)
                    | FallbackError::OtherEnvironments(_))
        );
        if !ours {
            return Ok(false);
        }
        fs::remove_file(target(&self.settings.path)?)
            .map(|()| true)
            .map_err(|error| FallbackError::Io { doing: "delete", error })
    }
}

impl Stored {
    /// Reads the reply, in the form that Upstash gives. It is not verified yet.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>, FallbackError> {
        // The file's length is known, so a long reply is not copied while it grows.
        let mut reply = Vec::new();
        let read = self.rest.read_to_end(&mut reply);
        read.map(|_| reply).map_err(|error| FallbackError::Io { doing: "read", error })
    }

    /// Checks the file's MAC over `reply` with the PEK.
    pub(crate) fn verify(&self, reply: &[u8], pek: &Key) -> Result<(), FallbackError> {
        if self.header.verify(reply, pek) { Ok(()) } else { Err(FallbackError::Forged) }
    }
}

fn find(settings: &FallbackSettings, request: &Request<'_>) -> Result<Stored, FallbackError> {
    let io = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FallbackError::Absent,
        _ => FallbackError::Io { doing: "read", error },
    };
    // Opening a named pipe must not block.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file =
        OpenOptions::new().read(true).custom_flags(nonblocking).open(target(&settings.path)?).map_err(io)?;
    // The open file is checked, not its path, so nobody can swap it in between.
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(FallbackError::NotFile);
    }
    if ![rustix::process::geteuid().as_raw(), 0].contains(&metadata.uid()) {
        return Err(FallbackError::OtherOwner);
    }
    if metadata.mode() & OTHERS_MAY_WRITE != 0 {
        return Err(FallbackError::OthersMayWrite);
    }
    let mut rest = BufReader::new(file);
    let header = format::read_header(&mut rest).map_err(|error| match error {
        // An empty file has nothing to lose.
        FallbackError::NotFallback if metadata.len() == 0 => FallbackError::Damaged,
        error => error,
    })?;
    if header.project != request.project.as_str() {
        return Err(FallbackError::OtherProject(header.project));
    }
    if header.token_id != request.token_id {
        return Err(FallbackError::OtherToken(header.token_id));
    }
    if !header.environments.iter().map(String::as_str).eq(request.environments.iter().map(Name::as_str)) {
        return Err(FallbackError::OtherEnvironments(header.environments));
    }
    if metadata.len() > LIMIT {
        return Err(FallbackError::Damaged);
    }
    let now = format::now();
    let ahead = Duration::from_secs(header.fetched_at.saturating_sub(now));
    if ahead > SKEW {
        return Err(FallbackError::Future(ahead));
    }
    let age = Duration::from_secs(now.saturating_sub(header.fetched_at));
    if age >= settings.max_stale {
        return Err(FallbackError::Stale { age, limit: settings.max_stale });
    }
    Ok(Stored { header, rest, age })
}

/// The file itself: `path`, or the target of the user's own symbolic link. Called before each change, because
/// somebody may have put a link there during the fetch.
fn target(path: &Path) -> Result<PathBuf, FallbackError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && found.uid() != rustix::process::geteuid().as_raw() => {
            Err(FallbackError::OtherLink)
        }
        Ok(found) if found.is_symlink() => Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
        _ => Ok(path.to_owned()),
    }
}
