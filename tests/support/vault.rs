//! A local vault: Upstash's REST API on loopback, with faults to switch on.

mod backend;
mod faults;
pub mod http;
mod memory;
mod rest;
mod tls;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::project::{Credentials, Project};
use backend::{Backend, Reply};
use faults::{Faults, Framing};
use http::{After, Pace};
use rest::{LastAnswer, Tokens};
use tls::{Protocols, Tls};

pub use backend::Hashes;
pub use http::{Request, Response};
pub use tls::Certificate;

/// A running vault; it stops when it is dropped.
pub struct Vault {
    shared: Arc<Shared>,
    address: SocketAddr,
    credentials: Option<Credentials>,
}

/// The state that all threads of a vault share.
struct Shared {
    backend: Backend,
    tokens: Tokens,
    last_answer: LastAnswer,
    tls: Option<Tls>,
    faults: Mutex<Faults>,
    requests: Mutex<Vec<Arc<Request>>>,
    connections: AtomicUsize,
    /// Open connections, so that stopping can end the threads that wait for a request.
    open: Mutex<HashMap<usize, TcpStream>>,
    stopping: AtomicBool,
}

/// The settings of a vault that can't change while it runs.
#[derive(Default)]
pub struct Builder {
    port: u16,
    token: Option<String>,
    read_only_token: Option<String>,
    redis: Option<String>,
    overwrite: bool,
    hashes: Vec<Hashes>,
    credentials: Option<Credentials>,
    certificate: Option<Certificate>,
    protocols: Protocols,
    names: Vec<String>,
}

impl Builder {
    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn read_only_token(mut self, token: &str) -> Self {
        self.read_only_token = Some(token.to_owned());
        self
    }

    /// Keeps everything in the Redis at `url` rather than in memory.
    pub fn redis(mut self, url: &str) -> Self {
        self.redis = Some(url.to_owned());
        self
    }

    /// Replaces hashes that the Redis already holds.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Loads the JSON file at `path`: `{key: {field: text}}`.
    pub fn dump(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("{} can't be read: {error}", path.display()));
        let hashes = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} is no dump: {error}", path.display()));
        self.hashes.push(hashes);
        self
    }

    /// Loads a project; its credentials become those of the vault.
    pub fn project(mut self, project: &Project) -> Self {
        self.hashes.push(project.hashes());
        self.credentials(project.credentials())
    }

    /// Starts redenv-run with these settings when it runs against this vault.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Serves HTTPS.
    pub fn tls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Speaks TLS 1.2 and no newer version.
    pub fn tls_1_2_only(mut self) -> Self {
        self.protocols = Protocols::Tls12;
        self
    }

    /// Adds a name to the certificate.
    pub fn name(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Panics when the port is taken, no Redis answers, or the Redis already holds one of the hashes.
    pub fn start(self) -> Vault {
        self.try_start().unwrap_or_else(|held| panic!("the Redis already holds {}", held.join(", ")))
    }

    /// As [`Builder::start`]. The error lists the keys that the Redis already holds.
    pub fn try_start(self) -> Result<Vault, Vec<String>> {
        let backend = self.redis.as_deref().map_or_else(Backend::memory, Backend::redis);
        let held = backend.held(&self.hashes);
        if !held.is_empty() && !self.overwrite {
            return Err(held);
        }
        let listener = TcpListener::bind(("127.0.0.1", self.port))
            .unwrap_or_else(|error| panic!("port {} can't be listened on: {error}", self.port));
        let address = listener.local_addr().unwrap();
        backend.remove(held);
        for hashes in &self.hashes {
            backend.load(hashes);
        }
        let tokens = Tokens {
            full: self.token.unwrap_or_else(|| "AXlocalVaultTokenForTestsOnly==".to_owned()),
            read_only: self.read_only_token,
        };
        let shared = Arc::new(Shared {
            backend,
            tokens,
            last_answer: LastAnswer::default(),
            tls: self.certificate.map(|kind| Tls::new(kind, self.protocols, &self.names)),
            faults: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Vault { shared, address, credentials: self.credentials })
    }
}

impl Vault {
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A vault in memory that holds `project`, over plain HTTP.
    pub fn of(project: &Project) -> Self {
        Self::builder().project(project).start()
    }

    /// A vault in memory whose project `acme` has one secret, `GREETING`, of the value `hello`.
    pub fn greeting() -> Self {
        Self::of(&Project::new("acme").secret("development", "GREETING", "hello"))
    }

    /// `http://127.0.0.1:PORT` or `https://localhost:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        match self.shared.tls {
            None => format!("http://{}", self.address),
            Some(_) => self.url_at("localhost"),
        }
    }

    /// The URL with another host name.
    pub fn url_at(&self, host: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.address.port())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn token(&self) -> &str {
        &self.shared.tokens.full
    }

    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The CA's certificate, in PEM. Panics when the vault serves plain HTTP.
    pub fn ca_file(&self) -> &Path {
        let tls = self.shared.tls.as_ref();
        tls.expect("a vault without TLS has no CA").ca_file()
    }

    pub fn hset(&self, key: &str, field: &str, value: &str) {
        self.command(&["HSET", key, field, value]);
    }

    pub fn hdel(&self, key: &str, field: &str) {
        self.command(&["HDEL", key, field]);
    }

    pub fn hget(&self, key: &str, field: &str) -> Option<String> {
        match self.command(&["HGET", key, field]) {
            Reply::Text(bytes) => Some(String::from_utf8(bytes).unwrap()),
            _ => None,
        }
    }

    fn command(&self, words: &[&str]) -> Reply {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        match self.shared.backend.run(&words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply,
        }
    }

    /// Every request so far, including those answered with a fault.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().iter().map(|request| Request::clone(request)).collect()
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until `n` requests have arrived. Panics after ten seconds.
    pub fn wait_for_requests(&self, n: usize) {
        let start = Instant::now();
        while self.shared.requests.lock().unwrap().len() < n {
            assert!(start.elapsed() < Duration::from_secs(10), "{n} requests never came");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits this long before each response from now on.
    pub fn set_delay(&self, delay: Duration) {
        self.faults(|faults| faults.delay = delay);
    }

    /// Sends bodies a byte at a time from now on, with this pause before each.
    pub fn set_trickle(&self, pause: Duration) {
        self.faults(|faults| faults.pace = Pace::Trickle(pause));
    }

    /// Answers the next `n` requests with `response`.
    pub fn respond_next(&self, n: usize, response: &Response) {
        self.faults(|faults| faults.next.extend((0..n).map(|_| response.clone())));
    }

    /// Executes the next `n` requests that contain `text`, and hangs up instead of answering.
    pub fn lose_answers(&self, n: usize, text: &str) {
        self.faults(|faults| faults.lost = (text.to_owned(), n));
    }

    /// Answers every request with `response`; `None` ends this.
    pub fn respond_always(&self, response: Option<Response>) {
        self.faults(|faults| faults.always = response);
    }

    /// Sends the body of each answer in the response that `framing` makes of it, and closes the connection.
    pub fn set_framing(&self, framing: Framing) {
        self.faults(|faults| faults.framing = Some(framing));
    }

    /// Closes TLS connections without a `close_notify` from now on.
    pub fn hang_up(&self) {
        self.faults(|faults| faults.hangs_up = true);
    }

    /// Answers this many requests per second and refuses the rest with 429.
    pub fn set_rate(&self, per_second: Option<u32>) {
        self.faults(|faults| faults.limit(per_second));
    }

    fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.faults.lock().unwrap());
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that it sees the flag.
        drop(TcpStream::connect(self.address));
        for stream in self.shared.open.lock().unwrap().values() {
            // The client may have closed it already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if let Ok(open) = stream.try_clone() {
                shared.open.lock().unwrap().insert(connection, open);
            }
            // A client may go away or reject the certificate.
            drop(serve(&shared, stream, connection));
            shared.open.lock().unwrap().remove(&connection);
        });
    }
}

fn serve(shared: &Shared, stream: TcpStream, connection: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match &shared.tls {
        None => converse(shared, stream, connection),
        Some(tls) => {
            let server = rustls::ServerConnection::new(Arc::clone(&tls.server));
            let server = server.map_err(io::Error::other)?;
            let mut stream = rustls::StreamOwned::new(server, stream);
            converse(shared, &mut stream, connection)?;
            if shared.faults.lock().unwrap().hangs_up {
                return Ok(());
            }
            stream.conn.send_close_notify();
            stream.flush()
        }
    }
}

fn converse(shared: &Shared, mut stream: impl Read + Write, connection: usize) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = http::read_request(&mut stream, &mut unread, connection)? {
        let request = Arc::new(request);
        shared.requests.lock().unwrap().push(Arc::clone(&request));
        let (instead, lost, delay, pace, framing) = {
            let mut faults = shared.faults.lock().unwrap();
            (faults.instead(), faults.loses(&request.body), faults.delay, faults.pace, faults.framing)
        };
        let answer = || rest::answer(&shared.backend, &shared.tokens, &shared.last_answer, &request);
        let mut response = instead.unwrap_or_else(answer);
        if lost {
            response = Response::raw("");
        }
        if let Some(framing) = framing {
            response = response.framed(framing);
        }
        thread::sleep(delay);
        let after = if request.wants_close() { After::Close } else { After::KeepAlive };
        if http::write_response(&mut stream, &response, after, pace)? == After::Close {
            break;
        }
    }
    Ok(())
}
