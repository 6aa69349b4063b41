//! Black-box tests, a file per promise.

mod selection;
mod support;
mod vault;
