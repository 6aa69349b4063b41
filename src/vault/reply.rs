//! The reply to a [`Request`]: `[{"result": [...]}, {"result": [...]}, ...]`, one per command.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::history::History;
use super::{ALGORITHM, Expiry, KDF, Name, Request, SealedEnvironment, SealedVault, TokenEntry};
use crate::crypto::Salt;
use crate::report::Shown;
use crate::upstash::StoreError;

/// Why a reply gives no vault. Names fields and places, never what is in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// Not UTF-8, not JSON, or JSON of another shape; the byte where that shows.
    Malformed { at: usize },
    /// Another number of answers than commands.
    Count { expected: usize, found: usize },
    /// The store refused one of the commands.
    Store { key: String, error: StoreError },
    /// A field of the project's metadata is not what the protocol says.
    Field { field: String, problem: &'static str },
    /// A `kdf` or `algorithm` that is not the protocol's.
    Unsupported { field: &'static str, expected: &'static str },
    /// There is no such project.
    NoProject(Name),
    /// The project has no such token: revoked, or of another project.
    NoToken { project: Name, id: String },
    /// The token was a short-lived one.
    Expired { id: String },
    /// These environments don't exist.
    NoEnvironment { project: Name, missing: Vec<Name> },
}

/// Parses the reply to `request`.
///
/// # Errors
/// [`ParseError`]: what is missing, refused or malformed.
pub(crate) fn parse<'r>(body: &'r [u8], request: &Request<'_>) -> Result<SealedVault<'r>, ParseError> {
    let text = std::str::from_utf8(body).map_err(|e| ParseError::Malformed { at: e.valid_up_to() })?;
    let answers: Answers<'_> =
        serde_json::from_str(text).map_err(|error| ParseError::Malformed { at: byte_of(text, &error) })?;
    let expected = 1 + request.environments.len();
    let found = usize::from(answers.metadata.is_some()) + answers.environments.len();
    let (Some(metadata), true) = (answers.metadata, found == expected) else {
        return Err(ParseError::Count { expected, found });
    };

    let key = || format!("meta@{}", request.project.as_str());
    let metadata = metadata.into_result(key)?;
    if metadata.0.len() != 5 {
        return Err(ParseError::Field {
            field: key(),
            problem: "has another number of fields than asked for",
        });
    }
    let token = token_entry(&metadata.0, request)?;
    let expires_at = token.expires_at;
    let (salt, sealed_pek) = token.into_parts(request.token_id)?;

    let mut environments = Vec::with_capacity(request.environments.len());
    let mut missing = Vec::new();
    for (name, answer) in request.environments.iter().zip(answers.environments) {
        let hash = answer.into_result(|| format!("{}:{}", name.as_str(), request.project.as_str()))?;
        if hash.0.is_empty() {
            missing.push(name.clone());
        }
        environments.push(seal(name, hash));
    }
    if !missing.is_empty() {
        return Err(ParseError::NoEnvironment { project: request.project.clone(), missing });
    }
    Ok(SealedVault { salt, sealed_pek, expires_at, environments })
}

/// The byte offset of a JSON error, whose line and column are counted from one.
fn byte_of(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    before + error.column()
}

/// The owned parts of a token's entry.
struct OwnedToken {
    sealed_pek: String,
    salt: String,
    expires_at: Option<SystemTime>,
}

impl OwnedToken {
    fn into_parts(self, id: &str) -> Result<(Salt, String), ParseError> {
        if self.expires_at.is_some_and(|at| at <= SystemTime::now()) {
            return Err(ParseError::Expired { id: id.to_owned() });
        }
        let salt = Salt::from_hex(&self.salt).map_err(|_| ParseError::Field {
            field: format!("salt of token {}", Shown(id)),
            problem: "is not 32 hex digits",
        })?;
        Ok((salt, self.sealed_pek))
    }
}

/// Finds the token in what `HMGET` gave: salt, kdf, algorithm, serviceTokens, ephemeral:<id>.
fn token_entry(fields: &[Option<Text<'_>>], request: &Request<'_>) -> Result<OwnedToken, ParseError> {
    let field = |index: usize| fields.get(index).and_then(Option::as_ref).map(|Text(text)| &**text);
    if fields.iter().all(Option::is_none) {
        return Err(ParseError::NoProject(request.project.clone()));
    }
    for (index, name, expected) in [(1, "kdf", KDF), (2, "algorithm", ALGORITHM)] {
        if field(index).is_some_and(|found| !found.eq_ignore_ascii_case(expected)) {
            return Err(ParseError::Unsupported { field: name, expected });
        }
    }
    if let Some(text) = field(3)
        && let Some(raw) = find_member(text, request.token_id).map_err(|()| ParseError::Field {
            field: "serviceTokens".into(),
            problem: "is not a JSON object",
        })?
    {
        return read_entry(raw.get(), || format!("serviceTokens entry {}", Shown(request.token_id)));
    }
    match field(4) {
        Some(text) => read_entry(text, || Shown(&request.ephemeral_field()).to_string()),
        None => {
            Err(ParseError::NoToken { project: request.project.clone(), id: request.token_id.to_owned() })
        }
    }
}

fn read_entry(json: &str, field: impl Fn() -> String) -> Result<OwnedToken, ParseError> {
    let bad = |problem| ParseError::Field { field: field(), problem };
    let entry: TokenEntry<'_> =
        serde_json::from_str(json).map_err(|_| bad("is not an object with `encryptedPEK` and `salt`"))?;
    let expires_at = match &entry.expires_at {
        None => None,
        Some(expiry) => Some(expiry.time().ok_or_else(|| bad("has an `expiresAt` that is no time"))?),
    };
    Ok(OwnedToken { sealed_pek: entry.sealed_pek.into_owned(), salt: entry.salt.into_owned(), expires_at })
}

impl Expiry<'_> {
    fn time(&self) -> Option<SystemTime> {
        match self {
            Self::Text(text) => humantime::parse_rfc3339_weak(text).ok(),
            Self::Milliseconds(ms) => {
                let span = Duration::try_from_secs_f64(ms / 1000.0).ok()?;
                SystemTime::UNIX_EPOCH.checked_add(span)
            }
        }
    }
}

fn seal<'r>(name: &Name, hash: Hash<'r>) -> SealedEnvironment<'r> {
    // A name that starts with `__` is the tools' own, not a secret.
    let secrets = hash.0.into_iter().filter(|(field, _)| !field.starts_with("__"));
    let fields = secrets.map(|(field, raw)| (field, History::new(raw))).collect();
    SealedEnvironment { name: name.clone(), fields }
}

/// The value of one member of a JSON object; the others are passed over.
fn find_member<'t>(object: &'t str, member: &str) -> Result<Option<&'t RawValue>, ()> {
    struct Find<'m, 't>(&'m str, PhantomData<&'t ()>);
    impl<'t> Visitor<'t> for Find<'_, 't> {
        type Value = Option<&'t RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(Text(key)) = map.next_key()? {
                if key != self.0 {
                    map.next_value::<IgnoredAny>()?;
                } else if found.replace(map.next_value()?).is_some() {
                    return Err(A::Error::custom("the same token twice"));
                }
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(object);
    let found = json.deserialize_map(Find(member, PhantomData)).map_err(|_| ())?;
    json.end().map_err(|_| ())?;
    Ok(found)
}

/// A string, borrowed where it holds no escape.
#[derive(Deserialize, Debug)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// What `HMGET` gives: a string or null per field asked for.
#[derive(Deserialize)]
struct Fields<'r>(#[serde(borrow)] Vec<Option<Text<'r>>>);

/// What `HGETALL` gives: names and values in turn. A missing key is `[]` or null.
#[derive(Default)]
struct Hash<'r>(Vec<(Cow<'r, str>, &'r RawValue)>);

impl<'r> Deserialize<'r> for Hash<'r> {
    fn deserialize<D: Deserializer<'r>>(json: D) -> Result<Self, D::Error> {
        struct Pairs<'r>(PhantomData<&'r ()>);
        impl<'r> Visitor<'r> for Pairs<'r> {
            type Value = Hash<'r>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("field names and values in turn")
            }
            fn visit_seq<A: SeqAccess<'r>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Text(name)) = seq.next_element()? {
                    let value = seq.next_element()?.ok_or_else(|| A::Error::custom("no value"))?;
                    pairs.push((name, value));
                }
                Ok(Hash(pairs))
            }
        }
        json.deserialize_seq(Pairs(PhantomData))
    }
}

/// One command's answer: a result, or the store's error text.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Answer<'r, T> {
    #[serde(default = "Option::default")]
    result: Option<T>,
    #[serde(default, borrow)]
    error: Option<Text<'r>>,
}

impl<T: Default> Answer<'_, T> {
    fn into_result(self, key: impl Fn() -> String) -> Result<T, ParseError> {
        match self.error {
            Some(Text(error)) => Err(ParseError::Store { key: key(), error: StoreError::classify(&error) }),
            None => Ok(self.result.unwrap_or_default()),
        }
    }
}

impl Default for Fields<'_> {
    /// A null where an array is due: the key is missing.
    fn default() -> Self {
        Self((0..5).map(|_| None).collect())
    }
}

/// All answers: the metadata's, then one per environment.
struct Answers<'r> {
    metadata: Option<Answer<'r, Fields<'r>>>,
    environments: Vec<Answer<'r, Hash<'r>>>,
}

impl<'r> Deserialize<'r> for Answers<'r> {
    fn deserialize<D: Deserializer<'r>>(json: D) -> Result<Self, D::Error> {
        struct All<'r>(PhantomData<&'r ()>);
        impl<'r> Visitor<'r> for All<'r> {
            type Value = Answers<'r>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of answers")
            }
            fn visit_seq<A: SeqAccess<'r>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let metadata = seq.next_element()?;
                let mut environments = Vec::new();
                while let Some(environment) = seq.next_element()? {
                    environments.push(environment);
                }
                Ok(Answers { metadata, environments })
            }
        }
        json.deserialize_seq(All(PhantomData))
    }
}
