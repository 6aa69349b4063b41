//! `check`: does everything except the exec, then prints names, versions, ages and sizes as a table or JSON. It
//! never prints a value.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::command::Format;
use super::launch::prepare;
use super::secrets::Obtained;
use crate::child::environment::Child;
use crate::child::exec;
use crate::child::program::Program;
use crate::settings::{Settings, Start};
use crate::ui::failure::Failure;
use crate::ui::output::print;
use crate::ui::report::Colour;
use crate::ui::stages::Stages;
use crate::ui::table::{Column, table};
use crate::ui::text::{Shown, shown_json};
use crate::ui::time::{age, iso_8601};
use crate::vault::{Name, Secret, VersionNumber};

/// Does everything except the exec, and prints the result.
pub(super) fn run(format: Format, command: &[OsString], start: Start) -> Result<(), Failure> {
    let text = checked(format, command, start).map_err(NotReady)?;
    Ok(print(&text)?)
}

fn checked(format: Format, command: &[OsString], start: Start) -> Result<String, Failure> {
    let mut stages = Stages::new(start.at);
    let settings = Settings::resolve(&start)?;
    let program = command.first().map(|typed| Program::find(typed, start.path())).transpose()?;
    stages.end("settings");

    let command_size = program.as_ref().map_or(0, |program| exec::size(program, &command[1..]));
    let (obtained, child) = prepare(&settings, start, command_size, &mut stages)?;

    let path = program.as_ref().map(|program| program.path.as_path());
    let checked = Checked::new(&settings, &obtained, &child, path, &stages);
    Ok(match format {
        Format::Json => shown_json(&checked),
        Format::Table => checked.text(),
    })
}

/// Why a launch would fail. The exit code is 125, even if a launch would exit with 126 or 127.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
#[error("{0}")]
#[diagnostic(transparent)]
struct NotReady(Failure);

/// The result of a check, as `--format json` prints it.
#[derive(Serialize, Debug)]
struct Checked<'s> {
    project: &'s str,
    environments: Vec<&'s str>,
    secrets: Vec<Row<'s>>,
    skipped: Vec<Skipped<'s>>,
    removed: &'s BTreeSet<String>,
    /// The salt, which is not a secret.
    token_salt: String,
    /// Whether a launch can derive the key during the request, because it knows the salt.
    #[serde(skip)]
    knows_salt: bool,
    fallback_age_seconds: Option<u64>,
    command: Option<String>,
    stages: &'s Stages,
}

#[derive(Serialize, Debug)]
struct Row<'s> {
    name: &'s str,
    vault_name: &'s str,
    environment: &'s str,
    version: Option<&'s VersionNumber>,
    created_at: Option<String>,
    age_seconds: Option<u64>,
    size: usize,
    effect: &'static str,
    #[serde(skip)]
    note: Option<&'static str>,
}

#[derive(Serialize, Debug)]
struct Skipped<'s> {
    name: &'s str,
    reason: String,
}

impl<'s> Checked<'s> {
    fn new(
        settings: &'s Settings,
        obtained: &'s Obtained,
        child: &'s Child,
        program: Option<&Path>,
        stages: &'s Stages,
    ) -> Self {
        let Obtained { selected, salt, fallback_age } = obtained;
        let now = SystemTime::now();
        let row = |(name, secret): (&'s String, &'s Secret)| {
            let (effect, note) = effect(name, settings, child);
            let age = secret.created_at.and_then(|at| now.duration_since(at).ok());
            Row {
                name,
                vault_name: &secret.vault_name,
                environment: secret.environment.as_str(),
                version: secret.version.as_ref(),
                created_at: secret.created_at.and_then(iso_8601),
                age_seconds: age.map(|age| age.as_secs()),
                size: secret.value.expose().len(),
                effect,
                note,
            }
        };
        Self {
            project: settings.project.as_str(),
            environments: settings.environments.iter().map(Name::as_str).collect(),
            secrets: selected.secrets.iter().map(row).collect(),
            skipped: selected
                .skipped
                .iter()
                .map(|(name, why)| Skipped { name, reason: why.to_string() })
                .collect(),
            removed: &child.removed,
            token_salt: salt.to_string(),
            knows_salt: settings.token.salt == Some(*salt) || settings.fallback.is_some(),
            fallback_age_seconds: fallback_age.map(|age| age.as_secs()),
            command: program.map(|path| path.to_string_lossy().into_owned()),
            stages,
        }
    }

    /// The table, and the lines around it.
    fn text(&self) -> String {
        let environments: Vec<String> =
            self.environments.iter().map(|name| Shown(name).to_string()).collect();
        let columns = [
            Column::Left("NAME"),
            Column::Left("ENVIRONMENT"),
            Column::Right("VERSION"),
            Column::Right("AGE"),
            Column::Right("SIZE"),
            Column::Left(""),
        ];
        let count = self.secrets.len();
        let mut text = format!(
            "project {}, environment {}: {count} {}\n\n",
            Shown(self.project),
            environments.join(", "),
            if count == 1 { "secret" } else { "secrets" }
        );
        if count > 0 {
            text += &table(columns, self.secrets.iter().map(Row::cells));
            text.push('\n');
        }
        if let Some(command) = &self.command {
            let _ = writeln!(text, "command  {}", Shown(command));
        }
        let _ = writeln!(text, "stages   {}", self.stages.list());
        if !self.knows_salt {
            let salt = &self.token_salt;
            let _ = writeln!(text, "faster   with this line in the settings: REDENV_TOKEN_SALT={salt}");
        }
        text + &Colour::of(&io::stdout()).paint("32", "ready to launch") + "\n"
    }
}

impl Row<'_> {
    fn cells(&self) -> [String; 6] {
        let unknown = || "?".to_owned();
        let renamed = (self.name != self.vault_name).then(|| format!("from {}", Shown(self.vault_name)));
        let notes: Vec<String> = renamed.into_iter().chain(self.note.map(String::from)).collect();
        [
            Shown(self.name).to_string(),
            Shown(self.environment).to_string(),
            self.version.map_or_else(unknown, ToString::to_string),
            self.age_seconds.map_or_else(unknown, |seconds| age(Duration::from_secs(seconds))),
            self.size.to_string(),
            notes.join(", "),
        ]
    }
}

/// How a secret gets into the command's environment: for the JSON, and a note for the table.
fn effect(name: &String, settings: &Settings, child: &Child) -> (&'static str, Option<&'static str>) {
    if !child.injected.contains(name) {
        ("kept_inherited", Some("not injected: the inherited variable is kept"))
    } else if settings.files.contains(name) {
        ("file", Some("as a file"))
    } else if child.replaced.contains(name) {
        ("replaces", Some("replaces the inherited variable"))
    } else {
        ("added", None)
    }
}
