//! The fields of a project's hash in Upstash, as they were read.

use std::collections::BTreeMap;

use super::entries::Entries;
use crate::vault::crypto::Salt;
use crate::vault::{ALGORITHM, KDF, ParseError};

pub(super) const ENCRYPTED_PEK: &str = "encryptedPEK";
pub(super) const SERVICE_TOKENS: &str = "serviceTokens";
/// The field of an ephemeral token is this and its ID.
pub(super) const EPHEMERAL: &str = "ephemeral:";

/// The fields of the project's hash.
#[derive(Debug)]
pub(super) struct Metadata(pub(super) BTreeMap<String, String>);

impl Metadata {
    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The salt of the master password, and the project's key encrypted with the key derived from both.
    pub(super) fn encrypted_pek(&self) -> Result<(Salt, &str), ParseError> {
        for (field, expected) in [("kdf", KDF), ("algorithm", ALGORITHM)] {
            if self.get(field).is_some_and(|found| !found.eq_ignore_ascii_case(expected)) {
                return Err(ParseError::Unsupported { field, expected });
            }
        }
        let wrong = |field: &str, problem| ParseError::Field { field: field.to_owned(), problem };
        let salt = self.get("salt").ok_or_else(|| wrong("salt", "is missing"))?;
        let salt = Salt::from_hex(salt).map_err(|_| wrong("salt", "is not 32 hex digits"))?;
        let pek = self.get(ENCRYPTED_PEK).ok_or_else(|| wrong(ENCRYPTED_PEK, "is missing"))?;
        Ok((salt, pek))
    }

    pub(super) fn service_tokens(&self) -> Result<Entries<'_>, ParseError> {
        Entries::parse(self.get(SERVICE_TOKENS))
            .map_err(|_| ParseError::Field { field: SERVICE_TOKENS.into(), problem: "is not a JSON object" })
    }

    /// The ephemeral tokens: each ID with its entry.
    pub(super) fn ephemeral_tokens(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(field, json)| Some((field.strip_prefix(EPHEMERAL)?, json.as_str())))
    }
}
