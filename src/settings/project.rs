//! The project and its environments.

use super::problem::Problem;
use super::project_file::{KEYS, ProjectFile, Value};
use super::resolver::Resolver;
use super::sources::{Found, Source};
use super::table::Setting;
use crate::ui::text::shown_path;
use crate::vault::Name;

impl Resolver<'_> {
    pub(super) fn project(&mut self) -> Option<Name> {
        let before = self.problems.len();
        let found = self.set_or_in_project_file(Setting::Project);
        if found.is_none() && self.problems.len() == before {
            self.missing(Setting::Project);
        }
        let found = found?;
        self.name(&found.name, found.text())
    }

    /// The environments, in the order in which they are layered.
    pub(super) fn environments(&mut self) -> Vec<Name> {
        let default = Setting::Environments.row().default.unwrap_or_default();
        let found = self.set_or_in_project_file(Setting::Environments);
        let names = found.as_ref().map_or(default, Found::text);
        let place = found.as_ref().map_or("", |found| &found.name);
        let mut layers: Vec<Name> = Vec::new();
        for name in names.split(',') {
            if let Some(name) = self.name(place, name.trim()) {
                // Named twice, its last place counts.
                layers.retain(|other| *other != name);
                layers.push(name);
            }
        }
        layers
    }

    fn set_or_in_project_file(&mut self, setting: Setting) -> Option<Found> {
        let before = self.problems.len();
        let found = self.significant(setting);
        if found.is_some() || self.problems.len() > before {
            return found;
        }
        let file = self.project_file.get_or_init(|| {
            ProjectFile::find(&self.directories, self.report).unwrap_or_else(|error| {
                self.problems.push(error.into());
                None
            })
        });
        let ProjectFile { path, values } = file.as_ref()?;
        let member = usize::from(setting == Setting::Environments);
        let (key, path) = (KEYS[member], path.clone());
        match values[member].clone() {
            Value::Literal(text) => {
                self.note_place(shown_path(&path), key.to_owned());
                let name = format!("`{key}` in {}", shown_path(&path));
                Some(Found { name, value: text.into(), source: Source::ProjectFile })
            }
            // Without an environment the default holds. One that can't be read must not be taken for it.
            Value::Absent if setting == Setting::Environments => None,
            value => {
                let mut flag = ["-p", "-e"][member].to_owned();
                if let Value::Computed(Some(shell)) = value {
                    flag = format!("{flag} {shell}");
                }
                self.problems.push(Problem::NotLiteral { variable: setting.variables()[0], key, path, flag });
                None
            }
        }
    }

    fn name(&mut self, place: &str, text: &str) -> Option<Name> {
        let found = Found { name: place.to_owned(), value: text.into(), source: Source::ProjectFile };
        Name::new(self.without_slips(found)?.text())
    }
}
