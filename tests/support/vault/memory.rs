//! The few Redis commands that the clients of a vault use, in memory.

use std::collections::BTreeMap;

use super::rest::reads;
use super::store::{Command, Reply};

/// Fields come back in alphabetical order; a real Redis promises none.
#[derive(Default)]
pub struct Memory {
    entries: BTreeMap<String, Entry>,
    /// How many commands there were that may have changed something.
    changes: u64,
}

enum Entry {
    Hash(BTreeMap<String, String>),
    Text(String),
}

/// Each command with the least and the greatest number of its arguments.
const COMMANDS: &[(&str, usize, usize)] = &[
    ("DEL", 1, MANY),
    ("EVAL", 2, MANY),
    ("EXISTS", 1, MANY),
    ("FLUSHALL", 0, 1),
    ("GET", 1, 1),
    ("HDEL", 2, MANY),
    ("HEXISTS", 2, 2),
    ("HGET", 2, 2),
    ("HGETALL", 1, 1),
    ("HKEYS", 1, 1),
    ("HLEN", 1, 1),
    ("HMGET", 2, MANY),
    ("HSET", 3, MANY),
    ("HVALS", 1, 1),
    ("PING", 0, 1),
    ("SET", 2, 2),
];
const MANY: usize = usize::MAX;

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

impl Memory {
    /// Why Redis would not even queue this command.
    pub fn refusal(command: &Command) -> Option<String> {
        let name = command.first().map_or("", String::as_str);
        match COMMANDS.iter().find(|c| c.0.eq_ignore_ascii_case(name)) {
            Some((_, least, most)) if (*least..=*most).contains(&(command.len() - 1)) => None,
            Some(_) => Some(wrong_number(name)),
            None => Some(format!(
                "ERR the local vault does not know '{name}'; with a real Redis behind it, it would"
            )),
        }
    }

    /// As long as this stays the same, so does every answer.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn run(&mut self, command: &Command) -> Reply {
        self.changes += u64::from(!reads(command));
        match Self::refusal(command) {
            Some(refusal) => Reply::Error(refusal),
            None => self.perform(command).unwrap_or_else(Reply::Error),
        }
    }

    fn perform(&mut self, command: &Command) -> Result<Reply, String> {
        let name = command[0].to_ascii_uppercase();
        let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        Ok(match (name.as_str(), words.as_slice()) {
            ("PING", []) => text("PONG"),
            ("PING", [echo, ..]) => text(echo),
            ("FLUSHALL", _) => {
                self.entries.clear();
                Reply::Okay
            }
            ("SET", [key, value, ..]) => {
                let entry = Entry::Text((*value).to_owned());
                self.entries.insert((*key).to_owned(), entry);
                Reply::Okay
            }
            ("GET", [key, ..]) => match self.entries.get(*key) {
                None => Reply::Nil,
                Some(Entry::Text(value)) => text(value),
                Some(Entry::Hash(_)) => return Err(WRONG_TYPE.to_owned()),
            },
            ("DEL", keys) => count(keys, |key| self.entries.remove(*key).is_some()),
            ("EXISTS", keys) => count(keys, |key| self.entries.contains_key(*key)),
            ("HSET", [key, pairs @ ..]) => self.hset(key, pairs)?,
            ("HDEL", [key, fields @ ..]) => self.hdel(key, fields)?,
            ("EVAL", _) => {
                return Err("ERR EVAL needs a real Redis: start the vault with --redis".to_owned());
            }
            (_, [key, fields @ ..]) => self.read_hash(&name, key, fields)?,
            (_, []) => unreachable!("{name} has no key; COMMANDS asks for one"),
        })
    }

    fn read_hash(&self, name: &str, key: &str, fields: &[&str]) -> Result<Reply, String> {
        let nothing = BTreeMap::new();
        let hash = match self.entries.get(key) {
            None => &nothing,
            Some(Entry::Hash(hash)) => hash,
            Some(Entry::Text(_)) => return Err(WRONG_TYPE.to_owned()),
        };
        let value_of = |field: &&str| hash.get(*field).map_or(Reply::Nil, |v| text(v));
        Ok(match name {
            "HGETALL" => Reply::Array(hash.iter().flat_map(|(f, v)| [text(f), text(v)]).collect()),
            "HKEYS" => Reply::Array(hash.keys().map(|f| text(f)).collect()),
            "HVALS" => Reply::Array(hash.values().map(|v| text(v)).collect()),
            "HMGET" => Reply::Array(fields.iter().map(value_of).collect()),
            "HGET" => value_of(&fields[0]),
            "HEXISTS" => Reply::Integer(i64::from(hash.contains_key(fields[0]))),
            "HLEN" => Reply::Integer(hash.len().try_into().unwrap()),
            _ => unreachable!("{name} is in COMMANDS, but not carried out"),
        })
    }

    fn hset(&mut self, key: &str, pairs: &[&str]) -> Result<Reply, String> {
        if !pairs.len().is_multiple_of(2) {
            return Err(wrong_number("hset"));
        }
        let entry = self.entries.entry(key.to_owned());
        match entry.or_insert_with(|| Entry::Hash(BTreeMap::new())) {
            Entry::Text(_) => Err(WRONG_TYPE.to_owned()),
            Entry::Hash(hash) => Ok(count(&pairs.chunks(2).collect::<Vec<_>>(), |pair: &&[&str]| {
                hash.insert(pair[0].to_owned(), pair[1].to_owned()).is_none()
            })),
        }
    }

    fn hdel(&mut self, key: &str, fields: &[&str]) -> Result<Reply, String> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Ok(Reply::Integer(0));
        };
        let Entry::Hash(hash) = entry else {
            return Err(WRONG_TYPE.to_owned());
        };
        let removed = count(fields, |field| hash.remove(*field).is_some());
        if hash.is_empty() {
            self.entries.remove(key);
        }
        Ok(removed)
    }
}

fn wrong_number(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    format!("ERR wrong number of arguments for '{name}' command")
}

fn text(value: &str) -> Reply {
    Reply::Text(value.into())
}

fn count<T>(things: &[T], mut counts: impl FnMut(&T) -> bool) -> Reply {
    let n = things.iter().filter(|thing| counts(thing)).count();
    Reply::Integer(n.try_into().unwrap())
}
