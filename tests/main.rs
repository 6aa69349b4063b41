//! Black-box tests, a file per promise.

mod support;
mod token;
mod vault;
