//! The words for what the network, the store and its answer do.

use super::{Told, bare, told};
use crate::ui::failure::Failure;
use crate::ui::report::{Shown, join};
use crate::upstash;
use crate::vault::{KeyError, ParseError};

pub(super) fn reply(host: &str, error: &ParseError) -> Told {
    let host = Shown(host);
    match error {
        ParseError::Malformed { at } => told(
            format!("the answer of {host} is not the REST API's: malformed at byte {at}"),
            "check that UPSTASH_REDIS_URL is the database's REST URL",
        ),
        ParseError::Count { expected, found } => {
            bare(format!("the answer of {host} has {found} results instead of {expected}"))
        }
        ParseError::Store { key, error } => match upstash::Error::from_redis(host.0, error) {
            Some(error) => Told { message: error.to_string(), hint: error.hint() },
            None => bare(format!("{host} refuses to read {}: {error}", Shown(key))),
        },
        ParseError::Field { field, problem } => {
            bare(format!("the store's data is malformed: {} {problem}", Shown(field)))
        }
        ParseError::Unsupported { field, expected } => told(
            format!("the project's `{field}` is not {expected}, the only one this launcher accepts"),
            "a newer version of redenv-run may know it; otherwise somebody tampered with the project",
        ),
        ParseError::NoProject(project) => told(
            format!("there is no project {project} in the database of {host}"),
            "check -p (REDENV_PROJECT), and that the URL is this project's database",
        ),
        ParseError::NoToken { project, id } => told(
            format!(
                "project {project} has no service token {}: it was revoked, or is of another project",
                Shown(id)
            ),
            "check REDENV_TOKEN_ID, or make a new token with `redenv-run token create`",
        ),
        ParseError::Expired { id } => told(
            format!("the short-lived token {} has expired", Shown(id)),
            "start the tool that made it again, or use a service token",
        ),
        ParseError::NoEnvironment { project, missing } => {
            let what = if missing.len() == 1 { "environment" } else { "environments" };
            told(
                format!("project {project} has no {what} {}", join(missing)),
                "check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
            )
        }
    }
}

pub(super) fn key(id: &str, error: &KeyError) -> Told {
    match error {
        KeyError::WrongKey => told(
            format!("REDENV_TOKEN_KEY is not the key of token {}", Shown(id)),
            "id and key have to be of the same `token create`; a key that is lost can only be replaced by a new token",
        ),
        KeyError::Malformed(error) => bare(format!("the entry of token {} is malformed: {error}", Shown(id))),
    }
}
