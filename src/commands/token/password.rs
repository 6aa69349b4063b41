//! Where the master password comes from: stdin, a file, or the terminal. Never an argument or a
//! plain variable, which others can see.

use std::io::{self, BufRead, IsTerminal};

use zeroize::Zeroizing;

use super::error::TokenError;
use crate::child::environment::Environment;
use crate::commands::error::Error;
use crate::secret::SecretText;
use crate::settings;
use crate::ui::failure::Failure;
use crate::ui::prompt::Terminal;
use crate::vault::Name;

/// The most that is read of stdin: more than any password, and read at once.
const LONGEST: usize = 64 * 1024;

/// The master password, or the terminal to ask for it on.
pub(super) enum MasterPassword {
    Given(SecretText),
    Ask(Terminal),
}

impl MasterPassword {
    /// Finds it: `--password-stdin`, `REDENV_MASTER_PASSWORD_FILE`, the terminal, in this order.
    ///
    /// # Errors
    /// Where none of them is there, or the one that is there can't be read.
    pub(super) fn find(stdin: bool, environment: &Environment) -> Result<Self, Box<dyn Failure>> {
        // On a terminal it would be shown while it is typed.
        if stdin && !io::stdin().is_terminal() {
            return Ok(Self::Given(first_line(io::stdin().lock()).map_err(Error::Token)?));
        }
        if !stdin && let Some(password) = settings::master_password(environment).map_err(Error::Settings)? {
            return Ok(Self::Given(password));
        }
        let terminal = Terminal::open().ok_or(Error::Token(TokenError::NoTerminalForPassword))?;
        Ok(Self::Ask(terminal))
    }

    /// The password itself; asks for it where it has to.
    ///
    /// # Errors
    /// [`TokenError`] where it is empty, or the terminal fails.
    pub(super) fn get(self, project: &Name) -> Result<SecretText, TokenError> {
        let password = match self {
            Self::Given(password) => password,
            Self::Ask(terminal) => terminal
                .ask_secretly(&format!("Master password of project {project}: "))
                .map_err(TokenError::Terminal)?,
        };
        if password.expose().is_empty() { Err(TokenError::NoPassword) } else { Ok(password) }
    }
}

/// The first line, without its end.
fn first_line(input: impl BufRead) -> Result<SecretText, TokenError> {
    // Its size up front: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    input.take(LONGEST as u64).read_until(b'\n', &mut line).map_err(TokenError::Stdin)?;
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    }
    SecretText::from_utf8(line).map_err(|_| TokenError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_taken_without_its_end_and_nothing_else_off() {
        for (input, password) in [
            ("secret\nmore\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret", "secret"),
            (" pässword ✓ \n", " pässword ✓ "),
            ("a\rb\r\r\n", "a\rb\r"),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose(), password, "{input:?}");
        }
        assert!(matches!(first_line(&b"\xff\n"[..]), Err(TokenError::NotUtf8)));
    }
}
