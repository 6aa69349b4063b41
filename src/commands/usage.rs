//! clap's errors in this program's form: one line, and the corrected command line where one is due.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory};

use crate::cli::Cli;
use crate::ui::report::{Shown, join, nearest};
use crate::ui::word::{Slip, quoted, shown};

/// What `redenv-run token` takes.
const TOKEN: &str = "redenv-run token create -n NAME | list | revoke ID...; --help tells more";

/// A command line that can't be followed.
#[derive(Debug)]
pub(crate) enum UsageError {
    /// There is no `--` before COMMAND; the corrected command line.
    NoDashes { corrected: String },
    /// A word stands between the options and `--`; what was meant, most likely.
    Stray { word: String, corrected: String },
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
            Self::Stray { word, .. } => format!("{word} stands before `--`, where only options do"),
            Self::NoCommand => "COMMAND is missing".into(),
            Self::UnknownOption { option, .. } => format!("there is no option {}", Shown(option)),
            Self::Other { sentence, .. } => sentence.clone(),
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoDashes { corrected } | Self::Stray { corrected, .. } => Some(corrected.clone()),
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
        // What stands behind the `=` of an option may be anything.
        let argument = text(ContextKind::InvalidArg).map(|argument| match argument.split_once('=') {
            Some((option, _)) if option.starts_with('-') => option.to_owned(),
            _ => argument,
        });
        let first = arguments.first().map(|first| first.to_string_lossy()).unwrap_or_default();
        match error.kind() {
            ErrorKind::MissingSubcommand => Self::Other {
                sentence: "`redenv-run token` is given nothing to do".into(),
                hint: Some(TOKEN.into()),
            },
            ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument if first == "token" => {
                let word = text(ContextKind::InvalidSubcommand).or(argument).unwrap_or_default();
                let nearest = nearest_of_token(&word);
                Self::Other {
                    sentence: format!("`redenv-run token` does not take {}", shown(&word)),
                    hint: Some(nearest.map_or(TOKEN.into(), |nearest| format!("did you mean {nearest}?"))),
                }
            }
            ErrorKind::InvalidSubcommand => {
                let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
                Self::no_dashes(&word, arguments)
            }
            ErrorKind::UnknownArgument => {
                let argument = argument.unwrap_or_default();
                match &*first {
                    _ if argument.starts_with('-') => Self::unknown_option(argument, &first),
                    "mask" | "completions" => Self::not_taken(&first, &argument, arguments),
                    _ => Self::no_dashes(&argument, arguments),
                }
            }
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

    /// An option that this command doesn't have, or that no command has.
    fn unknown_option(option: String, first: &str) -> Self {
        let launch = Cli::command();
        let command = launch.find_subcommand(first).unwrap_or(&launch);
        let has_it = |command: &&clap::Command| has_option(command, &option);
        let other = std::iter::once(&launch).chain(launch.get_subcommands()).find(has_it);
        match other.map(clap::Command::get_name) {
            None => Self::UnknownOption { nearest: nearest_option(&option, command), option },
            Some(_) if command.get_name() != launch.get_name() => Self::Other {
                sentence: format!("`redenv-run {first}` does not take {}", Shown(&option)),
                hint: Some(format!("`redenv-run {first} --help` lists what it takes")),
            },
            Some(other) => Self::Other {
                sentence: format!("a launch does not take {}", Shown(&option)),
                hint: Some(format!("`redenv-run {other}` does; options of COMMAND go behind `--`")),
            },
        }
    }

    /// A word behind a command that takes none, or not as many.
    fn not_taken(command: &str, word: &str, arguments: &[OsString]) -> Self {
        let meant = place(word, arguments).and_then(|at| one_list(&arguments[..at], &arguments[at..]));
        Self::Other {
            sentence: format!("`redenv-run {command}` does not take {}", shown(word)),
            hint: Some(meant.unwrap_or_else(|| format!("`redenv-run {command} --help` lists what it takes"))),
        }
    }

    /// The command line with `--` in its place, or without the word that stands before it. COMMAND's own
    /// arguments are not shown.
    fn no_dashes(word: &str, arguments: &[OsString]) -> Self {
        let at = place(word, arguments).unwrap_or(0);
        let (before, rest) = arguments.split_at(at);
        let options = before.iter().map(|word| quoted(&word.to_string_lossy()));
        let options: Vec<String> = std::iter::once(String::new()).chain(options).collect();
        let options = options.join(" ");
        if Cli::command().find_subcommand(word).is_some() {
            return Self::Other {
                sentence: format!("options stand behind `{word}`, not before it"),
                hint: Some(format!("redenv-run {word}{options}")),
            };
        }
        let command = match Slip::of(word) {
            Some(slip) => slip.corrected(),
            None if rest.len() > 1 => quoted(word) + " ...",
            None => quoted(word),
        };
        let mut corrected = format!("redenv-run{options} -- {command}");
        if let Some(name) = nearest_subcommand(word) {
            corrected = format!("{corrected}, or did you mean `redenv-run {name}`?");
        }
        if rest.iter().any(|word| word == "--") {
            let corrected = one_list(before, rest).unwrap_or(corrected);
            return Self::Stray { word: shown(word), corrected };
        }
        Self::NoDashes { corrected }
    }
}

/// Where a word stands that clap complains of: not where it is the value of the option before it, as in
/// `-p node node server.js`.
fn place(word: &str, arguments: &[OsString]) -> Option<usize> {
    let is_value = |at: usize| at > 0 && is_option(&arguments[at - 1].to_string_lossy(), takes_next);
    (0..arguments.len()).find(|at| arguments[*at] == word && !is_value(*at))
}

/// The option that the first of these words was to be a value of, and what is before the next option with
/// it: one list, with commas, or behind a `=`.
fn one_list(before: &[OsString], words: &[OsString]) -> Option<String> {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    let word = words.next()?;
    // A path is COMMAND's: no environment and no secret has such a name.
    if word.contains('/') || Slip::of(&word).is_some() {
        return None;
    }
    let more = if words.next().is_none_or(|next| next.starts_with('-')) { "" } else { ",..." };
    let previous = before.last()?.to_string_lossy();
    if is_option(&previous, Arg::is_require_equals_set) {
        return Some(format!("{}{more}", quoted(&format!("{previous}={word}"))));
    }
    let list = format!("{}{more}", quoted(&format!("{previous},{word}")));
    if previous.split_once('=').is_some_and(|(option, _)| is_option(option, is_list)) {
        return Some(list);
    }
    let option = before.len().checked_sub(2).map(|at| before[at].to_string_lossy())?;
    is_option(&option, is_list).then(|| format!("{option} {list}"))
}

/// Whether a word is an option of a launch, or of `check`, of this kind.
fn is_option(word: &str, kind: fn(&Arg) -> bool) -> bool {
    let command = Cli::command();
    let check = command.find_subcommand("check").into_iter().flat_map(clap::Command::get_arguments);
    command.get_arguments().chain(check).any(|known| {
        let long = known.get_long().is_some_and(|name| word.strip_prefix("--") == Some(name));
        // Flags may stand before it in one word: `-vp`.
        let short = known.get_short().is_some_and(|name| !word.starts_with("--") && word.ends_with(name));
        (long || short && word.starts_with('-')) && kind(known)
    })
}

/// Whether the word after this option is its value.
fn takes_next(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

/// Whether its value may be several, with commas.
fn is_list(option: &Arg) -> bool {
    option.get_value_delimiter().is_some()
}

/// The command that a word is one slip away from: `make` is not `mask`. Of `help` and `version` the option,
/// as these words are commands elsewhere.
fn nearest_subcommand(word: &str) -> Option<String> {
    if ["help", "version"].contains(&word) {
        return Some(format!("--{word}"));
    }
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

/// The option of a command that was meant, most likely.
fn nearest_option(option: &str, command: &clap::Command) -> Option<String> {
    nearest_long(option.trim_start_matches('-'), std::iter::once(command))
}

fn nearest_long<'c>(option: &str, commands: impl Iterator<Item = &'c clap::Command>) -> Option<String> {
    let known = commands.flat_map(clap::Command::get_arguments).filter_map(Arg::get_long);
    nearest(option, known).map(|name| format!("--{name}"))
}

fn has_option(command: &clap::Command, option: &str) -> bool {
    let name = option.strip_prefix("--");
    name.is_some() && command.get_arguments().any(|known| known.get_long() == name)
}

/// clap's sentence without its label, of flags and their values alone.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    Shown(line.strip_prefix("error: ").unwrap_or(line)).to_string()
}
