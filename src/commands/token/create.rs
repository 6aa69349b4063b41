//! `token create`: what the official command line makes, with the salt that a launch can use.

use std::fs;
use std::io::{self, IsTerminal};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::error::TokenError;
use super::password::MasterPassword;
use super::store::{Change, Failed, Made, Metadata, Project, Step};
use crate::child::environment::Environment;
use crate::cli::token::{CreateArgs, CreateFormat};
use crate::commands::error::Error;
use crate::commands::start::Start;
use crate::secret::SecretText;
use crate::ui::failure::Failure;
use crate::ui::report::{Report, Shown, shown_json};
use crate::vault::Name;
use crate::vault::crypto::{Key, NoRandomness, OpenError, Salt, random_bytes};

/// Random bytes of an id: 16 characters of base64.
const ID_BYTES: usize = 12;
/// Random bytes of a key: 32 characters of base64.
const KEY_BYTES: usize = 24;

/// A new token: what its maker is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewToken<'a> {
    project: &'a str,
    #[serde(rename = "tokenId")]
    id: String,
    #[serde(rename = "tokenKey", serialize_with = "expose")]
    key: SecretText,
    #[serde(rename = "tokenSalt")]
    salt: String,
    name: &'a str,
    description: &'a str,
    created_at: String,
    created_by: String,
    #[serde(skip)]
    sealed_pek: String,
}

/// A token as `serviceTokens` holds it: the official fields in the official order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "encryptedPEK")]
    sealed_pek: &'a str,
    salt: &'a str,
    name: &'a str,
    description: &'a str,
    created_at: &'a str,
    created_by: &'a str,
}

/// Makes a token and prints it.
///
/// # Errors
/// Why there is none, or why its key is lost.
pub(super) fn create(args: &CreateArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    let (environment, report) = (&start.environment, start.report);
    if args.name.trim().is_empty() {
        return Err(Error::Token(TokenError::NoName).into());
    }
    let access = super::access(&args.options, start)?;
    let password = MasterPassword::find(args.password_stdin, environment)?;
    let project = Project::new(&access, report)?;
    // Before the password is asked for: a project that isn't there needs none.
    let read = project.read()?;
    let (salt, sealed) = read.sealed_pek().map_err(|error| project.wrong(error))?;
    read.service_tokens().map_err(|error| project.wrong(error))?;
    let password = password.get(&access.project).map_err(Error::Token)?;
    let pek = open(&password, salt, sealed, &access.project).map_err(Error::Token)?;
    drop(password);
    let token = NewToken::make(&access.project, args, environment, &pek)
        .map_err(|NoRandomness| Error::Token(TokenError::NoRandomness))?;

    let (entry, sealed) = (token.entry(), sealed.to_owned());
    let decide = |now: &Metadata| {
        let tokens = now.service_tokens().map_err(|error| project.wrong(error))?;
        if tokens.contains(&token.id) {
            return Ok(Step::Done);
        }
        let unchanged = now.sealed_pek().is_ok_and(|pek| pek == (salt, sealed.as_str()));
        if !unchanged {
            return Err(Error::Token(TokenError::KeyChanged(access.project.clone())).into());
        }
        Ok(Step::Write(Change { service_tokens: tokens.with(&token.id, &entry), ephemeral: Vec::new() }))
    };
    project.change(read, decide).map_err(|Failed { error, made }| {
        if made == Made::Perhaps {
            let id = &token.id;
            report.warning(&format!(
                "it is not known whether token {id} was created; its key is lost, so that `redenv-run token revoke {id}` is due if `redenv-run token list` shows it"
            ));
        }
        error
    })?;
    print(&token, args.format, report)
}

/// The project's key, through the master password.
fn open(password: &SecretText, salt: Salt, sealed: &str, project: &Name) -> Result<Key, TokenError> {
    let hex = Key::derive(password, &salt).open(sealed).map_err(|error| match error {
        OpenError::Tag => TokenError::WrongPassword(project.clone()),
        other => TokenError::SealedKey(other),
    })?;
    Key::from_hex(&hex).map_err(TokenError::SealedKey)
}

impl<'a> NewToken<'a> {
    fn make(
        project: &'a Name,
        args: &'a CreateArgs,
        environment: &Environment,
        pek: &Key,
    ) -> Result<Self, NoRandomness> {
        let key = SecretText::new(format!("redenv_sk_{}", *random_text::<KEY_BYTES>()?));
        let salt = Salt::random()?;
        Ok(Self {
            project: project.as_str(),
            id: format!("stk_{}", *random_text::<ID_BYTES>()?),
            sealed_pek: Key::derive(&key, &salt).seal(&pek.to_hex())?,
            key,
            salt: salt.to_string(),
            name: &args.name,
            description: &args.description,
            created_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            created_by: created_by(environment),
        })
    }

    fn entry(&self) -> String {
        json(&Entry {
            sealed_pek: &self.sealed_pek,
            salt: &self.salt,
            name: self.name,
            description: self.description,
            created_at: &self.created_at,
            created_by: &self.created_by,
        })
    }
}

/// `N` random bytes in the standard base64 alphabet; `N` is a multiple of three, so there is no `=`.
fn random_text<const N: usize>() -> Result<Zeroizing<String>, NoRandomness> {
    let bytes: Zeroizing<[u8; N]> = Zeroizing::new(random_bytes()?);
    Ok(Zeroizing::new(STANDARD.encode(*bytes)))
}

fn expose<S: Serializer>(text: &SecretText, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.expose())
}

fn json(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "a struct of strings always serializes")]
    serde_json::to_string(value).expect("strings as JSON")
}

/// `user@host`, as the official clients note it: the user by the process' uid, not by what a
/// variable says, where the system knows its name.
fn created_by(environment: &Environment) -> String {
    let uid = rustix::process::getuid().as_raw();
    let variable = |name: &str| {
        let value = environment.get(std::ffi::OsStr::new(name))?.to_str()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    };
    let user = user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid)
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| uid.to_string());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

/// The name of `uid` in the text of `/etc/passwd`: `name:password:uid:...`.
fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Prints the token, and on a terminal what to do with it. The key goes to stdout alone.
fn print(token: &NewToken<'_>, format: CreateFormat, report: Report) -> Result<(), Box<dyn Failure>> {
    let project = Shown(token.project);
    let (id, key, salt) = (&token.id, token.key.expose(), &token.salt);
    let text = Zeroizing::new(match format {
        CreateFormat::Text => {
            format!("Project Name: {project}\nPublic Token ID: {id}\nSecret Token Key: {key}\n")
        }
        CreateFormat::Env => {
            let project = quoted(token.project);
            // To a file it goes as it is.
            let project = if io::stdout().is_terminal() { Shown(&project).to_string() } else { project };
            format!(
                "REDENV_PROJECT={project}\nREDENV_TOKEN_ID={id}\nREDENV_TOKEN_KEY={key}\nREDENV_TOKEN_SALT={salt}\n"
            )
        }
        CreateFormat::Json => shown_json(&Zeroizing::new(json(token))),
    });
    super::write(&text).map_err(|error| Error::Token(TokenError::KeyLost { id: token.id.clone(), error }))?;
    if io::stdout().is_terminal() {
        report.warning(
            "the key is shown only this once: put it where the program's settings are, or into a password manager",
        );
    }
    if format == CreateFormat::Env && io::stderr().is_terminal() {
        report.warning(
            "UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN are needed too: the database's page in Upstash's console has them, and a launch does with the read-only token",
        );
    }
    Ok(())
}

/// A text as a value that the launcher's env files and POSIX shells read alike.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&byte);
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    if !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# 7\n\nbad\n:x:7:\ndev:x:1000:1000::/home/dev:\n";
        assert_eq!(user_name(passwd, 0).as_deref(), Some("root"));
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("dev"));
        assert_eq!(user_name(passwd, 7), None);
    }

    #[test]
    fn ids_and_keys_have_the_official_lengths() {
        assert_eq!(random_text::<ID_BYTES>().unwrap().len(), 16);
        assert_eq!(random_text::<KEY_BYTES>().unwrap().len(), 32);
    }
}
