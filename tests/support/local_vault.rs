//! The local vault as a program.
fn main() {}
