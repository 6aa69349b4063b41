//! How redenv-run was started. Every command begins with this.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Instant;

use super::table::Setting;
use crate::child::environment::Environment;
use crate::ui::report::Report;

/// The values of each typed flag. A switch has a value too, but it means nothing.
pub(crate) type Flags = BTreeMap<Setting, Vec<OsString>>;

/// How redenv-run was started.
pub(crate) struct Start {
    /// When redenv-run started. The deadline and the times of `-v` count from here.
    pub(crate) at: Instant,
    /// The inherited environment.
    pub(crate) environment: Environment,
    /// The settings that were given as flags.
    pub(crate) flags: Flags,
    /// Takes messages for the user.
    pub(crate) report: Report,
}

impl Start {
    /// The inherited `PATH`, in which the command is looked up.
    pub(crate) fn path(&self) -> Option<&OsStr> {
        self.environment.get(OsStr::new("PATH")).map(OsString::as_os_str)
    }
}
