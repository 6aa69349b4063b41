//! A slow network between a client and a vault: each round trip takes a given time, including the one
//! that connects. The bandwidth is unlimited.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Forwards connections on loopback to `vault` with this delay. Returns the port to connect to.
pub fn between(vault: SocketAddr, round_trip: Duration) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            // The kernel accepts at once, so `pass` adds the connection's round trip.
            let connected = Instant::now() + round_trip;
            let far = TcpStream::connect(vault).expect("the vault listens");
            let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass(near, far, connected, round_trip / 2));
            thread::spawn(move || pass(ends.1, ends.0, connected, round_trip / 2));
        }
    });
    Ok(port)
}

/// Forwards each piece after `delay`, and none before `earliest` plus `delay`.
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
