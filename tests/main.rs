//! Black-box tests, a file per promise.
#![allow(unreachable_pub, reason = "no other crate sees these; `pub` says what the tests use of a module")]

mod check;
mod deadline;
mod environment;
mod exit_status;
mod failures;
mod fixtures;
mod interop;
mod launch;
mod leaks;
mod mask;
mod memory_file;
mod proxy;
mod retries;
mod selection;
mod settings;
mod support;
mod tls;
mod token;
mod vault;
