//! The project file, `redenv.config.{ts,js,mjs,cjs,json}`: its literal `name` and `environment`.

mod script;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::str;

use serde_json::value::RawValue;

use super::file::{self, FileError};
use super::table::Setting;
use crate::ui::text::shown_path;

/// The file names, in the order they are looked for in a directory.
const NAMES: [&str; 5] =
    ["redenv.config.ts", "redenv.config.js", "redenv.config.mjs", "redenv.config.cjs", "redenv.config.json"];

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

/// What it says of one member.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing.
    #[default]
    Absent,
    /// Something that only running the file would tell.
    Computed,
    /// This.
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
    /// Finds the nearest project file, in the working directory or above it.
    ///
    /// # Errors
    /// [`ProjectFileError`] for one that can't be read.
    pub(crate) fn find() -> Result<Option<Self>, ProjectFileError> {
        let here = env::current_dir().unwrap_or_default();
        for directory in here.ancestors() {
            for name in NAMES {
                let path = directory.join(name);
                // The working directory itself is there also where one above it can't be searched.
                let place = if directory == here { Path::new(name) } else { &path };
                match file::read_found(place).and_then(|bytes| Self::read(&path, bytes.as_deref())) {
                    Ok(None) => {}
                    Ok(found) => return Ok(found),
                    Err(error) => return Err(ProjectFileError { path, error }),
                }
            }
        }
        Ok(None)
    }

    fn read(path: &Path, bytes: Option<&Vec<u8>>) -> Result<Option<Self>, FileError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let text = str::from_utf8(bytes).map_err(|_| FileError::NotUtf8)?;
        let text = text.trim_start_matches('\u{feff}');
        let mut file = Self { path: path.into(), ..Self::default() };
        if path.extension().is_some_and(|extension| extension == "json") {
            file.read_json(text)?;
        } else {
            script::read(text, &mut file);
        }
        Ok(Some(file))
    }

    fn read_json(&mut self, text: &str) -> Result<(), FileError> {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|_| FileError::NotJson)?;
        for member in [Member::Name, Member::Environment] {
            if let Some(json) = members.get(member.key()) {
                let text = serde_json::from_str(json.get());
                self.set(member.key(), text.map_or(Value::Computed, Value::Literal));
            }
        }
        Ok(())
    }

    /// Sets the member of this key, if it is one that counts. The last one of a key does.
    fn set(&mut self, key: &str, value: Value) {
        match key {
            "name" => self.name = value,
            "environment" => self.environment = value,
            _ => {}
        }
    }
}
