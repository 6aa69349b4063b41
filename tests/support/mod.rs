//! What the tests stand on: a local vault, projects to put into it, the launcher
//! to start, and the real clients and the real Redis to compare with.
#![allow(dead_code, reason = "each is for the tests to come, and local-vault uses a part")]

pub mod dist;
pub mod example;
pub mod fixtures;
pub mod isolated;
pub mod launcher;
pub mod manual;
#[cfg(target_os = "linux")]
pub mod name_server;
#[cfg(target_os = "linux")]
pub mod namespace;
pub mod project;
pub mod proxy;
pub mod python;
pub mod redis_server;
pub mod registry;
pub mod server;
pub mod stores;
pub mod terminal;
pub mod typed;
pub mod vault;
