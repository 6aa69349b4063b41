//! Black-box tests, a file per promise.

#[cfg(target_os = "linux")]
mod anywhere;
mod support;
mod vault;
