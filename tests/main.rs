//! Black-box tests, a file per promise.

mod environment;
mod memory_file;
mod selection;
mod support;
mod vault;
