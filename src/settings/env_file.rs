//! An env file, of which only the launcher's own variables are taken.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::variables::{self, Sources};

/// The file that is read where none is named.
pub(crate) const DEFAULT: &str = ".env.local";

/// The launcher's own variables in a file.
#[derive(Default)]
pub(crate) struct EnvFile {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// What is taken from it.
    pub(crate) variables: BTreeMap<String, Zeroizing<String>>,
    /// Own variables that only the process' environment may set.
    pub(crate) ignored: Vec<String>,
}

/// Why an env file can't be read. Never holds a line of it.
#[derive(Debug)]
pub(crate) enum EnvFileError {
    /// It isn't there, or can't be read.
    Unreadable { path: PathBuf, error: io::Error },
    /// A line isn't `NAME=VALUE`; its number where that can be told.
    Malformed { path: PathBuf, line: Option<usize> },
}

impl EnvFile {
    /// Reads the file that was named.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read(path: &Path) -> Result<Self, EnvFileError> {
        let unreadable = |error| EnvFileError::Unreadable { path: path.into(), error };
        let bytes = Zeroizing::new(fs::read(path).map_err(unreadable)?);
        Self::parse(path, &bytes)
    }

    /// Reads `.env.local` of the working directory, if there is one.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read_default() -> Result<Self, EnvFileError> {
        match Self::read(Path::new(DEFAULT)) {
            Err(EnvFileError::Unreadable { error, .. })
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) =>
            {
                Ok(Self::default())
            }
            other => other,
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EnvFileError> {
        // The file's byte order mark, which some editors write.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut file = Self { path: path.into(), ..Self::default() };
        for item in dotenvy::Iter::new(bytes) {
            let (name, value) = match item {
                Ok(pair) => pair,
                Err(error) if is_of_others(bytes, &error) => continue,
                Err(error) => return Err(malformed(path, bytes, &error)),
            };
            let value = Zeroizing::new(value);
            match variables::ALL.iter().find(|v| is_form_of(&name, v.name)) {
                Some(variable) if variable.sources == Sources::Process => file.ignored.push(name),
                Some(_) => drop(file.variables.insert(name, value)),
                None => {}
            }
        }
        Ok(file)
    }
}

fn is_form_of(name: &str, variable: &str) -> bool {
    name.strip_prefix(variable).is_some_and(|rest| rest.is_empty() || rest == variables::FILE_SUFFIX)
}

/// Whether it is a variable of another program that doesn't parse, such as `TITLE=two words`, which
/// other readers of the file accept. Not where it takes one of the launcher's with it.
fn is_of_others(bytes: &[u8], error: &dotenvy::Error) -> bool {
    let dotenvy::Error::LineParse(text, _) = error else { return false };
    let Some(line) = line_of(bytes, text).and_then(|index| bytes.split(|byte| *byte == b'\n').nth(index))
    else {
        return false;
    };
    let own = |text: &str| variables::ALL.iter().any(|variable| text.contains(variable.name));
    line.contains(&b'=') && !own(text) && !own(&String::from_utf8_lossy(line))
}

/// The index of the line that an error's text, the whole line or its value, begins in.
fn line_of(bytes: &[u8], text: &str) -> Option<usize> {
    let first = text.lines().next().unwrap_or_default().trim_end().as_bytes();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.position(|line| {
        let before = line.strip_suffix(first).map(<[u8]>::trim_ascii_end);
        before.is_some_and(|before| before.is_empty() || before.ends_with(b"="))
    })
}

fn malformed(path: &Path, bytes: &[u8], error: &dotenvy::Error) -> EnvFileError {
    let line = match error {
        dotenvy::Error::LineParse(text, _) => line_of(bytes, text).map(|index| index + 1),
        _ => None,
    };
    EnvFileError::Malformed { path: path.into(), line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> EnvFile {
        EnvFile::parse(Path::new(".env.local"), text.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn only_the_launchers_own_variables_are_taken() {
        let file = parse(
            "\u{feff}# comment\nREDENV_PROJECT=acme\nexport REDENV_TOKEN_KEY='redenv_sk_a+b/c='\nDATABASE_URL=x\n",
        );
        let names: Vec<&str> = file.variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["REDENV_PROJECT", "REDENV_TOKEN_KEY"]);
        assert_eq!(file.variables["REDENV_TOKEN_KEY"].as_str(), "redenv_sk_a+b/c=");
    }

    #[test]
    fn what_widens_trust_is_ignored_and_remembered() {
        let file = parse("REDENV_ALLOW_RESERVED=LD_PRELOAD\nREDENV_CA_FILE=ca.pem\n");
        assert!(file.variables.is_empty());
        assert_eq!(file.ignored, ["REDENV_ALLOW_RESERVED", "REDENV_CA_FILE"]);
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number_only() {
        for (text, expected) in [
            ("A=1\n\nhunter2 is secret\n", 3),
            ("A=1\nREDENV_PROJECT=two words\n", 2),
            ("A=1\r\nexport REDENV_PROJECT = two words\r\n", 2),
            // The apostrophe makes the next line part of the value.
            ("A=1\nB=It's\nREDENV_PROJECT=acme\n", 2),
        ] {
            let error = EnvFile::parse(Path::new("x"), text.as_bytes()).err();
            let Some(EnvFileError::Malformed { line, .. }) = error else { panic!("{text}: {error:?}") };
            assert_eq!(line, Some(expected), "{text}");
        }
    }

    #[test]
    fn what_other_programs_make_of_their_own_lines_is_theirs() {
        for text in ["TITLE=two words\n", "PRICE=5 $ or so\n", "A='x' y\n", "export B = a b\n", "C=It's\n"] {
            let file = parse(&format!("REDENV_PROJECT=acme\n{text}"));
            assert_eq!(file.variables.len(), 1, "{text}");
        }
        let file = parse("TITLE=two words\nREDENV_PROJECT=acme\n");
        assert_eq!(file.variables["REDENV_PROJECT"].as_str(), "acme");
    }
}
