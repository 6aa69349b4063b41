//! Black-box tests, a file per promise.
#![allow(unreachable_pub, reason = "no other crate sees these; `pub` says what the tests use of a module")]

#[cfg(target_os = "linux")]
mod action;
#[cfg(target_os = "linux")]
mod addresses;
mod answers;
#[cfg(target_os = "linux")]
mod anywhere;
mod check;
mod command_line;
mod completions;
mod deadline;
#[cfg(target_os = "linux")]
mod docker;
mod docs;
mod env_file;
mod env_loaders;
mod environment;
#[cfg(target_os = "linux")]
mod executable;
mod exit_status;
mod failures;
mod fallback;
mod fixtures;
#[cfg(target_os = "linux")]
mod found_files;
#[cfg(target_os = "linux")]
mod hard_cases;
mod help;
mod hostile;
mod inherited;
#[cfg(target_os = "linux")]
mod installs;
mod interop;
mod known_salt;
mod launch;
mod leaks;
mod local_vault;
mod many;
mod mask;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod memory_file;
mod monorepo;
mod named_pipe;
mod packages;
#[cfg(target_os = "linux")]
mod process_one;
mod project_file;
mod proxy;
mod readme;
mod reference;
#[cfg(target_os = "linux")]
mod reserved;
mod retries;
mod selection;
mod settings;
mod slips;
mod support;
mod tls;
mod token;
mod variables;
mod vault;
#[cfg(target_os = "linux")]
mod wiped;
