//! A project file in TypeScript or JavaScript: read, never run. Comments, strings and regular
//! expressions are understood, and of the exported object only the top level's members.

#[cfg(test)]
mod tests;

use super::{Member, ProjectFile, Value};

/// As much of JavaScript's grammar as telling strings from code takes.
#[derive(Debug, PartialEq, Clone)]
enum Token {
    Word(String),
    Text(String),
    /// A template literal with a `${}`, a string whose escapes aren't read here, a regular
    /// expression: no literal value.
    Opaque,
    Mark(char),
}

/// Takes over what the exported object says of its members.
pub(super) fn read(source: &str, file: &mut ProjectFile) {
    let tokens = tokens(source);
    match exported_object(&tokens) {
        Some(object) => members(object, file),
        None if tokens.is_empty() => {}
        // It is not understood, and may say anything.
        None => set_all_computed(file),
    }
}

fn set_all_computed(file: &mut ProjectFile) {
    for member in [Member::Name, Member::Environment] {
        file.set(member.key(), Value::Computed(None));
    }
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.find("*/").map_or("", |end| &comment[end + 2..]);
        } else if let Some(after) = after_expression(rest).filter(|_| expects_value(tokens.last())) {
            tokens.push(Token::Opaque);
            rest = after;
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

/// Whether a `/` behind this token begins a regular expression, and is no division.
fn expects_value(last: Option<&Token>) -> bool {
    match last {
        None => true,
        Some(Token::Mark(mark)) => !matches!(mark, ')' | ']' | '}'),
        Some(Token::Word(word)) => matches!(word.as_str(), "return" | "typeof" | "case" | "default"),
        Some(Token::Text(_) | Token::Opaque) => false,
    }
}

/// The longest regular expression: a slash that begins none must not cost the rest of the file.
const LONGEST_EXPRESSION: usize = 512;

/// What comes behind a regular expression, which may hold quotes and slashes.
fn after_expression(source: &str) -> Option<&str> {
    let mut chars = source.strip_prefix('/')?.char_indices().take(LONGEST_EXPRESSION);
    let mut in_class = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()?),
            '\n' => return None,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return Some(source[at + 2..].trim_start_matches(is_word)),
            _ => {}
        }
    }
    None
}

/// A string after its opening quote, and what follows it.
fn text(quote: char, source: &str) -> (Token, &str) {
    let mut value = String::new();
    let mut chars = source.char_indices();
    let mut opaque = false;
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => {
                let token = if opaque { Token::Opaque } else { Token::Text(value) };
                return (token, &source[at + 1..]);
            }
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                // A code, or one that no name has.
                Some((_, 'r' | 'b' | 'f' | 'v' | 'u' | 'x' | '0'..='9')) => opaque = true,
                // The string goes on in the next line.
                Some((_, '\n')) => {}
                Some((_, other)) => value.push(other),
                None => break,
            },
            '$' if quote == '`' && source[at..].starts_with("${") => opaque = true,
            _ => value.push(c),
        }
    }
    (Token::Opaque, "")
}

/// The tokens inside the braces of the object that the file exports.
fn exported_object(tokens: &[Token]) -> Option<&[Token]> {
    let word = |token: &Token, text: &str| matches!(token, Token::Word(word) if word == text);
    let export = tokens.windows(2).position(|pair| word(&pair[0], "export") && word(&pair[1], "default"));
    let module = tokens.windows(3).position(|three| {
        word(&three[0], "module") && three[1] == Token::Mark('.') && word(&three[2], "exports")
    });
    let start = match (export, module) {
        (Some(at), _) => at + 2,
        (None, Some(at)) => at + 4,
        (None, None) => return None,
    };
    let exported = tokens.get(start..)?;
    object(exported).or_else(|| {
        // `const config = { ... }; export default config`
        let Token::Word(name) = exported.first()? else { return None };
        let assigned = tokens.windows(2).position(|pair| {
            matches!(&pair[0], Token::Word(kind) if matches!(kind.as_str(), "const" | "let" | "var"))
                && word(&pair[1], name)
        })?;
        let value = &tokens[assigned + 2..];
        let equals = value.iter().position(|token| *token == Token::Mark('='))?;
        object(&value[equals + 1..])
    })
}

/// The inside of `{ ... }` or `defineConfig({ ... })`.
fn object(tokens: &[Token]) -> Option<&[Token]> {
    match tokens {
        [Token::Mark('{'), inside @ ..]
        | [Token::Word(_), Token::Mark('('), Token::Mark('{'), inside @ ..] => Some(inside),
        _ => None,
    }
}

/// The top level's members, up to the object's closing brace.
fn members(tokens: &[Token], file: &mut ProjectFile) {
    let mut depth = 0_u32;
    let mut key_is_next = true;
    for (at, token) in tokens.iter().enumerate() {
        let rest = &tokens[at + 1..];
        match token {
            Token::Mark('{' | '[' | '(') => depth += 1,
            Token::Mark('}' | ']' | ')') if depth == 0 => break,
            Token::Mark('}' | ']' | ')') => depth -= 1,
            Token::Mark(',') if depth == 0 => key_is_next = true,
            // `...shared`, which may hold either.
            Token::Mark('.') if depth == 0 && key_is_next => {
                key_is_next = false;
                set_all_computed(file);
            }
            // `get name() {}`
            Token::Word(_) if depth == 0 && matches!(rest, [Token::Word(_) | Token::Text(_), ..]) => {}
            Token::Word(key) | Token::Text(key) if depth == 0 && key_is_next => {
                key_is_next = false;
                file.set(
                    key,
                    match rest {
                        [Token::Mark(':'), Token::Text(value), Token::Mark(',' | '}'), ..] => {
                            Value::Literal(value.clone())
                        }
                        [Token::Mark(':'), value @ ..] => Value::Computed(in_shell(value)),
                        _ => Value::Computed(None),
                    },
                );
            }
            _ => key_is_next = key_is_next && depth > 0,
        }
    }
}

/// How a shell writes `process.env.NAME`, or `process.env.NAME || "default"`.
fn in_shell(value: &[Token]) -> Option<String> {
    use Token::{Mark, Text, Word};
    let [Word(process), Mark('.'), Word(env), Mark('.'), Word(name), rest @ ..] = value else { return None };
    if process != "process" || env != "env" {
        return None;
    }
    match rest {
        [Mark(',' | '}'), ..] => Some(format!("\"${name}\"")),
        [Mark('|'), Mark('|'), Text(default), Mark(',' | '}'), ..]
        | [Mark('?'), Mark('?'), Text(default), Mark(',' | '}'), ..] => {
            let is_plain = default.chars().all(|c| is_word(c) && c != '$' || c == '-');
            is_plain.then(|| format!("\"${{{name}:-{default}}}\""))
        }
        _ => None,
    }
}
