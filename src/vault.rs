//! The vault format: parses a reply, derives the key, decrypts the secrets, and selects among them.
//!
//! Nothing in a reply is trusted: no field can weaken the cryptography or make the parser panic. This room
//! opens no connection, and only `fallback` touches a file.

pub(crate) mod crypto;
pub(crate) mod derivation;
mod encrypted;
mod expand;
pub(crate) mod fallback;
mod history;
mod pin;
mod reply;
pub(crate) mod select;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use encrypted::{Broken, EncryptedVault};
pub(crate) use history::{VersionNumber, time};
pub(crate) use pin::Pin;
pub(crate) use reply::{ReplyError, check_supported, malformed, parse, salt_in};

use crate::secret::SecretText;
use crate::ui::text::Shown;

/// The key derivation of the protocol. Its iterations, hash and key size are constants.
pub(crate) const KDF: &str = "pbkdf2";
/// The cipher of the protocol.
pub(crate) const ALGORITHM: &str = "aes-256-gcm";

/// The name of a project or an environment: not empty, without `:`. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Name(Arc<str>);

impl Name {
    /// The name as the official clients store it, with `-` for each `:`. `None` if it is empty.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.replace(':', "-").into()))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

/// One request for everything that a launch needs.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The database's host, for messages.
    pub(crate) host: &'a str,
    pub(crate) project: &'a Name,
    /// The environments; a later one wins.
    pub(crate) environments: &'a [Name],
    /// The ID of a service token or an ephemeral token.
    pub(crate) token_id: &'a str,
}

impl Request<'_> {
    /// The Redis commands: one for the token's entry, one for each environment.
    ///
    /// Every project has a `salt`. So if the reply has none, the project is missing, and not only the token.
    pub(crate) fn commands(&self) -> Vec<Vec<String>> {
        let mut metadata = vec!["HMGET".into(), self.metadata_key()];
        metadata.extend(["salt", "kdf", "algorithm", "serviceTokens"].map(String::from));
        metadata.push(self.ephemeral_field());
        let environments = self.environments.iter().map(|name| vec!["HGETALL".into(), self.key_of(name)]);
        std::iter::once(metadata).chain(environments).collect()
    }

    fn metadata_key(&self) -> String {
        format!("meta@{}", self.project.as_str())
    }

    fn key_of(&self, environment: &Name) -> String {
        format!("{}:{}", environment.as_str(), self.project.as_str())
    }

    /// The keys that the commands read, in their order.
    fn keys(&self) -> Vec<String> {
        let environments = self.environments.iter().map(|name| self.key_of(name));
        std::iter::once(self.metadata_key()).chain(environments).collect()
    }

    fn ephemeral_field(&self) -> String {
        format!("ephemeral:{}", self.token_id)
    }
}

/// A decrypted secret.
#[derive(Debug)]
pub(crate) struct Secret {
    /// Its name in the vault.
    pub(crate) vault_name: String,
    /// The environment of this value: the last environment that has the secret.
    pub(crate) environment: Name,
    pub(crate) version: Option<VersionNumber>,
    /// When this version was written.
    pub(crate) created_at: Option<SystemTime>,
    pub(crate) value: SecretText,
}

/// The secrets of all environments, layered, by their names in the vault.
pub(crate) type DecryptedVault = BTreeMap<String, Result<Secret, Broken>>;
