//! Reads a project file in TypeScript or JavaScript, but never runs it. This reader understands comments,
//! strings, and the top level of the exported object. Everything else counts as computed.

#[cfg(test)]
mod tests;

use super::{KEYS, Value};

/// A token: just enough of JavaScript's grammar to tell strings from code.
#[derive(Debug, PartialEq, Clone)]
enum Token {
    Word(String),
    Text(String),
    /// A template literal with `${}`, or a string with an escape that this reader doesn't know.
    Opaque,
    Mark(char),
}

use Token::{Mark, Opaque, Text, Word};

/// The `name` and the `environment` of the exported object.
pub(super) fn read(source: &str) -> [Value; 2] {
    let tokens = tokens(source);
    match tokens.as_deref().and_then(exported_object) {
        Some(object) => members(object),
        None if tokens.as_ref().is_some_and(Vec::is_empty) => [Value::Absent, Value::Absent],
        None => [Value::Computed(None), Value::Computed(None)],
    }
}

/// The tokens of a file, or `None` if this reader doesn't understand the file.
fn tokens(source: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.find("*/").map_or("", |end| &comment[end + 2..]);
        } else if matches!(c, '"' | '\'' | '`') {
            let (token, after) = text(c, &rest[1..])?;
            tokens.push(token);
            rest = after;
        } else if c == '/' && !is_division(tokens.last()) {
            tokens.push(Opaque);
            rest = after_expression(&rest[1..])?;
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                tokens.push(Mark(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(tokens)
}

/// Whether a `/` after this token means division. If not, it begins a regular expression.
fn is_division(last: Option<&Token>) -> bool {
    !matches!(last, None | Some(Mark('(' | '[' | '{' | ',' | ':' | '=' | '?' | '|' | '&' | '!' | ';')))
}

/// The text after a regular expression. Quotes and slashes in the expression have no meaning.
fn after_expression(source: &str) -> Option<&str> {
    let mut chars = source.char_indices();
    let mut in_class = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '/' if !in_class => return Some(source[at + 1..].trim_start_matches(is_word)),
            '\n' => return None,
            '\\' => drop(chars.next()),
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// A string, read after its opening quote, and the text behind it. `None` without a closing quote.
fn text(quote: char, source: &str) -> Option<(Token, &str)> {
    let mut value = String::new();
    let mut opaque = false;
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => {
                return Some((if opaque { Opaque } else { Text(value) }, &source[at + 1..]));
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '"' | '\'' | '`'))) => value.push(escaped),
                _ => opaque = true,
            },
            '\n' if quote != '`' => return None,
            '$' if quote == '`' && source[at..].starts_with("${") => opaque = true,
            _ => value.push(c),
        }
    }
    None
}

/// The tokens inside the braces of the exported object, and everything behind them.
fn exported_object(tokens: &[Token]) -> Option<&[Token]> {
    let is = |token: &Token, word: &str| matches!(token, Word(it) if it == word);
    let export = tokens.windows(2).position(|two| is(&two[0], "export") && is(&two[1], "default"));
    let module = tokens
        .windows(3)
        .position(|three| is(&three[0], "module") && three[1] == Mark('.') && is(&three[2], "exports"));
    let exported = tokens.get(export.map(|at| at + 2).or(module.map(|at| at + 4))?..)?;
    object(exported).or_else(|| {
        // `const config = { ... }; export default config`
        let Word(name) = exported.first()? else { return None };
        let declared = tokens.windows(2).position(|two| {
            ["const", "let", "var"].iter().any(|kind| is(&two[0], kind)) && is(&two[1], name)
        })?;
        let value = &tokens[declared + 2..];
        let equals = value.iter().position(|token| *token == Mark('='))?;
        object(&value[equals + 1..])
    })
}

/// The tokens after the brace of `{ ... }` or `defineConfig({ ... })`.
fn object(tokens: &[Token]) -> Option<&[Token]> {
    match tokens {
        [Mark('{'), inside @ ..] | [Word(_), Mark('('), Mark('{'), inside @ ..] => Some(inside),
        _ => None,
    }
}

/// The two members, from the tokens behind the object's opening brace.
fn members(tokens: &[Token]) -> [Value; 2] {
    let mut values = [Value::Absent, Value::Absent];
    let (mut depth, mut start) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Mark('{' | '[' | '(') => depth += 1,
            Mark('}' | ']' | ')') if depth > 0 => depth -= 1,
            Mark(',' | '}' | ']' | ')') if depth == 0 => {
                member(&tokens[start..at], &mut values);
                if *token != Mark(',') {
                    return values;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    // The object has no end.
    [Value::Computed(None), Value::Computed(None)]
}

/// Sets the value of one member of the object. If two members have the same key, the last one wins.
fn member(tokens: &[Token], values: &mut [Value; 2]) {
    let of = |key: &str| KEYS.iter().position(|known| *known == key);
    match tokens {
        [Word(key) | Text(key), Mark(':'), Text(value)] => {
            if let Some(at) = of(key) {
                values[at] = Value::Literal(value.clone());
            }
        }
        // `...shared` and `[key]: value`, which may be either.
        [Mark(_) | Opaque, ..] => *values = [Value::Computed(None), Value::Computed(None)],
        // Also `name() {}`, `get name() {}`, and `name` alone.
        [first, rest @ ..] => {
            let key = if let [Word(key) | Text(key), ..] = rest { Some(key) } else { None };
            let (Word(first) | Text(first)) = first else { return };
            if let Some(at) = of(first).or(key.and_then(|key| of(key))) {
                let value = if let [Mark(':'), value @ ..] = rest { in_shell(value) } else { None };
                values[at] = Value::Computed(value);
            }
        }
        [] => {}
    }
}

/// How a shell writes `process.env.NAME`, or `process.env.NAME || "default"`.
fn in_shell(value: &[Token]) -> Option<String> {
    let [Word(process), Mark('.'), Word(env), Mark('.'), Word(name), rest @ ..] = value else { return None };
    match rest {
        _ if process != "process" || env != "env" => None,
        [] => Some(format!("\"${name}\"")),
        [Mark('|'), Mark('|'), Text(default)] | [Mark('?'), Mark('?'), Text(default)] => {
            let is_plain = default.chars().all(|c| is_word(c) && c != '$' || c == '-');
            is_plain.then(|| format!("\"${{{name}:-{default}}}\""))
        }
        _ => None,
    }
}
