//! `token revoke`: removes service tokens and ephemeral ones.

use std::fmt::Write;

use indexmap::IndexSet;

use super::error::TokenError;
use super::list::{Kind, Token, tokens};
use super::metadata::Metadata;
use super::project::{Change, Project};
use crate::settings::Start;
use crate::ui::failure::Failure;
use crate::ui::output::print;
use crate::ui::prompt::Terminal;
use crate::ui::text::{Shown, join};
use crate::vault::Name;

/// Revokes tokens after confirmation. IDs without a token are an error, but redenv-run revokes the other tokens
/// first.
pub(crate) fn run(ids: Vec<String>, yes: bool, start: &Start) -> Result<(), Failure> {
    if ids.iter().any(|id| id.starts_with("redenv_sk_")) {
        return Err(TokenError::KeyAsId.into());
    }
    let project = Project::new(start)?;
    let terminal = if yes { None } else { Some(Terminal::open().ok_or(TokenError::NoTerminalToConfirm)?) };
    let read = project.read()?;
    let tokens = tokens(&read)?;
    // Sets, because the user may type an ID twice.
    let (known, unknown): (IndexSet<String>, IndexSet<String>) =
        ids.into_iter().partition(|id| tokens.iter().any(|token| token.id == *id));
    if !known.is_empty() {
        let chosen: Vec<&Token> = tokens.iter().filter(|token| known.contains(&token.id)).collect();
        if let Some(terminal) = terminal {
            let question = question(&project.name, &chosen, &unknown);
            if !terminal.confirm(&question).map_err(TokenError::Terminal)? {
                return Err(TokenError::Declined.into());
            }
        }
        let left = remove(&project, read, &known)?;
        print(&summary(&project.name, &chosen, left))?;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(TokenError::Unknown { project: project.name, ids: unknown }.into())
}

/// The question before the tokens are revoked. It shows unknown IDs, which may be typing errors.
fn question(project: &Name, chosen: &[&Token], unknown: &IndexSet<String>) -> String {
    let mut text = String::new();
    if !unknown.is_empty() {
        let unknown = join(unknown.iter().map(|id| Shown(id)));
        let _ = writeln!(text, "Not in project {project}: {unknown}");
    }
    let _ = writeln!(text, "To be revoked in project {project}:");
    for token in chosen {
        let (id, name, created) = (Shown(&token.id), token.shown_name(), token.shown_created());
        let _ = writeln!(text, "  {id}  {name}  created {created}");
    }
    text + "Programs that use them fail at once, and this can't be undone. Revoke? [y/N] "
}

/// Removes the tokens, and counts those that are left.
fn remove(project: &Project, read: Metadata, ids: &IndexSet<String>) -> Result<usize, Failure> {
    let mut left = 0;
    let remove = |now: &Metadata| {
        let (going, staying): (Vec<Token>, Vec<Token>) =
            tokens(now)?.into_iter().partition(|token| ids.contains(&token.id));
        left = staying.len();
        if going.is_empty() {
            return Ok(None);
        }
        let mut service_tokens = now.service_tokens()?;
        service_tokens.retain(|id, _| !ids.contains(id));
        let ephemeral = going.into_iter().filter(|token| token.kind == Kind::Ephemeral);
        Ok(Some(Change::new(&service_tokens, ephemeral.map(|token| token.id).collect())))
    };
    let names = join(ids.iter().map(|id| Shown(id)));
    project.change(read, remove, &format!("{names} may or may not be revoked: run the command again"))?;
    Ok(left)
}

fn summary(project: &Name, chosen: &[&Token], left: usize) -> String {
    let mut text = String::new();
    for token in chosen {
        let _ = writeln!(text, "Revoked: {} ({})", Shown(&token.id), token.shown_name());
    }
    let _ = match left {
        1 => writeln!(text, "1 token of project {project} remains"),
        _ => writeln!(text, "{left} tokens of project {project} remain"),
    };
    text
}
