//! Words of a command line, made safe to show: without values and without the command's arguments.

use crate::ui::text::Shown;

/// All commands of redenv-run except a launch.
pub(crate) const COMMANDS: [&str; 4] = ["check", "mask", "token", "completions"];

/// A word that only a shell understands, in the place of the command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slip<'w> {
    /// `NAME=value`, which should set a variable for the command. Holds the name.
    Assignment(&'w str),
    /// A whole command line in quotes. Holds its first word.
    Line(&'w str),
}

impl<'w> Slip<'w> {
    /// The slip in a word, if there is one.
    pub(crate) fn of(word: &'w str) -> Option<Self> {
        let first = word.split_whitespace().next().unwrap_or_default();
        match first.split_once('=') {
            Some((name, _)) if is_variable(name) => Some(Self::Assignment(name)),
            _ if word.contains(char::is_whitespace) => Some(Self::Line(first)),
            _ => None,
        }
    }

    /// The correct form.
    pub(crate) fn corrected(&self) -> String {
        match self {
            Self::Assignment(name) => format!("env {name}=... COMMAND"),
            Self::Line(first) => shown(first) + " ...",
        }
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A word up to the place where a value or an argument may begin.
pub(crate) fn shown(word: &str) -> String {
    match (Slip::of(word), word.split_once('=')) {
        (Some(Slip::Line(first)), _) => shown(first) + " ...",
        // The `=` of a path such as `./build=debug/app` begins no value.
        (_, Some((name, _))) if !name.contains('/') => format!("{}=...", Shown(name)),
        _ => Shown(word).to_string(),
    }
}

/// A word with the quotes that POSIX shells and env files need. Both read the result alike.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains('\'') {
        return format!("'{word}'");
    }
    let escaped = |c: char| if "\"\\$`".contains(c) { format!("\\{c}") } else { c.to_string() };
    format!("\"{}\"", word.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_arguments_are_not_shown() {
        for (word, expected) in [
            ("node", "node"),
            ("./build=debug/app", "./build=debug/app"),
            ("PASS=hunter2", "PASS=..."),
            ("URL=https://hunter2@host/", "URL=..."),
            ("--token=hunter2", "--token=..."),
            ("npm start --token=hunter2", "npm ..."),
            ("PASS=hunter2 npm start", "PASS=..."),
            ("--token=hunter2 npm", "--token=... ..."),
            ("npm\tstart", "npm ..."),
            ("", "\"\""),
        ] {
            assert_eq!(shown(word), expected);
        }
    }

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for (word, expected) in [
            ("--env=a,b", "--env=a,b"),
            ("grüße", "grüße"),
            ("my shop", "'my shop'"),
            ("API_*", "'API_*'"),
            ("~1", "'~1'"),
            ("it's $HOME", r#""it's \$HOME""#),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
