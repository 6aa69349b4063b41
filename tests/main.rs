//! Black-box tests, a file per promise.

mod deadline;
mod fallback;
mod proxy;
mod retries;
mod support;
mod tls;
mod vault;
