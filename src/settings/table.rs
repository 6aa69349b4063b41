//! Every setting of redenv-run in one table: its flag, its variables, where it may come from, and its help.
//!
//! Reading settings, removing redenv-run's own variables from the command's environment, `--help`, the man
//! pages, the completions and `docs/reference.md` all use this table.

use Setting as S;

/// A setting, as the rest of the code names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[rustfmt::skip]
pub(crate) enum Setting {
    TokenId, TokenKey, TokenSalt, UpstashUrl, UpstashToken, MasterPassword, Project, Environments,
    EnvFile, NoEnvFile, Only, Exclude, Scope, Pin, Raw, SkipBroken, Require, RequireFrom,
    PreserveEnv, Pristine, Keep, AllowReserved, File, KeepToken, Timeout, AllowHttp, CaFile,
    Fallback, MaxStale, Offline, Verbose, Quiet,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) setting: Setting,
    pub(crate) flag: Option<Flag>,
    pub(crate) kind: Kind,
    /// The variables that hold it; the first one that is set wins.
    pub(crate) variables: &'static [&'static str],
    pub(crate) place: Place,
    pub(crate) default: Option<&'static str>,
    /// For `--help`, in lines that leave room for the flag in 80 columns.
    pub(crate) help: &'static str,
    /// A sentence or two for the reference page, after the line of `--help`.
    #[allow(dead_code, reason = "the reference page is made by an example")]
    pub(crate) more: &'static str,
}

/// A flag of the command line.
pub(crate) struct Flag {
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    pub(crate) value_name: &'static str,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Path,
    Duration,
    /// Names or patterns, separated by commas; the flag may be repeated.
    List,
    /// A list that the user may leave out. The flag alone means `*`.
    ListOrAll,
    Switch,
}

/// Where a variable may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the process's environment or in an env file.
    ProcessOrEnvFile,
    /// Only in the process's environment: the setting widens what a secret may do or who is trusted.
    Process,
}

/// The commands that take a group of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    Launch,
    Check,
    Mask,
    Token,
}

/// Settings that stand under one heading of `--help`.
pub(crate) struct Group {
    pub(crate) heading: &'static str,
    pub(crate) takers: &'static [Taker],
    pub(crate) rows: &'static [Row],
}

const ALL: &[Taker] = &[Taker::Launch, Taker::Check, Taker::Mask, Taker::Token];
const NOT_TOKEN: &[Taker] = &[Taker::Launch, Taker::Check, Taker::Mask];
const LAUNCH_AND_CHECK: &[Taker] = &[Taker::Launch, Taker::Check];
/// The last heading, which also holds `--help` and `--version`.
pub(crate) const OUTPUT: &str = "Output";

/// All settings, in the order of `--help`.
#[rustfmt::skip] // A row reads as a row.
pub(crate) const GROUPS: &[Group] = &[
    Group { heading: "Service token and database", takers: ALL, rows: &[
        row(S::TokenId, Kind::Text, &["REDENV_TOKEN_ID"]).in_env_file()
            .more("The public ID of the service token (`stk_...`). Required for a launch."),
        row(S::TokenKey, Kind::Text, &["REDENV_TOKEN_KEY"]).in_env_file()
            .more("The secret key of the service token (`redenv_sk_...`). Required for a launch. There is \
                no flag, because other users can read a process's arguments."),
        row(S::TokenSalt, Kind::Text, &["REDENV_TOKEN_SALT"]).in_env_file()
            .more("The token's salt, 32 hex digits. Optional. It is not a secret. With it, redenv-run derives \
                the key while the request is in flight."),
        row(S::UpstashUrl, Kind::Text, &["UPSTASH_REDIS_URL", "UPSTASH_REDIS_REST_URL"]).in_env_file()
            .more("The database's REST URL. Required."),
        row(S::UpstashToken, Kind::Text, &["UPSTASH_REDIS_TOKEN", "UPSTASH_REDIS_REST_TOKEN"]).in_env_file()
            .more("The database's REST token. Required. The read-only token is enough for a launch. URL and \
                token must come from the same source."),
        row(S::MasterPassword, Kind::Path, &["REDENV_MASTER_PASSWORD_FILE"])
            .more("A file that holds the project's master password, for `token create` without a terminal."),
    ] },
    Group { heading: "Project", takers: ALL, rows: &[
        row(S::Project, Kind::Text, &["REDENV_PROJECT"]).flag("project", "NAME").short('p').in_env_file()
            .help("Project [default: `name` in the project file]")
            .more("The Redenv project whose secrets the command gets."),
    ] },
    Group { heading: "Project", takers: NOT_TOKEN, rows: &[
        row(S::Environments, Kind::List, &["REDENV_ENVIRONMENT"]).flag("env", "NAME,...").short('e')
            .in_env_file().default("development")
            .help("Environments; a later one wins")
            .more("Without the flag and the variable, redenv-run uses `environment` in the project file."),
    ] },
    Group { heading: "Project", takers: ALL, rows: &[
        row(S::EnvFile, Kind::Path, &["REDENV_ENV_FILE"]).flag("env-file", "FILE")
            .help("Read settings from FILE instead of .env.local")
            .more("redenv-run takes only its own variables from an env file. `$` is literal."),
        row(S::NoEnvFile, Kind::Switch, &["REDENV_NO_ENV_FILE"]).flag("no-env-file", "")
            .help("Don't read .env.local"),
    ] },
    Group { heading: "Secrets (names as in the vault)", takers: NOT_TOKEN, rows: &[
        row(S::Only, Kind::List, &["REDENV_ONLY"]).flag("only", "GLOB,...")
            .help("Inject only secrets that match (`*` and `?` are\nwildcards)")
            .more("A pattern that matches nothing is an error."),
        row(S::Exclude, Kind::List, &["REDENV_EXCLUDE"]).flag("exclude", "GLOB,...")
            .help("Leave out secrets that match")
            .more("An inherited variable of the same name stays as it is."),
        row(S::Scope, Kind::Text, &["REDENV_SCOPE"]).flag("scope", "PREFIX")
            .help("Inject only secrets that start with PREFIX, and\nstrip it")
            .more("With `--scope API_`, the secret `API_KEY` becomes the variable `KEY`."),
        row(S::Pin, Kind::List, &["REDENV_PIN"]).flag("pin", "NAME=VERSION")
            .help("Inject an older version: NAME=3, or NAME=~1 for the\nprevious one")
            .more("Separate several pins with commas, or repeat the flag."),
        row(S::Raw, Kind::Switch, &["REDENV_RAW"]).flag("raw", "")
            .help("Don't expand ${NAME} in values"),
        row(S::SkipBroken, Kind::Switch, &["REDENV_SKIP_BROKEN"]).flag("skip-broken", "")
            .help("Skip secrets that can't be decrypted, with a warning")
            .more("Without this flag, such a secret is an error and the command does not start."),
    ] },
    Group { heading: "Environment (names as the command sees them)", takers: LAUNCH_AND_CHECK, rows: &[
        row(S::Require, Kind::List, &["REDENV_REQUIRE"]).flag("require", "NAME,...")
            .help("Fail if one of these is missing or empty"),
        row(S::RequireFrom, Kind::Path, &["REDENV_REQUIRE_FROM"]).flag("require-from", "FILE")
            .help("Fail if a variable that FILE defines is\nmissing or empty")
            .more("FILE is an env file such as `.env.example`; its values don't matter. Each variable may \
                be a secret or inherited. redenv-run's own variables in FILE don't count."),
        row(S::PreserveEnv, Kind::ListOrAll, &["REDENV_PRESERVE_ENV"]).flag("preserve-env", "NAME,...")
            .help("Keep inherited variables that a secret would\nreplace: all, or only NAME,...")
            .more("`REDENV_PRESERVE_ENV=1` keeps all of them."),
        row(S::Pristine, Kind::Switch, &["REDENV_PRISTINE"]).flag("pristine", "")
            .help("Inherit only PATH, HOME and a few others")
            .more("The others are USER, LOGNAME, SHELL, TERM, TZ, LANG, LC_*, TMPDIR and PWD."),
        row(S::Keep, Kind::List, &["REDENV_KEEP"]).flag("keep", "NAME,...")
            .help("With --pristine: also inherit these"),
        row(S::AllowReserved, Kind::List, &["REDENV_ALLOW_RESERVED"]).flag("allow-reserved", "NAME,...")
            .help("Allow secrets with these reserved names")
            .more("Programs run the value of a reserved name, such as NODE_OPTIONS, as code."),
        row(S::File, Kind::List, &["REDENV_FILE"]).flag("file", "NAME,...")
            .help("Pass the value as an in-memory file and set\nNAME to its path (Linux)"),
        row(S::KeepToken, Kind::Switch, &["REDENV_KEEP_TOKEN"]).flag("keep-token", "")
            .help("Leave the token and redenv-run's other\nvariables in the environment")
            .more("Without this flag, the command can't fetch more secrets."),
    ] },
    Group { heading: "Network", takers: ALL, rows: &[
        row(S::Timeout, Kind::Duration, &["REDENV_TIMEOUT"]).flag("timeout", "TIME")
            .in_env_file().default("10s")
            .help("Give up after TIME")
            .more("TIME covers everything until the command starts, DNS and TLS included. Write `500ms`, \
                `10s`, `1m`, or a number of seconds."),
        row(S::AllowHttp, Kind::Switch, &["REDENV_ALLOW_HTTP"]).flag("allow-http", "").in_env_file()
            .help("Allow http:// to another machine")
            .more("Without this flag, `http` works for loopback only."),
        row(S::CaFile, Kind::Path, &["REDENV_CA_FILE"]).flag("ca-file", "FILE")
            .help("Also trust the certificates in FILE (PEM)")
            .more("The variable `SSL_CERT_FILE` does the same."),
    ] },
    Group { heading: "Fallback", takers: NOT_TOKEN, rows: &[
        row(S::Fallback, Kind::Path, &["REDENV_FALLBACK"]).flag("fallback", "FILE")
            .help("Keep the encrypted reply in FILE, and use it if\nUpstash can't be reached"),
        row(S::MaxStale, Kind::Duration, &["REDENV_MAX_STALE"]).flag("max-stale", "TIME").default("24h")
            .help("Refuse FILE when it is older than TIME"),
        row(S::Offline, Kind::Switch, &["REDENV_OFFLINE"]).flag("offline", "")
            .help("Start from FILE at once, without any request")
            .more("Needs `--fallback`. `--max-stale` still applies. Without a request, redenv-run can't \
                notice that a token was revoked or a secret changed."),
    ] },
    Group { heading: OUTPUT, takers: ALL, rows: &[
        row(S::Verbose, Kind::Switch, &["REDENV_VERBOSE"]).flag("verbose", "").short('v')
            .help("Print each step and how long it took"),
        row(S::Quiet, Kind::Switch, &["REDENV_QUIET"]).flag("quiet", "").short('q')
            .help("Print only errors"),
    ] },
];

/// All rows of the table.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|group| group.rows)
}

impl Setting {
    /// The setting's row.
    #[expect(clippy::expect_used, reason = "the tests look up every setting")]
    pub(crate) fn row(self) -> &'static Row {
        rows().find(|row| row.setting == self).expect("a row for each setting")
    }

    /// The variables that hold it.
    pub(crate) fn variables(self) -> &'static [&'static str] {
        self.row().variables
    }

    /// The flag as a message shows it, such as `--env`.
    pub(crate) fn flag(self) -> String {
        self.row().flag.as_ref().map_or_else(String::new, |flag| format!("--{}", flag.long))
    }
}

const fn row(setting: Setting, kind: Kind, variables: &'static [&'static str]) -> Row {
    let place = Place::Process;
    Row { setting, flag: None, kind, variables, place, default: None, help: "", more: "" }
}

impl Row {
    const fn in_env_file(self) -> Self {
        Self { place: Place::ProcessOrEnvFile, ..self }
    }

    const fn flag(self, long: &'static str, value_name: &'static str) -> Self {
        Self { flag: Some(Flag { short: None, long, value_name }), ..self }
    }

    const fn short(self, short: char) -> Self {
        let flag = match self.flag {
            Some(flag) => Some(Flag { short: Some(short), ..flag }),
            None => None,
        };
        Self { flag, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    const fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }
}
