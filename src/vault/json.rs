//! A cursor over the outer JSON of a reply: arrays of strings that are mostly passed over.
//!
//! A reply is some 250 bytes per version of every secret, of which one version in ten is looked at.
//! `serde_json` passes over a string byte by byte where it is full of escapes, as JSON inside JSON is;
//! this looks at 64 at a time, in a way that is fast also where the compiler is asked for small code and
//! makes no vector instructions of its own. Numbers, nested values and rare escapes are left to `serde_json`.

#![expect(
    clippy::inline_always,
    reason = "built for size, nothing is inlined by itself, and this runs per byte"
)]

use std::borrow::Cow;

use memchr::memchr;
use serde::de::IgnoredAny;
use wide::u8x16;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Not JSON, or not of the shape that was asked for, at this byte.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) struct Malformed {
    pub(super) at: usize,
}

/// A place in a JSON text. What is passed over isn't checked to be UTF-8; what is read is.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    quotes: Quotes,
}

/// How a text's strings are delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// By quotes.
    Plain,
    /// By quotes with a backslash before them: the text is the inside of a JSON string.
    Escaped,
}

impl<'t> Cursor<'t> {
    /// The text's beginning.
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, quotes: Quotes::Plain }
    }

    /// The beginning of a JSON text that stands inside a JSON string, as it stands there. What is read
    /// is what the text itself has; where it has more escapes than those of its quotes, or blanks that
    /// are escaped, it is malformed for this cursor, and has to be unescaped first.
    pub(super) fn inside(string: &'t [u8]) -> Self {
        Self { text: string, at: 0, quotes: Quotes::Escaped }
    }

    /// A complaint about this place.
    pub(super) fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    /// The next byte that isn't white space.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Passes over this byte, and says whether it was there.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Passes over this byte.
    #[inline(always)]
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

    /// Passes over a string and gives it as it stands, without its quotes; `None` for a null.
    pub(super) fn string_or_null(&mut self) -> Result<Option<&'t [u8]>, Malformed> {
        if self.peek() == Some(b'n') && self.text[self.at..].starts_with(b"null") {
            self.at += 4;
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// Passes over a string and gives it as it stands, without its quotes. Its escapes aren't checked.
    pub(super) fn string(&mut self) -> Result<&'t [u8], Malformed> {
        let text = self.text;
        let is_quote = |at: usize| text.get(at) == Some(&b'"');
        let (start, end, after) = match (self.quotes, self.peek()) {
            (Quotes::Plain, Some(b'"')) => {
                let start = self.at + 1;
                let mut escapes = Escapes::default();
                let end = find(&text[start..], |block| escapes.quotes(block));
                end.map(|length| (start, start + length, start + length + 1))
            }
            (Quotes::Escaped, Some(b'\\')) if is_quote(self.at + 1) => {
                let start = self.at + 2;
                // A backslash that isn't the quote's own would be of an escape inside the string.
                let end = first_backslash(&text[start..]).map(|length| start + length);
                end.filter(|end| is_quote(end + 1)).map(|end| (start, end, end + 2))
            }
            _ => None,
        }
        .ok_or_else(|| self.malformed())?;
        self.at = after;
        Ok(&text[start..end])
    }

    /// Passes over a whole number, or a null.
    pub(super) fn number_or_null(&mut self) -> Result<Option<u64>, Malformed> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return if self.string_or_null()?.is_none() { Ok(None) } else { Err(self.malformed()) };
        }
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            let more = number.checked_mul(10).and_then(|number| number.checked_add(u64::from(digit - b'0')));
            number = more.ok_or_else(|| self.malformed())?;
            self.at += 1;
        }
        Ok(Some(number))
    }

    /// Passes over any value.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        if matches!(self.peek(), Some(b'"' | b'\\')) {
            return self.string().map(drop);
        }
        let mut values =
            serde_json::Deserializer::from_slice(&self.text[self.at..]).into_iter::<IgnoredAny>();
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

/// The text of a string, given without its quotes.
///
/// # Errors
/// [`BadString`] for escapes that JSON doesn't know, and for what isn't UTF-8.
pub(super) fn unescape(inside: &[u8]) -> Result<Cow<'_, str>, BadString> {
    let inside = std::str::from_utf8(inside).map_err(|_| BadString)?;
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

/// The first byte that `bits` has a bit for, block by block; the last one is filled up with zeros.
#[inline(always)]
fn find(bytes: &[u8], mut bits: impl FnMut(&[u8; BLOCK]) -> u64) -> Option<usize> {
    let mut last = [0; BLOCK];
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let block = rest.first_chunk().unwrap_or_else(|| {
            last[..rest.len()].copy_from_slice(rest);
            &last
        });
        let found = bits(block);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
}

/// The first backslash, which mostly is not far.
#[inline(always)]
fn first_backslash(bytes: &[u8]) -> Option<usize> {
    let near = bytes.first_chunk().map_or(0, |first| lane(*first, u8x16::splat(b'\\')));
    if near != 0 {
        return Some(near.trailing_zeros() as usize);
    }
    find(bytes, |block| positions(block, b'\\'))
}

/// The escapes of a string, block by block.
#[derive(Default)]
struct Escapes {
    /// 1 where the last character of the block before escapes the first of the next one.
    carry: u64,
}

impl Escapes {
    /// The quotes of the next block that aren't escaped.
    #[inline(always)]
    fn quotes(&mut self, block: &[u8; BLOCK]) -> u64 {
        let escaped = self.escaped(positions(block, b'\\'));
        positions(block, b'"') & !escaped
    }

    /// The characters of a block that are escaped, given its backslashes. In a run of backslashes every
    /// other one escapes what follows it: where a run begins on an even place, those are the even ones.
    /// Subtracting the runs carries through each of them, which finds their ends without a loop
    /// (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019, section 3.1.1).
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        let starts = backslashes & !self.carry;
        let ends = ((starts << 1 | ODD).wrapping_sub(starts)) ^ ODD;
        let escaped = ends ^ (backslashes | self.carry);
        self.carry = (ends & backslashes) >> (BLOCK - 1);
        escaped
    }
}

/// A bit for every byte of the block that is `byte`, the first one lowest.
#[inline(always)]
fn positions(block: &[u8; BLOCK], byte: u8) -> u64 {
    let (lanes, _) = block.as_chunks();
    let wanted = u8x16::splat(byte);
    // Written out: a loop would stay one.
    lane(lanes[0], wanted)
        | lane(lanes[1], wanted) << 16
        | lane(lanes[2], wanted) << 32
        | lane(lanes[3], wanted) << 48
}

#[inline(always)]
fn lane(bytes: [u8; 16], wanted: u8x16) -> u64 {
    u8x16::new(bytes).cmp_eq(wanted).move_mask().cast_unsigned().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string_end(bytes: &[u8]) -> Option<usize> {
        let mut escapes = Escapes::default();
        find(bytes, |block| escapes.quotes(block))
    }

    fn end_by_byte(bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// The JSON string of a text, without its quotes.
    fn inside(text: &str) -> String {
        let json = serde_json::to_string(text).unwrap();
        json[1..json.len() - 1].to_owned()
    }

    proptest! {
        #[test]
        fn a_string_is_unescaped_as_serde_json_does(value in r#"([a"\\\\/\n\té€]|\\PC){0,40}"#) {
            let once = inside(&value);
            prop_assert_eq!(unescape(once.as_bytes()).unwrap(), value.as_str());
            let twice = inside(&once);
            prop_assert_eq!(unescape(twice.as_bytes()).unwrap(), once.as_str());
        }

        #[test]
        fn what_serde_json_refuses_behind_a_backslash_is_refused(escaped in r#"\\[a-zA-Z"/\\\\]x"#) {
            let by_serde_json = serde_json::from_str::<String>(&format!("\"{escaped}\""));
            prop_assert_eq!(unescape(escaped.as_bytes()).ok().map(Cow::into_owned), by_serde_json.ok());
        }
    }

    proptest! {
        // Short alphabets and many cases: what counts is where the backslashes fall in the blocks.
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_strings_end_is_where_a_byte_by_byte_look_finds_it(text in r#"[a\\"]{0,8}(a{20,70}[a\\"]{0,8}){0,4}"#) {
            prop_assert_eq!(string_end(text.as_bytes()), end_by_byte(text.as_bytes()));
        }

        #[test]
        fn a_run_of_backslashes_of_any_length_is_counted(before in 0..70_usize, run in 0..140_usize) {
            let text = format!("{}{}\"{}", "a".repeat(before), "\\".repeat(run), "a".repeat(80));
            prop_assert_eq!(string_end(text.as_bytes()), end_by_byte(text.as_bytes()));
        }

        #[test]
        fn a_string_of_serde_json_is_taken_whole(value in any::<String>(), doubled in any::<bool>()) {
            let json = serde_json::to_string(&value).unwrap();
            // JSON inside JSON, as a history is.
            let json = if doubled { serde_json::to_string(&json).unwrap() } else { json };
            let text = format!(" {json} ,");
            let mut cursor = Cursor::new(text.as_bytes());
            prop_assert_eq!(cursor.string(), Ok(&json.as_bytes()[1..json.len() - 1]));
            prop_assert!(cursor.take(b','));
        }
    }
}
