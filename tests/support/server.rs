//! A TCP server whose behaviour a test defines.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A running server. It accepts no more connections once it is dropped.
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Serves each connection with `converse`, on a thread of its own.
    pub fn start(converse: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), converse)
    }

    /// The same at this address.
    pub fn start_at(address: SocketAddr, converse: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, stopping) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, stop, converse) = (Arc::clone(&connections), Arc::clone(&stopping), Arc::new(converse));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let converse = Arc::clone(&converse);
                thread::spawn(move || converse(stream.unwrap()));
            }
        });
        Self { address, connections, stopping }
    }

    /// Accepts and reads, and never sends anything.
    pub fn silent() -> Self {
        Self::start(|mut stream| while receive(&mut stream) {})
    }

    /// Sends `beginning`, then `rest` again and again with `pause` before each, until the client
    /// closes the connection.
    pub fn endless(beginning: &'static str, rest: &'static [u8], pause: Duration) -> Self {
        Self::start(move |mut stream| {
            receive(&mut stream);
            let mut sent = stream.write_all(beginning.as_bytes());
            while sent.is_ok() {
                thread::sleep(pause);
                sent = stream.write_all(rest);
            }
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

/// Reads once. True when something arrived.
fn receive(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 16 * 1024]).is_ok_and(|n| n > 0)
}
