//! The flags of `token create`, `token list` and `token revoke`.

use clap::{Args, Subcommand, ValueEnum};

use super::{EnvFileArgs, NetworkArgs, OutputArgs};

/// The project's service tokens.
#[derive(Args, Debug)]
#[command(arg_required_else_help = false)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) action: Action,
}

impl TokenArgs {
    /// The options that all three have.
    pub(crate) fn options(&self) -> &TokenOptions {
        match &self.action {
            Action::Create(args) => &args.options,
            Action::List(args) => &args.options,
            Action::Revoke(args) => &args.options,
        }
    }
}

/// What is done with the tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum Action {
    /// Create a service token: its key is shown once
    Create(CreateArgs),
    /// List the service tokens
    List(ListArgs),
    /// Revoke service tokens, at once and for good
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
#[command(after_help = CREATE_HELP)]
pub(crate) struct CreateArgs {
    /// The token's name, such as prod-api-server
    #[arg(short, long)]
    pub(crate) name: String,

    /// What it is for
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) description: String,

    /// Read the master password from the first line of stdin
    #[arg(long)]
    pub(crate) password_stdin: bool,

    /// text, json, or env: the lines for a deployment's variables
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(crate) format: CreateFormat,

    #[command(flatten)]
    pub(crate) options: TokenOptions,
}

#[derive(Args, Debug)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    /// text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) options: TokenOptions,
}

#[derive(Args, Debug)]
#[command(after_help = REVOKE_HELP)]
pub(crate) struct RevokeArgs {
    /// The ids of the tokens
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,

    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) options: TokenOptions,
}

/// What `token create` prints.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateFormat {
    Text,
    Env,
    Json,
}

/// What `token list` prints.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFormat {
    Text,
    Json,
}

/// The options of all token commands.
#[derive(Args, Debug)]
pub(crate) struct TokenOptions {
    /// Project [default: the project file's name]
    #[arg(short, long, value_name = "NAME", help_heading = "Project")]
    pub(crate) project: Option<String>,

    #[command(flatten)]
    pub(crate) env_file: EnvFileArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What `token --help` ends with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  redenv-run token create -p acme -n prod-api-server
  redenv-run token list
  redenv-run token revoke stk_a1B2c3D4e5F6g7H8";

const LIST_HELP: &str = "\
UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN name the database, from the environment or .env.local.

Examples:
  redenv-run token list -p acme
  redenv-run token list --format json";

const REVOKE_HELP: &str = "\
UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN name the database, from the environment or .env.local;
the token must be one that may write.

Examples:
  redenv-run token revoke stk_a1B2c3D4e5F6g7H8
  redenv-run token revoke --yes stk_a1B2c3D4e5F6g7H8 stk_h8G7f6E5d4C3b2A1";

const CREATE_HELP: &str = "\
UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN name the database, from the environment or .env.local;
the token must be one that may write.

The master password is asked for on the terminal, without echo; REDENV_MASTER_PASSWORD_FILE names a
file that holds it, and --password-stdin reads it from stdin.

Examples:
  redenv-run token create -p acme -n prod-api-server -d 'the API in Frankfurt'
  redenv-run token create -n ci --format env --password-stdin < password";
