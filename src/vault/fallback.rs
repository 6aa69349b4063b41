//! `--fallback`: a file with the ciphertext of the last reply, for when Upstash can't be reached.
//!
//! The file is trusted only after its MAC was verified with the project's key (PEK). No problem with it
//! stops a launch that has a reply.

mod error;
mod file;
mod format;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::deadline::Deadline;
use crate::ui::text::Shown;
use crate::vault::crypto::{Key, Salt};
use crate::vault::{EncryptedVault, Name, Request};

pub(crate) use error::FallbackError;
use format::Signed;

/// More bytes than any reply has.
const LIMIT: u64 = 65 * 1024 * 1024;
/// How far in the future a fetch time may be, as clocks get adjusted.
const SKEW: Duration = Duration::from_secs(60);
/// The mode bits for other users who may write.
const OTHERS_MAY_WRITE: u32 = 0o022;

/// The settings `--fallback`, `--max-stale` and `--offline`.
#[derive(Debug)]
pub(crate) struct FallbackSettings {
    pub(crate) path: PathBuf,
    pub(crate) max_stale: Duration,
    pub(crate) usage: Usage,
}

/// When a launch uses the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// If Upstash can't be reached.
    Outage,
    /// `--offline`: at once, without any request.
    Offline,
}

/// The fallback file of a launch, as it was found at the start.
pub(crate) struct Fallback<'a> {
    path: &'a Path,
    usage: Usage,
    request: &'a Request<'a>,
    found: Result<Found, FallbackError>,
}

/// A usable file, if its MAC is right.
struct Found {
    signed: Signed,
    rest: BufReader<File>,
    age: Duration,
}

/// The reply in a file. Not verified yet.
pub(crate) struct Stored {
    signed: Signed,
    /// The reply in the form that Upstash gives.
    pub(crate) reply: Vec<u8>,
    /// The time since it was fetched.
    pub(crate) age: Duration,
}

impl<'a> Fallback<'a> {
    /// Opens the file, and checks its owner, header and age.
    pub(crate) fn open(settings: &'a FallbackSettings, request: &'a Request<'a>) -> Self {
        let path = settings.path.as_path();
        let found = find(path, request, settings.max_stale);
        Self { path, usage: settings.usage, request, found }
    }

    /// When the launch uses the file.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// The salt in the file. The derivation can start with it: a wrong salt only costs time.
    pub(crate) fn salt(&self) -> Option<Salt> {
        self.found.as_ref().ok().and_then(|found| found.signed.header.salt())
    }

    /// Whether a launch could start from the file.
    pub(crate) fn is_usable(&self) -> bool {
        self.found.is_ok()
    }

    /// The environments that lose their file when this launch writes it.
    pub(crate) fn displaced_environments(&self) -> Option<String> {
        match &self.found {
            Err(FallbackError::OtherEnvironments(names)) => Some(Shown(&names.join(", ")).to_string()),
            _ => None,
        }
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> String {
        Shown(&self.path.to_string_lossy()).to_string()
    }

    /// Reads the reply in the file.
    pub(crate) fn read(self) -> Result<Stored, FallbackError> {
        let Found { signed, rest, age } = self.found?;
        // Without reallocations, which would copy and wipe a long reply several times.
        let length = rest.get_ref().metadata().map_or(0, |metadata| metadata.len().min(LIMIT));
        let mut reply = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        rest.take(LIMIT)
            .read_to_end(&mut reply)
            .map_err(|error| FallbackError::Io { doing: "read", error })?;
        Ok(Stored { signed, reply, age })
    }

    /// Replaces the file with this vault, atomically and with mode 0600, unless it is something else's file.
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
        let (path, content) = (target(self.path)?, format::write(self.request, vault, pek));
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
        fs::remove_file(target(self.path)?)
            .map(|()| true)
            .map_err(|error| FallbackError::Io { doing: "delete", error })
    }
}

impl Stored {
    /// Checks the file's MAC with the PEK.
    pub(crate) fn verify(&self, pek: &Key) -> Result<(), FallbackError> {
        if self.signed.verify(&self.reply, pek) { Ok(()) } else { Err(FallbackError::Forged) }
    }
}

fn find(path: &Path, request: &Request<'_>, max_stale: Duration) -> Result<Found, FallbackError> {
    let io = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FallbackError::Absent,
        _ => FallbackError::Io { doing: "read", error },
    };
    let me = rustix::process::geteuid().as_raw();
    let link = fs::symlink_metadata(path).map_err(io)?;
    if link.is_symlink() && link.uid() != me {
        return Err(FallbackError::OtherLink);
    }
    // Opening a named pipe must not block.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(io)?;
    // The open file is checked, not its path, so nobody can swap it in between.
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(FallbackError::NotFile);
    }
    if metadata.uid() != me && metadata.uid() != 0 {
        return Err(FallbackError::OtherOwner);
    }
    if metadata.mode() & OTHERS_MAY_WRITE != 0 {
        return Err(FallbackError::OthersMayWrite);
    }
    let mut rest = BufReader::new(file);
    let signed = format::read_header(&mut rest).map_err(|error| match error {
        // An empty file has nothing to lose.
        FallbackError::NotFallback if metadata.len() == 0 => FallbackError::Damaged,
        error => error,
    })?;
    let header = &signed.header;
    if header.project != request.project.as_str() {
        return Err(FallbackError::OtherProject(header.project.clone()));
    }
    if header.token_id != request.token_id {
        return Err(FallbackError::OtherToken(header.token_id.clone()));
    }
    if !header.environments.iter().map(String::as_str).eq(request.environments.iter().map(Name::as_str)) {
        return Err(FallbackError::OtherEnvironments(header.environments.clone()));
    }
    let fetched_at = header.fetched_at().ok_or(FallbackError::Damaged)?;
    let age = match SystemTime::now().duration_since(fetched_at) {
        Ok(age) => Duration::from_secs(age.as_secs()),
        Err(error) if error.duration() <= SKEW => Duration::ZERO,
        Err(error) => return Err(FallbackError::Future(error.duration())),
    };
    if age >= max_stale {
        return Err(FallbackError::Stale { age, limit: max_stale });
    }
    Ok(Found { signed, rest, age })
}

/// The file to replace: `path`, or the target of the user's own symbolic link. Checked again, as somebody may
/// have put a link there during the fetch.
fn target(path: &Path) -> Result<PathBuf, FallbackError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && found.uid() != rustix::process::geteuid().as_raw() => {
            Err(FallbackError::OtherLink)
        }
        Ok(found) if found.is_symlink() => Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
        _ => Ok(path.to_owned()),
    }
}
