//! A project in Upstash: read as a whole, changed by one compare-and-set on the server.
//!
//! The official clients read the tokens, change them and write them back, so one of two concurrent changes
//! is lost. Here the server writes only if the tokens are still what was read; otherwise the change is made
//! again from a new reading. An answer that got lost needs nothing else: the new reading shows the change.

use std::borrow::Cow;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::error::TokenError;
use super::metadata::{ENCRYPTED_PEK, EPHEMERAL, Metadata, SERVICE_TOKENS};
use crate::commands::error::Error;
use crate::commands::start::Start;
use crate::deadline::Deadline;
use crate::settings::Access;
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::upstash::{self, Patience, Problem, RedisError, Retry, Upstash};
use crate::vault::{Name, ParseError};

/// `KEYS`: the project's hash. `ARGV`: `encryptedPEK` and `serviceTokens` as they were read, empty if
/// missing; the new `serviceTokens`; the fields to delete.
const COMPARE_AND_SET: &str = include_str!("compare_and_set.lua");

/// One project in its database.
pub(super) struct Project {
    pub(super) name: Name,
    /// The database's address, as `UPSTASH_REDIS_URL` takes it.
    pub(super) url: String,
    client: Upstash,
    timeout: Duration,
    report: Report,
}

/// A change of the project's tokens.
pub(super) struct Change {
    /// The new text of `serviceTokens`.
    pub(super) service_tokens: String,
    /// IDs of the ephemeral tokens to delete.
    pub(super) ephemeral: Vec<String>,
}

/// The server's answer to a compare-and-set.
enum Outcome {
    Written,
    /// The tokens were not what was read.
    Overtaken,
}

/// An attempt at a change that failed.
struct Failed {
    error: Box<dyn Failure>,
    /// Whether the server may have written before the answer got lost.
    may_be_written: bool,
}

impl Project {
    /// Resolves the settings, and prints their warnings. Nothing is connected yet.
    pub(super) fn new(start: &Start) -> Result<Self, Box<dyn Failure>> {
        let access = Access::resolve(&start.flags, &start.environment, start.at)?;
        access.warnings.iter().for_each(|warning| start.report.warning(warning));
        let Access { project: name, store, .. } = access;
        let client = Upstash::new(&store.address, &store.token, &store.network)?;
        let url = store.address.base().to_owned();
        Ok(Self { name, url, client, timeout: store.timeout, report: start.report })
    }

    /// Reads the project's fields.
    pub(super) fn read(&self) -> Result<Metadata, Box<dyn Failure>> {
        self.read_until(self.deadline())
    }

    /// Makes the change that `decide` returns for what was read last, until no other change comes first.
    /// `decide` returns `None` when there is nothing left to change. `unknown` is the warning for a change
    /// that failed after the server may have written it.
    pub(super) fn change(
        &self,
        read: Metadata,
        decide: impl FnMut(&Metadata) -> Result<Option<Change>, Box<dyn Failure>>,
        unknown: &str,
    ) -> Result<(), Box<dyn Failure>> {
        self.try_change(read, decide).map_err(|Failed { error, may_be_written }| {
            if may_be_written {
                self.report.warning(unknown);
            }
            error
        })
    }

    /// An error about the data that was read.
    pub(super) fn malformed(&self, error: ParseError) -> Box<dyn Failure> {
        Error::Reply { host: self.client.host().to_owned(), error }.into()
    }

    fn try_change(
        &self,
        mut read: Metadata,
        mut decide: impl FnMut(&Metadata) -> Result<Option<Change>, Box<dyn Failure>>,
    ) -> Result<(), Failed> {
        let deadline = self.deadline();
        for attempt in 1.. {
            // What was read shows whether an earlier attempt was written.
            let change = decide(&read).map_err(|error| Failed { error, may_be_written: false })?;
            let Some(change) = change else { return Ok(()) };
            let mut sent = 0;
            let outcome = self.compare_and_set(&read, change, deadline, &mut sent)?;
            if matches!(outcome, Outcome::Written) {
                return Ok(());
            }
            self.report.detail(|| "the tokens were changed at the same time; trying again".to_owned());
            pause(attempt);
            let may_be_written = sent > 1;
            if deadline.remaining().is_zero() {
                let error = TokenError::Contended { project: self.name.clone(), may_be_written }.into();
                return Err(Failed { error, may_be_written });
            }
            read = self.read_until(deadline).map_err(|error| Failed { error, may_be_written })?;
        }
        unreachable!("the attempts have no end")
    }

    fn compare_and_set(
        &self,
        read: &Metadata,
        change: Change,
        deadline: Deadline,
        sent: &mut u32,
    ) -> Result<Outcome, Failed> {
        let mut command = ["EVAL", COMPARE_AND_SET, "1"].map(String::from).to_vec();
        command.push(self.key());
        command.extend([ENCRYPTED_PEK, SERVICE_TOKENS].map(|field| read.get(field).unwrap_or("").to_owned()));
        command.push(change.service_tokens);
        command.extend(change.ephemeral.iter().map(|id| format!("{EPHEMERAL}{id}")));
        let answered = self.send(command, deadline, sent);
        // An attempt before the answered one may have been written, and its answer lost.
        let retried = *sent > 1;
        let body = answered.map_err(|error| match error {
            upstash::Error::Request { problem: Problem::Refused(_, error), .. } => {
                Failed { error: self.rejected(error), may_be_written: retried }
            }
            error => Failed { may_be_written: retried || error.is_uncertain(), error: error.into() },
        })?;
        match answer::<i64>(&body) {
            Ok(Ok(1)) => Ok(Outcome::Written),
            Ok(Ok(_)) => Ok(Outcome::Overtaken),
            Ok(Err(error)) => Err(Failed { error: self.rejected(error), may_be_written: retried }),
            Err(error) => Err(Failed { error: self.malformed(error), may_be_written: true }),
        }
    }

    fn rejected(&self, error: RedisError) -> Box<dyn Failure> {
        let host = self.host();
        match (upstash::Error::from_redis(&host, &error), error) {
            (Some(error), _) => error.into(),
            (None, RedisError::NoPermission) => TokenError::ReadOnly { host }.into(),
            (None, error) => TokenError::Refused { host, error }.into(),
        }
    }

    fn read_until(&self, deadline: Deadline) -> Result<Metadata, Box<dyn Failure>> {
        let body = self.send(vec!["HGETALL".into(), self.key()], deadline, &mut 0)?;
        let items: Vec<Cow<'_, str>> = answer(&body)
            .map_err(|error| self.malformed(error))?
            .map_err(|error| self.malformed(ParseError::Store { key: self.key(), error }))?;
        if items.is_empty() {
            return Err(self.malformed(ParseError::NoProject(self.name.clone())));
        }
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            let problem = "has a field without a value";
            return Err(self.malformed(ParseError::Field { field: self.key(), problem }));
        }
        Ok(Metadata(pairs.map(|pair| (pair[0].to_string(), pair[1].to_string())).collect()))
    }

    /// Sends a command; `sent` counts how often.
    fn send(
        &self,
        command: Vec<String>,
        deadline: Deadline,
        sent: &mut u32,
    ) -> Result<Vec<u8>, upstash::Error> {
        *sent = 1;
        let mut on_retry = |retry: Retry<'_>| {
            *sent += 1;
            self.report.detail(|| retry.to_string());
        };
        self.client.pipeline(&[command], deadline, Patience::UntilDeadline, &mut on_retry)
    }

    fn deadline(&self) -> Deadline {
        Deadline::new(Instant::now(), self.timeout)
    }

    fn host(&self) -> String {
        self.client.host().to_owned()
    }

    fn key(&self) -> String {
        format!("meta@{}", self.name.as_str())
    }
}

/// Waits for a random time, longer with each attempt, so that concurrent changes don't stay in step.
fn pause(attempt: u32) {
    const STEP: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(200);
    thread::sleep((STEP * attempt).min(LONGEST).mul_f64(fastrand::f64()));
}

/// The one element of a pipeline's answer: a result, or the server's error.
fn answer<'b, T: Deserialize<'b> + Default>(body: &'b [u8]) -> Result<Result<T, RedisError>, ParseError> {
    #[derive(Deserialize)]
    struct Answer<'b, T> {
        #[serde(default = "Option::default")]
        result: Option<T>,
        #[serde(default, borrow)]
        error: Option<Cow<'b, str>>,
    }
    let malformed = |error: serde_json::Error| ParseError::Malformed { at: error.column() };
    // The server can also refuse the whole pipeline.
    let mut answers: Vec<Answer<'b, T>> = match body.first() {
        Some(b'{') => vec![serde_json::from_slice(body).map_err(malformed)?],
        _ => serde_json::from_slice(body).map_err(malformed)?,
    };
    match (answers.pop(), answers.len()) {
        (Some(Answer { error: Some(error), .. }), 0) => Ok(Err(RedisError::classify(&error))),
        (Some(Answer { result, .. }), 0) if body.starts_with(b"[") => Ok(Ok(result.unwrap_or_default())),
        (Some(_), 0) => Err(ParseError::Malformed { at: 0 }),
        (last, others) => Err(ParseError::Count { expected: 1, found: others + usize::from(last.is_some()) }),
    }
}
