//! What is said on stderr: errors, hints, warnings, and with `-v` the stages. Never a value.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// How much is said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// Errors and warnings.
    #[default]
    Normal,
    /// Stages, times, and what was done with which name.
    Verbose,
}

/// Writes to stderr, coloured where it is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    verbosity: Verbosity,
    colour: Colour,
}

/// Whether escape sequences are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colour {
    /// They are.
    On,
    /// They aren't.
    Off,
}

impl Colour {
    /// On for a terminal, unless `NO_COLOR` is set to anything but nothing (<https://no-color.org>), or
    /// the terminal is one that shows escape sequences as they stand.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if !refused && !is_dumb && stream.is_terminal() { Self::On } else { Self::Off }
    }

    /// `text` in the style of an SGR code, such as `1;31`.
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const CYAN: &str = "36";

impl Report {
    /// A report of this verbosity.
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, colour: Colour::of(&io::stderr()) }
    }

    /// An error's one line, and its hint.
    pub(crate) fn error(self, message: &str, hint: Option<&str>) {
        Self::line(&self.colour.paint(RED, "error:"), message);
        if let Some(hint) = hint {
            Self::line(&self.colour.paint(CYAN, "hint:"), hint);
        }
    }

    /// Something the user should know although the launch goes on.
    pub(crate) fn warning(self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            Self::line(&self.colour.paint(YELLOW, "warning:"), message);
        }
    }

    /// Something that only `-v` shows.
    pub(crate) fn detail(self, message: impl FnOnce() -> String) {
        if self.verbosity >= Verbosity::Verbose {
            Self::line("", &message());
        }
    }

    /// One write per line, so that lines of several processes don't mix. A stderr that can't be
    /// written to is no reason to fail.
    fn line(label: &str, message: &str) {
        let space = if label.is_empty() { "" } else { " " };
        let line = format!("redenv-run: {label}{space}{message}\n");
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Text from outside, safe to show: control and bidirectional formatting characters are escaped, so
/// that a name can't write to the terminal or forge a line, and so is what would make it a command to a
/// runner of GitHub Actions, which looks for them in a job's whole output: `::stop-commands::...` at a
/// line's beginning, or `##[stop-commands]...` anywhere (`ActionCommand.TryParse` in `actions/runner`).
#[derive(Clone, Copy)]
pub(crate) struct Shown<'t>(pub(crate) &'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("\"\"");
        }
        for (at, c) in self.0.char_indices() {
            let is_command = at == 0 && self.0.starts_with("::") || c == '[' && self.0[..at].ends_with("##");
            if is_command || is_unsafe(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}

/// JSON that is safe to show, as [`Shown`] is. What is escaped stands only inside its strings.
pub(crate) fn shown_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    let mut units = [0; 2];
    for c in json.chars() {
        if is_unsafe(c) || c == '[' && text.ends_with("##") {
            for unit in c.encode_utf16(&mut units) {
                // Into a text, that can't fail.
                let _ = fmt::Write::write_fmt(&mut text, format_args!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    text
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// An I/O error without Rust's "(os error 2)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.pop() {
        None => String::new(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

/// The name among `known` that `name` most likely was meant to be, whatever the case of its ASCII letters.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const ALIKE: f64 = 0.8;
    let upper = name.to_ascii_uppercase();
    known
        .into_iter()
        .map(|candidate| (likeness(&upper, &candidate.to_ascii_uppercase()), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// 1 for equal texts. A single slip of the fingers counts also where the texts are short.
fn likeness(left: &str, right: &str) -> f64 {
    let likeness = strsim::jaro_winkler(left, right);
    if strsim::osa_distance(left, right) <= 1 { likeness.max(0.9) } else { likeness }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        assert_eq!(Shown("A\x1b[31m\nB\u{202e}").to_string(), "A\\u{1b}[31m\\u{a}B\\u{202e}");
        assert_eq!(Shown("КЛЮЧ_Ü").to_string(), "КЛЮЧ_Ü");
        let json = shown_json(&serde_json::json!({ "a\u{9b}": "b\u{202e}\n\u{61c}Ü" }).to_string());
        assert_eq!(json, "{\"a\\u009b\":\"b\\u202e\\n\\u061cÜ\"}\n");
    }

    #[test]
    fn a_name_cannot_give_commands_to_a_runner() {
        for (name, shown) in [
            ("::add-mask::x", "\\u{3a}:add-mask::x"),
            ("a::b", "a::b"),
            ("X##[stop-commands]zz", "X##\\u{5b}stop-commands]zz"),
            ("###[x] ##[y]", "###\\u{5b}x] ##\\u{5b}y]"),
            ("#[x]", "#[x]"),
        ] {
            assert_eq!(Shown(name).to_string(), shown);
            assert_eq!(Shown(shown).to_string(), shown, "to show it twice changes nothing");
        }
        let json = shown_json(&serde_json::json!({ "a": "##[x]", "b": ["#"] }).to_string());
        assert_eq!(json, "{\"a\":\"##\\u005bx]\",\"b\":[\"#\"]}\n");
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(join(["a"]), "a");
        assert_eq!(join(["a", "b"]), "a and b");
        assert_eq!(join(["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["DATABASE_URL", "API_KEY", "PORT"];
        assert_eq!(nearest("DATABSE_URL", known), Some("DATABASE_URL"));
        assert_eq!(nearest("api_key", known), Some("API_KEY"));
        assert_eq!(nearest("evn", ["env", "env-file"]), Some("env"));
        assert_eq!(nearest("SENTRY_DSN", known), None);
    }
}
