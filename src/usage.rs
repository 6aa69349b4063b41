//! clap's errors in this program's form: one line, and the corrected command line where one is due.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory};

use crate::cli::Cli;
use crate::report::{Shown, join, nearest};

/// What `redenv-run token` takes.
const TOKEN: &str = "redenv-run token create -n NAME | list | revoke ID...; --help tells more";

/// A command line that can't be followed.
#[derive(Debug)]
pub(crate) enum UsageError {
    /// There is no `--` before COMMAND; the corrected command line.
    NoDashes { corrected: String, subcommand: Option<String> },
    /// There is no COMMAND.
    NoCommand,
    /// An option that doesn't exist, and the nearest one.
    UnknownOption { option: String, nearest: Option<String> },
    /// Something else; a sentence.
    Other { sentence: String, hint: Option<String> },
}

impl UsageError {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::NoDashes { .. } => "`--` is missing before COMMAND".into(),
            Self::NoCommand => "COMMAND is missing".into(),
            Self::UnknownOption { option, .. } => format!("there is no option {}", Shown(option)),
            Self::Other { sentence, .. } => sentence.clone(),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoDashes { corrected, subcommand: None } => Some(corrected.clone()),
            Self::NoDashes { corrected, subcommand: Some(name) } => {
                Some(format!("{corrected}, or did you mean `redenv-run {name}`?"))
            }
            Self::NoCommand => Some("redenv-run [OPTIONS] -- COMMAND [ARG]...; --help tells more".into()),
            Self::UnknownOption { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::UnknownOption { nearest: None, .. } => {
                Some("options of COMMAND go behind `--`; --help lists the launcher's".into())
            }
            Self::Other { hint, .. } => hint.clone(),
        }
    }

    /// From clap's error about the arguments, `argv[0]` not among them.
    pub(crate) fn from_clap(error: &clap::Error, arguments: &[OsString]) -> Self {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => texts.first().cloned(),
            _ => None,
        };
        // What stands behind a `=` may be anything.
        let argument =
            text(ContextKind::InvalidArg).map(|arg| arg.split('=').next().unwrap_or_default().to_owned());
        let within = arguments.first().is_some_and(|first| first == "token");
        match error.kind() {
            ErrorKind::MissingSubcommand => Self::Other {
                sentence: "what to do with the tokens is missing".into(),
                hint: Some(TOKEN.into()),
            },
            ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument if within => {
                let word = text(ContextKind::InvalidSubcommand).or(argument).unwrap_or_default();
                let nearest = nearest_of_token(&word);
                Self::Other {
                    sentence: format!("`redenv-run token` does not take {}", Shown(&word)),
                    hint: Some(nearest.map_or(TOKEN.into(), |nearest| format!("did you mean {nearest}?"))),
                }
            }
            ErrorKind::InvalidSubcommand => {
                let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
                Self::no_dashes(&word, arguments, nearest_subcommand(&word))
            }
            ErrorKind::UnknownArgument => match argument {
                Some(argument) if !argument.starts_with('-') => Self::no_dashes(&argument, arguments, None),
                argument => {
                    let option = argument.unwrap_or_default();
                    let nearest = nearest_option(&option);
                    Self::UnknownOption { option, nearest }
                }
            },
            ErrorKind::ArgumentConflict => {
                let other = text(ContextKind::PriorArg).unwrap_or_default();
                let other = other.split(['=', ' ']).next().unwrap_or_default().to_owned();
                let argument = argument.unwrap_or_default();
                let argument = argument.split(['=', ' ']).next().unwrap_or_default();
                Self::conflict(argument, &other, text(ContextKind::InvalidSubcommand))
            }
            // clap would show the value, which may be a token that was put in the wrong place.
            ErrorKind::TooManyValues => Self::Other {
                sentence: format!("{} takes no value", argument.unwrap_or_else(|| "the option".into())),
                hint: None,
            },
            ErrorKind::InvalidValue => {
                let known = match error.get(ContextKind::ValidValue) {
                    Some(ContextValue::Strings(known)) if !known.is_empty() => {
                        Some(format!("it takes {}", join(known)))
                    }
                    _ => None,
                };
                Self::Other { sentence: first_line(error), hint: known.or(Some("--help tells more".into())) }
            }
            ErrorKind::InvalidUtf8 => Self::Other { sentence: "an option is not UTF-8".into(), hint: None },
            ErrorKind::MissingRequiredArgument => Self::Other {
                sentence: format!("{} is missing", argument.unwrap_or_else(|| "an argument".into())),
                hint: Some("--help tells more".into()),
            },
            _ => Self::Other { sentence: first_line(error), hint: Some("--help tells more".into()) },
        }
    }

    fn conflict(argument: &str, other: &str, subcommand: Option<String>) -> Self {
        match subcommand {
            Some(subcommand) => Self::Other {
                sentence: format!("options stand behind `{subcommand}`, not before it"),
                hint: Some(format!("redenv-run {subcommand} [OPTIONS]")),
            },
            None if other == argument => {
                Self::Other { sentence: format!("{argument} is given twice"), hint: None }
            }
            None => {
                Self::Other { sentence: format!("{argument} and {other} exclude each other"), hint: None }
            }
        }
    }

    /// The command line with `--` in its place. COMMAND's own arguments are not shown.
    fn no_dashes(word: &str, arguments: &[OsString], subcommand: Option<String>) -> Self {
        // Not where it is the value of the option before it, as in `-p node node server.js`.
        let is_value = |at: usize| at > 0 && takes_next(&arguments[at - 1].to_string_lossy());
        let mut places = (0..arguments.len()).filter(|at| arguments[*at] == word);
        let at = places.find(|at| !is_value(*at)).unwrap_or(0);
        let shown = |option: &OsString| Shown(&option.to_string_lossy()).to_string();
        let options: Vec<String> = arguments[..at].iter().map(shown).collect();
        let options = if options.is_empty() { String::new() } else { format!(" {}", options.join(" ")) };
        if Cli::command().find_subcommand(word).is_some() {
            return Self::Other {
                sentence: format!("options stand behind `{word}`, not before it"),
                hint: Some(format!("redenv-run {word}{options}")),
            };
        }
        let corrected = format!("redenv-run{options}");
        let mut corrected = format!("{corrected} -- {}", Shown(word));
        if at + 1 < arguments.len() {
            corrected.push_str(" ...");
        }
        Self::NoDashes { corrected, subcommand: subcommand.or_else(|| nearest_subcommand(word)) }
    }
}

/// Whether the word after this option is its value.
fn takes_next(option: &str) -> bool {
    let command = Cli::command();
    command.get_arguments().any(|known| {
        let long = known.get_long().is_some_and(|name| option.strip_prefix("--") == Some(name));
        // Flags may stand before it in one word: `-vp`.
        let short = known.get_short().is_some_and(|name| !option.starts_with("--") && option.ends_with(name));
        let takes = known.get_action().takes_values() && !known.is_require_equals_set();
        takes && (long || short && option.starts_with('-'))
    })
}

/// The command that a word is one slip away from: `make` is not `mask`.
fn nearest_subcommand(word: &str) -> Option<String> {
    let command = Cli::command();
    let mut names = command.get_subcommands().map(clap::Command::get_name);
    names.find(|name| strsim::osa_distance(name, word) == 1).map(String::from)
}

/// The same for a word or an option behind `token`.
fn nearest_of_token(word: &str) -> Option<String> {
    let command = Cli::command();
    let token = command.find_subcommand("token")?;
    match word.strip_prefix("--") {
        Some(option) => nearest_long(option, token.get_subcommands()),
        None => nearest(word, token.get_subcommands().map(clap::Command::get_name)).map(String::from),
    }
}

/// The option of any command that was meant, most likely.
fn nearest_option(option: &str) -> Option<String> {
    let command = Cli::command();
    nearest_long(option.trim_start_matches('-'), std::iter::once(&command).chain(command.get_subcommands()))
}

fn nearest_long<'c>(option: &str, commands: impl Iterator<Item = &'c clap::Command>) -> Option<String> {
    let known = commands.flat_map(clap::Command::get_arguments).filter_map(Arg::get_long);
    nearest(option, known).map(|name| format!("--{name}"))
}

/// A word as it has to be written for a shell.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+".contains(c);
    let word = Shown(word).to_string();
    if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// clap's sentence without its label, of flags and their values alone.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    Shown(line.strip_prefix("error: ").unwrap_or(line)).to_string()
}
