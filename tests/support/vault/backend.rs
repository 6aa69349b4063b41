//! Where the local vault keeps its hashes: in memory, or in a real Redis.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::memory::Memory;

/// A Redis command and its arguments, as text: JSON has no bytes.
pub type Command = Vec<String>;

/// The hashes of a dump: key, field, text.
pub type Hashes = BTreeMap<String, BTreeMap<String, String>>;

/// The reply to a command, before it becomes JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Nil,
    /// The only text that `Upstash-Encoding: base64` leaves unencoded.
    Okay,
    Integer(i64),
    Text(Vec<u8>),
    Array(Vec<Reply>),
    Error(String),
}

/// Runs the commands.
pub enum Backend {
    Memory(Mutex<Memory>),
    Redis(Mutex<redis::Connection>),
}

impl Backend {
    pub fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Panics when no Redis answers at `url` (`redis://…` or `unix:///…`).
    pub fn redis(url: &str) -> Self {
        let connection = redis::Client::open(url)
            .and_then(|client| client.get_connection())
            .unwrap_or_else(|error| panic!("no Redis at {url}: {error}"));
        Self::Redis(Mutex::new(connection))
    }

    /// The keys of `hashes` that exist already.
    pub fn held(&self, hashes: &[Hashes]) -> Vec<String> {
        let keys = hashes.iter().flat_map(BTreeMap::keys);
        let held = |key: &&String| self.run(&vec!["EXISTS".to_owned(), (*key).clone()]) != Reply::Integer(0);
        keys.filter(held).cloned().collect()
    }

    pub fn remove(&self, keys: Vec<String>) {
        if !keys.is_empty() {
            self.run(&[vec!["DEL".to_owned()], keys].concat());
        }
    }

    /// Writes every field of `hashes`, over existing fields.
    pub fn load(&self, hashes: &Hashes) {
        for (key, fields) in hashes {
            let mut hset = vec!["HSET".to_owned(), key.clone()];
            hset.extend(fields.iter().flat_map(|(f, v)| [f.clone(), v.clone()]));
            if fields.is_empty() {
                continue;
            }
            if let Reply::Error(error) = self.run(&hset) {
                panic!("{key} could not be loaded: {error}");
            }
        }
    }

    pub fn run(&self, command: &Command) -> Reply {
        match self {
            Self::Memory(memory) => memory.lock().unwrap().run(command),
            Self::Redis(connection) => pass_on(&mut connection.lock().unwrap(), command),
        }
    }

    /// While this number stays the same, so does every answer. `None` when other clients may write.
    pub fn changes(&self) -> Option<u64> {
        match self {
            Self::Memory(memory) => Some(memory.lock().unwrap().changes()),
            Self::Redis(_) => None,
        }
    }

    /// Runs all commands as one transaction. On `Err` one was invalid, and none ran.
    pub fn run_atomically(&self, commands: &[Command]) -> Result<Vec<Reply>, String> {
        match self {
            Self::Memory(memory) => {
                let mut memory = memory.lock().unwrap();
                if commands.iter().any(|c| Memory::refusal(c).is_some()) {
                    return Err(DISCARDED.to_owned());
                }
                Ok(commands.iter().map(|c| memory.run(c)).collect())
            }
            Self::Redis(connection) => {
                let connection = &mut connection.lock().unwrap();
                pass_on(connection, &vec!["MULTI".to_owned()]);
                for command in commands {
                    pass_on(connection, command);
                }
                match pass_on(connection, &vec!["EXEC".to_owned()]) {
                    Reply::Array(replies) => Ok(replies),
                    Reply::Error(error) => Err(error),
                    other => panic!("EXEC gave {other:?}"),
                }
            }
        }
    }
}

/// Redis's error for a transaction with an invalid command.
pub const DISCARDED: &str = "EXECABORT Transaction discarded because of previous errors.";

fn pass_on(connection: &mut redis::Connection, command: &Command) -> Reply {
    let mut packed = redis::Cmd::new();
    for word in command {
        packed.arg(word);
    }
    match redis::ConnectionLike::req_command(connection, &packed) {
        Ok(value) => reply(value),
        Err(error) => Reply::Error(format!(
            "{} {}",
            error.code().unwrap_or("ERR"),
            error.detail().unwrap_or("the local vault lost its Redis")
        )),
    }
}

fn reply(value: redis::Value) -> Reply {
    use redis::Value;
    match value {
        Value::Nil => Reply::Nil,
        Value::Okay => Reply::Okay,
        Value::Int(n) => Reply::Integer(n),
        Value::BulkString(bytes) => Reply::Text(bytes),
        Value::SimpleString(text) => Reply::Text(text.into_bytes()),
        Value::Array(values) => Reply::Array(values.into_iter().map(reply).collect()),
        Value::ServerError(error) => {
            Reply::Error(format!("{} {}", error.code(), error.details().unwrap_or_default()))
        }
        // The connection speaks RESP2, which has no other types.
        other => panic!("Redis gave {other:?}"),
    }
}
