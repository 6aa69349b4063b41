//! Parses the lines of an env file. All dotenv readers agree on this syntax.
//!
//! `$` is literal: a stranger's file must not copy the process's environment into a value.

use zeroize::Zeroizing;

/// The items of a file, in order. Blank lines and comments are not items.
pub(super) struct Items<'b> {
    rest: &'b [u8],
    line: usize,
}

/// A line, or the lines that a quoted value spans.
pub(super) struct Item<'b> {
    /// The number of the item's first line.
    pub(super) line: usize,
    /// The item's whole text.
    pub(super) text: &'b [u8],
    /// The name, if the item begins with `NAME=`.
    pub(super) name: Option<&'b [u8]>,
    /// The name and the value, if the item is `NAME=VALUE`.
    pub(super) assignment: Option<(&'b [u8], Value<'b>)>,
}

/// A value as it is written, without its quotes.
pub(super) enum Value<'b> {
    /// Without quotes, or in single quotes. It has no escapes.
    Literal(&'b [u8]),
    /// In double quotes. It may have escapes.
    Escaped(&'b [u8]),
}

impl<'b> Items<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        // The byte order mark, which some editors write.
        Self { rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), line: 1 }
    }

    fn take(&mut self, length: usize) -> &'b [u8] {
        let (text, rest) = self.rest.split_at(length);
        self.line += text.split(|byte| *byte == b'\n').skip(1).count();
        self.rest = rest;
        text
    }
}

impl<'b> Iterator for Items<'b> {
    type Item = Item<'b>;

    fn next(&mut self) -> Option<Item<'b>> {
        loop {
            self.take(self.rest.len() - self.rest.trim_ascii_start().len());
            if *self.rest.first()? != b'#' {
                break;
            }
            self.take(line(self.rest).len());
        }
        let (line_number, text) = (self.line, self.rest);
        let (name, assignment, length) = match name(text) {
            Some((name, written)) => {
                let (value, length) = value(written);
                (Some(name), value.map(|value| (name, value)), text.len() - written.len() + length)
            }
            None => (None, None, line(text).len()),
        };
        Some(Item { line: line_number, text: self.take(length), name, assignment })
    }
}

/// The text before the next line feed.
fn line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[blanks..]
}

/// The name before a `=`, and the text after the `=`.
fn name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut name, mut rest) = word(text)?;
    if name == b"export" && !rest.starts_with(b"=") {
        (name, rest) = word(rest)?;
    }
    Some((name, skip_blanks(rest.strip_prefix(b"=")?)))
}

/// A name, and the text after the name and its blanks.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let (name, rest) = text.split_at(text.iter().take_while(|byte| is_part(byte)).count());
    let first = name.first()?;
    (first.is_ascii_alphabetic() || *first == b'_').then_some((name, skip_blanks(rest)))
}

/// The value, if it is well-formed, and the length of the text up to the end of the value's last line.
fn value(text: &[u8]) -> (Option<Value<'_>>, usize) {
    let Some(quote @ (b'"' | b'\'')) = text.first() else {
        let line = line(text);
        let value = without_comment(line);
        // A shell would run the text behind the blank as a command.
        let is_one = !value.iter().any(u8::is_ascii_whitespace);
        return (is_one.then_some(Value::Literal(value)), line.len());
    };
    let inside = &text[1..];
    let Some(end) = closing(inside, *quote) else { return (None, text.len()) };
    let (inside, after) = (&inside[..end], line(&inside[end + 1..]));
    let value = if *quote == b'"' { Value::Escaped(inside) } else { Value::Literal(inside) };
    // `'a'#b` is `a#b` to a shell, and `a` to others.
    let ends = without_comment(after).is_empty() && !after.starts_with(b"#");
    (ends.then_some(value), 2 + end + after.len())
}

/// A line without its comment, which begins with a `#` at the start or behind a blank.
fn without_comment(line: &[u8]) -> &[u8] {
    let begins = |at: &usize| line[*at] == b'#' && (*at == 0 || line[at - 1].is_ascii_whitespace());
    line[..(0..line.len()).find(begins).unwrap_or(line.len())].trim_ascii()
}

/// The position of the closing quote.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while *text.get(at)? != quote {
        at += if quote == b'"' && text[at] == b'\\' { 2 } else { 1 };
    }
    Some(at)
}

impl Value<'_> {
    /// The value itself.
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let (Self::Literal(text) | Self::Escaped(text)) = self;
        // Its size up front: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut rest = text.iter().copied();
        while let Some(byte) = rest.next() {
            let escaped = match (self, byte) {
                (Self::Escaped(_), b'\\') => rest.next(),
                _ => None,
            };
            match escaped {
                None => bytes.push(byte),
                Some(b'n') => bytes.push(b'\n'),
                Some(b't') => bytes.push(b'\t'),
                Some(b'r') => bytes.push(b'\r'),
                Some(itself @ (b'\\' | b'"' | b'$' | b'`')) => bytes.push(itself),
                // Not an escape in any reader.
                Some(other) => bytes.extend([byte, other]),
            }
        }
        bytes
    }
}
