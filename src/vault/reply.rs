//! Parses the reply to a [`Request`]: the project's metadata, then one answer per environment.

use std::collections::BTreeMap;
use std::time::SystemTime;

use miette::Diagnostic;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::crypto::Salt;
use super::encrypted::{EncryptedVault, Fields, Token};
use super::history::{History, Text, time};
use super::{ALGORITHM, KDF, Name, Request};
use crate::ui::text::{Shown, join};
use crate::upstash::{self, answers, first_answer};

/// Why a reply contains no vault. Names fields, never their content.
#[derive(thiserror::Error, Diagnostic, Debug)]
pub(crate) enum ReplyError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Upstash(#[from] upstash::Error),
    #[error("the project's data is malformed: {} {problem}", Shown(field))]
    Field { field: String, problem: &'static str },
    #[error("the project's `{field}` is not {expected}, the only one that redenv-run supports")]
    #[diagnostic(help(
        "look for a newer version of redenv-run; if there is none, somebody may have changed the project"
    ))]
    Unsupported { field: &'static str, expected: &'static str },
    #[error("the database {} has no project {project}", Shown(host))]
    #[diagnostic(help("check -p (REDENV_PROJECT), and that UPSTASH_REDIS_URL is this project's database"))]
    NoProject { host: String, project: Name },
    #[error(
        "project {project} has no service token {}: it was revoked, or it belongs to another project",
        Shown(id)
    )]
    #[diagnostic(help("check REDENV_TOKEN_ID, or create a new token with `redenv-run token create`"))]
    NoToken { project: Name, id: String },
    #[error("the short-lived token {} has expired", Shown(id))]
    #[diagnostic(help("restart the tool that created it, or use a service token"))]
    Expired { id: String },
    #[error(
        "project {project} has no {} {}",
        if missing.len() == 1 { "environment" } else { "environments" },
        join(missing)
    )]
    #[diagnostic(help("check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret"))]
    NoEnvironment { project: Name, missing: Vec<Name> },
}

impl ReplyError {
    /// Whether the reply says that the token must not be used.
    pub(crate) fn is_revocation(&self) -> bool {
        match self {
            Self::Upstash(error) => error.is_revocation(),
            Self::NoToken { .. } | Self::Expired { .. } => true,
            _ => false,
        }
    }
}

/// A JSON value of a hash, or null.
type Item<'r> = Option<&'r RawValue>;

/// Parses the reply to `request`.
pub(crate) fn parse<'r>(reply: &'r [u8], request: &Request<'_>) -> Result<EncryptedVault<'r>, ReplyError> {
    let keys = request.keys();
    let mut answers = answers::<Vec<Item<'r>>>(request.host, reply, &keys)?.into_iter();
    let token = token(&answers.next().unwrap_or_default(), request)?;

    let mut environments = Vec::new();
    let mut missing = Vec::new();
    for ((name, key), items) in request.environments.iter().zip(&keys[1..]).zip(answers) {
        if items.is_empty() {
            missing.push(name.clone());
        }
        environments.push((name.clone(), fields(&items, key)?));
    }
    if !missing.is_empty() {
        return Err(ReplyError::NoEnvironment { project: request.project.clone(), missing });
    }
    Ok(EncryptedVault { token, environments })
}

/// The token's salt from the first bytes of a reply, if they contain its first answer.
pub(crate) fn salt_in(beginning: &[u8], request: &Request<'_>) -> Option<Salt> {
    let metadata = first_answer::<Vec<Item<'_>>>(beginning)?;
    token(&metadata, request).ok().map(|token| token.salt)
}

/// Finds the token in the fields that [`Request::commands`] asks for.
fn token(items: &[Item<'_>], request: &Request<'_>) -> Result<Token, ReplyError> {
    if items.iter().all(Option::is_none) {
        return Err(ReplyError::NoProject { host: request.host.into(), project: request.project.clone() });
    }
    let &[_, kdf, algorithm, tokens, ephemeral] = items else {
        return Err(malformed(request.metadata_key(), "has the wrong number of fields"));
    };
    for (item, field, expected) in [(kdf, "kdf", KDF), (algorithm, "algorithm", ALGORITHM)] {
        check_supported(text(item, field)?.as_deref(), field, expected)?;
    }
    if let Some(tokens) = text(tokens, "serviceTokens")? {
        let tokens: BTreeMap<Text<'_>, &RawValue> =
            serde_json::from_str(&tokens).map_err(|_| malformed("serviceTokens", "is not a JSON object"))?;
        if let Some(entry) = tokens.get(&Text(request.token_id.into())) {
            return read_token(entry.get(), &format!("serviceTokens entry {}", request.token_id), request);
        }
    }
    match text(ephemeral, "ephemeral")? {
        Some(entry) => read_token(&entry, &request.ephemeral_field(), request),
        None => {
            Err(ReplyError::NoToken { project: request.project.clone(), id: request.token_id.to_owned() })
        }
    }
}

/// Refuses a `kdf` or `algorithm` other than the protocol's. Old projects have neither field.
pub(crate) fn check_supported(
    found: Option<&str>,
    field: &'static str,
    expected: &'static str,
) -> Result<(), ReplyError> {
    let is_supported = found.is_none_or(|found| found.eq_ignore_ascii_case(expected));
    if is_supported { Ok(()) } else { Err(ReplyError::Unsupported { field, expected }) }
}

/// Reads a token's entry. Other tools may have added more members.
fn read_token(json: &str, field: &str, request: &Request<'_>) -> Result<Token, ReplyError> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "encryptedPEK")]
        encrypted_pek: String,
        salt: String,
        #[serde(rename = "expiresAt")]
        expires_at: Option<Box<RawValue>>,
    }
    let Entry { encrypted_pek, salt, expires_at } = serde_json::from_str(json)
        .map_err(|_| malformed(field, "is not an object with `encryptedPEK` and `salt`"))?;
    let id = request.token_id.to_owned();
    if let Some(json) = &expires_at {
        let at = time(json).ok_or_else(|| malformed(field, "has an invalid time as `expiresAt`"))?;
        if at <= SystemTime::now() {
            return Err(ReplyError::Expired { id });
        }
    }
    let salt = Salt::from_hex(&salt)
        .ok_or_else(|| malformed(format!("salt of token {id}"), "is not 32 hex digits"))?;
    Ok(Token { id, salt, encrypted_pek, expires_at })
}

/// The secrets in an `HGETALL` result: a name, its value, the next name, and so on.
fn fields<'r>(items: &[Item<'r>], key: &str) -> Result<Fields<'r>, ReplyError> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(malformed(key, "has a name without a value"));
    }
    let mut fields = Vec::with_capacity(pairs.len());
    for &[name, value] in pairs {
        let Some(name) = text(name, key)? else { return Err(malformed(key, "has a null as a name")) };
        // A name that starts with `__` belongs to the tools and is not a secret.
        if !name.starts_with("__") {
            let value = value.ok_or_else(|| malformed(name.clone(), "is null"))?;
            fields.push((name, History(value)));
        }
    }
    let count = fields.len();
    let fields = Fields::from_iter(fields);
    if fields.len() < count {
        return Err(malformed(key, "has the same name twice"));
    }
    Ok(fields)
}

fn text(item: Item<'_>, field: &str) -> Result<Option<String>, ReplyError> {
    let text = |json: &RawValue| {
        serde_json::from_str(json.get()).map_err(|_| malformed(field, "contains a value that is not text"))
    };
    item.map(text).transpose()
}

pub(crate) fn malformed(field: impl Into<String>, problem: &'static str) -> ReplyError {
    ReplyError::Field { field: field.into(), problem }
}
