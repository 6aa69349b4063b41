//! Service tokens: create, list and revoke them. The Upstash token is enough for this.

mod create;
mod entries;
mod error;
mod list;
mod metadata;
mod password;
mod project;
mod revoke;

use super::start::Start;
use crate::cli::token::{Action, TokenArgs};
use crate::ui::failure::Failure;

/// Runs `redenv-run token ...`.
pub(super) fn run(args: &TokenArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    match &args.action {
        Action::Create(args) => create::run(args, start),
        Action::List(args) => list::run(args, start),
        Action::Revoke(args) => revoke::run(args, start),
    }
}
