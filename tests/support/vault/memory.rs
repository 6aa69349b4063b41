//! The few Redis commands that the clients of a vault use, in memory.

use std::collections::BTreeMap;

use super::backend::{Command, Reply};
use super::rest::reads;

/// Fields come back in alphabetical order; a real Redis promises none.
#[derive(Default)]
pub struct Memory {
    entries: BTreeMap<String, Entry>,
    /// The number of commands so far that may have changed something.
    changes: u64,
}

enum Entry {
    Hash(BTreeMap<String, String>),
    Text(String),
}

/// Each command with its minimum and maximum number of arguments.
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

/// redenv-run's script, the only one that memory runs: an interpreter for Lua would be too much.
const COMPARE_AND_SET: &str = include_str!("../../../src/commands/token/compare_and_set.lua");

impl Memory {
    /// The error when Redis would not even queue this command.
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

    /// While this number stays the same, so does every answer.
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
            ("EVAL", [script, numkeys, words @ ..]) => self.eval(script, numkeys, words)?,
            (_, [key, fields @ ..]) => self.read_hash(&name, key, fields)?,
            (_, []) => unreachable!("{name} has no key; COMMANDS asks for one"),
        })
    }

    fn eval(&mut self, script: &str, numkeys: &str, words: &[&str]) -> Result<Reply, String> {
        match numkeys.parse::<i64>() {
            Err(_) => return Err("ERR value is not an integer or out of range".to_owned()),
            Ok(..0) => return Err("ERR Number of keys can't be negative".to_owned()),
            Ok(keys) if usize::try_from(keys).is_ok_and(|keys| keys > words.len()) => {
                return Err("ERR Number of keys can't be greater than number of args".to_owned());
            }
            Ok(_) => {}
        }
        if script != COMPARE_AND_SET {
            return Err(
                "ERR in memory the local vault runs no script but redenv-run's: start it with --redis"
                    .to_owned(),
            );
        }
        match (numkeys, words) {
            ("1", [key, encrypted_pek, service_tokens, new, gone @ ..]) => {
                self.compare_and_set(key, [encrypted_pek, service_tokens], new, gone)
            }
            _ => Err("ERR in memory the local vault runs redenv-run's script with one key and three arguments or more"
                .to_owned()),
        }
    }

    /// The script's steps in Rust.
    fn compare_and_set(
        &mut self,
        key: &str,
        read: [&str; 2],
        service_tokens: &str,
        gone: &[&str],
    ) -> Result<Reply, String> {
        // When a call in line 1 fails, Redis adds the script's digest and the line number.
        let at = |error| format!("{error} script: {}, on @user_script:1.", digest(COMPARE_AND_SET));
        let fields = ["encryptedPEK", "serviceTokens"];
        let now = self.read_hash("HMGET", key, &fields).map_err(at)?;
        let Reply::Array(now) = now else { unreachable!("HMGET gives an array") };
        let is = |now: &Reply, read: &str| *now == text(read) || (*now == Reply::Nil && read.is_empty());
        if !now.iter().zip(read).all(|(now, read)| is(now, read)) {
            return Ok(Reply::Integer(0));
        }
        if service_tokens != read[1] {
            self.hset(key, &["serviceTokens", service_tokens])?;
        }
        if !gone.is_empty() {
            self.hdel(key, gone)?;
        }
        Ok(Reply::Integer(1))
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

/// SHA-1 in hex: how Redis names a script.
fn digest(script: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, script.as_bytes());
    base16ct::lower::encode_string(digest.as_ref())
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
