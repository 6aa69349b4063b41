//! The man pages, of the launcher and of each of its commands, made of the definitions that `--help` is
//! made of: `man-page DIRECTORY`.
#![allow(unreachable_pub, reason = "its modules are the tests' too")]

#[allow(dead_code, reason = "the launcher's module, of which this needs the definitions")]
#[path = "../../src/cli.rs"]
mod cli;
mod manual;

use std::path::Path;
use std::{env, fs, io};

use clap::CommandFactory;

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).ok_or_else(|| io::Error::other("where to?"))?;
    for (name, page) in manual::pages(cli::Cli::command()) {
        fs::write(Path::new(&directory).join(name + ".1"), page)?;
    }
    Ok(())
}
