//! Black-box tests, a file per promise.

mod exit_status;
mod failures;
mod fixtures;
mod interop;
mod launch;
mod leaks;
mod settings;
mod support;
mod vault;
