//! The command line: flags and help, nothing else.

#![expect(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#![expect(rustdoc::broken_intra_doc_links, reason = "the brackets of the help text are its own")]

// The path is spelled out for the man page, which is made from this file in another crate.
#[path = "cli/token.rs"]
pub(crate) mod token;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Start a program with its Redenv secrets
///
/// Reads a service token from the environment, fetches the project's sealed secrets from Upstash
/// Redis in one request, opens them in memory, puts them into COMMAND's environment and becomes
/// COMMAND.
#[derive(Parser, Debug)]
#[command(
    name = "redenv-run",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "redenv-run [OPTIONS] -- COMMAND [ARG]...\n       redenv-run check | mask | token | completions [OPTIONS]",
    after_help = AFTER_HELP,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,

    /// The program to become, and its arguments, passed on byte for byte
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    #[command(subcommand)]
    pub(crate) subcommand: Option<Sub>,
}

impl Cli {
    /// What is to be said, wherever the options for that stand.
    pub(crate) fn output(&self) -> OutputArgs {
        match &self.subcommand {
            None | Some(Sub::Completions(_)) => self.launch.output,
            Some(Sub::Check(args)) => args.launch.output,
            Some(Sub::Mask(args)) => args.output,
            Some(Sub::Token(args)) => args.options().output,
        }
    }
}

/// What is done instead of launching.
#[derive(Subcommand, Debug)]
pub(crate) enum Sub {
    /// Do everything but start COMMAND, and show what it would get, without values
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),

    /// Hide the secrets from the log of a GitHub Actions job
    #[command(after_help = MASK_EXAMPLES)]
    Mask(MaskArgs),

    /// Create, list and revoke the project's service tokens
    Token(token::TokenArgs),

    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

/// The options of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,

    /// How the result is shown
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Table)]
    pub(crate) format: CheckFormat,

    /// A program to look up as well
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// How `check` shows its result.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckFormat {
    /// A table for people
    Table,
    /// One JSON object
    Json,
}

/// The options of `mask`.
#[derive(Args, Debug)]
pub(crate) struct MaskArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) fallback: FallbackArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The options of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// The options of a launch.
#[derive(Args, Debug, Default)]
pub(crate) struct LaunchArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) fallback: FallbackArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which project.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Project")]
pub(crate) struct ProjectArgs {
    /// Project [REDENV_PROJECT, or the project file's name]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) project: Option<String>,

    /// Environment, repeatable: a later one wins [REDENV_ENVIRONMENT, or the project file's, or development]
    #[arg(short, long = "env", value_name = "NAME", value_delimiter = ',')]
    pub(crate) environments: Vec<String>,
}

/// Which env file.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Project")]
pub(crate) struct EnvFileArgs {
    /// Read settings from FILE instead of .env.local [REDENV_ENV_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "no_env_file")]
    pub(crate) env_file: Option<PathBuf>,

    /// Read settings from no env file [REDENV_NO_ENV_FILE]
    #[arg(long)]
    pub(crate) no_env_file: bool,
}

/// Which secrets, under which names.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Secrets")]
pub(crate) struct SelectionArgs {
    /// Only the secrets that match; `*` and `?` are wild [REDENV_ONLY]
    #[arg(long, value_name = "GLOB,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Not the secrets that match [REDENV_EXCLUDE]
    #[arg(long, value_name = "GLOB,...", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,

    /// Only the secrets whose name begins with PREFIX, without it [REDENV_SCOPE]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) scope: Option<String>,

    /// Fail where one of these is missing or empty [REDENV_REQUIRE]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) require: Vec<String>,

    /// Take this version: a number of the history, or ~N for N before the current [REDENV_PIN]
    #[arg(long, value_name = "NAME=VERSION", value_delimiter = ',')]
    pub(crate) pin: Vec<String>,

    /// Don't expand ${NAME} in values [REDENV_RAW]
    #[arg(long)]
    pub(crate) raw: bool,

    /// Start without secrets that can't be opened, with a warning each [REDENV_SKIP_BROKEN]
    #[arg(long)]
    pub(crate) skip_broken: bool,
}

/// What COMMAND's environment is made of.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "COMMAND's environment")]
pub(crate) struct EnvironmentArgs {
    /// Keep inherited variables that a secret would replace: all, or these [REDENV_PRESERVE_ENV]
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        num_args = 0..,
        require_equals = true,
        default_missing_value = "*"
    )]
    pub(crate) preserve_env: Vec<String>,

    /// Inherit only PATH, HOME, USER, LOGNAME, SHELL, TERM, TZ, LANG, LC_*, TMPDIR, PWD [REDENV_PRISTINE]
    #[arg(long)]
    pub(crate) pristine: bool,

    /// With --pristine: inherit these too [REDENV_KEEP]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) keep: Vec<String>,

    /// Let secrets of these reserved names through, such as NODE_OPTIONS [REDENV_ALLOW_RESERVED]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) allow_reserved: Vec<String>,

    /// Put the value into a memory file, and its path into NAME (Linux) [REDENV_FILE]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) file: Vec<String>,

    /// Pass the launcher's own variables on, for programs that use a Redenv SDK [REDENV_KEEP_TOKEN]
    #[arg(long)]
    pub(crate) keep_token: bool,
}

/// How the store is reached.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// The deadline for everything before COMMAND starts [REDENV_TIMEOUT, or 10s]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,

    /// Allow http:// to a host other than this one [REDENV_ALLOW_HTTP]
    #[arg(long)]
    pub(crate) allow_http: bool,

    /// Trust the certificates in FILE too (PEM) [REDENV_CA_FILE, SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// What is done when the store can't be reached.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Outages")]
pub(crate) struct FallbackArgs {
    /// Keep the sealed reply in FILE, and start from it when the store can't be reached [REDENV_FALLBACK]
    #[arg(long, value_name = "FILE")]
    pub(crate) fallback: Option<PathBuf>,

    /// How old FILE may be [REDENV_MAX_STALE, or 24h]
    #[arg(long, value_name = "TIME")]
    pub(crate) max_stale: Option<String>,
}

/// What is said.
#[derive(Args, Debug, Default, Clone, Copy)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Say what is done, by name, with times, on stderr [REDENV_VERBOSE]
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Say errors only [REDENV_QUIET]
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

const CHECK_EXAMPLES: &str = "\
Exit status: 0 if COMMAND would be started, else 125.

Examples:
  redenv-run check -p acme -e production
  redenv-run check --format json -- node server.js";

const MASK_EXAMPLES: &str = "\
Print nothing of a job before this step, and let no step redirect it.

Example, a step of a workflow:
  - run: redenv-run mask -e production";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  redenv-run completions bash > ~/.local/share/bash-completion/completions/redenv-run
  redenv-run completions zsh > ~/.zfunc/_redenv-run
  redenv-run completions fish > ~/.config/fish/completions/redenv-run.fish";

const AFTER_HELP: &str = "\
Settings, from the environment, each also as NAME_FILE with a file that holds the value:
  REDENV_TOKEN_ID, REDENV_TOKEN_KEY         the service token
  UPSTASH_REDIS_URL, UPSTASH_REDIS_TOKEN    the database's REST URL and token
  REDENV_TOKEN_SALT                         optional: starts faster
  They may also stand in .env.local. A flag beats a variable, which beats the file.

Exit status: COMMAND's own; 125 the launcher failed; 126 COMMAND can't be executed; 127 not found.

Examples:
  redenv-run -- node server.js
  redenv-run -p acme -e production -- ./server --port 8080
  redenv-run -- sh -c 'echo \"$DATABASE_URL\"'    single quotes: your shell must not expand it";
