//! The parsed reply, still encrypted, and its decryption.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::crypto::{DecryptError, Key, Salt};
use super::history::{History, HistoryError, Version};
use super::pin::Pin;
use super::{ALGORITHM, DecryptedVault, KDF, Name, Request, Secret};
use crate::ui::suggestion::name_hint;
use crate::ui::text::{Shown, join};

/// The secrets of a project as they came from Upstash.
#[derive(Debug)]
pub(crate) struct EncryptedVault<'r> {
    pub(super) token: Token,
    pub(super) environments: Vec<(Name, Fields<'r>)>,
}

/// An environment's histories by their names.
pub(super) type Fields<'r> = BTreeMap<String, History<'r>>;

/// A service token's copy of the project's key (PEK).
#[derive(Debug)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) salt: Salt,
    /// The PEK's hex text, encrypted with the token key.
    pub(super) encrypted_pek: String,
    /// When an ephemeral token expires, as its entry says.
    pub(super) expires_at: Option<Box<RawValue>>,
}

/// Why a secret has no value.
#[derive(thiserror::Error, Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Broken {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Value(#[from] DecryptError),
    #[error("its value contains a NUL byte")]
    Nul,
}

/// Why the token key can't decrypt the project's key.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum KeyError {
    #[error("REDENV_TOKEN_KEY is not the key of token {}", Shown(id))]
    #[diagnostic(help(
        "check that the ID and the key come from the same `token create`; \
         a lost key can't be recovered, create a new token"
    ))]
    WrongKey { id: String },
    #[error("the entry of token {} is malformed: {error}", Shown(id))]
    Malformed { id: String, error: DecryptError },
}

/// Why a `--pin` can't be followed.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum PinError {
    #[error("--pin: no secret is named {}", Shown(name))]
    #[diagnostic(help("{hint}"))]
    NoSuchSecret { name: String, hint: String },
    #[error("--pin: {} has no version {pin}", Shown(name))]
    NoSuchVersion {
        name: String,
        pin: Pin,
        #[help]
        hint: Option<String>,
    },
}

impl EncryptedVault<'_> {
    /// The salt of the token key.
    pub(crate) fn salt(&self) -> Salt {
        self.token.salt
    }

    /// How many secrets each environment has, for `-v`.
    pub(crate) fn counts(&self) -> String {
        join(self.environments.iter().map(|(name, fields)| format!("{} in {name}", fields.len())))
    }

    /// Decrypts the project's key (PEK).
    pub(crate) fn decrypt_pek(&self, token_key: &Key) -> Result<Key, KeyError> {
        let Token { id, encrypted_pek, .. } = &self.token;
        token_key.decrypt_key(encrypted_pek).map_err(|error| match error {
            DecryptError::Tag => KeyError::WrongKey { id: id.clone() },
            error => KeyError::Malformed { id: id.clone(), error },
        })
    }

    /// Layers the environments, picks the pinned versions, and decrypts every secret.
    ///
    /// A secret that can't be decrypted becomes [`Broken`]. This is an error only if the secret is selected.
    pub(crate) fn decrypt(self, pek: &Key, pins: &BTreeMap<String, Pin>) -> Result<DecryptedVault, PinError> {
        let environments = self.environments.into_iter();
        let layered: BTreeMap<String, (Name, History<'_>)> = environments
            .flat_map(|(environment, fields)| {
                fields.into_iter().map(move |(name, history)| (name, (environment.clone(), history)))
            })
            .collect();
        if let Some(name) = pins.keys().find(|name| !layered.contains_key(*name)) {
            let hint = name_hint(name, layered.keys());
            return Err(PinError::NoSuchSecret { name: name.clone(), hint });
        }
        let decrypt_one = |(name, (environment, history)): (String, (Name, History<'_>))| {
            let version = match pins.get(&name) {
                None => history.newest(),
                Some(pin) => match history.versions() {
                    Ok(versions) => Ok(pinned(&name, *pin, versions)?),
                    Err(error) => Err(error),
                },
            };
            let secret = version.map_err(Broken::from).and_then(|version| {
                let value = pek.decrypt(&version.value)?;
                if value.expose().contains('\0') {
                    return Err(Broken::Nul);
                }
                let Version { number, created_at, .. } = version;
                Ok(Secret { vault_name: name.clone(), environment, version: number, created_at, value })
            });
            Ok((name, secret))
        };
        layered.into_iter().map(decrypt_one).collect()
    }

    /// Writes a reply to `request` that parses to this vault. The entries of other tokens are left out.
    pub(crate) fn to_reply(&self, request: &Request<'_>) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Item<'a> {
            Text(&'a str),
            Json(&'a RawValue),
        }
        let Token { salt, encrypted_pek, expires_at, .. } = &self.token;
        let entry =
            json!({ "encryptedPEK": encrypted_pek, "salt": salt.to_string(), "expiresAt": expires_at });
        let tokens = json!({ request.token_id: entry }).to_string();
        let metadata = ["", KDF, ALGORITHM, &tokens].map(|text| Some(Item::Text(text))).into_iter();
        let environments = self.environments.iter().map(|(_, fields)| {
            let fields = fields.iter().flat_map(|(name, history)| [Item::Text(name), Item::Json(history.0)]);
            // An environment without a field would not exist. A name that starts with `__` is not a secret.
            fields.chain(["__", ""].map(Item::Text)).map(Some).collect()
        });
        let results = std::iter::once(metadata.chain([None]).collect()).chain(environments);
        let answers: Vec<BTreeMap<&str, Vec<_>>> =
            results.map(|result| [("result", result)].into()).collect();
        // Texts and JSON alone: nothing in it can fail to serialize.
        serde_json::to_vec(&answers).unwrap_or_default()
    }
}

/// The version that `pin` means.
fn pinned(name: &str, pin: Pin, mut versions: Vec<Version>) -> Result<Version, PinError> {
    if let Some(index) = pin.find(&versions) {
        return Ok(versions.swap_remove(index));
    }
    let numbers = || versions.iter().filter_map(|version| version.number.as_ref()?.whole());
    let hint = numbers().min().zip(numbers().max());
    let hint = hint.map(|(oldest, newest)| format!("choose a version from {oldest} to {newest}"));
    Err(PinError::NoSuchVersion { name: name.to_owned(), pin, hint })
}
