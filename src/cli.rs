//! The command line: flags and help, nothing else.

#![expect(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]

// The path is spelled out for the man page, which is made from this file in another crate.
#[path = "cli/token.rs"]
pub(crate) mod token;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

/// The last group of options, which holds `--help` as well.
const OUTPUT: &str = "Output";

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
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "redenv-run [OPTIONS] -- COMMAND [ARG]...\n       redenv-run check | mask | token | completions [OPTIONS]",
    after_help = AFTER_HELP,
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,

    // One page for both: what `--help` had more of stood between the options.
    /// Print this page
    #[arg(short, long, action = ArgAction::HelpShort, global = true, help_heading = OUTPUT)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = OUTPUT)]
    version: Option<bool>,

    /// The program to become, and its arguments, passed on byte for byte
    #[arg(last = true, value_name = "COMMAND", hide = true, value_hint = ValueHint::CommandName)]
    pub(crate) command: Vec<OsString>,

    #[command(subcommand)]
    pub(crate) subcommand: Option<Sub>,
}

/// A launch and nothing else, in the grammar of [`Cli`].
#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Launch {
    #[command(flatten)]
    launch: LaunchArgs,
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Cli {
    /// Parses the arguments, `argv[0]` among them. A launch is parsed without the definitions of the
    /// other commands: to build those takes longer than all else before the request.
    ///
    /// # Errors
    /// clap's, from the whole grammar; `--help` and `--version` are among them.
    pub(crate) fn parse_arguments(arguments: &[OsString]) -> Result<Self, clap::Error> {
        match Launch::try_parse_from(arguments) {
            Ok(Launch { launch, command }) if !command.is_empty() => {
                Ok(Self { launch, help: None, version: None, command, subcommand: None })
            }
            _ => Self::try_parse_from(arguments),
        }
    }

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
    /// Do all but start COMMAND, and show what it would get
    #[command(
        override_usage = "redenv-run check [OPTIONS] [-- COMMAND [ARG]...]",
        after_help = CHECK_EXAMPLES
    )]
    Check(CheckArgs),

    /// Hide the secrets from the log of a GitHub Actions job
    #[command(after_help = MASK_EXAMPLES)]
    Mask(MaskArgs),

    /// Create, list and revoke the project's service tokens
    #[command(after_help = token::EXAMPLES)]
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
    #[arg(last = true, value_name = "COMMAND", hide = true, value_hint = ValueHint::CommandName)]
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
    pub(crate) shell: Shell,
}

/// A shell that completions are made for.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
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
    /// Project [default: the project file's name]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) project: Option<String>,

    /// Environments, a later one wins [default: development]
    #[arg(short, long = "env", value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) environments: Vec<String>,
}

/// Which env file.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Project")]
pub(crate) struct EnvFileArgs {
    /// Read settings from FILE instead of .env.local
    #[arg(long, value_name = "FILE", conflicts_with = "no_env_file")]
    pub(crate) env_file: Option<PathBuf>,

    /// Read settings from no such file
    #[arg(long)]
    pub(crate) no_env_file: bool,
}

/// Which secrets, under which names.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Secrets, by their name in the vault")]
pub(crate) struct SelectionArgs {
    /// Only those that match; * and ? are wild
    #[arg(long, value_name = "GLOB,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Not those that match
    #[arg(long, value_name = "GLOB,...", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,

    /// Only those that begin with PREFIX, without it
    #[arg(long, value_name = "PREFIX")]
    pub(crate) scope: Option<String>,

    /// Version by number, or ~N for N before the current
    #[arg(long, value_name = "NAME=VERSION", value_delimiter = ',')]
    pub(crate) pin: Vec<String>,

    /// Don't expand ${NAME} in values
    #[arg(long)]
    pub(crate) raw: bool,

    /// Start without those that can't be opened, and warn
    #[arg(long)]
    pub(crate) skip_broken: bool,
}

/// What COMMAND's environment is made of.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "COMMAND's environment, by the names in it")]
pub(crate) struct EnvironmentArgs {
    /// Fail if one is missing or empty
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) require: Vec<String>,

    /// Inherited variables win: all, or these
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "*"
    )]
    pub(crate) preserve_env: Vec<String>,

    /// Inherit only PATH, HOME and the like
    #[arg(long)]
    pub(crate) pristine: bool,

    /// With --pristine: inherit these too
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) keep: Vec<String>,

    /// Let these through, such as NODE_OPTIONS
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) allow_reserved: Vec<String>,

    /// Give the value as a file's path (Linux)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) file: Vec<String>,

    /// Pass the launcher's own variables on
    #[arg(long)]
    pub(crate) keep_token: bool,
}

/// How the store is reached.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// For everything before COMMAND starts [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,

    /// Allow http:// to another machine
    #[arg(long)]
    pub(crate) allow_http: bool,

    /// Trust the certificates in FILE too (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// What is done when the store can't be reached.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "When the store can't be reached")]
pub(crate) struct FallbackArgs {
    /// Keep the sealed reply in FILE, and start from it
    #[arg(long, value_name = "FILE")]
    pub(crate) fallback: Option<PathBuf>,

    /// How old FILE may be [default: 24h]
    #[arg(long, value_name = "TIME")]
    pub(crate) max_stale: Option<String>,
}

/// What is said.
#[derive(Args, Debug, Default, Clone, Copy)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct OutputArgs {
    /// Say what is done, by name, with times
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Say errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

const CHECK_EXAMPLES: &str = "\
Exit status: 0 if COMMAND would be started, else 125.

Examples:
  redenv-run check -p acme -e production
  redenv-run check --format json -- node server.js";

const MASK_EXAMPLES: &str = "\
It belongs before every other step that has the secrets, without a redirection: the runner reads
its stdout. Lines under 4 characters are not masked, and their secrets named on stderr.

Examples, steps of a workflow:
  - run: redenv-run mask
  - run: redenv-run mask -e production --only 'API_*'";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  mkdir -p ~/.local/share/bash-completion/completions
  redenv-run completions bash > ~/.local/share/bash-completion/completions/redenv-run

  mkdir -p ~/.zfunc
  redenv-run completions zsh > ~/.zfunc/_redenv-run
  # in .zshrc: fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit

  mkdir -p ~/.config/fish/completions
  redenv-run completions fish > ~/.config/fish/completions/redenv-run.fish";

const AFTER_HELP: &str = "\
Settings without an option, from the environment or .env.local:
  REDENV_TOKEN_ID, REDENV_TOKEN_KEY        the service token
  UPSTASH_REDIS_URL, UPSTASH_REDIS_TOKEN   the database's REST URL and token
  REDENV_TOKEN_SALT                        optional: with it the start is faster

Every option has a variable, REDENV_ and its name: --max-stale is
REDENV_MAX_STALE, --raw is REDENV_RAW=1; only --env is REDENV_ENVIRONMENT.
With _FILE behind it, a variable names a file that holds the value. An option
beats a variable, which beats .env.local, which beats redenv.config.*. Of the
options .env.local can set --project, --env, --timeout and --allow-http.

--pristine leaves PATH HOME USER LOGNAME SHELL TERM TZ LANG LC_* TMPDIR PWD.

Exit status: COMMAND's own; 125 the launcher failed; 126 COMMAND can't be
executed; 127 it was not found.

Examples:
  redenv-run -- node server.js
  redenv-run -p acme -e production -- ./server --port 8080
  redenv-run --file TLS_KEY --only 'TLS_*' -- nginx
  redenv-run -- sh -c 'echo \"$SECRET\"'   # the '' keep it from your own shell";
