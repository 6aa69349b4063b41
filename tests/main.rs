//! Black-box tests, a file per promise.

mod environment;
mod selection;
mod support;
mod vault;
