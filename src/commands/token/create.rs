//! `token create`: makes the same token as the official command line, and prints its salt as well.

use std::io::{self, IsTerminal};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use nix::unistd::{User, getuid};
use serde::Serialize;
use serde_json::value::to_raw_value;
use zeroize::Zeroizing;

use super::error::TokenError;
use super::metadata::Metadata;
use super::password::MasterPassword;
use super::project::{Change, Project};
use crate::commands::command::{CreateOptions, TokenFormat};
use crate::secret::SecretText;
use crate::settings::Start;
use crate::ui::failure::Failure;
use crate::ui::output;
use crate::ui::report::Report;
use crate::ui::text::{Shown, shown_json};
use crate::ui::word::quoted;
use crate::vault::Name;
use crate::vault::crypto::{DecryptError, Key, NoRandomness, Salt, random_bytes};

/// Random bytes of an ID: 16 characters of base64.
const ID_BYTES: usize = 12;
/// Random bytes of a key: 32 characters of base64.
const KEY_BYTES: usize = 24;

/// A new token.
struct NewToken<'a> {
    project: &'a Name,
    id: String,
    key: SecretText,
    entry: Entry<'a>,
}

/// A token as `serviceTokens` holds it: the official fields in the official order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "encryptedPEK")]
    encrypted_pek: String,
    salt: String,
    name: &'a str,
    description: &'a str,
    created_at: String,
    created_by: String,
}

/// Makes a token and prints it.
pub(crate) fn run(args: &CreateOptions, start: &Start) -> Result<(), Failure> {
    if args.name.trim().is_empty() {
        return Err(TokenError::NoName.into());
    }
    let project = Project::new(start)?;
    let password = MasterPassword::find(args.password_stdin, &start.environment)?;
    // Read before the prompt, so that a mistyped project fails before the user types the password.
    let read = project.read()?;
    let (salt, encrypted_pek) = read.encrypted_pek()?;
    read.service_tokens()?;
    let password = password.get(&project.name)?;
    let pek = Key::derive(&password, &salt).decrypt_key(encrypted_pek).map_err(|error| match error {
        DecryptError::Tag => TokenError::WrongPassword(project.name.clone()),
        error => TokenError::EncryptedPek { project: project.name.clone(), error },
    })?;
    drop(password);
    let token = NewToken::make(&project.name, args, &pek).map_err(|NoRandomness| TokenError::NoRandomness)?;

    #[expect(clippy::expect_used, reason = "a struct of strings always serializes")]
    let entry = to_raw_value(&token.entry).expect("an entry as JSON");
    let (id, encrypted_pek) = (&token.id, encrypted_pek.to_owned());
    let add = |now: &Metadata| {
        let mut tokens = now.service_tokens()?;
        if tokens.contains_key(id) {
            return Ok(None);
        }
        if !now.encrypted_pek().is_ok_and(|now| now == (salt, encrypted_pek.as_str())) {
            return Err(TokenError::KeyChanged(project.name.clone()).into());
        }
        tokens.insert(id.clone(), &entry);
        Ok(Some(Change::new(&tokens, Vec::new())))
    };
    let unknown = format!(
        "token {id} may have been created, and its key is lost: run `redenv-run token revoke {id}` if `redenv-run token list` shows it"
    );
    project.change(read, add, &unknown)?;
    Ok(print(&token, &project.url, args.format, start.report)?)
}

impl<'a> NewToken<'a> {
    fn make(project: &'a Name, args: &'a CreateOptions, pek: &Key) -> Result<Self, NoRandomness> {
        let key = SecretText::new(format!("redenv_sk_{}", random_text::<KEY_BYTES>()?));
        let salt = Salt::random()?;
        let entry = Entry {
            encrypted_pek: Key::derive(&key, &salt).encrypt(&pek.to_hex())?,
            salt: salt.to_string(),
            name: &args.name,
            description: &args.description,
            created_at: format!("{:.3}", Timestamp::now()),
            created_by: created_by(),
        };
        Ok(Self { project, id: format!("stk_{}", random_text::<ID_BYTES>()?), key, entry })
    }

    fn json(&self) -> String {
        let Entry { salt, name, description, created_at, created_by, .. } = &self.entry;
        let token = serde_json::json!({
            "project": self.project.as_str(),
            "tokenId": self.id,
            "tokenKey": self.key.expose(),
            "tokenSalt": salt,
            "name": name,
            "description": description,
            "createdAt": created_at,
            "createdBy": created_by,
        });
        shown_json(&token)
    }

    /// An env file with everything that a launch needs, except the Upstash token. `token create` used a token
    /// that can write; a launch should get the read-only token.
    fn env_file(&self, url: &str, is_terminal: bool) -> String {
        let project = quoted(self.project.as_str());
        // A file gets the name unchanged; a terminal must not obey it.
        let project = if is_terminal { Shown(&project).to_string() } else { project };
        let (id, key, salt, url) = (&self.id, self.key.expose(), &self.entry.salt, quoted(url));
        // With `>>`, the file's last line may have no newline.
        let line_end = if is_terminal { "" } else { "\n" };
        format!(
            "\
{line_end}REDENV_PROJECT={project}
REDENV_TOKEN_ID={id}
REDENV_TOKEN_KEY={key}
REDENV_TOKEN_SALT={salt}
UPSTASH_REDIS_URL={url}
# Uncomment the next line and add the read-only token from the database's page in Upstash's console.
# UPSTASH_REDIS_TOKEN=
"
        )
    }
}

/// `N` random bytes in the standard base64 alphabet; `N` is a multiple of three, so there is no `=`.
fn random_text<const N: usize>() -> Result<String, NoRandomness> {
    let bytes: Zeroizing<[u8; N]> = Zeroizing::new(random_bytes()?);
    Ok(STANDARD.encode(*bytes))
}

/// `user@host`, as the official clients write it; the user's number if the system doesn't know the name.
fn created_by() -> String {
    let uid = getuid();
    let user = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

/// Prints the token to stdout, and advice to a terminal. No message has the key in it.
fn print(token: &NewToken<'_>, url: &str, format: TokenFormat, report: Report) -> Result<(), TokenError> {
    let is_terminal = io::stdout().is_terminal();
    let text = match format {
        TokenFormat::Text => format!(
            "Project Name: {}\nPublic Token ID: {}\nSecret Token Key: {}\n",
            token.project,
            token.id,
            token.key.expose()
        ),
        TokenFormat::Env => token.env_file(url, is_terminal),
        TokenFormat::Json => token.json(),
    };
    output::write(&text).map_err(|error| TokenError::KeyLost { id: token.id.clone(), error })?;
    if is_terminal {
        report.warning(
            "the key is shown only once: save it now, in the program's settings or a password manager",
        );
    }
    if format == TokenFormat::Env && io::stderr().is_terminal() {
        report.warning(
            "the output has no Upstash token: uncomment its last line, UPSTASH_REDIS_TOKEN, and fill it in",
        );
    }
    Ok(())
}
