//! The key derivation on its own thread: it costs some 50 ms, which hide behind the request where
//! the salt is known beforehand, and the deadline holds while it runs.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::secret::SecretText;
use crate::vault::crypto::{Key, Salt};

/// How long the end waits for a derivation that nobody needs: some times what one takes.
const END: Duration = Duration::from_millis(200);
/// What the derivation needs of a stack, with room: the default of 2 MiB is only address space, but
/// limits on that exist.
const STACK: usize = 256 * 1024;

/// The key of a password, which is derived from when its salt is known: beforehand, from the beginning
/// of a long answer, or from the whole.
pub(crate) struct Derivation {
    password: Arc<SecretText>,
    under_way: Option<(Salt, Receiver<Key>)>,
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DerivationError {
    /// The deadline passed first.
    Overdue,
    /// The system gave no thread, or it died.
    NoThread,
}

impl Derivation {
    /// Of this password; nothing is derived yet.
    pub(crate) fn new(password: &Arc<SecretText>) -> Self {
        Self { password: Arc::clone(password), under_way: None }
    }

    /// Starts to derive under `salt`, if that isn't under way already. Another salt before it only costs
    /// its time.
    ///
    /// # Errors
    /// [`DerivationError::NoThread`] where the system gives no thread.
    pub(crate) fn start(&mut self, salt: Salt) -> Result<(), DerivationError> {
        self.under_way = Some((salt, self.receiver(salt)?));
        Ok(())
    }

    /// Waits for the key under `salt`, at most until the deadline.
    ///
    /// # Errors
    /// [`DerivationError`] where the deadline passes first or there is no thread.
    pub(crate) fn finish(mut self, salt: Salt, deadline: Deadline) -> Result<Key, DerivationError> {
        let key = self.receiver(salt)?;
        key.recv_timeout(deadline.remaining()).map_err(|error| match error {
            RecvTimeoutError::Timeout => DerivationError::Overdue,
            RecvTimeoutError::Disconnected => DerivationError::NoThread,
        })
    }

    /// Where the key under `salt` arrives.
    fn receiver(&mut self, salt: Salt) -> Result<Receiver<Key>, DerivationError> {
        match self.under_way.take() {
            Some((before, key)) if before == salt => Ok(key),
            _ => self.spawn(salt),
        }
    }

    fn spawn(&self, salt: Salt) -> Result<Receiver<Key>, DerivationError> {
        let password = Arc::clone(&self.password);
        let (send, key) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("derivation".into())
            .stack_size(STACK)
            .spawn(move || {
                let key = Key::derive(&password, &salt);
                // Who has the key knows that this thread has the password no more.
                drop(password);
                drop(send.send(key));
            })
            .map_err(|_| DerivationError::NoThread)?;
        Ok(key)
    }
}

impl Drop for Derivation {
    /// Lets a derivation that nobody needs any more come to its end, where the launch failed: the thread
    /// would end with the process, and leave the password in its memory.
    fn drop(&mut self) {
        if let Some((_, key)) = self.under_way.take() {
            drop(key.recv_timeout(END));
        }
    }
}
