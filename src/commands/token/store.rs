//! The project's hash: read as a whole, changed by one compare-and-set on the server.
//!
//! The official clients read the field, change it and write it back, so that of two at once one is
//! lost. Here the server compares what was read with what it has, and writes only where that is the
//! same; otherwise the change is made again, from a new reading.
//!
//! An answer can get lost after the server has written. The next attempt then finds something else
//! than was read, which is a race like any other: the new reading shows that it is done.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::entries::Entries;
use super::error::TokenError;
use crate::commands::error::Error;
use crate::deadline::Deadline;
use crate::settings::Access;
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::upstash::{self, Patience, Progress, StoreError, Upstash};
use crate::vault::crypto::{Salt, random_bytes};
use crate::vault::{ALGORITHM, KDF, Name, ParseError};

/// `KEYS`: the project's hash. `ARGV`: `encryptedPEK` and `serviceTokens` as they were read, empty
/// where absent; the new `serviceTokens`; the fields to delete.
const COMPARE_AND_SET: &str = include_str!("compare_and_set.lua");

const ENCRYPTED_PEK: &str = "encryptedPEK";
const SERVICE_TOKENS: &str = "serviceTokens";
/// Before the id in the name of an ephemeral token's field.
const EPHEMERAL: &str = "ephemeral:";

/// One project in its store.
pub(super) struct Project<'a> {
    name: &'a Name,
    client: Upstash,
    timeout: Duration,
    report: Report,
}

/// The fields of the project's hash, as they were read.
#[derive(Debug)]
pub(super) struct Metadata(BTreeMap<String, String>);

/// Whether a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Yes,
    No,
    /// It may have reached the store, and the answer got lost.
    Perhaps,
}

/// A change that failed.
pub(super) struct Failed {
    pub(super) error: Box<dyn Failure>,
    pub(super) made: Made,
}

/// What is to become of what was read.
pub(super) enum Step {
    /// Nothing: it is as it should be.
    Done,
    /// These changes.
    Write(Change),
}

/// A change of the project's tokens.
pub(super) struct Change {
    /// The new text of `serviceTokens`.
    pub(super) service_tokens: String,
    /// Ids of the ephemeral tokens that go.
    pub(super) ephemeral: Vec<String>,
}

impl<'a> Project<'a> {
    pub(super) fn new(access: &'a Access, report: Report) -> Result<Self, Error> {
        let store = &access.store;
        let client = Upstash::new(&store.address, &store.token, &store.network)
            .map_err(|error| Error::Store { host: store.address.host().to_owned(), error })?;
        Ok(Self { name: &access.project, client, timeout: store.timeout, report })
    }

    /// The project's fields.
    ///
    /// # Errors
    /// Where the store can't be read, or has no such project.
    pub(super) fn read(&self) -> Result<Metadata, Error> {
        self.read_until(self.deadline())
    }

    /// Makes a change, again and again from what was read last, until it is not overtaken.
    ///
    /// # Errors
    /// What `decide` or the store says, and whether the change may have been made all the same.
    pub(super) fn change(
        &self,
        mut read: Metadata,
        mut decide: impl FnMut(&Metadata) -> Result<Step, Box<dyn Failure>>,
    ) -> Result<(), Failed> {
        let deadline = self.deadline();
        for attempt in 1.. {
            // What was read shows whether it was made.
            let certain = |error| Failed { error, made: Made::No };
            let Step::Write(change) = decide(&read).map_err(certain)? else { return Ok(()) };
            let made = match self.compare_and_set(&read, change, deadline)? {
                Made::Yes => return Ok(()),
                made => made,
            };
            self.report.detail(|| "somebody else changed the tokens at the same time; again".to_owned());
            pause(attempt);
            if deadline.remaining().is_zero() {
                let contended = TokenError::Contended { project: self.name.clone(), made };
                return Err(Failed { error: Error::Token(contended).into(), made });
            }
            read = self.read_until(deadline).map_err(|error| Failed { error: error.into(), made })?;
        }
        unreachable!("the attempts are counted without end")
    }

    /// What was read is not as it should be.
    pub(super) fn wrong(&self, error: ParseError) -> Error {
        Error::Reply { host: self.client.host().to_owned(), error }
    }

    fn deadline(&self) -> Deadline {
        Deadline::new(Instant::now(), self.timeout)
    }

    fn read_until(&self, deadline: Deadline) -> Result<Metadata, Error> {
        let body = self.send(vec!["HGETALL".into(), self.key()], deadline, &mut 1)?;
        let items: Vec<Cow<'_, str>> = answer(&body)
            .map_err(|error| self.wrong(error))?
            .map_err(|error| self.wrong(ParseError::Store { key: self.key(), error }))?;
        if items.is_empty() {
            return Err(self.wrong(ParseError::NoProject(self.name.clone())));
        }
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(
                self.wrong(ParseError::Field { field: self.key(), problem: "has a field without a value" })
            );
        }
        let mut fields = BTreeMap::new();
        fields.extend(pairs.map(|pair| (pair[0].to_string(), pair[1].to_string())));
        Ok(Metadata(fields))
    }

    /// Whether the change was made: not where something else is there than was read. Where an attempt
    /// before the answered one was lost, that one may have made it.
    fn compare_and_set(&self, read: &Metadata, change: Change, deadline: Deadline) -> Result<Made, Failed> {
        let mut command = ["EVAL", COMPARE_AND_SET, "1"].map(String::from).to_vec();
        command.push(self.key());
        command.extend([ENCRYPTED_PEK, SERVICE_TOKENS].map(|field| read.get(field).unwrap_or("").to_owned()));
        command.push(change.service_tokens);
        command.extend(change.ephemeral.iter().map(|id| format!("{EPHEMERAL}{id}")));
        let mut attempts = 1;
        let sent = self.send(command, deadline, &mut attempts);
        let unmade = if attempts == 1 { Made::No } else { Made::Perhaps };
        let host = || self.client.host().to_owned();
        let refused = |error| match error {
            StoreError::WrongPass => Error::Store { host: host(), error: upstash::Error::Unauthorized },
            StoreError::Quota => Error::Store { host: host(), error: upstash::Error::Quota },
            error => Error::Token(TokenError::Refused { host: host(), error }),
        };
        let body = sent.map_err(|error| match error {
            Error::Store { error: upstash::Error::Refused(_, error), .. } => {
                Failed { error: refused(error).into(), made: unmade }
            }
            error if is_certain(&error) => Failed { error: error.into(), made: unmade },
            error => Failed { error: error.into(), made: Made::Perhaps },
        })?;
        match answer::<i64>(&body) {
            Ok(Ok(1)) => Ok(Made::Yes),
            Ok(Ok(_)) => Ok(unmade),
            Ok(Err(error)) => Err(Failed { error: refused(error).into(), made: unmade }),
            Err(error) => Err(Failed { error: self.wrong(error).into(), made: Made::Perhaps }),
        }
    }

    /// Sends a command; `attempts` counts how often it was.
    fn send(&self, command: Vec<String>, deadline: Deadline, attempts: &mut u32) -> Result<Vec<u8>, Error> {
        let host = self.client.host();
        let mut observe = |progress: Progress<'_>| {
            if let Progress::Retry(retry) = progress {
                *attempts += 1;
                retry.tell(host, self.report);
            }
        };
        let store = |error| Error::Store { host: host.to_owned(), error };
        self.client.pipeline(&[command], deadline, Patience::UntilDeadline, &mut observe).map_err(store)
    }

    fn key(&self) -> String {
        format!("meta@{}", self.name.as_str())
    }
}

impl Metadata {
    fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The salt of the master password, and the project's key sealed under it.
    ///
    /// # Errors
    /// [`ParseError`] where they are missing or malformed, or of another derivation or cipher.
    pub(super) fn sealed_pek(&self) -> Result<(Salt, &str), ParseError> {
        for (field, expected) in [("kdf", KDF), ("algorithm", ALGORITHM)] {
            if self.get(field).is_some_and(|found| !found.eq_ignore_ascii_case(expected)) {
                return Err(ParseError::Unsupported { field, expected });
            }
        }
        let wrong = |field: &str, problem| ParseError::Field { field: field.to_owned(), problem };
        let salt = self.get("salt").ok_or_else(|| wrong("salt", "is missing"))?;
        let salt = Salt::from_hex(salt).map_err(|_| wrong("salt", "is not 32 hex digits"))?;
        let sealed = self.get(ENCRYPTED_PEK).ok_or_else(|| wrong(ENCRYPTED_PEK, "is missing"))?;
        Ok((salt, sealed))
    }

    /// The service tokens.
    ///
    /// # Errors
    /// [`ParseError::Field`] where the field is not a JSON object.
    pub(super) fn service_tokens(&self) -> Result<Entries<'_>, ParseError> {
        Entries::parse(self.get(SERVICE_TOKENS))
            .map_err(|_| ParseError::Field { field: SERVICE_TOKENS.into(), problem: "is not a JSON object" })
    }

    /// The ids of the ephemeral tokens, each with its entry.
    pub(super) fn ephemeral_tokens(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(field, json)| Some((field.strip_prefix(EPHEMERAL)?, json.as_str())))
    }
}

/// Whether the store did not do what it was asked for: it refused, or was never reached.
fn is_certain(error: &Error) -> bool {
    use upstash::Error as E;
    !matches!(
        error,
        Error::Store { error: E::Overdue { .. } | E::Unreachable { .. } | E::Http | E::TooLarge { .. }, .. }
    )
}

/// Waits a random moment, longer with each attempt, so that many at once don't stay in step.
fn pause(attempt: u32) {
    const STEP: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_millis(200);
    let part = random_bytes().map_or(1.0, |[byte]: [u8; 1]| f64::from(byte) / 255.0);
    thread::sleep((STEP * attempt).min(MOST).mul_f64(part));
}

/// The one element of a pipeline's answer: a result, or the store's error.
fn answer<'b, T: Deserialize<'b> + Default>(body: &'b [u8]) -> Result<Result<T, StoreError>, ParseError> {
    #[derive(Deserialize)]
    struct Answer<'b, T> {
        #[serde(default = "Option::default")]
        result: Option<T>,
        #[serde(default, borrow)]
        error: Option<Cow<'b, str>>,
    }
    let malformed = |error: serde_json::Error| ParseError::Malformed { at: error.column() };
    // The whole pipeline can be refused, too.
    let mut answers: Vec<Answer<'b, T>> = match body.first() {
        Some(b'{') => vec![serde_json::from_slice(body).map_err(malformed)?],
        _ => serde_json::from_slice(body).map_err(malformed)?,
    };
    match (answers.pop(), answers.len()) {
        (Some(Answer { error: Some(error), .. }), 0) => Ok(Err(StoreError::classify(&error))),
        (Some(Answer { result, .. }), 0) if body.starts_with(b"[") => Ok(Ok(result.unwrap_or_default())),
        (Some(_), 0) => Err(ParseError::Malformed { at: 0 }),
        (last, others) => Err(ParseError::Count { expected: 1, found: others + usize::from(last.is_some()) }),
    }
}
