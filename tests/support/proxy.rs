//! An HTTP proxy that only knows CONNECT and connects to this machine, whatever the host.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::Server;

/// A running proxy.
pub struct Proxy {
    server: Server,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start() -> Self {
        Self::guarded(None)
    }

    /// Accepts only these credentials: `user:password` in base64.
    pub fn with_credentials(base64: &'static str) -> Self {
        Self::guarded(Some(base64))
    }

    fn guarded(credentials: Option<&'static str>) -> Self {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        let server = Server::start(move |client| {
            // The client sees the failure, too.
            drop(pass_on(&client, credentials, &log));
        });
        Self { server, requests }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The first lines of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn pass_on(client: &TcpStream, credentials: Option<&str>, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(client);
    let head: Vec<String> =
        lines.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    log.lock().unwrap().push(head[0].clone());
    let wanted = credentials.map(|base64| format!("Proxy-Authorization: Basic {base64}"));
    if wanted.is_some_and(|wanted| !head.contains(&wanted)) {
        return (&*client).write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    let port = head[0].split([' ', ':']).nth(2).and_then(|port| port.parse().ok());
    let store = TcpStream::connect(("127.0.0.1", port.unwrap_or(0)))?;
    (&*client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    thread::scope(|both| {
        both.spawn(|| {
            drop(io::copy(&mut &store, &mut &*client));
            drop(client.shutdown(Shutdown::Write));
        });
        drop(io::copy(&mut lines, &mut &store));
        drop(store.shutdown(Shutdown::Write));
    });
    Ok(())
}
