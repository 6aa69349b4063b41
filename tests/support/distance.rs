//! A network between a client and a vault, as far as time goes: each round trip takes as long as
//! it is told, the one that makes the connection included. Any amount passes at once.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Listens on loopback and passes everything on to `vault`, so late; gives its own port.
pub fn between(vault: SocketAddr, round_trip: Duration) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // The kernel has answered for the vault: what its answer takes is made up for below.
            let connected = Instant::now() + round_trip;
            let far = TcpStream::connect(vault).expect("the vault listens");
            let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass(near, far, connected, round_trip / 2));
            thread::spawn(move || pass(ends.1, ends.0, connected, round_trip / 2));
        }
    });
    Ok(port)
}

/// Passes each piece on when it has been under way for `delay`, counted from `earliest` at least.
fn pass(mut from: TcpStream, mut to: TcpStream, earliest: Instant, delay: Duration) {
    let (send, pieces) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        drop(to.set_nodelay(true));
        for (due, piece) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                return;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let due = Instant::now().max(earliest) + delay;
        if send.send((due, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}
