//! The project and its environments.

use super::DEFAULT_ENVIRONMENT;
use super::problem::Problem;
use super::project_file::ProjectFile;
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
        let mut file_without_name = None;
        if faultless && (project.is_none() || environments.is_none()) {
            match ProjectFile::find() {
                Ok(Some(file)) => {
                    let path = file.path.display().to_string();
                    if file.name.is_none() {
                        file_without_name = Some(file.path);
                    }
                    project = project.or_else(|| file.name.map(|name| (name, path.clone())));
                    environments = environments.or_else(|| file.environment.map(|name| (vec![name], path)));
                }
                Ok(None) => {}
                Err(error) => self.problem(Problem::ProjectFile(error)),
            }
        }
        if project.is_none() && self.problems.len() == before {
            match file_without_name {
                Some(path) => self.problem(Problem::ProjectFileName(path)),
                None => self.missing(&[var::PROJECT]),
            }
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

    fn name(&mut self, text: &str, place: &str) -> Option<Name> {
        let found = Found { name: place.to_owned(), value: SecretText::new(text.to_owned()) };
        Name::new(self.without_slips(found)?.value.expose())
    }
}
