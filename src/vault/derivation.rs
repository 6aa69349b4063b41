//! Key derivation on its own thread. It takes about 50 ms. If the salt is known, the derivation runs during the
//! request.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::secret::SecretText;
use crate::vault::crypto::{Key, Salt};

/// How long a failed launch waits for its derivation thread: a busy machine takes many times the usual 50 ms.
const END: Duration = Duration::from_secs(2);
/// The thread's stack. The default of 2 MiB fails under a tight limit on address space.
const STACK: usize = 256 * 1024;

/// The key of a password. The derivation starts as soon as the salt is known.
pub(crate) struct Derivation {
    password: Arc<SecretText>,
    running: Option<(Salt, Receiver<Key>)>,
}

/// Why there is no key.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum DerivationError {
    #[error("the deadline passed during the key derivation")]
    #[diagnostic(help("this machine is slow or busy: allow more time with --timeout (REDENV_TIMEOUT)"))]
    Overdue,
    #[error("the system allows no thread for the key derivation")]
    #[diagnostic(help("raise the limit of processes: `ulimit -u`, or the container's limit of pids"))]
    NoThread,
}

impl Derivation {
    /// Prepares the derivation from `password`, without starting it.
    pub(crate) fn new(password: &Arc<SecretText>) -> Self {
        Self { password: Arc::clone(password), running: None }
    }

    /// Starts the derivation with `salt`. A wrong salt only costs time.
    pub(crate) fn start(&mut self, salt: Salt) -> Result<(), DerivationError> {
        if self.running.as_ref().is_some_and(|(running, _)| *running == salt) {
            return Ok(());
        }
        let password = Arc::clone(&self.password);
        let (send, key) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("derivation".into())
            .stack_size(STACK)
            .spawn(move || {
                let key = Key::derive(&password, &salt);
                // Before the key is sent, so that nobody has the key while this thread has the password.
                drop(password);
                drop(send.send(key));
            })
            .map_err(|_| DerivationError::NoThread)?;
        self.running = Some((salt, key));
        Ok(())
    }

    /// Waits for the key derived with `salt`, until `deadline`.
    pub(crate) fn finish(mut self, salt: Salt, deadline: Deadline) -> Result<Key, DerivationError> {
        self.start(salt)?;
        let (_, key) = self.running.as_ref().ok_or(DerivationError::NoThread)?;
        let derived = key.recv_timeout(deadline.remaining()).map_err(|error| match error {
            RecvTimeoutError::Timeout => DerivationError::Overdue,
            RecvTimeoutError::Disconnected => DerivationError::NoThread,
        })?;
        // Nothing is left to wait for.
        self.running = None;
        Ok(derived)
    }
}

impl Drop for Derivation {
    /// Waits for the thread of a failed launch, so that it wipes the password before the process ends.
    fn drop(&mut self) {
        if let Some((_, key)) = self.running.take() {
            drop(key.recv_timeout(END));
        }
    }
}
