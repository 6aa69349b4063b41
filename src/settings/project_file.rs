//! The project file, `redenv.config.{ts,js,mjs,cjs,json}`: its literal `name` and `environment`.
//!
//! A TypeScript or JavaScript one is read, never run: comments and strings are understood, and of
//! the exported object only the top level's members whose value is a plain string.

use std::env;
use std::path::{Path, PathBuf};
use std::str;

use super::small_file::{self, FileError};

/// The file names, in the order they are looked for in a directory.
const NAMES: [&str; 5] =
    ["redenv.config.ts", "redenv.config.js", "redenv.config.mjs", "redenv.config.cjs", "redenv.config.json"];

/// What a project file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ProjectFile {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// The project's name, where it is a literal.
    pub(crate) name: Option<String>,
    /// The default environment, where it is a literal.
    pub(crate) environment: Option<String>,
}

/// A project file that is there and can't be read.
#[derive(Debug)]
pub(crate) struct ProjectFileError {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) error: FileError,
}

impl ProjectFile {
    /// Finds the nearest project file, in the working directory or above it.
    ///
    /// # Errors
    /// [`ProjectFileError`] for one that can't be read.
    pub(crate) fn find() -> Result<Option<Self>, ProjectFileError> {
        let here = env::current_dir().unwrap_or_default();
        for directory in here.ancestors() {
            for name in NAMES {
                let path = directory.join(name);
                // The working directory itself is there also where one above it can't be searched.
                let place = if directory == here { Path::new(name) } else { &path };
                match small_file::read_found(place).and_then(|bytes| Self::read(&path, bytes.as_deref())) {
                    Ok(None) => {}
                    Ok(found) => return Ok(found),
                    Err(error) => return Err(ProjectFileError { path, error }),
                }
            }
        }
        Ok(None)
    }

    fn read(path: &Path, bytes: Option<&Vec<u8>>) -> Result<Option<Self>, FileError> {
        let Some(bytes) = bytes else { return Ok(None) };
        let text = str::from_utf8(bytes).map_err(|_| FileError::NotUtf8)?;
        Ok(Some(Self::parse(path.into(), text)))
    }

    fn parse(path: PathBuf, source: &str) -> Self {
        let tokens = tokens(source.trim_start_matches('\u{feff}'));
        let members = exported_object(&tokens).map(members).unwrap_or_default();
        let literal =
            |key: &str| members.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        Self { path, name: literal("name"), environment: literal("environment") }
    }
}

/// As much of JavaScript's grammar as telling strings from code takes.
#[derive(Debug, PartialEq, Clone)]
enum Token {
    Word(String),
    Text(String),
    /// A template literal with a `${}`: no literal value.
    Template,
    Mark(char),
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.find("*/").map_or("", |end| &comment[end + 2..]);
        } else if matches!(c, '"' | '\'' | '`') {
            let (token, after) = text(c, &rest[1..]);
            tokens.push(token);
            rest = after;
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Mark(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// A string after its opening quote, and what follows it.
fn text(quote: char, source: &str) -> (Token, &str) {
    let mut value = String::new();
    let mut chars = source.char_indices();
    let mut dynamic = false;
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => {
                let token = if dynamic { Token::Template } else { Token::Text(value) };
                return (token, &source[at + 1..]);
            }
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'u' | 'x')) => dynamic = true,
                Some((_, other)) => value.push(other),
                None => break,
            },
            '$' if quote == '`' && source[at..].starts_with("${") => dynamic = true,
            _ => value.push(c),
        }
    }
    (Token::Template, "")
}

/// The tokens inside the braces of the object that the file exports, or that a JSON file is.
fn exported_object(tokens: &[Token]) -> Option<&[Token]> {
    let word = |token: &Token, text: &str| matches!(token, Token::Word(word) if word == text);
    let export = tokens.windows(2).position(|pair| word(&pair[0], "export") && word(&pair[1], "default"));
    let module = tokens.windows(3).position(|three| {
        word(&three[0], "module") && three[1] == Token::Mark('.') && word(&three[2], "exports")
    });
    let start = match (export, module) {
        (Some(at), _) => at + 2,
        (None, Some(at)) => at + 4,
        (None, None) => 0,
    };
    let exported = tokens.get(start..)?;
    match exported {
        [Token::Mark('{'), ..] => after_brace(exported),
        // `defineConfig({ ... })`
        [Token::Word(_), Token::Mark('('), Token::Mark('{'), ..] => after_brace(&exported[2..]),
        // `const config = { ... }; export default config`
        [Token::Word(name), ..] => {
            let assigned = tokens.windows(2).position(|pair| {
                matches!(&pair[0], Token::Word(kind) if matches!(kind.as_str(), "const" | "let" | "var"))
                    && word(&pair[1], name)
            })?;
            let value = &tokens[assigned + 2..];
            let equals = value.iter().position(|token| *token == Token::Mark('='))?;
            match &value[equals + 1..] {
                object @ [Token::Mark('{'), ..] => after_brace(object),
                [Token::Word(_), Token::Mark('('), object @ ..]
                    if object.first() == Some(&Token::Mark('{')) =>
                {
                    after_brace(object)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn after_brace(tokens: &[Token]) -> Option<&[Token]> {
    tokens.get(1..)
}

/// The top level's `key: "text"` members, up to the object's closing brace.
fn members(tokens: &[Token]) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut depth = 0_u32;
    let mut key_is_next = true;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('{' | '[' | '(') => depth += 1,
            Token::Mark('}' | ']' | ')') if depth == 0 => break,
            Token::Mark('}' | ']' | ')') => depth -= 1,
            Token::Mark(',') if depth == 0 => key_is_next = true,
            Token::Word(key) | Token::Text(key) if depth == 0 && key_is_next => {
                key_is_next = false;
                if let [Token::Mark(':'), Token::Text(value), Token::Mark(',' | '}'), ..] = &tokens[at + 1..]
                {
                    members.push((key.clone(), value.clone()));
                }
            }
            _ => key_is_next = key_is_next && depth > 0,
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_name_and_environment_are_read() {
        let both = (Some("acme"), Some("staging"));
        for (source, expected) in [
            (r#"{"name": "acme", "environment": "staging"}"#, both),
            (
                r#"import { defineConfig } from "@redenv/client"; export default defineConfig({ "name": "acme", "environment": "staging" });"#,
                both,
            ),
            ("export default { name: 'acme', environment: `staging`, }", both),
            (
                "module.exports = {\n  // name: 'other',\n  name: 'acme', /* environment: 'x' */ environment: 'staging' }",
                both,
            ),
            (
                "const config: Config = { name: 'acme', environment: 'staging' };\nexport default config;",
                both,
            ),
            ("const c = defineConfig({ name: 'acme', environment: 'staging' }); module.exports = c", both),
            (
                "export default { plugins: [{ name: 'x' }], name: 'acme', nested: { environment: 'y' } }",
                (Some("acme"), None),
            ),
            ("export default { name: process.env.NAME, environment: 'staging' }", (None, Some("staging"))),
            ("export default { name: `a${b}`, environment: 'stag' + 'ing' }", (None, None)),
            ("export default { title: 'name: \"x\"', name: \"acme\" }", (Some("acme"), None)),
            ("export default { url: 'http://x', name: 'ac\\'me' }", (Some("ac'me"), None)),
            ("", (None, None)),
            ("export default", (None, None)),
            ("export default { name: 'acme", (None, None)),
        ] {
            let file = ProjectFile::parse("x".into(), source);
            assert_eq!((file.name.as_deref(), file.environment.as_deref()), expected, "{source}");
        }
    }
}
