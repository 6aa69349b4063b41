//! The newtype for secret text: wiped on drop, without `Display` and `Clone`, with an opaque `Debug`, so that a
//! secret can't get into a message by accident. `expose` is the only way to read it, and easy to search for.

use std::fmt;

use zeroize::Zeroizing;

/// Secret text: a token key, an Upstash token, a password or a secret's value.
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text without copying it.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Takes the bytes without copying them, and wipes them if they are not UTF-8.
    pub(crate) fn from_utf8(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, NotUtf8> {
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(NotUtf8)
            }
        }
    }

    /// The text. It must not get into a message, a log, a file or an argument list.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// The bytes are not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let shown = format!("{:?}", SecretText::new("hunter2".into()));
        assert_eq!(shown, "SecretText(..)");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let bytes = Zeroizing::new(vec![0x68, 0xff]);
        assert_eq!(SecretText::from_utf8(bytes).unwrap_err(), NotUtf8);
    }
}
