//! Prints docs/reference.md, made of the table of settings, the command line and the reserved names.
#![allow(unreachable_pub, reason = "its modules are the tests' too")]

mod reference_page;
mod sources;

fn main() {
    print!("{}", reference_page::page());
}
