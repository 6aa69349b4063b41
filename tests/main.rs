//! Black-box tests, a file per promise.

mod deadline;
mod retries;
mod support;
mod vault;
