//! HTTP/1.1 as a server: one request read, one response written.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::faults::Framing;

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number of its TCP connection, from 0.
    pub connection: usize,
    pub method: String,
    pub path: String,
    /// Names as they were sent, in the order they were sent.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|h| h.0.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// A response of the vault or of a test.
#[derive(Clone, Debug)]
pub struct Response {
    form: Form,
}

/// Bodies are shared: copying a large one would take longer than sending it.
#[derive(Clone, Debug)]
enum Form {
    Http { status: u16, headers: Vec<(String, String)>, body: Arc<Vec<u8>> },
    Raw(Vec<u8>),
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { form: Form::Http { status, headers: Vec::new(), body: Arc::default() } }
    }

    /// Sends these bytes instead of an HTTP response and closes the connection. Without bytes, the
    /// server just hangs up.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { form: Form::Raw(bytes.into()) }
    }

    /// The same body in an HTTP response of the test's own making.
    #[must_use]
    pub fn framed(&self, framing: Framing) -> Self {
        match &self.form {
            Form::Http { body, .. } => Self::raw(framing(body)),
            Form::Raw(_) => self.clone(),
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Form::Http { headers, .. } = &mut self.form {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    #[must_use]
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Self {
        if let Form::Http { body, .. } = &mut self.form {
            *body = Arc::new(content.into());
        }
        self
    }
}

/// Whether the connection stays open after a response.
#[derive(Clone, Copy, PartialEq)]
pub enum After {
    KeepAlive,
    Close,
}

/// How a body is sent: at once, or byte by byte with a pause before each.
#[derive(Clone, Copy, Default)]
pub enum Pace {
    #[default]
    AtOnce,
    Trickle(Duration),
}

/// Reads the next request; `None` when the client closed the connection. `unread` holds bytes that
/// arrived behind the last request.
pub fn read_request(
    stream: &mut impl Read,
    unread: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Request>> {
    loop {
        if let Some((mut request, head)) = parse_head(unread, connection)? {
            let end = head + body_length(&request)?;
            while unread.len() < end {
                if receive(stream, unread)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let rest = unread.split_off(end);
            request.body = String::from_utf8_lossy(&unread[head..]).into_owned();
            *unread = rest;
            return Ok(Some(request));
        }
        if receive(stream, unread)? == 0 {
            return if unread.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn receive(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 16 * 1024];
    let n = stream.read(&mut chunk)?;
    unread.extend(&chunk[..n]);
    Ok(n)
}

/// Parses the request without its body, and the offset of the body.
fn parse_head(bytes: &[u8], connection: usize) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => {
            let header =
                |h: &httparse::Header| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned());
            let request = Request {
                connection,
                method: parsed.method.unwrap_or_default().to_owned(),
                path: parsed.path.unwrap_or_default().to_owned(),
                headers: parsed.headers.iter().map(header).collect(),
                body: String::new(),
            };
            Ok(Some((request, length)))
        }
    }
}

fn body_length(request: &Request) -> io::Result<usize> {
    if request.header("transfer-encoding").is_some() {
        return Err(io::Error::other("the local vault takes bodies with a length only"));
    }
    request.header("content-length").unwrap_or("0").parse().map_err(io::Error::other)
}

/// Writes `response` and returns whether the connection stays open.
pub fn write_response(
    stream: &mut impl Write,
    response: &Response,
    after: After,
    pace: Pace,
) -> io::Result<After> {
    let (status, headers, body) = match &response.form {
        Form::Raw(bytes) => {
            stream.write_all(bytes)?;
            stream.flush()?;
            return Ok(After::Close);
        }
        Form::Http { status, headers, body } => (status, headers, body),
    };
    let mut bytes = format!("HTTP/1.1 {status} {}\r\n", reason(*status)).into_bytes();
    let given = |name: &str| headers.iter().any(|h| h.0.eq_ignore_ascii_case(name));
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    if !given("content-type") {
        bytes.extend(b"Content-Type: application/json\r\n");
    }
    if !given("content-length") {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    if after == After::Close {
        bytes.extend(b"Connection: close\r\n");
    }
    bytes.extend(b"\r\n");
    match pace {
        // Head and first part of the body go together: apart, they would wake the client twice.
        Pace::AtOnce => {
            let (beginning, rest) = body.split_at(body.len().min(16 * 1024));
            bytes.extend(beginning);
            stream.write_all(&bytes)?;
            stream.write_all(rest)?;
        }
        Pace::Trickle(pause) => {
            stream.write_all(&bytes)?;
            for byte in body.chunks(1) {
                stream.flush()?;
                thread::sleep(pause);
                stream.write_all(byte)?;
            }
        }
    }
    stream.flush()?;
    Ok(after)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
