//! The modules of redenv-run that the man pages and the reference page are made of.

#[allow(dead_code, reason = "a part is enough here")]
#[path = "../../src/cli/definition.rs"]
pub mod definition;
#[allow(dead_code, reason = "a part is enough here")]
#[path = "../../src/child/reserved.rs"]
pub mod reserved;
#[allow(dead_code, reason = "a part is enough here")]
#[path = "../../src/settings/table.rs"]
pub mod table;
