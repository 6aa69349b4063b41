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

/// A key that is being derived.
#[derive(Debug)]
pub(crate) struct Derivation {
    salt: Salt,
    key: Receiver<Key>,
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
    /// Starts to derive the key of `password` under `salt`.
    ///
    /// # Errors
    /// [`DerivationError::NoThread`] where the system gives no thread.
    pub(crate) fn start(password: &Arc<SecretText>, salt: Salt) -> Result<Self, DerivationError> {
        let password = Arc::clone(password);
        let (send, key) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("derivation".into())
            .stack_size(STACK)
            .spawn(move || drop(send.send(Key::derive(&password, &salt))))
            .map_err(|_| DerivationError::NoThread)?;
        Ok(Self { salt, key })
    }

    /// The salt it was started with.
    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    /// Waits for the key, at most until the deadline.
    ///
    /// # Errors
    /// [`DerivationError`] where the deadline passes first or the thread dies.
    pub(crate) fn finish(self, deadline: Deadline) -> Result<Key, DerivationError> {
        self.key.recv_timeout(deadline.remaining()).map_err(|error| match error {
            RecvTimeoutError::Timeout => DerivationError::Overdue,
            RecvTimeoutError::Disconnected => DerivationError::NoThread,
        })
    }
}
