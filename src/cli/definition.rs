//! The command line as clap needs it, made from the table of settings: flags and help text, nothing else.

use std::ffi::OsString;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use clap_complete::Shell;

use super::table::{self, Flag, GROUPS, Kind, OUTPUT, Row, Taker};

/// The arguments that are no settings, by their names in clap.
pub(crate) const COMMAND: &str = "command";
pub(crate) const FORMAT: &str = "format";
pub(crate) const SHELL: &str = "shell";
pub(crate) const NAME: &str = "name";
pub(crate) const DESCRIPTION: &str = "description";
pub(crate) const PASSWORD_STDIN: &str = "password-stdin";
pub(crate) const IDS: &str = "ids";
pub(crate) const YES: &str = "yes";

/// The whole command line.
pub(crate) fn redenv_run() -> Command {
    let check = check().arg(command_argument("Also check that this command can start"));
    launch().subcommands([check, mask(), token(), completions()])
}

/// The command line without the command: with it, a shell would complete a command even without `--`.
pub(crate) fn without_command() -> Command {
    flags().subcommands([check(), mask(), token(), completions()])
}

/// A launch, without the other commands.
pub(crate) fn launch() -> Command {
    flags().arg(command_argument("The command to start, and its arguments"))
}

/// The flags of a launch, and the page of `--help`.
fn flags() -> Command {
    with_settings(Command::new("redenv-run").disable_help_flag(true), Taker::Launch)
        .about("Start a command with its Redenv secrets")
        .long_about(
            "Reads a service token from the environment, fetches the project's encrypted secrets from \
             Upstash Redis in one request, decrypts them in memory, adds them to the environment, and \
             becomes COMMAND.",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .override_usage(
            "redenv-run [OPTIONS] -- COMMAND [ARG]...\n       \
             redenv-run check | mask | token | completions [OPTIONS]",
        )
        .after_help(include_str!("help/launch.txt"))
        .arg(help().global(true))
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version")
                .help_heading(OUTPUT),
        )
}

fn help() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::HelpShort)
        .help("Print this page")
        .help_heading(OUTPUT)
}

fn check() -> Command {
    let command = Command::new("check")
        .about("Do everything except start the command, and list its secrets")
        .override_usage("redenv-run check [OPTIONS] [-- COMMAND [ARG]...]")
        .after_help(include_str!("help/check.txt"))
        .arg(format(&["table", "json"]));
    with_settings(command, Taker::Check)
}

fn mask() -> Command {
    let command = Command::new("mask")
        .about("Hide the secrets in the log of a GitHub Actions job")
        .after_help(include_str!("help/mask.txt"));
    with_settings(command, Taker::Mask)
}

fn completions() -> Command {
    Command::new("completions")
        .about("Print completions for a shell")
        .after_help(include_str!("help/completions.txt"))
        .arg(
            Arg::new(SHELL)
                .value_name("SHELL")
                .required(true)
                .value_parser(
                    PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|name| name.parse::<Shell>()),
                )
                .help("bash, zsh or fish"),
        )
}

fn token() -> Command {
    let create = Command::new("create")
        .about("Create a service token; its key is shown once")
        .after_help(include_str!("help/token-create.txt"))
        .args([
            Arg::new(NAME)
                .short('n')
                .long("name")
                .value_name("NAME")
                .required(true)
                .help("Name of the token, such as prod-api-server"),
            Arg::new(DESCRIPTION)
                .short('d')
                .long("description")
                .value_name("TEXT")
                .help("What the token is for"),
            switch(PASSWORD_STDIN, "Read the master password from the first line of stdin"),
            format(&["text", "env", "json"]).help("text, json, or env: the lines for an env file"),
        ]);
    let list = Command::new("list")
        .about("List the service tokens")
        .after_help(include_str!("help/token-list.txt"))
        .arg(format(&["text", "json"]));
    let revoke = Command::new("revoke")
        .about("Revoke service tokens, at once and for good")
        .after_help(include_str!("help/token-revoke.txt"))
        .args([
            Arg::new(IDS)
                .value_name("ID")
                .required(true)
                .action(ArgAction::Append)
                .num_args(1..)
                .help("IDs of the tokens to revoke"),
            switch(YES, "Revoke without asking").short('y'),
        ]);
    Command::new("token")
        .about("Create, list and revoke the project's service tokens")
        .after_help(include_str!("help/token.txt"))
        .subcommand_required(true)
        .subcommands([create, list, revoke].map(|command| with_settings(command, Taker::Token)))
}

/// `--format`, whose first value is the default.
fn format(values: &[&'static str]) -> Arg {
    Arg::new(FORMAT)
        .long(FORMAT)
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(values))
        .hide_possible_values(true)
        .default_value(values[0])
        .help(values.join(" or "))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Everything after `--`, byte for byte.
fn command_argument(help: &'static str) -> Arg {
    Arg::new(COMMAND)
        .value_name("COMMAND")
        .action(ArgAction::Append)
        .num_args(0..)
        .last(true)
        .value_parser(value_parser!(OsString))
        .value_hint(ValueHint::CommandName)
        .hide(true)
        .help(help)
}

/// The flags of the settings that a command takes.
fn with_settings(mut command: Command, taker: Taker) -> Command {
    for group in GROUPS.iter().filter(|group| group.takers.contains(&taker)) {
        for row in group.rows {
            if let Some(flag) = &row.flag {
                let argument = argument(row, flag).help(help_line(row));
                command = command.arg(argument.help_heading(group.heading));
            }
        }
    }
    command
}

fn argument(row: &Row, flag: &Flag) -> Arg {
    let mut argument = Arg::new(flag.long).long(flag.long);
    if let Some(short) = flag.short {
        argument = argument.short(short);
    }
    if let Some(other) = conflicts(row.setting) {
        argument = argument.conflicts_with(other);
    }
    if row.kind == Kind::Switch {
        return argument.action(ArgAction::SetTrue);
    }
    let argument = argument.value_name(flag.value_name).value_parser(OsStringValueParser::new());
    match row.kind {
        Kind::ListOrAll => {
            argument.action(ArgAction::Append).num_args(0..=1).require_equals(true).default_missing_value("*")
        }
        Kind::List => argument.action(ArgAction::Append),
        Kind::Path => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    }
}

/// The flags that contradict a setting.
fn conflicts(setting: table::Setting) -> Option<&'static str> {
    match setting {
        table::Setting::EnvFile => Some("no-env-file"),
        table::Setting::Verbose => Some("quiet"),
        _ => None,
    }
}

/// A setting's line of `--help`, with its default.
fn help_line(row: &Row) -> String {
    match row.default {
        Some(default) => format!("{} [default: {default}]", row.help),
        None => row.help.to_owned(),
    }
}
