//! The errors for a wrong command line: clap's message on one line, or the corrected line if `--` is missing.
//! They never show the values of flags or the command's arguments.

use std::env;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::table::{self, Kind};
use crate::ui::text::Shown;
use crate::ui::word::{COMMANDS, Slip, shown};

/// Longer words may be a token that stands in the wrong place.
const LONGEST_SHOWN: usize = 24;

/// A wrong command line.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum UsageError {
    #[error("`--` is missing before the command")]
    #[diagnostic(help("{corrected}"))]
    NoDashes { corrected: String },
    #[error("{word} stands before `--`, where only flags go")]
    #[diagnostic(help("separate names with commas, or start the command with `--`: {corrected}"))]
    Stray { word: String, corrected: String },
    #[error("the command is missing")]
    #[diagnostic(help("redenv-run [OPTIONS] -- COMMAND [ARG]...; --help tells more"))]
    NoCommand,
    #[error("flags go after `{word}`, not before it")]
    #[diagnostic(help("redenv-run {word} [OPTIONS]"))]
    FlagsFirst { word: String },
    #[error("redenv-run has no command `run`")]
    #[diagnostic(help("leave out `run`: redenv-run -- COMMAND"))]
    Run,
    #[error("{message}")]
    Clap {
        message: String,
        #[help]
        hint: Option<String>,
    },
}

impl UsageError {
    /// Converts clap's error about these arguments. `arguments` does not include `argv[0]`.
    pub(super) fn new(mut error: clap::Error, arguments: &[OsString]) -> Self {
        if matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
            && let Some(error) = Self::without_dashes(arguments)
        {
            return error;
        }
        hide_values(&mut error);
        let suggested = text(&error, ContextKind::SuggestedArg);
        let hint = match suggested.or_else(|| text(&error, ContextKind::SuggestedSubcommand)) {
            Some(nearest) => Some(format!("did you mean {nearest}?")),
            None => hint(&error, arguments),
        };
        // The message may go on in indented lines, until an empty one.
        let rendered = error.render().to_string();
        let message = rendered.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = message.trim_start_matches("error: ").split_whitespace().collect();
        Self::Clap { message: Shown(&words.join(" ")).to_string(), hint }
    }

    /// A command without `--` before it, of a launch or of `check`.
    fn without_dashes(arguments: &[OsString]) -> Option<Self> {
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        let first = words.first()?;
        if COMMANDS.contains(&&**first) && first != "check" {
            return None;
        }
        let mut at = usize::from(first == "check");
        while words.get(at)?.starts_with('-') {
            at += if takes_next_word(words.get(at)?)? { 2 } else { 1 };
        }
        let (flags, command) = words.split_at_checked(at)?;
        let word = command.first()?;
        if COMMANDS.contains(&&**word) {
            let action = command.get(1).filter(|next| ["create", "list", "revoke"].contains(&&***next));
            let word = action.map_or_else(|| word.to_string(), |action| format!("{word} {action}"));
            return Some(Self::FlagsFirst { word });
        }
        // Other tools are started like this.
        if word == "run" && command.get(1).is_some_and(|next| next == "--") {
            return Some(Self::Run);
        }
        let mut corrected = match removing_runner() {
            Some((runner, instead)) => {
                format!("{runner} removes `--`, {instead} keeps it: {instead} redenv-run ")
            }
            None => "redenv-run ".to_owned(),
        };
        for flag in flags {
            // A flag, or the value of the flag before it.
            let is_flag = flag.starts_with('-') || flag == "check";
            corrected += &if is_flag { shown(flag) } else { "...".to_owned() };
            corrected.push(' ');
        }
        corrected += "-- ";
        corrected += &Slip::of(word).map_or_else(|| shown(word), |slip| slip.corrected());
        if command.len() > 1 && Slip::of(word).is_none() {
            corrected += " ...";
        }
        if ["help", "version"].contains(&&**word) {
            corrected = format!("{corrected}, or did you mean `redenv-run --{word}`?");
        } else if let Some(name) = COMMANDS.iter().find(|name| strsim::osa_distance(name, word) == 1) {
            corrected = format!("{corrected}, or did you mean `redenv-run {name}`?");
        }
        Some(if command.iter().any(|word| word == "--") {
            Self::Stray { word: shown(word), corrected }
        } else {
            Self::NoDashes { corrected }
        })
    }
}

/// The package runner that started redenv-run and removes `--` (measured), and a runner that keeps `--`.
fn removing_runner() -> Option<(&'static str, &'static str)> {
    let variable = |name| env::var(name).unwrap_or_default();
    let is_bun = variable("npm_config_user_agent").starts_with("bun/");
    match (&*variable("npm_command"), is_bun) {
        ("exec", false) => Some(("npm exec", "npx")),
        ("exec", true) => Some(("bunx --bun", "bunx")),
        // Only if bun did not start a script of package.json.
        ("run-script", true) if env::var_os("npm_lifecycle_event").is_none() => Some(("bun run", "bunx")),
        _ => None,
    }
}

/// Whether the word after a flag is its value; `None` for a flag that doesn't exist.
fn takes_next_word(word: &str) -> Option<bool> {
    let name = word.split('=').next().unwrap_or(word);
    let is_it = |flag: &table::Flag| match name.strip_prefix("--") {
        Some(long) => long == flag.long,
        // Flags may stand before it in one word: `-vp`.
        None => flag.short.is_some_and(|short| name.ends_with(short)),
    };
    let row = table::rows().find(|row| row.flag.as_ref().is_some_and(is_it))?;
    Some(name == word && !matches!(row.kind, Kind::Switch | Kind::ListOrAll))
}

/// Removes everything that may be a secret from clap's error.
fn hide_values(error: &mut clap::Error) {
    let is_long = |value: String| value.len() > LONGEST_SHOWN;
    if error.kind() == ErrorKind::TooManyValues || text(error, ContextKind::InvalidValue).is_some_and(is_long)
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("...".into()));
    }
    if let Some(argument) = text(error, ContextKind::InvalidArg) {
        let name = argument.split('=').next().unwrap_or_default();
        // `--preserve-env[=<NAME,...>]` is clap's own.
        if name.len() < argument.len() && !name.ends_with('[') {
            error.insert(ContextKind::InvalidArg, ContextValue::String(name.to_owned()));
        } else if argument.len() > LONGEST_SHOWN && !argument.starts_with('-') && !argument.starts_with('<') {
            error.insert(ContextKind::InvalidArg, ContextValue::String("...".into()));
        }
    }
}

fn hint(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let first = arguments.first()?.to_string_lossy();
    if !matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand) {
        return None;
    }
    Some(match &*first {
        command if COMMANDS.contains(&command) => format!("`redenv-run {command} --help` lists its flags"),
        _ => "flags of the command go after `--`; --help lists the flags of redenv-run".into(),
    })
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}
