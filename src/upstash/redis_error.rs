//! The errors that Redis returns for commands.

use serde::Deserialize;

/// An error that Redis returned for a command. Its text may repeat the command, so only its kind is kept.
#[derive(Deserialize, Debug, PartialEq, Eq, Clone, thiserror::Error, miette::Diagnostic)]
#[serde(from = "String")]
pub(crate) enum RedisError {
    #[error("the token is wrong")]
    WrongPass,
    #[error("the token lacks the permission")]
    #[diagnostic(help(
        "use a token that may read; `token create` and `token revoke` need one that may write"
    ))]
    NoPermission,
    #[error("the database's request quota is used up")]
    Quota,
    #[error("the key is not a hash")]
    WrongType,
    /// Any other error, by its code, such as `ERR`.
    #[error("error code {0}")]
    Code(String),
    #[error("no reason given")]
    Unknown,
}

impl From<String> for RedisError {
    /// The kind of an error's text.
    fn from(text: String) -> Self {
        let code = text.split_whitespace().next().unwrap_or_default();
        match code {
            "WRONGPASS" | "NOAUTH" | "Unauthorized" => Self::WrongPass,
            "NOPERM" => Self::NoPermission,
            "WRONGTYPE" => Self::WrongType,
            _ if text.contains("max requests limit") || text.contains("max daily request limit") => {
                Self::Quota
            }
            _ if is_code(code) => Self::Code(code.to_owned()),
            _ => Self::Unknown,
        }
    }
}

fn is_code(word: &str) -> bool {
    (2..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_classified_and_its_text_dropped() {
        for (text, kind) in [
            ("WRONGPASS invalid or missing auth token", RedisError::WrongPass),
            ("Unauthorized", RedisError::WrongPass),
            ("NOPERM this user has no permissions to run the 'hset' command", RedisError::NoPermission),
            ("ERR max requests limit exceeded. Limit: 10000, Usage: 10001", RedisError::Quota),
            ("ERR max daily request limit exceeded", RedisError::Quota),
            ("WRONGTYPE Operation against a key", RedisError::WrongType),
            ("ERR unknown command 'hunter2'", RedisError::Code("ERR".into())),
            ("hunter2 is no command", RedisError::Unknown),
            ("", RedisError::Unknown),
        ] {
            assert_eq!(RedisError::from(text.to_owned()), kind, "{text}");
        }
    }
}
