//! The project and its environments.

use super::problem::Problem;
use super::project_file::{KEYS, ProjectFile, Value};
use super::resolver::{Resolver, missing};
use super::sources::{Found, Source};
use super::table::Setting;
use crate::ui::text::shown_path;
use crate::vault::Name;

impl Resolver<'_> {
    pub(super) fn project(&mut self) -> Option<Name> {
        let found = self.set_or_in_project_file(Setting::Project);
        let name = found.and_then(|found| {
            let found = found.ok_or(missing(Setting::Project))?;
            name(&found.name, found.text())
        });
        self.kept(name)
    }

    /// The environments, in the order in which they are layered.
    pub(super) fn environments(&mut self) -> Vec<Name> {
        let default = Setting::Environments.row().default.unwrap_or_default();
        let found = self.set_or_in_project_file(Setting::Environments);
        let Some(found) = self.kept(found) else { return Vec::new() };
        let names = found.as_ref().map_or(default, Found::text);
        let place = found.as_ref().map_or("", |found| &found.name);
        let mut layers: Vec<Name> = Vec::new();
        for text in names.split(',') {
            if let Some(name) = self.kept(name(place, text.trim())) {
                // If an environment is named twice, its last place counts.
                layers.retain(|other| *other != name);
                layers.push(name);
            }
        }
        layers
    }

    fn set_or_in_project_file(&mut self, setting: Setting) -> Result<Option<Found>, Problem> {
        if let Some(found) = self.significant(setting)? {
            return Ok(Some(found));
        }
        if self.project_file.is_none() {
            // If the search fails, the next setting does not search again: one error is enough.
            self.project_file = Some(ProjectFile::default());
            self.project_file = Some(ProjectFile::find(&self.directories, self.report)?);
        }
        let file = self.project_file.as_ref().filter(|file| !file.path.as_os_str().is_empty());
        let Some(ProjectFile { path, values }) = file else { return Ok(None) };
        let member = usize::from(setting == Setting::Environments);
        let (key, path) = (KEYS[member], path.clone());
        match values[member].clone() {
            Value::Literal(text) => {
                self.note_place(shown_path(&path), key.to_owned());
                let name = format!("`{key}` in {}", shown_path(&path));
                Ok(Some(Found { name, value: text.into(), source: Source::ProjectFile }))
            }
            // If the file has no environment, the default applies. A computed environment is an error instead.
            Value::Absent if setting == Setting::Environments => Ok(None),
            value => {
                let mut flag = ["-p", "-e"][member].to_owned();
                if let Value::Computed(Some(shell)) = value {
                    flag = format!("{flag} {shell}");
                }
                Err(Problem::NotLiteral { variable: setting.variables()[0], key, path, flag })
            }
        }
    }
}

fn name(place: &str, text: &str) -> Result<Name, Problem> {
    let found = Found { name: place.to_owned(), value: text.into(), source: Source::ProjectFile };
    let found = found.without_slips()?;
    Name::new(found.text()).ok_or(Problem::Empty(found.name))
}
