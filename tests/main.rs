//! Black-box tests, a file per promise.

mod exit_status;
mod fixtures;
mod interop;
mod launch;
mod settings;
mod support;
mod vault;
