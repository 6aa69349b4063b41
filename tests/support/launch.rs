//! redenv-run as its users start it: a process with an environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use tempfile::TempDir;

use super::vault::Vault;

/// A redenv-run to be started in an empty directory. Its environment is `PATH` and the variables
/// that the test sets.
pub struct Launch {
    command: Command,
    directory: TempDir,
    stdin: Vec<u8>,
}

/// How redenv-run, or the command that it became, ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The exit code; `None` when a signal ended the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Drops the line of `-v` about where each setting came from.
    pub fn without_sources(mut self) -> Self {
        let is_other = |line: &&str| !line.starts_with("redenv-run: settings: ");
        self.stderr = self.stderr.split_inclusive('\n').filter(is_other).collect();
        self
    }

    /// The environment that `env -0` printed, without PATH. Panics when it failed, or when stderr has text.
    #[track_caller]
    pub fn environment(&self) -> BTreeMap<String, String> {
        assert_eq!((self.code(), self.stderr.as_str()), (Some(0), ""));
        let entries: Vec<_> =
            self.stdout.split_terminator('\0').map(|entry| entry.split_once('=').unwrap()).collect();
        let mut environment = pairs(&entries);
        environment.remove("PATH");
        environment
    }

    /// Asserts that redenv-run failed with `code` and printed exactly these lines to stderr, each
    /// behind `redenv-run: `, and nothing to stdout.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, lines: &[&str]) {
        let expected = said(lines);
        assert_eq!(
            (self.code(), self.stderr.as_str(), self.stdout.as_str()),
            (Some(code), expected.as_str(), "")
        );
    }

    /// Asserts that the command exited with 0 and printed `stdout` and nothing to stderr.
    #[track_caller]
    pub fn assert_ran(&self, stdout: &str) {
        assert_eq!(
            (self.code(), self.stdout.as_str(), self.stderr.as_str()),
            (Some(0), stdout, ""),
            "{}",
            self.status
        );
    }
}

/// Names and values as an environment.
pub fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// These lines as redenv-run prints them to stderr.
pub fn said(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| ["redenv-run: ", *line, "\n"]).collect()
}

/// redenv-run with every setting that `vault` needs.
pub fn redenv_run(vault: &Vault) -> Launch {
    let mut launch =
        bare_redenv_run().env("UPSTASH_REDIS_URL", vault.url()).env("UPSTASH_REDIS_TOKEN", vault.token());
    if let Some(credentials) = vault.credentials() {
        launch = launch
            .env("REDENV_PROJECT", &credentials.project)
            .env("REDENV_TOKEN_ID", &credentials.token_id)
            .env("REDENV_TOKEN_KEY", &credentials.token_key);
    }
    if vault.url().starts_with("https:") {
        launch = launch.env("REDENV_CA_FILE", vault.ca_file());
    }
    launch
}

/// redenv-run without any setting.
pub fn bare_redenv_run() -> Launch {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_redenv-run"));
    command.env_clear().current_dir(directory.path());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Launch { command, directory, stdin: Vec::new() }
}

/// A script of `scripts/`, with the tested redenv-run and the settings of `vault`: it builds nothing.
pub fn script(name: &str, vault: &Vault) -> Command {
    let credentials = vault.credentials().unwrap();
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    script.env("BINARY", env!("CARGO_BIN_EXE_redenv-run"));
    script.env("UPSTASH_REDIS_URL", vault.url()).env("UPSTASH_REDIS_TOKEN", vault.token());
    script.env("REDENV_PROJECT", &credentials.project).env("REDENV_TOKEN_ID", &credentials.token_id);
    script.env("REDENV_TOKEN_KEY", &credentials.token_key).env("REDENV_TOKEN_SALT", &credentials.salt);
    script
}

impl Launch {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds `--`, the command and its arguments. Nothing can be added behind them.
    pub fn program<A: AsRef<OsStr>>(self, program: impl IntoIterator<Item = A>) -> Self {
        self.arg("--").args(program)
    }

    /// Starts `wrapper` instead, with redenv-run and its arguments behind the wrapper's own.
    pub fn through<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        let mut words = wrapper.into_iter();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).arg(self.command.get_program()).args(self.command.get_args());
        command.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().expect("set from the beginning"));
        self.command = command;
        self
    }

    /// Starts redenv-run from a shell that runs `setup` first.
    pub fn after(self, setup: &str) -> Self {
        self.through(["sh", "-c", &format!("{setup}\nexec \"$@\""), "sh"])
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Writes a file into the working directory.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The working directory. It is deleted when this value is dropped.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process to start, for a test that needs more than its outcome. The working directory is
    /// deleted when this value is dropped.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts `env` and returns the command's environment without PATH.
    #[track_caller]
    pub fn environment(self) -> BTreeMap<String, String> {
        self.program(["/usr/bin/env", "-0"]).run().environment()
    }

    /// Starts it as `nobody`, who may write to its working directory.
    pub fn by_nobody(self) -> Self {
        fs::set_permissions(self.directory(), fs::Permissions::from_mode(0o777)).unwrap();
        self.through(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    }

    /// Starts it without root's right to ignore file modes.
    pub fn bound_by_modes(self) -> Self {
        if !rustix::process::geteuid().is_root() {
            return self;
        }
        let without = "-dac_override,-dac_read_search";
        let (bounding, inherited) = (format!("--bounding-set={without}"), format!("--inh-caps={without}"));
        self.through(["setpriv", &bounding, &inherited, "--"])
    }

    /// Runs it to its end. Panics after a minute, and when the output is not UTF-8.
    pub fn run(self) -> Outcome {
        let output = self.run_raw();
        Outcome {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// As [`Launch::run`], for output that need not be UTF-8.
    pub fn run_raw(self) -> Output {
        let mut command = assert_cmd::Command::from_std(self.command);
        command.timeout(Duration::from_secs(60)).write_stdin(self.stdin).output().unwrap()
    }
}
