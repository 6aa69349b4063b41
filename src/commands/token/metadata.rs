//! The fields of a project's hash in Upstash, as they were read.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use crate::vault::crypto::Salt;
use crate::vault::{ALGORITHM, KDF, ReplyError, check_supported, malformed};

pub(super) const ENCRYPTED_PEK: &str = "encryptedPEK";
pub(super) const SERVICE_TOKENS: &str = "serviceTokens";
/// The field of an ephemeral token is this prefix and the token's ID.
pub(super) const EPHEMERAL: &str = "ephemeral:";

/// The service tokens by ID, in the order of their field. Other tools' entries stay byte for byte.
pub(super) type ServiceTokens<'t> = IndexMap<String, &'t RawValue>;

/// The fields of the project's hash.
#[derive(Debug)]
pub(super) struct Metadata(pub(super) BTreeMap<String, String>);

impl Metadata {
    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The salt of the master password, and the project's encrypted key. The salt and the password give the key
    /// that decrypts it.
    pub(super) fn encrypted_pek(&self) -> Result<(Salt, &str), ReplyError> {
        check_supported(self.get("kdf"), "kdf", KDF)?;
        check_supported(self.get("algorithm"), "algorithm", ALGORITHM)?;
        let salt = self.get("salt").ok_or_else(|| malformed("salt", "is missing"))?;
        let salt = Salt::from_hex(salt).ok_or_else(|| malformed("salt", "is not 32 hex digits"))?;
        let pek = self.get(ENCRYPTED_PEK).ok_or_else(|| malformed(ENCRYPTED_PEK, "is missing"))?;
        Ok((salt, pek))
    }

    /// The service tokens. A missing field means no tokens.
    pub(super) fn service_tokens(&self) -> Result<ServiceTokens<'_>, ReplyError> {
        let text = self.get(SERVICE_TOKENS).filter(|text| !text.is_empty()).unwrap_or("{}");
        serde_json::from_str(text).map_err(|_| malformed(SERVICE_TOKENS, "is not a JSON object"))
    }

    /// The ephemeral tokens: each ID with its entry.
    pub(super) fn ephemeral_tokens(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(field, json)| Some((field.strip_prefix(EPHEMERAL)?, json.as_str())))
    }
}
