//! Obtains the secrets: from Upstash, or from the fallback file if Upstash can't be reached.
//!
//! request -> encrypted vault -> token key -> project key (PEK) -> decrypted vault -> selection

use std::time::Duration;

use miette::Diagnostic;

use crate::deadline::Deadline;
use crate::settings::{Database, Settings, Start};
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::ui::stages::Stages;
use crate::ui::text::{Shown, join};
use crate::ui::time::span;
use crate::upstash::{self, Patience, Upstash};
use crate::vault::crypto::{Key, Salt};
use crate::vault::derivation::Derivation;
use crate::vault::fallback::{Fallback, FallbackError};
use crate::vault::select::{self, Selected, Selection};
use crate::vault::{self, EncryptedVault, ReplyError, Request};

/// The extra time that the derivation may take after the deadline, if redenv-run starts from a fallback file.
const GRACE: Duration = Duration::from_millis(400);

/// The selected secrets.
pub(super) struct Obtained {
    pub(super) selected: Selected,
    /// The salt of the service token.
    pub(super) salt: Salt,
    /// The age of the fallback file, if the secrets come from it.
    pub(super) fallback_age: Option<Duration>,
}

/// The fallback file can't be used, and either Upstash can't be reached or `--offline` forbids a request.
#[derive(thiserror::Error, Diagnostic, Debug)]
#[error("{cause} the fallback file {path} can't be used: {error}")]
#[diagnostic(forward(error))]
struct NoFallback {
    cause: String,
    path: String,
    error: FallbackError,
}

/// Fetches, decrypts and selects the secrets.
pub(super) fn obtain(settings: &Settings, start: &Start, stages: &mut Stages) -> Result<Obtained, Failure> {
    let (at, report) = (start.at, start.report);
    let Settings { project, environments, token, database, .. } = settings;
    let request = Request { host: &database.address.host, project, environments, token_id: &token.id };
    let deadline = Deadline::new(at, database.timeout);
    let fallback = settings.fallback.as_ref().map(|settings| Fallback::open(settings, &request));

    // If the salt is known already, the derivation takes place during the request.
    let mut derivation = Derivation::new(&token.key);
    if let Some(salt) = token.salt.or_else(|| fallback.as_ref().and_then(Fallback::salt)) {
        derivation.start(salt)?;
    }
    let decryption = Decryption { settings, request: &request, derivation, deadline, report, stages };
    let obtained = match fallback {
        Some(fallback) if fallback.settings.offline => decryption.of_fallback(fallback, None)?,
        fallback => online(decryption, fallback)?,
    };
    warn_of_skipped(&obtained.selected, &settings.selection, report);
    Ok(obtained)
}

/// Fetches the secrets from Upstash, or reads them from the fallback file if Upstash can't be reached.
fn online(mut decryption: Decryption<'_>, fallback: Option<Fallback<'_>>) -> Result<Obtained, Failure> {
    let Decryption { settings, request, deadline, report, .. } = decryption;
    let patience = match &fallback {
        Some(fallback) if fallback.found.is_ok() => Patience::FewAttempts,
        _ => Patience::UntilDeadline,
    };
    let Database { address, token, network, .. } = &settings.database;
    let mut is_told = false;
    let on_retry = &mut |retry| report.retry(retry, deadline, &mut is_told);
    // The salt stands at the beginning: the derivation of a long reply's key takes place while the rest arrives.
    let on_beginning = &mut |bytes: &[u8]| {
        if let Some(salt) = vault::salt_in(bytes, request) {
            // If there is no thread for it now, the derivation is tried again with the whole reply.
            drop(decryption.derivation.start(salt));
        }
    };
    let client = Upstash::new(address, token, network)?;
    let fetched = client.pipeline(&request.commands(), deadline, patience, on_retry, on_beginning);
    decryption.stages.end("fetch");
    match (fetched, fallback) {
        (Ok(reply), fallback) => decryption.of_reply(&reply, fallback),
        (Err(error), Some(fallback)) if error.is_outage() => decryption.of_fallback(fallback, Some(&error)),
        (Err(error), fallback) => {
            if error.is_revocation() {
                delete(fallback.as_ref(), report);
            }
            Err(error.into())
        }
    }
}

/// Everything that the decryption of a reply needs, wherever the reply comes from.
struct Decryption<'a> {
    settings: &'a Settings,
    request: &'a Request<'a>,
    derivation: Derivation,
    deadline: Deadline,
    report: Report,
    stages: &'a mut Stages,
}

impl Decryption<'_> {
    /// Decrypts a reply that was just fetched, and keeps it for an outage.
    fn of_reply(self, reply: &[u8], fallback: Option<Fallback<'_>>) -> Result<Obtained, Failure> {
        let Self { settings, request, derivation, deadline, report, stages } = self;
        let vault = vault::parse(reply, request).inspect_err(|error| {
            if error.is_revocation() {
                delete(fallback.as_ref(), report);
            }
        })?;
        stages.end("parse");
        report.detail(|| {
            format!("fetched {} bytes from {}: {}", reply.len(), Shown(request.host), vault.counts())
        });
        let token_key = derivation.finish(vault.salt(), deadline)?;
        let pek = vault.decrypt_pek(&token_key)?;
        stages.end("derive");
        if let Some(fallback) = fallback {
            write(fallback, &vault, &pek, deadline, report);
            stages.end("fallback");
        }
        select(vault, &pek, settings, stages, None)
    }

    /// Decrypts the reply in the fallback file, because of an outage or `--offline`.
    fn of_fallback(
        self,
        fallback: Fallback<'_>,
        outage: Option<&upstash::Error>,
    ) -> Result<Obtained, Failure> {
        let Self { settings, request, derivation, deadline, report, stages } = self;
        let path = fallback.path();
        let cause = outage.map_or_else(|| "--offline:".to_owned(), |outage| format!("{outage}; and"));
        let unusable = |error| NoFallback { cause: cause.clone(), path: path.clone(), error };
        let mut stored = fallback.found.map_err(unusable)?;
        let reply = stored.read().map_err(unusable)?;
        let vault = vault::parse(&reply, request).map_err(|error| match error {
            error @ ReplyError::Expired { .. } => Box::from(error),
            // redenv-run parsed this reply before it wrote the file, so the file is damaged.
            _ => Failure::from(unusable(FallbackError::Damaged)),
        })?;
        stages.end("parse");
        // The derivation began at the start of the launch: only its rest takes time.
        let token_key = derivation.finish(vault.salt(), deadline.or_at_least(GRACE))?;
        let pek = vault.decrypt_pek(&token_key).map_err(|_| unusable(FallbackError::WrongKey))?;
        stages.end("derive");
        stored.verify(&reply, &pek).map_err(unusable)?;
        let starting = format!("starting from {path}, fetched {} ago", span(stored.age));
        match outage {
            Some(outage) => report.warning(&format!("{outage}; {starting}")),
            None => report.detail(|| starting),
        }
        select(vault, &pek, settings, stages, Some(stored.age))
    }
}

fn select(
    vault: EncryptedVault<'_>,
    pek: &Key,
    settings: &Settings,
    stages: &mut Stages,
    fallback_age: Option<Duration>,
) -> Result<Obtained, Failure> {
    let salt = vault.salt();
    let decrypted = vault.decrypt(pek, &settings.pins)?;
    stages.end("decrypt");
    let selected = select::select(decrypted, &settings.selection)?;
    stages.end("select");
    Ok(Obtained { selected, salt, fallback_age })
}

/// Names the secrets that `--skip-broken` skipped, and the secrets that refer to them.
fn warn_of_skipped(selected: &Selected, selection: &Selection, report: Report) {
    for (name, why) in &selected.skipped {
        let referring = selected.referring_to(name);
        let unexpanded = if selection.raw || referring.is_empty() {
            String::new()
        } else {
            let referring = join(referring.into_iter().map(Shown));
            format!("; ${{{}}} stays unexpanded in {referring}", Shown(name))
        };
        report.warning(&format!("skipped {}: {why}{unexpanded}", Shown(name)));
    }
}

/// Writes the fallback file. If that fails, the launch goes on.
fn write(fallback: Fallback<'_>, vault: &EncryptedVault<'_>, pek: &Key, deadline: Deadline, report: Report) {
    let (path, displaced) = (fallback.path(), fallback.displaced_environments());
    match fallback.write(vault, pek, deadline) {
        Ok(()) => {
            report.detail(|| format!("wrote the fallback file {path}"));
            if let Some(displaced) = displaced {
                report.warning(&format!(
                    "the fallback file {path} no longer holds environment {displaced}: give each environment its own file"
                ));
            }
        }
        Err(error) => report.warning(&format!("the fallback file {path} is out of date: {error}")),
    }
}

/// Deletes the fallback file of a token that must not be used.
fn delete(fallback: Option<&Fallback<'_>>, report: Report) {
    let Some(fallback) = fallback else { return };
    match fallback.delete() {
        Ok(true) => report.warning(&format!("deleted the fallback file {}", fallback.path())),
        Ok(false) => {}
        Err(error) => {
            report.warning(&format!("the fallback file {} still exists: {error}", fallback.path()));
        }
    }
}
