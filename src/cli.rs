//! The command line: turns the arguments into a [`Command`] and the flags that the user typed. It reads no
//! setting and runs nothing.

mod definition;
mod usage;

use std::ffi::OsString;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::commands::{Command, CreateOptions, Format, Shell, TokenFormat};
use crate::settings::{Flags, table};
use definition as args;
pub(crate) use usage::UsageError;

/// A parsed command line.
pub(crate) enum Parsed {
    /// Run this command with these flags.
    Run(Flags, Command),
    /// Print this page of help, or the version.
    Print(Box<clap::Error>),
}

/// Parses the arguments, `argv[0]` included.
///
/// # Errors
/// [`UsageError`] for a wrong command line.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Parsed, UsageError> {
    // Most starts are launches, and the other commands take longer to define than a launch takes to parse.
    let launch = args::launch().try_get_matches_from(arguments);
    let matches = match launch.or_else(|_| args::redenv_run().try_get_matches_from(arguments)) {
        Ok(matches) => matches,
        Err(page) if !page.use_stderr() => return Ok(Parsed::Print(page.into())),
        Err(error) => return Err(UsageError::new(error, arguments.get(1..).unwrap_or_default())),
    };
    let (mut name, mut matches) = ("", &matches);
    while let Some((subcommand, its_matches)) = matches.subcommand() {
        (name, matches) = (subcommand, its_matches);
    }
    Ok(Parsed::Run(flags(matches), command(name, matches)?))
}

/// The command of this name, such as `list` of `token list`. A launch has none.
fn command(name: &str, matches: &ArgMatches) -> Result<Command, UsageError> {
    Ok(match name {
        "check" => Command::Check { format: format(matches), command: words(matches) },
        "mask" => Command::Mask,
        "create" => Command::CreateToken(CreateOptions {
            name: text(matches, args::NAME),
            description: text(matches, args::DESCRIPTION),
            format: match text(matches, args::FORMAT).as_str() {
                "env" => TokenFormat::Env,
                "json" => TokenFormat::Json,
                _ => TokenFormat::Text,
            },
            password_stdin: matches.get_flag(args::PASSWORD_STDIN),
        }),
        "list" => Command::ListTokens(format(matches)),
        "revoke" => Command::RevokeTokens {
            ids: matches.get_many(args::IDS).unwrap_or_default().cloned().collect(),
            yes: matches.get_flag(args::YES),
        },
        "completions" => Command::Completions {
            shell: matches.get_one(args::SHELL).copied().unwrap_or(Shell::Bash),
            definition: args::without_command().into(),
        },
        _ => {
            let mut words = words(matches).into_iter();
            let program = words.next().ok_or(UsageError::NoCommand)?;
            Command::Launch { program, arguments: words.collect() }
        }
    })
}

/// The settings that the user gave as flags.
fn flags(matches: &ArgMatches) -> Flags {
    let mut flags = Flags::default();
    for row in table::rows() {
        let Some(flag) = &row.flag else { continue };
        // Not every command takes every flag.
        if let Ok(Some(values)) = matches.try_get_raw(flag.long)
            && matches.value_source(flag.long) == Some(ValueSource::CommandLine)
        {
            flags.insert(row.setting, values.map(OsString::from).collect());
        }
    }
    flags
}

fn words(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many::<OsString>(args::COMMAND).unwrap_or_default().cloned().collect()
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn format(matches: &ArgMatches) -> Format {
    if text(matches, args::FORMAT) == "json" { Format::Json } else { Format::Table }
}
