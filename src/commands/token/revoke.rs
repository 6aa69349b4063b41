//! `token revoke`: removes entries, service tokens and ephemeral ones alike.

use std::fmt::Write;

use super::error::TokenError;
use super::list::{Kind, Listed, listed};
use super::store::{Change, Failed, Made, Metadata, Project, Step};
use super::time::Zone;
use crate::cli::token::RevokeArgs;
use crate::commands::error::Error;
use crate::commands::start::Start;
use crate::settings::Access;
use crate::ui::failure::Failure;
use crate::ui::prompt::Terminal;
use crate::ui::report::{Report, Shown, join};
use crate::vault::Name;

/// Revokes tokens, after asking.
///
/// # Errors
/// Why nothing was revoked, or which ids no token has.
pub(super) fn revoke(args: &RevokeArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    let (environment, report) = (&start.environment, start.report);
    let mut ids: Vec<String> = Vec::new();
    for id in &args.ids {
        if id.starts_with("redenv_sk_") {
            return Err(Error::Token(TokenError::KeyAsId).into());
        }
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    let access = super::access(&args.options, start)?;
    let terminal = match Terminal::open() {
        _ if args.yes => None,
        Some(terminal) => Some(terminal),
        None => return Err(Error::Token(TokenError::NoTerminalToConfirm).into()),
    };
    let project = Project::new(&access, report)?;
    let read = project.read()?;
    let tokens = listed(&read).map_err(|error| project.wrong(error))?;
    let (known, unknown): (Vec<String>, Vec<String>) =
        ids.into_iter().partition(|id| tokens.iter().any(|token| token.id == *id));
    if !known.is_empty() {
        let chosen: Vec<&Listed> = tokens.iter().filter(|token| known.contains(&token.id)).collect();
        if let Some(terminal) = terminal {
            let question = question(&access.project, &chosen, &unknown, &Zone::local(environment));
            if !terminal.confirm(&question).map_err(|error| Error::Token(TokenError::Terminal(error)))? {
                return Err(Error::Token(TokenError::Declined).into());
            }
        }
        let left = remove(&project, read, &known, report)?;
        super::print(&told(&access, &chosen, left))?;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::Token(TokenError::Unknown { project: access.project.clone(), ids: unknown }).into())
}

/// What is asked. An id that nobody has may be a slip, and is told while the answer can still be no.
fn question(project: &Name, chosen: &[&Listed], unknown: &[String], zone: &Zone) -> String {
    let mut text = String::new();
    if !unknown.is_empty() {
        let unknown = join(unknown.iter().map(|id| Shown(id)));
        let _ = writeln!(text, "Not in project {project}: {unknown}");
    }
    let _ = writeln!(text, "To be revoked in project {project}:");
    for token in chosen {
        let _ = writeln!(
            text,
            "  {}  {}  created {}",
            Shown(&token.id),
            token.shown_name(),
            token.shown_created(zone)
        );
    }
    text.push_str("Programs that use them will fail at once, and it can't be undone. Revoke? [y/N] ");
    text
}

/// Removes these tokens and says how many are left.
fn remove(
    project: &Project<'_>,
    read: Metadata,
    ids: &[String],
    report: Report,
) -> Result<usize, Box<dyn Failure>> {
    let mut left = 0;
    let decide = |now: &Metadata| {
        let tokens = listed(now).map_err(|error| project.wrong(error))?;
        let (going, staying): (Vec<&Listed>, Vec<&Listed>) =
            tokens.iter().partition(|token| ids.contains(&token.id));
        left = staying.len();
        if going.is_empty() {
            return Ok(Step::Done);
        }
        let service_tokens = now.service_tokens().map_err(|error| project.wrong(error))?.without(ids);
        let ephemeral = going.iter().filter(|token| token.kind == Kind::Ephemeral);
        Ok(Step::Write(Change {
            service_tokens,
            ephemeral: ephemeral.map(|token| token.id.clone()).collect(),
        }))
    };
    project.change(read, decide).map_err(|Failed { error, made }| {
        if made == Made::Perhaps {
            let ids = join(ids.iter().map(|id| Shown(id)));
            report.warning(&format!("it is not known whether {ids} was revoked: revoke again"));
        }
        error
    })?;
    Ok(left)
}

fn told(access: &Access, chosen: &[&Listed], left: usize) -> String {
    let mut text = String::new();
    for token in chosen {
        let _ = writeln!(text, "Revoked: {} ({})", Shown(&token.id), token.shown_name());
    }
    let project = &access.project;
    let _ = match left {
        1 => writeln!(text, "1 token of project {project} remains"),
        _ => writeln!(text, "{left} tokens of project {project} remain"),
    };
    text
}
