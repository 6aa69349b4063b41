//! What the store holds: the request for it, and the parsing of the reply, which is not trusted.
//!
//! Strings are borrowed from the reply where they hold no escape, and of a history only the first
//! element is looked at unless a pin asks for more. Nothing is decrypted here but in
//! [`SealedVault::open`].

pub(crate) mod crypto;
pub(crate) mod derivation;
mod expand;
pub(crate) mod fallback;
mod history;
mod json;
mod reply;
pub(crate) mod select;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

pub(crate) use history::{History, HistoryError, Pin, Version};
pub(crate) use reply::{ParseError, moment, parse};

use crate::secret::SecretText;
use crate::ui::report;
use crate::vault::crypto::{Key, OpenError, Salt};

/// Iterations, hash and key size are constants: a project that says otherwise is refused.
pub(crate) const KDF: &str = "pbkdf2";
/// The one cipher of the protocol.
pub(crate) const ALGORITHM: &str = "aes-256-gcm";

/// A project's or an environment's name: not empty, without `:`. Every secret has one, so cloning
/// copies nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Name(Arc<str>);

impl Name {
    /// The name as the clients store it: a `:` becomes a `-`. `None` where it is empty.
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
        report::Shown(&self.0).fmt(f)
    }
}

/// What is asked of the store in one request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The project whose secrets are read.
    pub(crate) project: &'a Name,
    /// The environments, a later one winning.
    pub(crate) environments: &'a [Name],
    /// The id of the service token, or of an ephemeral one.
    pub(crate) token_id: &'a str,
}

impl Request<'_> {
    /// The body of a `/pipeline`: the token's entry and all environments.
    ///
    /// `salt` is asked for because every project has one: it tells a project that doesn't exist
    /// from one without the token.
    pub(crate) fn commands(&self) -> Vec<Vec<String>> {
        let mut metadata = vec!["HMGET".into(), format!("meta@{}", self.project.as_str())];
        metadata.extend(["salt", "kdf", "algorithm", "serviceTokens"].map(String::from));
        metadata.push(self.ephemeral_field());
        let environments = self
            .environments
            .iter()
            .map(|name| vec!["HGETALL".into(), format!("{}:{}", name.as_str(), self.project.as_str())]);
        std::iter::once(metadata).chain(environments).collect()
    }

    fn ephemeral_field(&self) -> String {
        format!("ephemeral:{}", self.token_id)
    }
}

/// The entry of a service token: its own sealed copy of the PEK.
#[derive(Deserialize, Debug)]
pub(crate) struct TokenEntry<'r> {
    /// The PEK's hex text, sealed under the token key.
    #[serde(borrow, rename = "encryptedPEK")]
    pub(crate) sealed_pek: Cow<'r, str>,
    /// The salt of the token key, in hex.
    #[serde(borrow)]
    salt: Cow<'r, str>,
    /// When an ephemeral token ends: ISO 8601 text, or milliseconds since 1970; as it stands.
    #[serde(default, borrow, rename = "expiresAt")]
    expires_at: Option<&'r RawValue>,
}

/// The reply, parsed and still sealed.
#[derive(Debug)]
pub(crate) struct SealedVault<'r> {
    salt: Salt,
    sealed_pek: String,
    expires_at: Option<SystemTime>,
    environments: Vec<SealedEnvironment<'r>>,
}

/// One environment: its fields in the order of the store.
#[derive(Debug)]
pub(crate) struct SealedEnvironment<'r> {
    pub(crate) name: Name,
    pub(crate) fields: Vec<(String, History<'r>)>,
}

/// A secret that was opened, or why it wasn't.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The environment that it came from: the last one that has it.
    pub(crate) environment: Name,
    /// Its version, where it has a readable one.
    pub(crate) version: Option<u64>,
    /// When that version was written.
    pub(crate) created_at: Option<SystemTime>,
    /// Its value.
    pub(crate) value: Result<SecretText, Broken>,
}

/// Every secret of the asked environments, layered, by its name in the vault.
pub(crate) type OpenedVault = BTreeMap<String, Opened>;

/// Why a secret has no value.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Broken {
    /// Its history could not be read.
    History(HistoryError),
    /// Its value could not be opened.
    Sealed(OpenError),
    /// Its value holds a NUL byte, which no environment can.
    Nul,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(error) => error.fmt(f),
            Self::Sealed(error) => error.fmt(f),
            Self::Nul => f.write_str("its value holds a NUL byte"),
        }
    }
}

/// Why a vault's key could not be had with this token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The sealed PEK didn't open: another token's key, in all likelihood.
    WrongKey,
    /// The sealed PEK or what is in it is malformed.
    Malformed(OpenError),
}

/// Why a vault can't be layered as asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PinError {
    /// An environment holds the same name twice, which no hash does.
    Twice { environment: Name, name: String },
    /// No secret has this name; the nearest that there is.
    NoSuchSecret { name: String, nearest: Option<String> },
    /// The secret's history has no such version.
    NoSuchVersion { name: String, pin: Pin, newest: Option<u64>, oldest: Option<u64> },
}

impl SealedVault<'_> {
    /// The salt of the token key.
    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    /// A reply to `request` with what was parsed, sealed as it was: no other token's entry in it.
    pub(crate) fn to_reply(&self, request: &Request<'_>) -> Vec<u8> {
        let mut entry = json!({ "encryptedPEK": self.sealed_pek, "salt": self.salt.to_string() });
        if let Some(at) = self.expires_at {
            // In milliseconds: as text, years have four digits.
            let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            entry["expiresAt"] = (since.as_secs_f64() * 1000.0).into();
        }
        let tokens = json!({ request.token_id: entry }).to_string();
        let mut reply = format!("[{}", json!({ "result": ["", KDF, ALGORITHM, tokens, null] })).into_bytes();
        for environment in &self.environments {
            reply.extend(b",{\"result\":[");
            for (index, (name, history)) in environment.fields.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                reply.extend(format!("{comma}{},\"", json!(name)).as_bytes());
                reply.extend(history.as_it_stands());
                reply.push(b'"');
            }
            // Nothing at all would say that there is no such environment.
            reply.extend(if environment.fields.is_empty() { &b"\"__\",\"\"]}"[..] } else { b"]}" });
        }
        reply.push(b']');
        reply
    }

    /// How many secrets each environment has, for `-v`.
    pub(crate) fn counts(&self) -> String {
        report::join(
            self.environments
                .iter()
                .map(|environment| format!("{} in {}", environment.fields.len(), environment.name)),
        )
    }

    /// Opens the PEK with the token key.
    ///
    /// # Errors
    /// [`KeyError`]: the wrong key, or a malformed entry.
    pub(crate) fn open_pek(&self, token_key: &Key) -> Result<Key, KeyError> {
        let hex = token_key.open(&self.sealed_pek).map_err(|error| match error {
            OpenError::Tag => KeyError::WrongKey,
            other => KeyError::Malformed(other),
        })?;
        Key::from_hex(&hex).map_err(KeyError::Malformed)
    }

    /// Layers the environments, picks the pinned versions, and opens every secret.
    ///
    /// A secret that can't be opened is kept as [`Broken`]: whether that matters depends on what
    /// is selected.
    ///
    /// # Errors
    /// [`PinError`] for a pin that names no secret or no version of it.
    pub(crate) fn open(self, pek: &Key, pins: &BTreeMap<String, Pin>) -> Result<OpenedVault, PinError> {
        for name in pins.keys() {
            self.check_pinned(name)?;
        }
        let fields = self.environments.iter().map(|environment| environment.fields.len()).sum();
        let (mut environments, mut all) = (Vec::new(), Vec::with_capacity(fields));
        for (index, environment) in self.environments.into_iter().enumerate() {
            environments.push(environment.name);
            all.extend(environment.fields.into_iter().map(|(name, history)| (name, index, history)));
        }
        // Of the same name the later environment's comes last. Where the store has them in order, that is
        // seen at a glance.
        all.sort_by(|left, right| left.0.cmp(&right.0));
        let mut all = all.into_iter().peekable();
        let mut opened = Vec::with_capacity(fields);
        while let Some((name, index, history)) = all.next() {
            let environment = &environments[index];
            match all.peek() {
                Some((next, other, _)) if *next == name && *other == index => {
                    return Err(PinError::Twice { environment: environment.clone(), name });
                }
                // It wins, and this one is never opened.
                Some((next, ..)) if *next == name => continue,
                _ => {}
            }
            let secret = match pins.get(&name) {
                None => history.newest(|version| open_one(environment, version, pek)),
                Some(pin) => open_pinned(&name, environment, &history, *pin, pek)?,
            };
            opened.push((name, secret));
        }
        Ok(opened.into_iter().collect())
    }

    /// Whether there is a secret of this name.
    fn check_pinned(&self, name: &str) -> Result<(), PinError> {
        let names = || self.environments.iter().flat_map(|e| e.fields.iter().map(|(name, _)| name.as_str()));
        if names().any(|known| known == name) {
            return Ok(());
        }
        let nearest = report::nearest(name, names()).map(String::from);
        Err(PinError::NoSuchSecret { name: name.to_owned(), nearest })
    }
}

fn open_one(environment: &Name, version: Result<Version<'_>, HistoryError>, pek: &Key) -> Opened {
    let (number, created_at, value) = match version {
        Ok(version) => {
            let value = pek.open(&version.value).map_err(Broken::Sealed);
            (version.number, version.created_at(), value)
        }
        Err(error) => (None, None, Err(Broken::History(error))),
    };
    let value = match value {
        Ok(text) if memchr::memchr(0, text.expose().as_bytes()).is_some() => Err(Broken::Nul),
        other => other,
    };
    Opened { environment: environment.clone(), version: number, created_at, value }
}

fn open_pinned(
    name: &str,
    environment: &Name,
    history: &History<'_>,
    pin: Pin,
    pek: &Key,
) -> Result<Opened, PinError> {
    let text = match history.text() {
        Ok(text) => text,
        Err(error) => return Ok(open_one(environment, Err(error), pek)),
    };
    let mut versions = match history::versions(&text) {
        Ok(versions) => versions,
        Err(error) => return Ok(open_one(environment, Err(error), pek)),
    };
    let Some(index) = pin.find(&versions) else {
        let numbers = || versions.iter().filter_map(|version| version.number);
        return Err(PinError::NoSuchVersion {
            name: name.to_owned(),
            pin,
            newest: numbers().max(),
            oldest: numbers().min(),
        });
    };
    Ok(open_one(environment, Ok(versions.swap_remove(index)), pek))
}

#[cfg(test)]
mod tests;
