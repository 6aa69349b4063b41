//! `--file`: a secret in a sealed memory file, for programs that only take a path.
//!
//! The file has no name and no place on a disk. It stays open across the exec, and every process
//! that may look into COMMAND's `/proc/<pid>/fd` can open it anew, with an offset of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use crate::child::environment::Child;
use crate::ui::report::nearest;
use crate::vault::select::Secret;

/// Open memory files. They have to stay open until the exec.
#[derive(Debug)]
pub(crate) struct MemoryFiles(#[expect(dead_code, reason = "held, not read")] Vec<OwnedFd>);

/// Why a value can't be given as a file.
#[derive(Debug)]
pub(crate) enum MemoryFileError {
    /// No secret has this name as COMMAND sees it; the nearest that there is.
    NoMatch { name: String, nearest: Option<String> },
    /// This system has no memory files.
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "Linux has them"))]
    NotLinux,
    /// There is no `/proc` through which a program could open it.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has memory files"))]
    NoProc,
    /// The system refused.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has memory files"))]
    Refused { name: String, error: io::Error },
}

impl MemoryFiles {
    /// Moves the values of `names` into memory files, and their paths into COMMAND's environment.
    /// A name that `--preserve-env` left to the inherited variable keeps that.
    ///
    /// # Errors
    /// [`MemoryFileError`]: a name that isn't there, or a system that can't do it.
    pub(crate) fn create(
        names: &BTreeSet<String>,
        secrets: &BTreeMap<String, Secret>,
        child: &mut Child,
    ) -> Result<Self, MemoryFileError> {
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let Some(secret) = secrets.get(name) else {
                let nearest = nearest(name, secrets.keys().map(String::as_str)).map(String::from);
                return Err(MemoryFileError::NoMatch { name: name.clone(), nearest });
            };
            if child.injected.contains(name) {
                let (file, path) = system::create(name, secret.value.expose())?;
                child.environment.insert(name.into(), path.into());
                files.push(file);
            }
        }
        Ok(Self(files))
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, File, Permissions};
    use std::io::Write;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::fs::PermissionsExt;
    use std::process;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

    use super::MemoryFileError;

    /// Shell scripts open and close descriptors of one digit for their own ends, and shells keep
    /// theirs from 10 on.
    const LOWEST: i32 = 100;

    /// A sealed memory file with this content, not closed by the exec, and its path.
    ///
    /// Readable by its owner alone: programs such as ssh and libpq refuse a key that others can read.
    pub(super) fn create(name: &str, content: &str) -> Result<(OwnedFd, String), MemoryFileError> {
        let refused = |error| MemoryFileError::Refused { name: name.to_owned(), error };
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
        // With `vm.memfd_noexec` at 2 no other file is given; kernels before 6.3 don't know the flag.
        let low = match memfd_create("redenv-run", flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create("redenv-run", flags),
            made => made,
        };
        let low = low.map_err(|error| refused(error.into()))?;
        // Where the limit of open files is lower, the low one has to do.
        let fd = fcntl_dupfd_cloexec(&low, LOWEST).unwrap_or(low);
        fcntl_setfd(&fd, FdFlags::empty()).map_err(|e| refused(e.into()))?;
        let mut file = File::from(fd);
        file.write_all(content.as_bytes()).map_err(refused)?;
        file.set_permissions(Permissions::from_mode(0o400)).map_err(refused)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals).map_err(|e| refused(e.into()))?;
        // The exec keeps the process' id, so the path stays true.
        let path = format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
        if fs::metadata(&path).is_err() {
            return Err(MemoryFileError::NoProc);
        }
        Ok((file.into(), path))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::os::fd::OwnedFd;

    use super::MemoryFileError;

    /// Only Linux has memory files.
    pub(super) fn create(_: &str, _: &str) -> Result<(OwnedFd, String), MemoryFileError> {
        Err(MemoryFileError::NotLinux)
    }
}
