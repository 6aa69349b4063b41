//! Shared parts of the tests: a local vault, projects for it, redenv-run as a process, and the official
//! clients and a real Redis to compare with.
#![allow(dead_code, reason = "each is for the tests to come, and local-vault uses a part")]

pub mod backends;
pub mod dist;
pub mod example;
pub mod fixtures;
pub mod isolated;
pub mod launch;
pub mod manual;
#[cfg(target_os = "linux")]
pub mod name_server;
#[cfg(target_os = "linux")]
pub mod namespace;
pub mod project;
pub mod proxy;
pub mod python;
pub mod redis_server;
pub mod reference_page;
pub mod registry;
pub mod server;
pub mod sources;
pub mod terminal;
pub mod typed;
pub mod vault;
