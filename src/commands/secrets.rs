//! The middle of the pipeline: the secrets, from the store, or in an outage from the fallback file.
//!
//! request -> sealed vault -> token key -> PEK -> opened vault -> selection.

use std::time::Duration;

use super::error::Error;
use super::start::Start;
use crate::deadline::Deadline;
use crate::settings::{Settings, Store};
use crate::ui::failure::Failure;
use crate::ui::report::{Report, Shown, join};
use crate::ui::stages::Stages;
use crate::upstash::{self, Patience, Upstash};
use crate::vault::crypto::Key;
use crate::vault::derivation::Derivation;
use crate::vault::fallback::{Fallback, FallbackError};
use crate::vault::select::{self, References, Selected};
use crate::vault::{self, ParseError, Request, SealedVault};

/// What the derivation may still take when the deadline has passed and a fallback is at hand.
const GRACE: Duration = Duration::from_millis(400);

/// The secrets, and where they are from.
pub(super) struct Obtained {
    pub(super) selected: Selected,
    /// How old the reply is, where it is the fallback file's and not the store's.
    pub(super) fallback_age: Option<Duration>,
}

/// Resolves the settings, and prints their warnings.
pub(super) fn settings(start: &Start) -> Result<Settings, Box<dyn Failure>> {
    let Start { at, environment, flags, report } = start;
    let settings = Settings::resolve(flags, environment, *at)?;
    settings.warnings.iter().for_each(|warning| report.warning(warning));
    let Settings { project, environments, .. } = &settings;
    report.detail(|| format!("project {project}, environment {}", join(environments)));
    report.detail(|| format!("settings: {}", settings.origins()));
    Ok(settings)
}

/// Fetches, decrypts and selects.
pub(super) fn obtain(
    settings: &Settings,
    start: &Start,
    stages: &mut Stages,
) -> Result<Obtained, Box<dyn Failure>> {
    let (at, report) = (start.at, start.report);
    let Settings { project, environments, token, store, .. } = settings;
    let request = Request { project, environments, token_id: &token.id };
    let deadline = Deadline::new(at, store.timeout);
    let fallback = settings.fallback.as_ref().map(|settings| Fallback::open(settings, &request));

    // With the salt known beforehand the derivation hides behind the request.
    let mut derivation = Derivation::new(&token.key);
    if let Some(salt) = token.salt.or_else(|| fallback.as_ref().and_then(Fallback::salt)) {
        derivation.start(salt).map_err(Error::Derivation)?;
    }
    let patience = match &fallback {
        Some(fallback) if fallback.is_usable() => Patience::FewAttempts,
        _ => Patience::UntilDeadline,
    };
    let fetched = fetch(store, &request, deadline, patience, report);
    stages.end("fetch");

    let unlock = Unlock { settings, request: &request, derivation, deadline };
    let obtained = match fetched {
        Ok(body) => from_store(&body, unlock, fallback, report, stages)?,
        Err(error) => {
            if error.is_revocation() {
                delete(fallback.as_ref(), report);
            }
            match fallback {
                Some(fallback) if error.is_outage() => {
                    from_fallback(&error, unlock, fallback, report, stages)?
                }
                _ => return Err(error.into()),
            }
        }
    };
    tell_skipped(&obtained.selected, settings.selection.references, report);
    Ok(obtained)
}

/// What `--skip-broken` left out, and where its lack shows.
fn tell_skipped(selected: &Selected, references: References, report: Report) {
    for (name, why) in &selected.skipped {
        let referring = selected.referring_to(name);
        let kept = match references {
            References::Expand if !referring.is_empty() => {
                format!(
                    "; ${{{}}} stays unexpanded in {}",
                    Shown(name),
                    join(referring.into_iter().map(Shown))
                )
            }
            _ => String::new(),
        };
        report.warning(&format!("started without {}: {why}{kept}", Shown(name)));
    }
}

/// The raw reply of Upstash.
fn fetch(
    store: &Store,
    request: &Request<'_>,
    deadline: Deadline,
    patience: Patience,
    report: Report,
) -> Result<Vec<u8>, upstash::Error> {
    let client = Upstash::new(&store.address, &store.token, &store.network)?;
    let on_retry = &mut |retry: upstash::Retry<'_>| report.detail(|| retry.to_string());
    client.pipeline(&request.commands(), deadline, patience, on_retry)
}

/// What it takes to open a reply, wherever it is from.
struct Unlock<'a> {
    settings: &'a Settings,
    request: &'a Request<'a>,
    derivation: Derivation,
    deadline: Deadline,
}

impl Unlock<'_> {
    /// The project's key: through the derivation that is under way, if it has the right salt.
    fn pek(self, sealed: &SealedVault<'_>) -> Result<Key, Error> {
        let token_key = self.derivation.finish(sealed.salt(), self.deadline).map_err(Error::Derivation)?;
        let id = || self.settings.token.id.clone();
        sealed.open_pek(&token_key).map_err(|error| Error::Key { id: id(), error })
    }
}

/// The secrets of a reply that was just fetched. It is kept for an outage.
fn from_store(
    body: &[u8],
    unlock: Unlock<'_>,
    fallback: Option<Fallback<'_>>,
    report: Report,
    stages: &mut Stages,
) -> Result<Obtained, Box<dyn Failure>> {
    let (settings, deadline) = (unlock.settings, unlock.deadline);
    let host = settings.store.address.host();
    let sealed = vault::parse(body, unlock.request)
        .map_err(|error| Error::Reply { host: host.to_owned(), error })
        .inspect_err(|error| {
            if error.is_revocation() {
                delete(fallback.as_ref(), report);
            }
        })?;
    stages.end("parse");
    report.detail(|| format!("fetched {} bytes from {}: {}", body.len(), Shown(host), sealed.counts()));
    let pek = unlock.pek(&sealed)?;
    stages.end("derive");
    if let Some(fallback) = fallback {
        keep(fallback, &sealed, &pek, deadline, report);
        stages.end("fallback");
    }
    Ok(Obtained { selected: open(sealed, &pek, settings, stages)?, fallback_age: None })
}

/// The secrets of the fallback file, as the store can't be reached, for the reason that `error` gives.
fn from_fallback(
    error: &upstash::Error,
    unlock: Unlock<'_>,
    fallback: Fallback<'_>,
    report: Report,
    stages: &mut Stages,
) -> Result<Obtained, Box<dyn Failure>> {
    let (settings, path) = (unlock.settings, fallback.path());
    let unusable = |fallback| Error::Fallback { path: path.clone(), error: error.to_string(), fallback };
    let stored = fallback.read().map_err(unusable)?;
    let sealed = vault::parse(&stored.reply, unlock.request).map_err(|found| match found {
        ParseError::Expired { .. } => {
            Error::Reply { host: settings.store.address.host().to_owned(), error: found }
        }
        // It was parsed before it was written.
        _ => unusable(FallbackError::Damaged),
    })?;
    stages.end("parse");
    // The derivation runs since the start; what is left of it is all that is waited for.
    let unlock = Unlock { deadline: unlock.deadline.or_at_least(GRACE), ..unlock };
    let pek = unlock.pek(&sealed).map_err(|error| match error {
        Error::Key { .. } => unusable(FallbackError::NotOpened),
        other => other,
    })?;
    stages.end("derive");
    stored.verify(&pek).map_err(unusable)?;
    let age = humantime::format_duration(Duration::from_secs(stored.age.as_secs()));
    report.warning(&format!("{error}; starting from {path}, fetched {age} ago"));
    Ok(Obtained { selected: open(sealed, &pek, settings, stages)?, fallback_age: Some(stored.age) })
}

fn open(
    sealed: SealedVault<'_>,
    pek: &Key,
    settings: &Settings,
    stages: &mut Stages,
) -> Result<Selected, Box<dyn Failure>> {
    let opened = sealed.open(pek, &settings.pins).map_err(Error::Pin)?;
    stages.end("open");
    let selected = select::select(opened, &settings.selection).map_err(Error::Select)?;
    stages.end("select");
    Ok(selected)
}

/// Keeps the reply for an outage. What goes wrong with that is no reason not to start.
fn keep(fallback: Fallback<'_>, sealed: &SealedVault<'_>, pek: &Key, deadline: Deadline, report: Report) {
    let (path, displaced) = (fallback.path(), fallback.displaced_environments());
    match fallback.write(sealed, pek, deadline) {
        Ok(()) => {
            report.detail(|| format!("wrote the fallback file {path}"));
            if let Some(displaced) = displaced {
                report.warning(&format!(
                    "the fallback file {path} was of environment {displaced}, which has none now: give each its own"
                ));
            }
        }
        Err(error) => report.warning(&format!("the fallback file {path} is not up to date: {error}")),
    }
}

/// Deletes the fallback file of a token that must not be used.
fn delete(fallback: Option<&Fallback<'_>>, report: Report) {
    let Some(fallback) = fallback else { return };
    match fallback.delete() {
        Ok(true) => report.warning(&format!("deleted the fallback file {}", fallback.path())),
        Ok(false) => {}
        Err(error) => {
            report.warning(&format!("the fallback file {} is still there: {error}", fallback.path()));
        }
    }
}
