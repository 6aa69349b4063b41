//! Upstash's REST API: a request in, commands to the backend, JSON out.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;

use super::backend::{Backend, Command, DISCARDED, Reply};
use super::http::{Request, Response};

/// The tokens that the vault accepts.
pub struct Tokens {
    pub full: String,
    pub read_only: Option<String>,
}

/// The last answer, valid until something is written. Without it, building the answer of a large project
/// would take most of a client's time.
#[derive(Default)]
pub struct LastAnswer(Mutex<Option<Answer>>);

struct Answer {
    changes: u64,
    question: (String, String, Encoding, Access),
    response: Response,
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Full,
    ReadOnly,
}

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Plain,
    Base64,
}

/// Commands that a read-only token may run. Any other could change something.
const READS: &[&str] = &[
    "DBSIZE", "ECHO", "EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HSCAN",
    "HSTRLEN", "HTTL", "HVALS", "KEYS", "MGET", "PING", "PTTL", "SCAN", "STRLEN", "TIME", "TTL", "TYPE",
];

pub fn answer(backend: &Backend, tokens: &Tokens, last: &LastAnswer, request: &Request) -> Response {
    let Some(access) = access(tokens, request) else {
        return error(401, "WRONGPASS invalid or missing auth token");
    };
    if request.method != "POST" {
        return error(405, "ERR the local vault only takes POST");
    }
    if request.header("content-type") != Some("application/json") {
        return error(400, "ERR Content-Type must be application/json");
    }
    let encoding = match request.header("upstash-encoding") {
        Some("base64") => Encoding::Base64,
        _ => Encoding::Plain,
    };
    // Read before the commands run: a write meanwhile makes the answer outdated.
    let changes = backend.changes();
    let question = (request.path.clone(), request.body.clone(), encoding, access);
    let mut last = last.0.lock().unwrap();
    if let (Some(last), Some(changes)) = (&*last, changes)
        && (last.changes, &last.question) == (changes, &question)
    {
        return last.response.clone();
    }
    let response = obey(backend, access, encoding, request);
    *last = changes.map(|changes| Answer { changes, question, response: response.clone() });
    response
}

fn obey(backend: &Backend, access: Access, encoding: Encoding, request: &Request) -> Response {
    match request.path.as_str() {
        "/" => single(backend, access, encoding, &request.body),
        "/pipeline" => pipeline(backend, access, encoding, &request.body),
        "/multi-exec" => multi_exec(backend, access, encoding, &request.body),
        _ => error(404, "ERR the local vault has /, /pipeline and /multi-exec"),
    }
}

fn single(backend: &Backend, access: Access, encoding: Encoding, body: &str) -> Response {
    let words: Option<Vec<&RawValue>> = serde_json::from_str(body).ok();
    let Some(command) = words.and_then(|words| command(&words)) else {
        return error(400, "ERR failed to parse command");
    };
    match run(backend, access, &command) {
        Reply::Error(text) => error(400, &text),
        reply => Response::new(200).body(object(&reply, encoding)),
    }
}

fn pipeline(backend: &Backend, access: Access, encoding: Encoding, body: &str) -> Response {
    let Some(commands) = commands(body) else {
        return error(400, "ERR failed to parse pipeline request");
    };
    let replies: Vec<Reply> = commands.iter().map(|c| run(backend, access, c)).collect();
    Response::new(200).body(array_of_objects(&replies, encoding))
}

fn multi_exec(backend: &Backend, access: Access, encoding: Encoding, body: &str) -> Response {
    let Some(commands) = commands(body) else {
        return error(400, "ERR failed to parse multi-exec request");
    };
    if commands.iter().any(|c| refusal(access, c).is_some()) {
        return error(400, DISCARDED);
    }
    match backend.run_atomically(&commands) {
        Ok(replies) => Response::new(200).body(array_of_objects(&replies, encoding)),
        Err(text) => error(400, &text),
    }
}

fn run(backend: &Backend, access: Access, command: &Command) -> Reply {
    match refusal(access, command) {
        Some(refusal) => Reply::Error(refusal),
        None => backend.run(command),
    }
}

/// True when the command can't change anything.
pub fn reads(command: &Command) -> bool {
    READS.iter().any(|read| read.eq_ignore_ascii_case(&command[0]))
}

fn refusal(access: Access, command: &Command) -> Option<String> {
    let name = &command[0];
    (access == Access::ReadOnly && !reads(command)).then(|| {
        let name = name.to_ascii_lowercase();
        format!("NOPERM this user has no permissions to run the '{name}' command")
    })
}

fn access(tokens: &Tokens, request: &Request) -> Option<Access> {
    let token = request.header("authorization")?.strip_prefix("Bearer ")?;
    if token == tokens.full {
        Some(Access::Full)
    } else if tokens.read_only.as_deref() == Some(token) {
        Some(Access::ReadOnly)
    } else {
        None
    }
}

fn commands(body: &str) -> Option<Vec<Command>> {
    let commands: Vec<Vec<&RawValue>> = serde_json::from_str(body).ok()?;
    commands.iter().map(|words| command(words)).collect()
}

/// Numbers and booleans are taken as they are written.
fn command(words: &[&RawValue]) -> Option<Command> {
    if words.is_empty() {
        return None;
    }
    let word = |raw: &&RawValue| match raw.get().as_bytes()[0] {
        b'"' => serde_json::from_str(raw.get()).ok(),
        b'[' | b'{' => None,
        _ => Some(raw.get().to_owned()),
    };
    words.iter().map(word).collect()
}

fn error(status: u16, text: &str) -> Response {
    let body = object(&Reply::Error(text.to_owned()), Encoding::Plain);
    Response::new(status).body(body)
}

fn array_of_objects(replies: &[Reply], encoding: Encoding) -> Vec<u8> {
    let mut json = vec![b'['];
    for (i, reply) in replies.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        write_object(reply, encoding, &mut json);
    }
    json.push(b']');
    json
}

fn object(reply: &Reply, encoding: Encoding) -> Vec<u8> {
    let mut json = Vec::new();
    write_object(reply, encoding, &mut json);
    json
}

fn write_object(reply: &Reply, encoding: Encoding, json: &mut Vec<u8>) {
    let member: &[u8] = match reply {
        Reply::Error(_) => b"{\"error\":",
        _ => b"{\"result\":",
    };
    json.extend(member);
    write(reply, encoding, json);
    json.push(b'}');
}

fn write(reply: &Reply, encoding: Encoding, json: &mut Vec<u8>) {
    match reply {
        Reply::Nil => json.extend(b"null"),
        Reply::Okay => json.extend(b"\"OK\""),
        Reply::Integer(n) => json.extend(n.to_string().into_bytes()),
        Reply::Error(text) => serde_json::to_writer(json, text).unwrap(),
        Reply::Text(bytes) if encoding == Encoding::Base64 => {
            serde_json::to_writer(json, &BASE64.encode(bytes)).unwrap();
        }
        Reply::Text(bytes) => {
            serde_json::to_writer(json, &String::from_utf8_lossy(bytes)).unwrap();
        }
        Reply::Array(replies) => {
            json.push(b'[');
            for (i, reply) in replies.iter().enumerate() {
                if i > 0 {
                    json.push(b',');
                }
                write(reply, encoding, json);
            }
            json.push(b']');
        }
    }
}
