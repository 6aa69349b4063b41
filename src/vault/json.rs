//! A cursor over the outer JSON of a reply: arrays of strings that are mostly passed over.
//!
//! A reply is some 250 bytes per version of every secret, of which one version in ten is looked at.
//! `serde_json` passes over a string byte by byte where it is full of escapes, as JSON inside JSON is;
//! this looks at sixteen at a time, in a way that is fast also where the compiler is asked for small
//! code and makes no vector instructions of its own. Numbers, nested values and rare escapes are left to `serde_json`.

use std::borrow::Cow;

use memchr::memchr;
use serde::de::IgnoredAny;
use wide::u8x16;

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// Not JSON, or not of the shape that was asked for, at this byte.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) struct Malformed {
    pub(super) at: usize,
}

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// The text's beginning.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// A complaint about this place.
    pub(super) fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    /// The next byte that isn't white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Passes over this byte, and says whether it was there.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over this byte.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Passes over an array or object, whose items `item` reads.
    pub(super) fn items(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(open)?;
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(close) {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Passes over a string and gives it as it stands, with its quotes; `None` for a null.
    pub(super) fn string_or_null(&mut self) -> Result<Option<&'t str>, Malformed> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        if self.text[self.at..].starts_with("null") {
            self.at += 4;
            return Ok(None);
        }
        Err(self.malformed())
    }

    /// Passes over a string and gives it as it stands, with its quotes. Its escapes aren't checked.
    pub(super) fn string(&mut self) -> Result<&'t str, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed());
        }
        let end = string_end(self.text.as_bytes(), self.at + 1).ok_or_else(|| self.malformed())?;
        let string = &self.text[self.at..=end];
        self.at = end + 1;
        Ok(string)
    }

    /// Passes over a whole number, or a null.
    pub(super) fn number_or_null(&mut self) -> Result<Option<u64>, Malformed> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return if self.string_or_null()?.is_none() { Ok(None) } else { Err(self.malformed()) };
        }
        let rest = &self.text[self.at..];
        let end = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..end].parse().map_err(|_| self.malformed())?;
        self.at += end;
        Ok(Some(number))
    }

    /// Passes over any value.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'"') {
            return self.string().map(drop);
        }
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(())
            }
            _ => Err(self.malformed()),
        }
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed()) }
    }
}

/// The text of a string, given with its quotes.
///
/// # Errors
/// [`BadString`] for escapes that JSON doesn't know.
pub(super) fn unescape(quoted: &str) -> Result<Cow<'_, str>, BadString> {
    unescape_inside(quoted.get(1..quoted.len().saturating_sub(1)).ok_or(BadString)?)
}

/// The text of a string, given without its quotes, or of its beginning up to a whole character.
///
/// # Errors
/// As [`unescape`].
pub(super) fn unescape_inside(inside: &str) -> Result<Cow<'_, str>, BadString> {
    let Some(mut escape) = memchr(b'\\', inside.as_bytes()) else { return Ok(Cow::Borrowed(inside)) };
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    loop {
        text.push_str(&rest[..escape]);
        let Some(b'"' | b'\\' | b'/') = rest.as_bytes().get(escape + 1) else { return by_serde_json(inside) };
        // The escaped character stands for itself, and begins what comes next.
        rest = &rest[escape + 1..];
        match memchr(b'\\', &rest.as_bytes()[1..]) {
            Some(next) => escape = next + 1,
            None => break,
        }
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

fn by_serde_json(inside: &str) -> Result<Cow<'_, str>, BadString> {
    serde_json::from_str(&format!("\"{inside}\"")).map(Cow::Owned).map_err(|_| BadString)
}

/// Not the inside of a JSON string.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) struct BadString;

/// Where the string that begins at `from`, after its quote, has its closing quote.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // A block in which every quote has a backslash before it, and no two backslashes stand
        // together, holds no end: each of its backslashes escapes what follows.
        while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let (quotes, backslashes) = (matches(*block, b'"'), matches(*block, b'\\'));
            let behind_backslash = backslashes << 1 | i32::from(bytes[at - 1] == b'\\');
            if (quotes & !behind_backslash) | (backslashes & behind_backslash) != 0 {
                break;
            }
            at += BLOCK;
        }
        // Behind a block, this byte may be escaped by the one before. Behind the loop below it isn't:
        // that one doesn't end behind a backslash, where a block would mistake it for an escape.
        if bytes.get(at - 1) == Some(&b'\\') {
            at += 1;
        }
        let stop = at + BLOCK;
        while at < stop || bytes.get(at - 1) == Some(&b'\\') {
            match bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }
}

/// A bit for every byte of the block that is `byte`, the first one lowest.
fn matches(block: [u8; BLOCK], byte: u8) -> i32 {
    u8x16::new(block).cmp_eq(u8x16::splat(byte)).move_mask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end_by_byte(bytes: &[u8]) -> Option<usize> {
        let mut at = 1;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    proptest! {
        #[test]
        fn a_string_is_unescaped_as_serde_json_does(value in r#"([a"\\\\/\n\té€]|\\PC){0,40}"#) {
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(unescape(&json).unwrap(), value.as_str());
            let twice = serde_json::to_string(&json).unwrap();
            prop_assert_eq!(unescape(&twice).unwrap(), json.as_str());
        }

        #[test]
        fn what_serde_json_refuses_behind_a_backslash_is_refused(escaped in r#"\\[a-zA-Z"/\\\\]x"#) {
            let json = format!("\"{escaped}\"");
            let by_serde_json = serde_json::from_str::<String>(&json);
            prop_assert_eq!(unescape(&json).ok().map(Cow::into_owned), by_serde_json.ok());
        }
    }

    proptest! {
        // Short alphabets and many cases: what counts is where the backslashes fall in the blocks.
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_strings_end_is_where_a_byte_by_byte_look_finds_it(tail in r#"[a\\"]{0,8}(a{20,40}[a\\"]{0,8}){0,4}"#) {
            let text = format!("\"{tail}");
            prop_assert_eq!(string_end(text.as_bytes(), 1), end_by_byte(text.as_bytes()));
        }

        #[test]
        fn a_string_of_serde_json_is_taken_whole(value in any::<String>(), doubled in any::<bool>()) {
            let json = serde_json::to_string(&value).unwrap();
            // JSON inside JSON, as a history is.
            let json = if doubled { serde_json::to_string(&json).unwrap() } else { json };
            let text = format!(" {json} ,");
            let mut cursor = Cursor::new(&text);
            prop_assert_eq!(cursor.string(), Ok(json.as_str()));
            prop_assert!(cursor.take(b','));
        }
    }
}
