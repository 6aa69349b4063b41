//! Black-box tests, a file per promise.

mod fixtures;
mod interop;
mod support;
mod vault;
