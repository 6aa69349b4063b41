//! The man page, made of the definitions that `--help` is made of.

#[allow(dead_code, reason = "the launcher's module, of which this needs the definitions")]
#[path = "../../src/cli.rs"]
mod cli;

use std::io;

use clap::CommandFactory;

fn main() -> io::Result<()> {
    clap_mangen::Man::new(cli::Cli::command()).render(&mut io::stdout().lock())
}
