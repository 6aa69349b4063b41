//! Texts from outside, made safe to show, and lists as people write them.

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::io;

use serde::Serialize;

/// Text from outside, made safe to show.
///
/// Control and bidirectional characters are escaped, so that a name can't write to the terminal or forge a
/// line. So are `::` at the start and `##[` anywhere: a GitHub Actions runner obeys commands such as
/// `::stop-commands::` in a job's output (`ActionCommand.TryParse` in `actions/runner`).
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
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A path, made safe to show.
pub(crate) fn shown_path(path: impl AsRef<OsStr>) -> String {
    Shown(&path.as_ref().to_string_lossy()).to_string()
}

/// A value as JSON on one line, made safe to show like [`Shown`]. Only characters inside strings are ever escaped.
#[expect(clippy::expect_used, reason = "every value given to it is made of strings and numbers")]
pub(crate) fn shown_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("strings and numbers always serialize");
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_unsafe(c) || c == '[' && text.ends_with("##") {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(text, "\\u{unit:04x}");
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

/// The text of an I/O error, without Rust's "(os error 2)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let mut text = text.split(" (os error").next().unwrap_or_default().to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// A list such as `a`, `a and b`, or `a, b and c`.
pub(crate) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.pop() {
        None => String::new(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        assert_eq!(Shown("A\x1b[31m\nB\u{202e}").to_string(), "A\\u{1b}[31m\\u{a}B\\u{202e}");
        assert_eq!(Shown("КЛЮЧ_Ü").to_string(), "КЛЮЧ_Ü");
        let json = shown_json(&serde_json::json!({ "a\u{9b}": "b\u{202e}\n\u{61c}Ü" }));
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
        let json = shown_json(&serde_json::json!({ "a": "##[x]", "b": ["#"] }));
        assert_eq!(json, "{\"a\":\"##\\u005bx]\",\"b\":[\"#\"]}\n");
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(join(["a"]), "a");
        assert_eq!(join(["a", "b"]), "a and b");
        assert_eq!(join(["a", "b", "c"]), "a, b and c");
    }
}
