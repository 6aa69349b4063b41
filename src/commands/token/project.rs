//! A project in Upstash: read as a whole, changed by one compare-and-set on the server.
//!
//! The official clients read the tokens, change them and write them back, so one of two concurrent changes
//! is lost. Here the server writes only if the tokens are still what was read; otherwise the change is made
//! again from a new reading. An answer that got lost needs nothing else: the new reading shows the change.

use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::error::TokenError;
use super::metadata::{ENCRYPTED_PEK, EPHEMERAL, Metadata, SERVICE_TOKENS};
use crate::commands::start::Start;
use crate::deadline::Deadline;
use crate::settings::Access;
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::upstash::{self, Answer, Patience, Problem, RedisError, Retry, Upstash, answers};
use crate::vault::{Name, ReplyError, malformed};

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
        let access = Access::resolve(&start.flags, &start.environment, start.at, start.report)?;
        let Access { project: name, database, .. } = access;
        let client = Upstash::new(&database.address, &database.token, &database.network)?;
        let url = database.address.base().to_owned();
        Ok(Self { name, url, client, timeout: database.timeout, report: start.report })
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
        let failed = |error| match error {
            upstash::Error::Request { problem: Problem::Refused(_, error), .. } => {
                Failed { error: self.rejected(error), may_be_written: retried }
            }
            error => Failed { may_be_written: retried || error.is_uncertain(), error: error.into() },
        };
        let body = answered.map_err(failed)?;
        match answer::<i64>(self.client.host(), &body) {
            Ok(Ok(Some(1))) => Ok(Outcome::Written),
            Ok(Ok(_)) => Ok(Outcome::Overtaken),
            Ok(Err(error)) => Err(Failed { error: self.rejected(error), may_be_written: retried }),
            Err(error) => Err(failed(error)),
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
        let host = self.client.host();
        let items: Vec<String> = answer(host, &body)?
            .map_err(|error| ReplyError::refused(host, self.key(), error))?
            .unwrap_or_default();
        if items.is_empty() {
            return Err(ReplyError::NoProject { host: self.host(), project: self.name.clone() }.into());
        }
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(malformed(self.key(), "has a field without a value").into());
        }
        Ok(Metadata(pairs.iter().cloned().map(|[field, value]| (field, value)).collect()))
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

/// The answer to the only command.
fn answer<'r, T: Deserialize<'r>>(host: &str, reply: &'r [u8]) -> Result<Answer<T>, upstash::Error> {
    Ok(answers(host, reply, 1)?.pop().unwrap_or(Ok(None)))
}
