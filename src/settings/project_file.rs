//! The project file, `redenv.config.{ts,js,mjs,cjs,json}` or `package.json`: its literal `name` and
//! `environment`.

mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::file::FileError;
use super::problem::Problem;
use super::search::{Directory, FoundFile};
use crate::ui::report::Report;
use crate::ui::text::shown_path;

/// The file names, in the order of the search in a directory.
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

/// The members that are settings.
pub(super) const KEYS: [&str; 2] = ["name", "environment"];

/// The members of a JSON object.
type Members<'j> = BTreeMap<String, &'j RawValue>;

#[derive(Deserialize)]
struct Package<'j> {
    #[serde(borrow)]
    redenv: Option<Members<'j>>,
}

/// What a project file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ProjectFile {
    /// The file's path, for messages; empty if there is no file.
    pub(super) path: PathBuf,
    /// The value of each of the [`KEYS`].
    pub(super) values: [Value; 2],
}

/// The value of one member in a project file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Value {
    #[default]
    Absent,
    /// An expression, which redenv-run never evaluates. Holds the expression as a shell writes it, if known.
    Computed(Option<String>),
    Literal(String),
}

impl ProjectFile {
    /// Finds the nearest trusted project file, if there is one.
    ///
    /// # Errors
    /// [`Problem`] for a file that can't be read.
    pub(super) fn find(directories: &[Directory], report: Report) -> Result<Self, Problem> {
        for directory in directories {
            for name in NAMES {
                let path = directory.path.join(name);
                let FoundFile { bytes, distrust } = match directory.read(name) {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    // Other programs report a broken package.json.
                    Err(_) if name == PACKAGE => continue,
                    Err(error) => return Err(Problem::ProjectFile { path, error }),
                };
                match (Self::read(&path, &bytes), distrust) {
                    (Ok(None), _) => {}
                    (Ok(Some(file)), None) => return Ok(file),
                    (Err(error), None) => return Err(Problem::ProjectFile { path, error }),
                    (_, Some(why)) => report.warning(&format!(
                        "skipped {}: {why}; give the project and the environment with -p and -e",
                        shown_path(&path)
                    )),
                }
            }
        }
        Ok(Self::default())
    }

    /// Reads a project file. `None` if the file only has such a name, but is no project file.
    fn read(path: &Path, bytes: &[u8]) -> Result<Option<Self>, FileError> {
        let mut file = Self { path: path.into(), ..Self::default() };
        let text = str::from_utf8(bytes).map(|text| text.trim_start_matches('\u{feff}'));
        if path.ends_with(PACKAGE) {
            let package = text.ok().and_then(|text| serde_json::from_str::<Package>(text).ok());
            let Some(members) = package.and_then(|package| package.redenv) else { return Ok(None) };
            file.values = KEYS.map(|key| value(&members, key));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let members: Members = serde_json::from_str(text.map_err(|_| FileError::NotUtf8)?)
                .map_err(|_| FileError::NotJson)?;
            // The official command line keeps credentials under this name.
            if members.contains_key("url") && !members.contains_key("name") {
                return Ok(None);
            }
            file.values = KEYS.map(|key| value(&members, key));
        } else {
            file.values = script::read(text.map_err(|_| FileError::NotUtf8)?);
        }
        Ok(Some(file))
    }
}

/// The value of a member of a JSON object.
fn value(members: &Members, key: &str) -> Value {
    match members.get(key) {
        None => Value::Absent,
        Some(json) => serde_json::from_str(json.get()).map_or(Value::Computed(None), Value::Literal),
    }
}
