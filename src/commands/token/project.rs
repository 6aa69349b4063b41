//! A project in Upstash: read as a whole, changed by one compare-and-set on the server.
//!
//! The official clients read the tokens, change them and write them back, so one of two concurrent changes is
//! lost. Here, the server writes only if nobody has changed the tokens since redenv-run read them. Otherwise
//! redenv-run reads the tokens again and repeats the change. If an answer gets lost, redenv-run reads the
//! tokens again too, and sees whether the server made the change.

use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::error::TokenError;
use super::metadata::{ENCRYPTED_PEK, EPHEMERAL, Metadata, SERVICE_TOKENS, ServiceTokens};
use crate::deadline::Deadline;
use crate::settings::{Access, Start};
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::upstash::{self, Patience, Permanent, RedisError, Upstash, answers};
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
    service_tokens: String,
    /// IDs of the ephemeral tokens to delete.
    ephemeral: Vec<String>,
}

impl Change {
    #[expect(clippy::expect_used, reason = "strings and JSON always serialize")]
    pub(super) fn new(service_tokens: &ServiceTokens<'_>, ephemeral: Vec<String>) -> Self {
        Self { service_tokens: serde_json::to_string(service_tokens).expect("tokens as JSON"), ephemeral }
    }
}

impl Project {
    /// Resolves the settings, and prints their warnings. Nothing is connected yet.
    pub(super) fn new(start: &Start) -> Result<Self, Failure> {
        let Access { project: name, database } = Access::resolve(start)?;
        let client = Upstash::new(&database.address, &database.token, &database.network)?;
        let url = database.address.base.clone();
        Ok(Self { name, url, client, timeout: database.timeout, report: start.report })
    }

    /// Reads the project's fields.
    pub(super) fn read(&self) -> Result<Metadata, Failure> {
        self.read_until(self.deadline())
    }

    /// Makes the change that `decide` returns for the fields that were read last. If another change came first,
    /// reads and decides again. `decide` returns `None` when there is nothing left to change. `unknown` is the
    /// warning for a change that failed after the server may have written it.
    pub(super) fn change(
        &self,
        mut read: Metadata,
        mut decide: impl FnMut(&Metadata) -> Result<Option<Change>, Failure>,
        unknown: &str,
    ) -> Result<(), Failure> {
        let deadline = self.deadline();
        let mut may_be_written = false;
        let mut change = || {
            let mut attempts = 0;
            loop {
                // The fields that were read last show whether the server wrote an earlier attempt.
                may_be_written = false;
                let Some(change) = decide(&read)? else { return Ok(()) };
                if self.compare_and_set(&read, change, deadline, &mut may_be_written)? {
                    return Ok(());
                }
                self.report.detail(|| "the tokens were changed at the same time; trying again".to_owned());
                attempts += 1;
                pause(attempts);
                if deadline.remaining().is_zero() {
                    return Err(TokenError::Contended(self.name.clone()).into());
                }
                read = self.read_until(deadline)?;
            }
        };
        change().inspect_err(|_| {
            if may_be_written {
                self.report.warning(unknown);
            }
        })
    }

    /// Writes the change if the tokens have not changed since `read`. Returns whether it did.
    fn compare_and_set(
        &self,
        read: &Metadata,
        change: Change,
        deadline: Deadline,
        may_be_written: &mut bool,
    ) -> Result<bool, Failure> {
        let mut command = ["EVAL", COMPARE_AND_SET, "1"].map(String::from).to_vec();
        command.push(self.key());
        command.extend([ENCRYPTED_PEK, SERVICE_TOKENS].map(|field| read.get(field).unwrap_or("").to_owned()));
        command.push(change.service_tokens);
        command.extend(change.ephemeral.iter().map(|id| format!("{EPHEMERAL}{id}")));
        // The server may have written before the answer to an earlier attempt got lost.
        match self.send::<i64>(command, deadline, || *may_be_written = true) {
            Ok(written) => Ok(written == 1),
            Err(upstash::Error::Request { host, problem: Permanent::Refused { error, .. } }) => match error {
                RedisError::NoPermission => Err(TokenError::ReadOnly { host }.into()),
                error => Err(TokenError::Refused { host, error }.into()),
            },
            Err(error) => {
                *may_be_written |= error.is_uncertain();
                Err(error.into())
            }
        }
    }

    fn read_until(&self, deadline: Deadline) -> Result<Metadata, Failure> {
        let items: Vec<String> = self.send(vec!["HGETALL".into(), self.key()], deadline, || {})?;
        if items.is_empty() {
            let host = self.client.host().to_owned();
            return Err(ReplyError::NoProject { host, project: self.name.clone() }.into());
        }
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(malformed(self.key(), "has a field without a value").into());
        }
        Ok(Metadata(pairs.iter().cloned().map(|[field, value]| (field, value)).collect()))
    }

    /// Sends a command and returns its answer.
    fn send<T: DeserializeOwned + Default>(
        &self,
        command: Vec<String>,
        deadline: Deadline,
        mut on_retry: impl FnMut(),
    ) -> Result<T, upstash::Error> {
        let mut is_told = false;
        let mut on_retry = |retry| {
            on_retry();
            self.report.retry(retry, deadline, &mut is_told);
        };
        let patience = Patience::UntilDeadline;
        let reply = self.client.pipeline(&[command], deadline, patience, &mut on_retry, &mut |_| ())?;
        Ok(answers(self.client.host(), &reply, &[self.key()])?.pop().unwrap_or_default())
    }

    fn deadline(&self) -> Deadline {
        Deadline::new(Instant::now(), self.timeout)
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
