//! The project and its environments.

use std::path::Path;

use super::DEFAULT_ENVIRONMENT;
use super::problem::{Problem, shown};
use super::project_file::{Member, ProjectFile, Value};
use super::resolver::Resolver;
use super::source::Found;
use super::variables as var;
use crate::secret::SecretText;
use crate::vault::Name;

impl Resolver<'_> {
    /// The project, and its environments where they are asked for with their flags.
    pub(super) fn project(
        &mut self,
        flag: Option<&str>,
        environments: Option<&[String]>,
    ) -> (Option<Name>, Vec<Name>) {
        let before = self.problems.len();
        let mut project = match flag {
            Some(name) => Some((name.to_owned(), "--project".to_owned())),
            None => self.significant(var::PROJECT).map(|found| (found.value.expose().to_owned(), found.name)),
        };
        let mut environments = match environments {
            None => Some((Vec::new(), String::new())),
            Some([]) => self.significant(var::ENVIRONMENT).map(|found| {
                (
                    found.value.expose().split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>(),
                    found.name,
                )
            }),
            Some(names) => Some((names.to_vec(), "--env".to_owned())),
        };
        let faultless = self.problems.len() == before;
        if faultless && (project.is_none() || environments.is_none()) {
            match ProjectFile::find() {
                Ok(Some(file)) => {
                    self.read.push(file.path.clone());
                    project = project.or_else(|| self.literal(Member::Name, file.name, &file.path));
                    environments = environments.or_else(|| {
                        let (name, place) =
                            self.literal(Member::Environment, file.environment, &file.path)?;
                        Some((vec![name], place))
                    });
                }
                Ok(None) => {}
                Err(error) => self.problem(Problem::ProjectFile(error)),
            }
        }
        if project.is_none() && self.problems.len() == before {
            self.missing(&[var::PROJECT]);
        }
        let (names, place) =
            environments.unwrap_or_else(|| (vec![DEFAULT_ENVIRONMENT.to_owned()], String::new()));
        let mut layers: Vec<Name> = Vec::new();
        for name in &names {
            if let Some(name) = self.name(name, &place) {
                // Named twice, its last place counts.
                layers.retain(|other| *other != name);
                layers.push(name);
            }
        }
        (project.and_then(|(name, place)| self.name(&name, &place)), layers)
    }

    /// What the project file says of a member, and where, for messages.
    fn literal(&mut self, member: Member, value: Value, path: &Path) -> Option<(String, String)> {
        match (value, member) {
            (Value::Literal(text), _) => Some((text, format!("`{}` in {}", member.key(), shown(path)))),
            // For an environment that isn't there the default holds; one that is there and can't be
            // told must not be taken for it.
            (Value::Absent, Member::Environment) => None,
            _ => {
                self.problem(Problem::NotLiteral { member, path: path.into() });
                None
            }
        }
    }

    fn name(&mut self, text: &str, place: &str) -> Option<Name> {
        let found = Found { name: place.to_owned(), value: SecretText::new(text.to_owned()) };
        Name::new(self.without_slips(found)?.value.expose())
    }
}
