//! Service tokens: create, list and revoke them. The Upstash token is enough for this.

pub(super) mod create;
mod error;
pub(super) mod list;
mod metadata;
mod password;
mod project;
pub(super) mod revoke;
