//! A real Redis for one test, on its own socket.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running `redis-server` that saves nothing. It stops when it is dropped.
pub struct RedisServer {
    process: Child,
    directory: TempDir,
}

impl RedisServer {
    /// Panics when `redis-server` is missing: a test that skips itself proves nothing.
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "redis.sock"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server did not start ({error}); scripts/test installs it"));
        let server = Self { process, directory };
        let start = Instant::now();
        // The socket's file exists before the server listens on it.
        while std::os::unix::net::UnixStream::connect(server.socket()).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
