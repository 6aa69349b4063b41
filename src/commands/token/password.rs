//! The master password: from stdin, a file or the terminal, never from an argument or a variable. Other
//! users can see arguments, and child processes inherit variables.

use std::io::{self, BufRead, IsTerminal};

use zeroize::Zeroizing;

use super::error::TokenError;
use crate::child::environment::Environment;
use crate::secret::SecretText;
use crate::settings;
use crate::ui::failure::Failure;
use crate::ui::prompt::Terminal;
use crate::vault::Name;

/// The most bytes that redenv-run reads from stdin.
const LONGEST: usize = 64 * 1024;

/// The master password, or the terminal to ask for it on.
pub(super) enum MasterPassword {
    Given(SecretText),
    Ask(Terminal),
}

impl MasterPassword {
    /// Looks in `--password-stdin`, then `REDENV_MASTER_PASSWORD_FILE`, then for a terminal.
    pub(super) fn find(from_stdin: bool, environment: &Environment) -> Result<Self, Failure> {
        // A terminal would show the password on the screen.
        if from_stdin && !io::stdin().is_terminal() {
            return Ok(Self::Given(first_line(io::stdin().lock())?));
        }
        if !from_stdin && let Some(password) = settings::master_password(environment)? {
            return Ok(Self::Given(password));
        }
        Ok(Self::Ask(Terminal::open().ok_or(TokenError::NoTerminalForPassword)?))
    }

    /// The password, which the user may have to type now.
    pub(super) fn get(self, project: &Name) -> Result<SecretText, TokenError> {
        let password = match self {
            Self::Given(password) => password,
            Self::Ask(terminal) => {
                let question = format!("Master password of project {project}: ");
                terminal.ask_secretly(&question).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => TokenError::NotTyped,
                    _ => TokenError::Terminal(error),
                })?
            }
        };
        if password.expose().is_empty() { Err(TokenError::NoPassword) } else { Ok(password) }
    }
}

/// The first line, without its newline.
fn first_line(input: impl BufRead) -> Result<SecretText, TokenError> {
    // Allocated at once: a buffer that grows leaves copies behind.
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
    fn only_the_first_line_counts_and_only_its_newline_is_removed() {
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
