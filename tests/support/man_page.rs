//! Writes the man pages of redenv-run and its commands, from the same definitions as `--help`:
//! `man-page DIRECTORY`.
#![allow(unreachable_pub, reason = "its modules are the tests' too")]

mod manual;
mod sources;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).ok_or_else(|| io::Error::other("where to?"))?;
    for (name, page) in manual::pages(sources::definition::redenv_run()) {
        fs::write(Path::new(&directory).join(name + ".1"), page)?;
    }
    Ok(())
}
