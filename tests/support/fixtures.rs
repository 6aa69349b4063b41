//! The fixtures: a vault that the official clients wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::project::Credentials;

pub fn dump() -> PathBuf {
    path("redis-dump.json")
}

/// The credentials of the token called `ci`, `web`, `revoked` or `ephemeral`.
pub fn credentials(token: &str) -> Credentials {
    let tokens = read("tokens.json");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let token = &tokens["tokens"][token];
    let id = text(&token["id"]);
    Credentials {
        project: text(&tokens["project"]),
        salt: salt(&id).unwrap_or_default(),
        token_id: id,
        token_key: text(&token["key"]),
    }
}

pub fn master_password() -> String {
    read("tokens.json")["master_password"].as_str().unwrap().to_owned()
}

/// The variables that the command gets from `environment`.
pub fn expected(environment: &str) -> BTreeMap<String, String> {
    serde_json::from_value(read("expected.json")[environment]["secrets"].take()).unwrap()
}

/// The salt of a token, from the dump.
fn salt(id: &str) -> Option<String> {
    let dump = read("redis-dump.json");
    let meta = &dump["meta@acme-api"];
    let service: Value = serde_json::from_str(meta["serviceTokens"].as_str()?).ok()?;
    let token = match service.get(id) {
        Some(token) => token.clone(),
        None => serde_json::from_str(meta[format!("ephemeral:{id}")].as_str()?).ok()?,
    };
    Some(token["salt"].as_str()?.to_owned())
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}
