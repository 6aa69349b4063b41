//! Black-box tests, a file per promise.
#![allow(unreachable_pub, reason = "no other crate sees these; `pub` says what the tests use of a module")]

#[cfg(target_os = "linux")]
mod action;
#[cfg(target_os = "linux")]
mod anywhere;
mod command_line;
mod check;
mod deadline;
#[cfg(target_os = "linux")]
mod docker;
mod environment;
mod exit_status;
mod failures;
mod fixtures;
mod inherited;
mod interop;
mod launch;
mod leaks;
mod mask;
mod memory_file;
mod fallback;
mod known_salt;
mod many;
mod memory;
mod process_one;
mod proxy;
mod retries;
mod selection;
mod settings;
mod signals;
mod support;
mod tls;
mod token;
mod vault;
