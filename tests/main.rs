//! Black-box tests, a file per promise.

#[cfg(target_os = "linux")]
mod action;
#[cfg(target_os = "linux")]
mod anywhere;
#[cfg(target_os = "linux")]
mod docker;
mod support;
mod vault;
