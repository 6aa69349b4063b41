//! Version 1 of the fallback file's format. Four parts:
//!
//! ```text
//! redenv-run fallback 1
//! {"project":...,"environments":[...],"token_id":...,"salt":<hex>,"fetched_at":<seconds since 1970>}
//! <HMAC-SHA256 over the lines above and the reply, 64 lower-case hex digits>
//! <the reply: JSON as Upstash gives it, with the token's entry and the environments, all encrypted>
//! ```
//!
//! The MAC covers three parts: the first line, the second, and the reply, each preceded by its length as 8
//! big-endian bytes. A line includes its newline. The MAC's key is HKDF-SHA256 of the PEK with the first line
//! as the info, so nobody without the PEK can make a file, or change its time or its project.

use std::io::{BufRead, Read};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::error::FallbackError;
use crate::vault::crypto::Key;
use crate::vault::{EncryptedVault, Request};

/// The beginning of the first line in every version.
const MAGIC: &str = "redenv-run fallback ";
/// The first line in this version, and the info of the MAC's key.
const FIRST_LINE: &str = "redenv-run fallback 1\n";
/// The most bytes of the first three lines.
const HEADER_LIMIT: u64 = 64 * 1024;

/// The second line, with the MAC. Untrusted until the MAC is verified.
#[derive(Serialize, Deserialize, Debug, Default)]
pub(super) struct Header {
    pub(super) project: String,
    pub(super) environments: Vec<String>,
    pub(super) token_id: String,
    /// The salt of the token key.
    pub(super) salt: String,
    pub(super) fetched_at: u64,
    /// The line as it stands in the file.
    #[serde(skip)]
    line: String,
    #[serde(skip)]
    mac: String,
}

/// The time in the header: seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The bytes of a file with a reply that was fetched now.
pub(super) fn write(request: &Request<'_>, vault: &EncryptedVault<'_>, pek: &Key) -> Vec<u8> {
    let header = Header {
        project: request.project.as_str().to_owned(),
        environments: request.environments.iter().map(|name| name.as_str().to_owned()).collect(),
        token_id: request.token_id.to_owned(),
        salt: vault.salt().to_string(),
        fetched_at: now(),
        ..Header::default()
    };
    // Texts and numbers alone: nothing in it can fail to serialize.
    let header = serde_json::to_string(&header).unwrap_or_default() + "\n";
    let reply = vault.to_reply(request);
    let mac = pek.mac_key(FIRST_LINE.as_bytes()).sign(&[FIRST_LINE.as_bytes(), header.as_bytes(), &reply]);
    [FIRST_LINE.as_bytes(), header.as_bytes(), mac.as_bytes(), b"\n", &reply].concat()
}

/// Reads a file's header, and leaves the reader at the reply.
pub(super) fn read_header(file: &mut impl BufRead) -> Result<Header, FallbackError> {
    let mut lines = file.take(HEADER_LIMIT);
    let mut line = || {
        let mut text = String::new();
        let read = lines.read_line(&mut text);
        (read.is_ok() && text.ends_with('\n')).then_some(text).ok_or(FallbackError::Damaged)
    };
    let first = line().map_err(|_| FallbackError::NotFallback)?;
    if first != FIRST_LINE {
        let other = first.starts_with(MAGIC);
        return Err(if other { FallbackError::OtherVersion } else { FallbackError::NotFallback });
    }
    let (line, mac) = (line()?, line()?);
    let header: Header = serde_json::from_str(&line).map_err(|_| FallbackError::Damaged)?;
    Ok(Header { line, mac: mac.trim_end().to_owned(), ..header })
}

impl Header {
    /// Whether the MAC is right for this header and reply.
    pub(super) fn verify(&self, reply: &[u8], pek: &Key) -> bool {
        let parts: [&[u8]; 3] = [FIRST_LINE.as_bytes(), self.line.as_bytes(), reply];
        pek.mac_key(FIRST_LINE.as_bytes()).verify(&parts, &self.mac)
    }
}
