//! The man pages, of the launcher and of each of its commands, made of the definitions that `--help` is
//! made of: `man-page DIRECTORY`.

#[allow(dead_code, reason = "the launcher's module, of which this needs the definitions")]
#[path = "../../src/cli.rs"]
mod cli;

use std::env;
use std::io;

use clap::CommandFactory;

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).ok_or_else(|| io::Error::other("where to?"))?;
    clap_mangen::generate_to(cli::Cli::command(), directory)
}
