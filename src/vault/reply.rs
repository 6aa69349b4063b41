//! The reply to a [`Request`]: `[{"result": [...]}, {"result": [...]}, ...]`, one per command.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::history::History;
use super::json::{Cursor, Malformed, unescape};
use super::{ALGORITHM, KDF, Name, Request, SealedEnvironment, SealedVault, TokenEntry};
use crate::upstash::RedisError;
use crate::vault::crypto::Salt;

/// Why a reply gives no vault. Names fields and places, never what is in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// Not UTF-8, not JSON, or JSON of another shape; the byte where that shows.
    Malformed { at: usize },
    /// Another number of answers than commands.
    Count { expected: usize, found: usize },
    /// The store refused one of the commands.
    Store { key: String, error: RedisError },
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
    if body.trim_ascii_start().starts_with(b"{") {
        // Some compatible servers refuse a whole pipeline in one object.
        let refusal =
            answer(&mut Cursor::new(body)).map_err(|Malformed { at }| ParseError::Malformed { at })?;
        refusal.into_items(|| "the project".to_owned())?;
        return Err(ParseError::Malformed { at: 0 });
    }
    let answers = answers(body).map_err(|Malformed { at }| ParseError::Malformed { at })?;
    let (expected, found) = (1 + request.environments.len(), answers.len());
    let mut answers = answers.into_iter();
    let (Some(metadata), true) = (answers.next(), found == expected) else {
        return Err(ParseError::Count { expected, found });
    };

    let key = || format!("meta@{}", request.project.as_str());
    let token = token_entry(&metadata.into_items(key)?, request)?;
    let expires_at = token.expires_at;
    let (salt, sealed_pek) = token.into_parts(request.token_id)?;

    let mut environments = Vec::with_capacity(request.environments.len());
    let mut missing = Vec::new();
    for (name, answer) in request.environments.iter().zip(answers) {
        let key = || format!("{}:{}", name.as_str(), request.project.as_str());
        let items = answer.into_items(key)?;
        if items.is_empty() {
            missing.push(name.clone());
        }
        environments.push(environment(name, &items, key)?);
    }
    if !missing.is_empty() {
        return Err(ParseError::NoEnvironment { project: request.project.clone(), missing });
    }
    Ok(SealedVault { salt, sealed_pek, expires_at, environments })
}

/// One command's answer: a result of strings and nulls, or the store's error text; each as it
/// stands, without quotes and with its escapes.
#[derive(Default)]
struct Answer<'r> {
    result: Option<Vec<Option<&'r [u8]>>>,
    error: Option<&'r [u8]>,
}

/// All answers, in order.
fn answers(body: &[u8]) -> Result<Vec<Answer<'_>>, Malformed> {
    let mut cursor = Cursor::new(body);
    let mut answers = Vec::new();
    cursor.items(b'[', b']', |cursor| {
        answers.push(answer(cursor)?);
        Ok(())
    })?;
    cursor.end()?;
    Ok(answers)
}

fn answer<'r>(cursor: &mut Cursor<'r>) -> Result<Answer<'r>, Malformed> {
    let mut answer = Answer::default();
    let mut seen = (false, false);
    cursor.items(b'{', b'}', |cursor| {
        let member = cursor.string()?;
        cursor.expect(b':')?;
        let again = match member {
            b"result" => {
                answer.result = items(cursor)?;
                std::mem::replace(&mut seen.0, true)
            }
            b"error" => {
                answer.error = cursor.string_or_null()?;
                std::mem::replace(&mut seen.1, true)
            }
            _ => {
                cursor.skip()?;
                false
            }
        };
        if again { Err(cursor.malformed()) } else { Ok(()) }
    })?;
    // An answer that is neither says nothing at all.
    if seen == (false, false) { Err(cursor.malformed()) } else { Ok(answer) }
}

/// An array of strings and nulls; `None` for a null in its place.
fn items<'r>(cursor: &mut Cursor<'r>) -> Result<Option<Vec<Option<&'r [u8]>>>, Malformed> {
    if cursor.peek() != Some(b'[') {
        return match cursor.string_or_null()? {
            None => Ok(None),
            Some(_) => Err(cursor.malformed()),
        };
    }
    let mut items = Vec::new();
    cursor.items(b'[', b']', |cursor| {
        items.push(cursor.string_or_null()?);
        Ok(())
    })?;
    Ok(Some(items))
}

impl<'r> Answer<'r> {
    /// The items of the result: none where the key is missing.
    fn into_items(self, key: impl Fn() -> String) -> Result<Vec<Option<&'r [u8]>>, ParseError> {
        match self.error {
            Some(error) => {
                let text = unescape(error).unwrap_or_default();
                Err(ParseError::Store { key: key(), error: RedisError::classify(&text) })
            }
            None => Ok(self.result.unwrap_or_default()),
        }
    }
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
            field: format!("salt of token {id}"),
            problem: "is not 32 hex digits",
        })?;
        Ok((salt, self.sealed_pek))
    }
}

/// Finds the token in what `HMGET` gave: `salt`, `kdf`, `algorithm`, `serviceTokens`, `ephemeral:<id>`.
fn token_entry(items: &[Option<&[u8]>], request: &Request<'_>) -> Result<OwnedToken, ParseError> {
    if items.iter().all(Option::is_none) {
        return Err(ParseError::NoProject(request.project.clone()));
    }
    let names = ["salt", "kdf", "algorithm", "serviceTokens", "ephemeral"];
    if items.len() != names.len() {
        let field = format!("meta@{}", request.project.as_str());
        return Err(ParseError::Field { field, problem: "has another number of fields than asked for" });
    }
    let mut fields = Vec::with_capacity(names.len());
    for (item, name) in items.iter().zip(names) {
        let bad = || ParseError::Field { field: name.to_owned(), problem: "is not a JSON string" };
        fields.push(item.map(unescape).transpose().map_err(|_| bad())?);
    }
    let field = |index: usize| fields.get(index).and_then(Option::as_deref);
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
        return read_entry(raw.get(), || format!("serviceTokens entry {}", request.token_id));
    }
    match field(4) {
        Some(text) => read_entry(text, || request.ephemeral_field()),
        None => {
            Err(ParseError::NoToken { project: request.project.clone(), id: request.token_id.to_owned() })
        }
    }
}

fn read_entry(json: &str, field: impl Fn() -> String) -> Result<OwnedToken, ParseError> {
    let bad = |problem| ParseError::Field { field: field(), problem };
    let entry: TokenEntry<'_> =
        serde_json::from_str(json).map_err(|_| bad("is not an object with `encryptedPEK` and `salt`"))?;
    let expires_at = match entry.expires_at {
        None => None,
        Some(json) => Some(moment(json).ok_or_else(|| bad("has an `expiresAt` that is no time"))?),
    };
    Ok(OwnedToken { sealed_pek: entry.sealed_pek.into_owned(), salt: entry.salt.into_owned(), expires_at })
}

/// The time that a token's entry gives as ISO 8601 text or as milliseconds since 1970; `None` for
/// anything else.
pub(crate) fn moment(json: &RawValue) -> Option<SystemTime> {
    if json.get().starts_with('"') {
        let text: Text<'_> = serde_json::from_str(json.get()).ok()?;
        return humantime::parse_rfc3339_weak(&text.0).ok();
    }
    let milliseconds: f64 = serde_json::from_str(json.get()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(milliseconds / 1000.0).ok()?)
}

/// An environment from the names and values that `HGETALL` gives in turn.
fn environment<'r>(
    name: &Name,
    items: &[Option<&'r [u8]>],
    key: impl Fn() -> String,
) -> Result<SealedEnvironment<'r>, ParseError> {
    let bad = |field, problem| ParseError::Field { field, problem };
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(bad(key(), "has a name without a value"));
    }
    let mut fields = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let field = pair[0].and_then(|name| unescape(name).ok());
        let field = field.ok_or_else(|| bad(key(), "has a name that is not a JSON string"))?;
        // A name that starts with `__` is the tools' own, not a secret.
        if !field.starts_with("__") {
            let raw = pair[1].ok_or_else(|| bad(field.to_string(), "is null"))?;
            fields.push((field.into_owned(), History::new(raw)));
        }
    }
    Ok(SealedEnvironment { name: name.clone(), fields })
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
