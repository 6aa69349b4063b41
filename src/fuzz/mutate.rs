//! Mutates replies: their bytes, or the values in their JSON.

use fastrand::Rng;
use serde_json::{Value, json};

/// Pieces that parsers trip over.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "\\\"",
    "\\u0000",
    "\\ud800",
    "\\u0076",
    "\0",
    "\u{feff}",
    "ü",
    ".",
    "00",
    "0x",
    "null",
    "true",
    "-0",
    "1e999",
    "1e+14",
    "123456789012345678901234567890",
    "\"\"",
    "[]",
    "{}",
    "[{}]",
    " ",
    "\n",
    "\"result\":",
    "\"error\":",
    "value",
    "version",
    "createdAt",
    "expiresAt",
    "encryptedPEK",
    "salt",
    "pbkdf2",
    "stk_a1B2c3D4e5F6g7H8",
    "${A}",
    "\\${B}",
    "__",
    "=",
    "LD_PRELOAD",
    "PATH",
];

/// A mutation of one of the replies.
pub(super) fn mutate(pool: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut reply = pool[random.usize(..pool.len())].clone();
    if random.bool()
        && let Ok(mut json) = serde_json::from_slice(&reply)
    {
        mutate_value(&mut json, random);
        reply = json.to_string().into_bytes();
    }
    for _ in 0..random.u8(..4) {
        mutate_bytes(&mut reply, &pool[random.usize(..pool.len())], random);
    }
    reply
}

/// Changes one place of `reply`. Some changes take bytes from `other`.
fn mutate_bytes(reply: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    let from = random.usize(..=reply.len());
    let to = reply.len().min(from + random.usize(..16));
    let piece = PIECES[random.usize(..PIECES.len())].as_bytes().to_vec();
    let with: Vec<u8> = match random.u8(..7) {
        0 => vec![random.u8(..)],
        1 => vec![],
        2 => piece,
        3 => reply[from..to].repeat(random.usize(1..4)),
        4 => {
            let start = random.usize(..=other.len());
            other[start..other.len().min(start + random.usize(..200))].to_vec()
        }
        5 => reply[from..to].iter().map(|byte| byte ^ (1 << random.u8(..8))).collect(),
        _ => {
            reply.truncate(from);
            return;
        }
    };
    // Half of the time something is inserted, not replaced.
    let to = if random.bool() { from } else { to };
    reply.splice(from..to, with);
}

/// Changes one value in a reply, also inside a text that contains JSON.
fn mutate_value(value: &mut Value, random: &mut Rng) {
    match value {
        Value::Array(items) if !items.is_empty() && random.u8(..8) > 0 => {
            let index = random.usize(..items.len());
            match random.u8(..8) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                2 => {
                    let other = random.usize(..items.len());
                    items.swap(index, other);
                }
                _ => mutate_value(&mut items[index], random),
            }
        }
        Value::Object(members) if !members.is_empty() && random.u8(..8) > 0 => {
            let name = members.keys().nth(random.usize(..members.len())).cloned().unwrap_or_default();
            match random.u8(..8) {
                0 => drop(members.remove(&name)),
                1 => {
                    let member = members[&name].clone();
                    members.insert(PIECES[random.usize(..PIECES.len())].to_owned(), member);
                }
                _ => mutate_value(&mut members[&name], random),
            }
        }
        Value::String(text) if random.u8(..4) > 0 => {
            if let Ok(mut inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                mutate_value(&mut inner, random);
                *text = inner.to_string();
                return;
            }
            let mut bytes = std::mem::take(text).into_bytes();
            mutate_bytes(&mut bytes, b"", random);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        other => *other = odd(random),
    }
}

fn odd(random: &mut Rng) -> Value {
    match random.u8(..8) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.u64(..)),
        3 => json!(random.i64(..) >> random.u8(..64)),
        4 => json!(f64::from_bits(random.u64(..))),
        5 => json!([]),
        6 => json!({}),
        _ => json!(PIECES[random.usize(..PIECES.len())]),
    }
}
