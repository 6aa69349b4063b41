//! Questions on the terminal. They use `/dev/tty`, so stdin and stdout can be anything.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};

use crate::secret::SecretText;

/// The process's controlling terminal.
#[derive(Debug)]
pub(crate) struct Terminal(File);

impl Terminal {
    /// Opens the terminal, if there is one.
    pub(crate) fn open() -> Option<Self> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").ok().map(Self)
    }

    /// Asks for a line without echo. Ctrl-D is an [`io::ErrorKind::UnexpectedEof`].
    pub(crate) fn ask_secretly(mut self, question: &str) -> io::Result<SecretText> {
        // rpassword turns Ctrl-C into a SIGINT, which would leave the terminal without echo. So the signal
        // waits until the echo is back.
        let deadly = Arc::new(AtomicBool::new(false));
        flag::register_conditional_default(SIGINT, Arc::clone(&deadly))?;
        let answer = rpassword::prompt_password(question);
        deadly.store(true, Ordering::SeqCst);
        if answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            low_level::emulate_default_handler(SIGINT)?;
        } else if answer.is_err() {
            // The next message starts on a new line.
            self.0.write_all(b"\n")?;
        }
        answer.map(SecretText::new)
    }

    /// Asks for a `y` or `yes`; anything else is a no.
    pub(crate) fn confirm(mut self, question: &str) -> io::Result<bool> {
        self.0.write_all(question.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(self.0).read_line(&mut answer)?;
        Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
    }
}
