//! redenv-run starts a program with its Redenv secrets.
#![forbid(unsafe_code)]

fn main() {}
