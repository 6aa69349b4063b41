//! The key derivation on its own thread: it costs some 50 ms, which hide behind the request where
//! the salt is known beforehand, and the deadline holds while it runs.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use crate::crypto::{Key, Salt};
use crate::deadline::Deadline;
use crate::secret::SecretText;

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
        self.receiver(salt).map(drop)
    }

    /// Waits for the key under `salt`, at most until the deadline.
    ///
    /// # Errors
    /// [`DerivationError`] where the deadline passes first or there is no thread.
    pub(crate) fn finish(mut self, salt: Salt, deadline: Deadline) -> Result<Key, DerivationError> {
        self.receiver(salt)?.recv_timeout(deadline.remaining()).map_err(|error| match error {
            RecvTimeoutError::Timeout => DerivationError::Overdue,
            RecvTimeoutError::Disconnected => DerivationError::NoThread,
        })
    }

    fn receiver(&mut self, salt: Salt) -> Result<&Receiver<Key>, DerivationError> {
        let under_way = match self.under_way.take() {
            Some((before, key)) if before == salt => (salt, key),
            _ => (salt, self.spawn(salt)?),
        };
        Ok(&self.under_way.insert(under_way).1)
    }

    fn spawn(&self, salt: Salt) -> Result<Receiver<Key>, DerivationError> {
        let password = Arc::clone(&self.password);
        let (send, key) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("derivation".into())
            .stack_size(STACK)
            .spawn(move || drop(send.send(Key::derive(&password, &salt))))
            .map_err(|_| DerivationError::NoThread)?;
        Ok(key)
    }
}
