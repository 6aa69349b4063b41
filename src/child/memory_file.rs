//! `--file`: a secret in a sealed in-memory file, for programs that only take a path.
//!
//! The file has no name and is on no disk. It stays open across the exec. Every process that may look into the
//! command's `/proc/<pid>/fd` can open it, with its own offset.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use miette::Diagnostic;
use thiserror::Error;

use crate::child::environment::Child;
use crate::ui::suggestion::name_hint;
use crate::ui::text::{Shown, reason};
use crate::vault::Secret;

/// Why a value can't be passed as a file.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum MemoryFileError {
    /// No secret has this name in the command's environment.
    #[error("--file: no secret is named {}", Shown(name))]
    #[diagnostic(help("{hint}"))]
    NoMatch { name: String, hint: String },
    #[error("--file: cannot create an in-memory file for {}: {}", Shown(name), reason(error))]
    #[diagnostic(help("without --file, the command gets the value in its environment"))]
    Refused { name: String, error: io::Error },
}

/// Moves the values of `names` into in-memory files and puts their paths into the command's environment.
/// A name whose inherited variable was preserved keeps that variable.
pub(crate) fn create(
    names: &BTreeSet<String>,
    secrets: &BTreeMap<String, Secret>,
    child: &mut Child,
) -> Result<(), MemoryFileError> {
    for name in names {
        let Some(secret) = secrets.get(name) else {
            let hint = name_hint(name, secrets.keys());
            return Err(MemoryFileError::NoMatch { name: name.clone(), hint });
        };
        if child.injected.contains(name) {
            let (file, path) = system::create(secret.value.expose())
                .map_err(|error| MemoryFileError::Refused { name: name.clone(), error })?;
            child.environment.insert(name.into(), path.into());
            child.files.push(file);
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, File, Permissions};
    use std::io::{self, Write};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::fs::PermissionsExt;
    use std::process;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

    /// The lowest descriptor for a file. Shell scripts use descriptors of one digit, and shells use those from
    /// 10 on.
    const LOWEST: i32 = 100;

    /// Creates a sealed in-memory file that the exec leaves open. Returns it and its path.
    ///
    /// Only its owner may read it: ssh and libpq refuse a key that others can read.
    pub(super) fn create(content: &str) -> io::Result<(OwnedFd, String)> {
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
        // `vm.memfd_noexec` = 2 demands the flag; kernels before 6.3 don't know it.
        let low = match memfd_create("redenv-run", flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create("redenv-run", flags),
            made => made,
        }?;
        // Fails where the limit of open files is lower.
        let fd = fcntl_dupfd_cloexec(&low, LOWEST).unwrap_or(low);
        fcntl_setfd(&fd, FdFlags::empty())?;
        let mut file = File::from(fd);
        file.write_all(content.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o400))?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        // The exec keeps the process ID, so the path stays valid.
        let path = format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
        if fs::metadata(&path).is_err() {
            return Err(io::Error::other("/proc is not mounted, so the command could not open it"));
        }
        Ok((file.into(), path))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::os::fd::OwnedFd;

    pub(super) fn create(_: &str) -> io::Result<(OwnedFd, String)> {
        Err(io::Error::other("only Linux has in-memory files"))
    }
}
