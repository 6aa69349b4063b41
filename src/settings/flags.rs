//! The settings that the user typed as flags.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::table::Setting;

/// The values of each flag that was typed; a switch has one too, which means nothing.
#[derive(Debug, Default)]
pub(crate) struct Flags(BTreeMap<Setting, Vec<OsString>>);

impl Flags {
    /// Adds a flag that was typed.
    pub(crate) fn insert(&mut self, setting: Setting, values: Vec<OsString>) {
        self.0.insert(setting, values);
    }

    /// The values of a flag, if it was typed.
    pub(super) fn get(&self, setting: Setting) -> Option<&[OsString]> {
        self.0.get(&setting).map(Vec::as_slice)
    }

    /// Whether a flag was typed.
    pub(super) fn has(&self, setting: Setting) -> bool {
        self.0.contains_key(&setting)
    }
}
