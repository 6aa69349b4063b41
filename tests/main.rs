//! Black-box tests, a file per promise.

mod deadline;
mod support;
mod vault;
