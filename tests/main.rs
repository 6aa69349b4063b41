//! Black-box tests, a file per promise.

mod deadline;
mod fallback;
mod known_salt;
mod many;
mod memory;
mod process_one;
mod proxy;
mod retries;
mod support;
mod tls;
mod vault;
