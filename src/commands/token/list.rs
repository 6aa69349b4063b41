//! `token list`: ids, names and ages, never a sealed key.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;

use super::store::{Metadata, Project};
use super::time::Zone;
use crate::cli::token::{ListArgs, ListFormat};
use crate::commands::check::age;
use crate::commands::start::Start;
use crate::ui::failure::Failure;
use crate::ui::report::{Colour, Report, Shown, join, shown_json};
use crate::ui::table::{self, Table, broken, left};
use crate::vault::{self, ParseError};

const YELLOW: &str = "33";
/// A token older than this is due for rotation.
const OLD: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What is told of a token.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
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
    expires: Option<SystemTime>,
}

/// Where a token stands.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    /// In `serviceTokens`.
    Service,
    /// In a field of its own: a short-lived one, of a local tool.
    Ephemeral,
}

/// Prints the project's tokens.
///
/// # Errors
/// Where the store can't be read.
pub(super) fn list(args: &ListArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    let (environment, report) = (&start.environment, start.report);
    let access = super::access(&args.options, start)?;
    let project = Project::new(&access, report)?;
    let tokens = listed(&project.read()?).map_err(|error| project.wrong(error))?;
    match args.format {
        ListFormat::Json => {
            #[expect(clippy::expect_used, reason = "structs of strings and numbers always serialize")]
            let json = serde_json::to_string(&tokens).expect("tokens as JSON");
            super::print(&shown_json(&json))?;
        }
        ListFormat::Text if tokens.is_empty() => {
            report.warning(&format!("project {} has no service token", access.project));
        }
        ListFormat::Text => {
            let stdout = io::stdout();
            let table = table(&tokens, &Zone::local(environment));
            super::print(&table.render(Colour::of(&stdout), table::line_width(&stdout)))?;
            warn_of_old(&tokens, report);
        }
    }
    Ok(())
}

/// The table of the guide, and how old each token is.
fn table(tokens: &[Listed], zone: &Zone) -> Table {
    let mut table = Table::new([
        broken("Name"),
        broken("Description"),
        left("Token ID"),
        left("Created At"),
        left("Age"),
    ]);
    for token in tokens {
        let cells = [
            token.shown_name(),
            token.shown_description(),
            Shown(&token.id).to_string(),
            token.shown_created(zone),
            token.shown_age(),
        ];
        if token.older_than_90_days {
            table.styled_row(YELLOW, cells);
        } else {
            table.row(cells);
        }
    }
    table
}

fn warn_of_old(tokens: &[Listed], report: Report) {
    let old: Vec<Shown<'_>> =
        tokens.iter().filter(|token| token.older_than_90_days).map(|token| Shown(&token.id)).collect();
    if !old.is_empty() {
        report.warning(&format!(
            "older than 90 days: {}; to rotate one, create another, deploy it, then revoke the old one",
            join(old)
        ));
    }
}

/// All tokens, the newest first and those without a date last.
pub(super) fn listed(metadata: &Metadata) -> Result<Vec<Listed>, ParseError> {
    let now = SystemTime::now();
    let service = metadata.service_tokens()?;
    let service = service.iter().map(|entry| Listed::read(&entry.id, Kind::Service, entry.json, now));
    let ephemeral =
        metadata.ephemeral_tokens().map(|(id, json)| Listed::read(id, Kind::Ephemeral, json, now));
    let mut tokens: Vec<Listed> = Vec::new();
    // They are few: each goes to its place.
    for token in service.chain(ephemeral) {
        let place = tokens.partition_point(|before| before.created >= token.created);
        tokens.insert(place, token);
    }
    Ok(tokens)
}

impl Listed {
    /// Whatever of the entry can be read; other tools may leave fields out, or write other types.
    fn read(id: &str, kind: Kind, json: &str, now: SystemTime) -> Self {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(|raw| text(raw));
        let time = |name: &str| fields.get(name).and_then(|raw| vault::moment(raw));
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
            expires: time("expiresAt"),
        }
    }

    /// The name, or what stands for none.
    pub(super) fn shown_name(&self) -> String {
        shown(self.name.as_deref()).unwrap_or_else(|| "-".into())
    }

    /// The description, with what sets an ephemeral token apart before it.
    fn shown_description(&self) -> String {
        let expired = self.expires.is_some_and(|at| at <= SystemTime::now());
        let kind = match self.kind {
            Kind::Service => None,
            Kind::Ephemeral if expired => Some("ephemeral, expired".to_owned()),
            Kind::Ephemeral => Some("ephemeral".to_owned()),
        };
        let parts: Vec<String> = kind.into_iter().chain(shown(self.description.as_deref())).collect();
        parts.join(": ")
    }

    /// The local time, or what stands there instead of a time.
    pub(super) fn shown_created(&self, zone: &Zone) -> String {
        let local = self.created.and_then(|at| zone.show(at));
        local.or_else(|| shown(self.created_at.as_deref())).unwrap_or_else(|| "-".into())
    }

    /// How old it is, marked where that is too old.
    fn shown_age(&self) -> String {
        let Some(created) = self.created else { return "-".into() };
        let age = age(SystemTime::now().duration_since(created).unwrap_or_default().as_secs());
        if self.older_than_90_days { format!("{age} !") } else { age }
    }
}

fn shown(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| Shown(text).to_string())
}

/// A string, or a number as it stands.
fn text(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}
