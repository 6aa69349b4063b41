//! A cursor over the outer JSON of a reply: arrays of strings that are mostly passed over.
//!
//! A reply is some 250 bytes per version of every secret, of which one version in ten is looked at.
//! `serde_json` passes over a string byte by byte where it is full of escapes, as JSON inside JSON is;
//! this looks at 32 bytes at a time. What is inside a string is left to `serde_json`.

use serde::de::IgnoredAny;

/// Bytes that are looked at together: the compiler makes a few vector instructions of them.
const BLOCK: usize = 32;

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

    /// Passes over any value.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
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

/// Where the string that begins at `from`, after its quote, has its closing quote.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // A block in which every quote has a backslash before it, and no two backslashes stand
        // together, holds no end: each of its backslashes escapes what follows.
        while let (Some(block), Some(before)) = (bytes.get(at..at + BLOCK), bytes.get(at - 1..at - 1 + BLOCK))
        {
            #[expect(clippy::needless_bitwise_bool, reason = "branches would keep it from being vector code")]
            let suspect = block.iter().zip(before).fold(false, |suspect, (byte, before)| {
                suspect | ((*byte == b'"') & (*before != b'\\')) | ((*byte == b'\\') & (*before == b'\\'))
            });
            if suspect {
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
