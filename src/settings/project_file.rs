//! The project file, `redenv.config.{ts,js,mjs,cjs,json}` or `package.json`: its literal `name` and
//! `environment`.

mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::file::FileError;
use super::found::{Directory, FoundFile};
use super::table::Setting;
use crate::ui::report::Report;
use crate::ui::text::shown_path;

/// The file names, in the order they are looked for in a directory.
const NAMES: [&str; 6] = [
    "redenv.config.ts",
    "redenv.config.js",
    "redenv.config.mjs",
    "redenv.config.cjs",
    "redenv.config.json",
    PACKAGE,
];
/// The file of a Node package, whose `redenv` key may hold the members.
const PACKAGE: &str = "package.json";

/// The members of a JSON object.
type Members<'j> = BTreeMap<String, &'j RawValue>;

#[derive(Deserialize)]
struct Package<'j> {
    #[serde(borrow)]
    redenv: Option<Members<'j>>,
}

/// What a project file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ProjectFile {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// The project's name.
    pub(crate) name: Value,
    /// The default environment.
    pub(crate) environment: Value,
}

/// What a project file says of one member.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Value {
    #[default]
    Absent,
    /// Something that only running the file would tell, and how a shell would write it, if known.
    Computed(Option<String>),
    Literal(String),
}

/// A member that is a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Name,
    Environment,
}

impl Member {
    /// What it is called in the file.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Environment => "environment",
        }
    }

    /// The flag that beats it.
    pub(crate) const fn flag(self) -> &'static str {
        match self {
            Self::Name => "-p",
            Self::Environment => "-e",
        }
    }

    /// The setting that it is.
    pub(super) const fn setting(self) -> Setting {
        match self {
            Self::Name => Setting::Project,
            Self::Environment => Setting::Environments,
        }
    }
}

/// A project file that exists and can't be read.
#[derive(thiserror::Error, Debug)]
#[error("cannot read {}: {error}", shown_path(path))]
pub(crate) struct ProjectFileError {
    path: PathBuf,
    error: FileError,
}

impl ProjectFile {
    /// Finds the nearest project file that counts, if there is one.
    ///
    /// # Errors
    /// [`ProjectFileError`] for a file that can't be read.
    pub(super) fn find(directories: &[Directory], report: Report) -> Result<Option<Self>, ProjectFileError> {
        for directory in directories {
            for name in NAMES {
                let path = directory.path.join(name);
                let unreadable = |error| ProjectFileError { path: path.clone(), error };
                let found = match directory.read(name) {
                    // Its other readers will complain of it.
                    Err(_) if name == PACKAGE => None,
                    found => found.map_err(unreadable)?,
                };
                let Some(FoundFile { bytes, distrust }) = found else { continue };
                match (Self::read(&path, &bytes), distrust) {
                    (Ok(None), _) => {}
                    (_, Some(why)) => report.warning(&format!(
                        "skipped {}: {why}; give the project and the environment with -p and -e",
                        shown_path(&path)
                    )),
                    (read, None) => return read.map_err(unreadable),
                }
            }
        }
        Ok(None)
    }

    /// Reads a project file; `None` for a file of such a name that isn't one.
    fn read(path: &Path, bytes: &[u8]) -> Result<Option<Self>, FileError> {
        let mut file = Self { path: path.into(), ..Self::default() };
        let text = str::from_utf8(bytes).map(|text| text.trim_start_matches('\u{feff}'));
        if path.ends_with(PACKAGE) {
            let package = text.ok().and_then(|text| serde_json::from_str::<Package>(text).ok());
            let Some(members) = package.and_then(|package| package.redenv) else { return Ok(None) };
            file.set_json(&members);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let members: Members = serde_json::from_str(text.map_err(|_| FileError::NotUtf8)?)
                .map_err(|_| FileError::NotJson)?;
            // The official command line keeps credentials under this name.
            if members.contains_key("url") && !members.contains_key("name") {
                return Ok(None);
            }
            file.set_json(&members);
        } else {
            script::read(text.map_err(|_| FileError::NotUtf8)?, &mut file);
        }
        Ok(Some(file))
    }

    fn set_json(&mut self, members: &Members) {
        for member in [Member::Name, Member::Environment] {
            if let Some(json) = members.get(member.key()) {
                let text = serde_json::from_str(json.get());
                self.set(member.key(), text.map_or(Value::Computed(None), Value::Literal));
            }
        }
    }

    /// Sets the member of this key, if it is a setting. Of two, the last one wins.
    fn set(&mut self, key: &str, value: Value) {
        match key {
            "name" => self.name = value,
            "environment" => self.environment = value,
            _ => {}
        }
    }
}
