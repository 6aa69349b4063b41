//! `--fallback`: the sealed reply of the last fetch in a file, for when the store can't be reached.
//!
//! The file holds ciphertext alone, and is believed only after its MAC was verified with the PEK.
//! Whatever is wrong with it, a launch whose fetch succeeded goes on.

mod format;

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::deadline::Deadline;
use crate::ui::report::Shown;
use crate::ui::report::reason;
use crate::vault::crypto::{Key, Salt, random_bytes};
use crate::vault::{Name, Request, SealedVault};

use format::{FormatError, Signed};

/// The most that is read of a file: more than any reply.
const LIMIT: u64 = 65 * 1024 * 1024;
/// How far in the future a fetch time may be: clocks are set by a little now and then.
const SKEW: Duration = Duration::from_secs(60);
/// Who else may write.
const OTHERS_MAY_WRITE: u32 = 0o022;

/// Where the file is, and how old it may be.
#[derive(Debug)]
pub(crate) struct FallbackSettings {
    pub(crate) path: PathBuf,
    pub(crate) max_stale: Duration,
}

/// The file of one launch, as it was found.
pub(crate) struct Fallback<'a> {
    path: &'a Path,
    request: &'a Request<'a>,
    found: Result<Found, FallbackError>,
}

/// A file that may be used, up to its MAC.
struct Found {
    signed: Signed,
    rest: BufReader<File>,
    age: Duration,
}

/// The reply in a file, not verified yet.
pub(crate) struct Stored {
    signed: Signed,
    /// The reply, of the form that the store gives.
    pub(crate) reply: Vec<u8>,
    /// How long ago it was fetched.
    pub(crate) age: Duration,
}

/// Why a file can't be used, or not be written.
#[derive(Debug)]
pub(crate) enum FallbackError {
    /// There is none yet.
    Absent,
    /// The system refused.
    Io { doing: &'static str, error: io::Error },
    /// It is something else than a fallback file.
    NotFallback,
    /// It is of another version of the format.
    OtherVersion,
    /// It is damaged or cut short.
    Damaged,
    /// The project's key in it doesn't open with the token key.
    NotOpened,
    /// Its MAC is not of this project's key.
    Forged,
    /// It is of another project.
    OtherProject(String),
    /// It is of other environments.
    OtherEnvironments(Vec<String>),
    /// It is of another token.
    OtherToken(String),
    /// It is older than `--max-stale`.
    Stale { age: Duration, most: Duration },
    /// It is from the future: the clock went backwards.
    Future(Duration),
    /// Others may write it.
    OthersMayWrite,
    /// It is another user's.
    OtherOwner,
    /// It is a symbolic link of another user.
    OtherLink,
    /// It is a directory, a device, or the like.
    NotFile,
}

impl<'a> Fallback<'a> {
    /// Looks at the file: its owner, its header and its age.
    pub(crate) fn open(settings: &'a FallbackSettings, request: &'a Request<'a>) -> Self {
        let path = settings.path.as_path();
        let found = find(path, request, settings.max_stale);
        Self { path, request, found }
    }

    /// The salt that it names: the derivation can start from it, as the salt isn't trusted.
    pub(crate) fn salt(&self) -> Option<Salt> {
        self.found.as_ref().ok().and_then(|found| found.signed.header.salt())
    }

    /// Whether the launch could start from it.
    pub(crate) fn is_usable(&self) -> bool {
        self.found.is_ok()
    }

    /// The environments that lose their fallback when this launch writes the file.
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

    /// The reply in it.
    ///
    /// # Errors
    /// [`FallbackError`]: why it can't be used.
    pub(crate) fn read(self) -> Result<Stored, FallbackError> {
        let Found { signed, rest, age } = self.found?;
        let mut reply = Vec::new();
        rest.take(LIMIT)
            .read_to_end(&mut reply)
            .map_err(|error| FallbackError::Io { doing: "read", error })?;
        Ok(Stored { signed, reply, age })
    }

    /// Replaces the file by one with this vault, atomically and with mode 0600, unless it is none of ours.
    ///
    /// # Errors
    /// [`FallbackError`]: a file that is left alone, a system that refuses, a disk that takes too long.
    pub(crate) fn write(
        self,
        vault: &SealedVault<'_>,
        pek: &Key,
        deadline: Deadline,
    ) -> Result<(), FallbackError> {
        match self.found {
            Err(refusal) if !refusal.lets_replace() => return Err(refusal),
            _ => {}
        }
        let (path, content) = (target(self.path)?, format::write(self.request, vault, pek));
        // A disk or a server of files that stalls must not hold the launch up.
        let (send, done) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("fallback".into())
            .spawn(move || drop(send.send(replace(&path, &content))))
            .and_then(|_| done.recv_timeout(deadline.remaining()).map_err(|_| io::ErrorKind::TimedOut.into()))
            .and_then(|written| written)
            .map_err(|error| FallbackError::Io { doing: "written", error })
    }

    /// Deletes the file, if it is of this project and token: the store says that the token must not
    /// be used. Says whether there was one.
    ///
    /// # Errors
    /// [`FallbackError`]: a system that refuses.
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
            .map_err(|error| FallbackError::Io { doing: "deleted", error })
    }
}

impl FallbackError {
    /// What makes the next outage, or this one, another matter.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Absent => "the next launch that reaches the store writes it",
            Self::OtherProject(_) | Self::OtherEnvironments(_) | Self::OtherToken(_) => {
                "give each project, environment and token a file of its own"
            }
            Self::Stale { .. } => "--max-stale (REDENV_MAX_STALE) says how old it may be",
            Self::OthersMayWrite => "`chmod go-w` it, unless somebody has written it",
            _ => return None,
        })
    }

    /// Whether a file of which this was found may be replaced: it holds nothing that somebody misses.
    fn lets_replace(&self) -> bool {
        match self {
            Self::Absent
            | Self::OtherVersion
            | Self::Damaged
            | Self::NotOpened
            | Self::Forged
            | Self::OtherEnvironments(_)
            | Self::OtherToken(_)
            | Self::Stale { .. }
            | Self::Future(_) => true,
            Self::Io { .. }
            | Self::NotFallback
            | Self::OtherProject(_)
            | Self::OthersMayWrite
            | Self::OtherOwner
            | Self::OtherLink
            | Self::NotFile => false,
        }
    }
}

impl Stored {
    /// Believes the file, or doesn't: its MAC is checked with the PEK.
    ///
    /// # Errors
    /// [`FallbackError::Forged`] where it doesn't match.
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
    // A pipe must not hold the launch up.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(io)?;
    // The opened file is looked at, not its name: nobody can put another in between.
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
        // An empty file holds nothing that could be lost.
        FormatError::NotFallback if metadata.len() == 0 => FallbackError::Damaged,
        FormatError::NotFallback => FallbackError::NotFallback,
        FormatError::OtherVersion => FallbackError::OtherVersion,
        FormatError::Damaged => FallbackError::Damaged,
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
        Ok(age) => age,
        Err(error) if error.duration() <= SKEW => Duration::ZERO,
        Err(error) => return Err(FallbackError::Future(error.duration())),
    };
    if age >= max_stale {
        return Err(FallbackError::Stale { age, most: max_stale });
    }
    Ok(Found { signed, rest, age })
}

/// The file that is replaced: `path` itself, or what a symbolic link of one's own leads to. Looked
/// up anew, as somebody may have put a link there during the fetch.
fn target(path: &Path) -> Result<PathBuf, FallbackError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && found.uid() != rustix::process::geteuid().as_raw() => {
            Err(FallbackError::OtherLink)
        }
        Ok(found) if found.is_symlink() => Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
        _ => Ok(path.to_owned()),
    }
}

/// Writes a temporary file in the same directory, and renames it over `path` when it is on disk.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let random: [u8; 8] = random_bytes().map_err(|_| io::Error::other("no random bytes"))?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell; what is left behind is ciphertext.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // Beyond the limit a write is a signal that ends the launcher.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    if limit.is_some_and(|limit| limit < content.len() as u64) {
        return Err(rustix::io::Errno::FBIG.into());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask took away from the mode.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()
}

impl fmt::Display for FallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span =
            |span: &Duration| humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
        match self {
            Self::Absent => f.write_str("it is not there yet"),
            Self::Io { doing, error } => write!(f, "it can't be {doing}: {}", reason(error)),
            Self::NotFallback => f.write_str("it is another kind of file, and left alone"),
            Self::OtherVersion => f.write_str("it is of another version of the format"),
            Self::Damaged => f.write_str("it is damaged or cut short"),
            Self::NotOpened => {
                f.write_str("REDENV_TOKEN_KEY doesn't open it: it was changed, or is of another key")
            }
            Self::Forged => f.write_str("it was changed since it was written, or is of another project"),
            Self::OtherProject(project) => write!(f, "it is of project {}", Shown(project)),
            Self::OtherEnvironments(names) => write!(f, "it is of environment {}", Shown(&names.join(", "))),
            Self::OtherToken(id) => write!(f, "it is of token {}", Shown(id)),
            Self::Stale { age, most } => write!(f, "it is {} old, and {} is the most", span(age), span(most)),
            Self::Future(ahead) => {
                write!(f, "it is from {} in the future: the clock went backwards", span(ahead))
            }
            Self::OthersMayWrite => f.write_str("others may write it"),
            Self::OtherOwner => f.write_str("it is another user's"),
            Self::OtherLink => f.write_str("it is another user's symbolic link"),
            Self::NotFile => f.write_str("it is not a regular file"),
        }
    }
}
