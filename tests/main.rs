//! Black-box tests, a file per promise.

mod support;
mod vault;
