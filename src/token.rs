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
use crate::environment::Environment;
use crate::error::Error;
use crate::output::{print, write};
use crate::report::Report;
use crate::run::Start;
use crate::settings::Access;

pub(crate) use error::TokenError;

/// Does what `redenv-run token ...` says.
///
/// # Errors
/// [`Error`]: why it was not done, or not all of it.
pub(crate) fn run(args: &TokenArgs, start: &Start) -> Result<(), Error> {
    match &args.action {
        Action::Create(args) => create::create(args, &start.environment, start.report),
        Action::List(args) => list::list(args, &start.environment, start.report),
        Action::Revoke(args) => revoke::revoke(args, &start.environment, start.report),
    }
}

/// The project and its store, with their warnings said.
fn access(options: &TokenOptions, environment: &Environment, report: Report) -> Result<Access, Error> {
    let access = Access::resolve(options, environment).map_err(Error::Settings)?;
    access.warnings.iter().for_each(|warning| report.warning(warning));
    Ok(access)
}
