//! A name server that knows one name: the part of RFC 1035 that this needs.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A running name server on port 53 of 127.0.0.1. It ends with its network namespace.
pub struct NameServer {
    answered: Arc<AtomicUsize>,
}

const HEADER: usize = 12;
/// Type and class follow the name of a question.
const TYPE_A: u16 = 1;
const NOT_FOUND: u8 = 3;

impl NameServer {
    /// Answers 127.0.0.1 to queries for the address of `name`.
    pub fn start(name: &str) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 53)).expect("port 53 is this namespace's own");
        let answered = Arc::new(AtomicUsize::new(0));
        let name = labels(name);
        let counter = Arc::clone(&answered);
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query) {
                if let Some(response) = answer(&query[..length], &name) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    drop(socket.send_to(&response, client));
                }
            }
        });
        Self { answered }
    }

    /// The number of queries so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

/// A name as a question holds it: each label with its length before it, and a zero at the end.
fn labels(name: &str) -> Vec<u8> {
    let mut labels = Vec::new();
    for label in name.split('.') {
        labels.push(u8::try_from(label.len()).expect("a label of a name is short"));
        labels.extend(label.as_bytes());
    }
    labels.push(0);
    labels
}

/// The response to a query with one question; `None` for anything else.
fn answer(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(HEADER..)?;
    let end = question.iter().position(|byte| *byte == 0)? + 1;
    let (asked, kind) =
        (&question[..end], u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]));
    let known = asked.eq_ignore_ascii_case(name);
    let found = known && kind == TYPE_A;
    let mut response = query[..2].to_vec();
    // A response with recursion, then one question, then one answer or none.
    response.extend([0x81, 0x80 | if known { 0 } else { NOT_FOUND }]);
    response.extend([0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    response.extend(question.get(..end + 4)?);
    if found {
        // The name as a pointer to the question's, A, IN, a TTL of 60 seconds, four bytes.
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        response.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(response)
}
