//! `token list`: IDs, names and ages, never a key.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;

use super::metadata::Metadata;
use super::project::Project;
use crate::commands::command::Format;
use crate::settings::Start;
use crate::ui::failure::Failure;
use crate::ui::output::print;
use crate::ui::report::Report;
use crate::ui::table::{Column, table};
use crate::ui::text::{Shown, join, shown_json};
use crate::ui::time;
use crate::vault::{self, ReplyError};

/// A token older than this should be replaced.
const OLD: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A token as `--format json` prints it.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    #[serde(rename = "tokenId")]
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    description: Option<String>,
    created_at: Option<String>,
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    age_days: Option<u64>,
    older_than_90_days: bool,
    #[serde(skip)]
    created: Option<SystemTime>,
    #[serde(skip)]
    age: Option<Duration>,
    #[serde(skip)]
    is_expired: bool,
}

/// The kind of a token.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    /// In `serviceTokens`.
    Service,
    /// In a field of its own: a local tool made it for a short time.
    Ephemeral,
}

/// Prints the project's tokens.
pub(crate) fn run(format: Format, start: &Start) -> Result<(), Failure> {
    let project = Project::new(start)?;
    let tokens = tokens(&project.read()?)?;
    match format {
        Format::Json => print(&shown_json(&tokens))?,
        Format::Table if tokens.is_empty() => {
            start.report.warning(&format!("project {} has no service token", project.name));
        }
        Format::Table => {
            print(&listed(&tokens))?;
            warn_of_old(&tokens, start.report);
        }
    }
    Ok(())
}

/// The table of Redenv's guide, with the age of each token.
fn listed(tokens: &[Token]) -> String {
    let columns = [
        Column::Wrapped("Name"),
        Column::Wrapped("Description"),
        Column::Left("Token ID"),
        Column::Left("Created At"),
        Column::Left("Age"),
    ];
    let row = |token: &Token| {
        [
            token.shown_name(),
            token.shown_description(),
            Shown(&token.id).to_string(),
            token.shown_created(),
            token.shown_age(),
        ]
    };
    table(columns, tokens.iter().map(row))
}

fn warn_of_old(tokens: &[Token], report: Report) {
    let old: Vec<Shown<'_>> =
        tokens.iter().filter(|token| token.older_than_90_days).map(|token| Shown(&token.id)).collect();
    if !old.is_empty() {
        report.warning(&format!(
            "older than 90 days: {}; to rotate a token, create another, deploy it, then revoke the old one",
            join(old)
        ));
    }
}

/// All tokens, newest first. Those without a date come last.
pub(super) fn tokens(metadata: &Metadata) -> Result<Vec<Token>, ReplyError> {
    let now = SystemTime::now();
    let service = metadata.service_tokens()?;
    let service = service.iter().map(|(id, json)| Token::read(id, Kind::Service, json.get(), now));
    let ephemeral = metadata.ephemeral_tokens().map(|(id, json)| Token::read(id, Kind::Ephemeral, json, now));
    let mut tokens: Vec<Token> = service.chain(ephemeral).collect();
    tokens.sort_by_key(|token| std::cmp::Reverse(token.created));
    Ok(tokens)
}

impl Token {
    /// Reads every field that can be read: other tools may leave fields out, or write other types.
    fn read(id: &str, kind: Kind, json: &str, now: SystemTime) -> Self {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(|raw| text(raw));
        let time = |name: &str| fields.get(name).and_then(|raw| vault::time(raw));
        let created = time("createdAt");
        let age = created.map(|at| now.duration_since(at).unwrap_or_default());
        Self {
            id: id.to_owned(),
            kind,
            name: text("name"),
            description: text("description"),
            created_at: text("createdAt"),
            created_by: text("createdBy"),
            expires_at: text("expiresAt"),
            age_days: age.map(|age| age.as_secs() / (24 * 60 * 60)),
            older_than_90_days: age.is_some_and(|age| age > OLD),
            created,
            age,
            is_expired: time("expiresAt").is_some_and(|at| at <= now),
        }
    }

    /// The name, or `-`.
    pub(super) fn shown_name(&self) -> String {
        shown(self.name.as_deref()).unwrap_or_else(|| "-".into())
    }

    /// The description; an ephemeral token is marked.
    fn shown_description(&self) -> String {
        let kind = match self.kind {
            Kind::Service => None,
            Kind::Ephemeral if self.is_expired => Some("ephemeral, expired".to_owned()),
            Kind::Ephemeral => Some("ephemeral".to_owned()),
        };
        let parts: Vec<String> = kind.into_iter().chain(shown(self.description.as_deref())).collect();
        parts.join(": ")
    }

    /// The local time of its creation, or the field's own text if that is no time.
    pub(super) fn shown_created(&self) -> String {
        let local = self.created.and_then(time::local);
        local.or_else(|| shown(self.created_at.as_deref())).unwrap_or_else(|| "-".into())
    }

    /// The age, marked with `!` if the token is old.
    fn shown_age(&self) -> String {
        let old = if self.older_than_90_days { " !" } else { "" };
        self.age.map_or_else(|| "-".into(), |age| time::age(age) + old)
    }
}

fn shown(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| Shown(text).to_string())
}

/// The text of a string, or a number as it was written.
fn text(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    let number = || json.parse::<f64>().is_ok().then(|| json.to_owned());
    serde_json::from_str(json).ok().or_else(number)
}
