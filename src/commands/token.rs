//! Service tokens: create, list and revoke them, with the Upstash token alone.
//!
//! Every change is a compare-and-set of the one field that holds them all, see [`store`].

mod create;
mod entries;
mod error;
mod list;
mod password;
mod revoke;
mod store;
mod time;

use crate::cli::token::{Action, TokenArgs, TokenOptions};
use crate::commands::error::Error;
use crate::commands::start::Start;
use crate::settings::Access;
use crate::ui::failure::Failure;
use crate::ui::output::{print, write};

pub(crate) use error::TokenError;

/// Does what `redenv-run token ...` says.
///
/// # Errors
/// [`Error`]: why it was not done, or not all of it.
pub(crate) fn run(args: &TokenArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    match &args.action {
        Action::Create(args) => create::create(args, start),
        Action::List(args) => list::list(args, start),
        Action::Revoke(args) => revoke::revoke(args, start),
    }
}

/// The project and its store, with their warnings said.
fn access(options: &TokenOptions, start: &Start) -> Result<Access, Box<dyn Failure>> {
    let access = Access::resolve(options, &start.environment, start.at).map_err(Error::Settings)?;
    access.warnings.iter().for_each(|warning| start.report.warning(warning));
    Ok(access)
}
