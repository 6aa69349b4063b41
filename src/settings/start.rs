//! How redenv-run was started. Every command begins with it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Instant;

use crate::child::environment::Environment;
use crate::ui::report::Report;

use super::table::Setting;

/// The values of each flag that was typed; a switch has one too, which means nothing.
pub(crate) type Flags = BTreeMap<Setting, Vec<OsString>>;

/// How redenv-run was started.
pub(crate) struct Start {
    /// The moment: the deadline and the times of `-v` count from it.
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
