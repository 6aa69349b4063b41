//! The project and its environments.

use std::path::Path;

use super::problem::Problem;
use super::project_file::{Member, ProjectFile, Value};
use super::resolver::Resolver;
use super::sources::{Found, Source};
use super::table::Setting;
use crate::secret::SecretText;
use crate::ui::text::shown_path;
use crate::vault::Name;

impl Resolver<'_> {
    /// The project alone, for commands that need no environment.
    pub(super) fn project(&mut self) -> Option<Name> {
        self.project_and_environments(false).0
    }

    /// The project, and its environments if they are needed.
    pub(super) fn project_and_environments(&mut self, with_environments: bool) -> (Option<Name>, Vec<Name>) {
        let before = self.problems.len();
        let mut project = self.significant(Setting::Project);
        let mut environments = if with_environments { self.significant(Setting::Environments) } else { None };
        let is_complete = project.is_some() && (environments.is_some() || !with_environments);
        if self.problems.len() == before && !is_complete {
            match ProjectFile::find(&self.directories, self.report) {
                Ok(Some(file)) => {
                    project = project.or_else(|| self.literal(Member::Name, file.name, &file.path));
                    if with_environments {
                        environments = environments
                            .or_else(|| self.literal(Member::Environment, file.environment, &file.path));
                    }
                }
                Ok(None) => {}
                Err(error) => self.problems.push(Problem::ProjectFile(error)),
            }
        }
        if project.is_none() && self.problems.len() == before {
            self.missing(Setting::Project);
        }
        let project = project.and_then(|found| self.name(&found.name, found.value.expose()));
        if !with_environments {
            return (project, Vec::new());
        }
        let default = || {
            let default = Setting::Environments.row().default.unwrap_or_default();
            (String::new(), SecretText::new(default.to_owned()))
        };
        let (place, names) = environments.map_or_else(default, |found| (found.name, found.value));
        let mut layers: Vec<Name> = Vec::new();
        for name in names.expose().split(',') {
            if let Some(name) = self.name(&place, name.trim()) {
                // Named twice, its last place counts.
                layers.retain(|other| *other != name);
                layers.push(name);
            }
        }
        (project, layers)
    }

    /// The literal value of a member of the project file.
    fn literal(&mut self, member: Member, value: Value, path: &Path) -> Option<Found> {
        match (value, member) {
            (Value::Literal(text), _) => {
                self.note_place(shown_path(path), member.key().to_owned());
                let name = format!("`{}` in {}", member.key(), shown_path(path));
                Some(Found { name, value: SecretText::new(text), source: Source::ProjectFile })
            }
            // Without an environment the default holds. One that can't be read must not be taken for it.
            (Value::Absent, Member::Environment) => None,
            (value, _) => {
                let shell = if let Value::Computed(shell) = value { shell } else { None };
                self.problems.push(Problem::NotLiteral { member, path: path.into(), shell });
                None
            }
        }
    }

    fn name(&mut self, place: &str, text: &str) -> Option<Name> {
        let value = SecretText::new(text.to_owned());
        let found = Found { name: place.to_owned(), value, source: Source::ProjectFile };
        Name::new(self.without_slips(found)?.value.expose())
    }
}
