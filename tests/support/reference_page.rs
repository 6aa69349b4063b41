//! The text of docs/reference.md.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::sources::definition;
use super::sources::reserved::RESERVED;
use super::sources::table::{GROUPS, Group, Kind, Place, Row, Taker, rows};

pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for heading in headings() {
        let groups: Vec<&Group> = GROUPS.iter().filter(|group| group.heading == heading).collect();
        writeln!(page, "\n### {heading}\n\n{}", commands(&groups)).unwrap();
        page += "\n| flag | variable | what it does |\n| --- | --- | --- |\n";
        for row in groups.iter().flat_map(|group| group.rows) {
            writeln!(page, "| {} | {} | {} |", flag(row), variables(row), text(row)).unwrap();
        }
    }
    page += OTHER_FLAGS;
    let definition = definition::redenv_run();
    for command in definition.get_subcommands() {
        match command.get_subcommands().count() {
            0 => other_flags(command, command.get_name(), &mut page),
            _ => command.get_subcommands().for_each(|action| {
                other_flags(action, &format!("{} {}", command.get_name(), action.get_name()), &mut page);
            }),
        }
    }
    page += EXIT_CODES;
    page += JSON;
    page += RESERVED_NAMES;
    for row in RESERVED {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        let spelling = if row.program == "npm" { " (any case, `-` for `_`)" } else { "" };
        writeln!(page, "| {}{spelling} | {} would {} |", names.join(", "), row.program, row.effect).unwrap();
    }
    page
}

fn headings() -> Vec<&'static str> {
    let mut headings: Vec<&str> = GROUPS.iter().map(|group| group.heading).collect();
    headings.dedup();
    headings
}

/// The commands that take the flags under a heading, and the flags that not all of them take.
fn commands(groups: &[&Group]) -> String {
    let name = |taker: &Taker| match taker {
        Taker::Launch => "a launch",
        Taker::Check => "`check`",
        Taker::Mask => "`mask`",
        Taker::Token => "`token`",
    };
    let list = |group: &Group| {
        let names: Vec<&str> = group.takers.iter().map(name).collect();
        let (last, others) = names.split_last().unwrap();
        format!("{} and {last}", others.join(", "))
    };
    let widest = groups.iter().max_by_key(|group| group.takers.len()).unwrap();
    let mut text = format!("For {}.", list(widest));
    for group in groups.iter().filter(|group| group.takers != widest.takers) {
        let names: Vec<String> = group.rows.iter().map(flag).collect();
        write!(text, " {}: only {}.", names.join(", "), list(group)).unwrap();
    }
    text
}

fn flag(row: &Row) -> String {
    let Some(flag) = &row.flag else { return String::new() };
    let short = flag.short.map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let value = match row.kind {
        Kind::Switch => String::new(),
        Kind::ListOrAll => format!("[={}]", flag.value_name),
        _ => format!(" {}", flag.value_name),
    };
    format!("{short}`--{}{value}`", flag.long)
}

fn variables(row: &Row) -> String {
    let names: Vec<String> = row.variables.iter().map(|name| format!("`{name}`")).collect();
    let place = if row.place == Place::ProcessOrEnvFile { " (also in an env file)" } else { "" };
    names.join(", else ") + place
}

fn text(row: &Row) -> String {
    let help = row.help.replace(['<', '>'], "").replace('\n', " ");
    let default = row.default.map(|default| format!("Default: `{default}`.")).unwrap_or_default();
    let help = if help.is_empty() || help.ends_with('.') { help } else { help + "." };
    let help = match help.split_once(" [default: ") {
        Some((help, default)) => format!("{help}. Default: {}.", default.trim_end_matches("].")),
        None => help,
    };
    let parts = [help.as_str(), row.more, &default];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The arguments of a command that are no settings.
fn other_flags(command: &Command, name: &str, page: &mut String) {
    let is_setting =
        |arg: &&Arg| rows().filter_map(|row| row.flag.as_ref()).any(|flag| flag.long == arg.get_id());
    let is_other = |arg: &&Arg| !is_setting(arg) && !arg.is_hide_set() && arg.get_id() != "help";
    for arg in command.get_arguments().filter(is_other) {
        let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let value = match arg.get_value_names() {
            Some(names) if arg.get_action().takes_values() => names[0].to_string(),
            _ => String::new(),
        };
        let written = match arg.get_long() {
            Some(long) => format!("{short}`{}`", format!("--{long} {value}").trim_end()),
            None if matches!(arg.get_action(), ArgAction::Append) => format!("`{value}...`"),
            None => format!("`{value}`"),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = arg.get_default_values().first().and_then(|default| default.to_str());
        let default = default.filter(|_| !value.is_empty()).map(|default| format!(". Default: `{default}`"));
        writeln!(page, "| `{name}` | {written} | {help}{}. |", default.unwrap_or_default()).unwrap();
    }
}

const INTRODUCTION: &str = "\
# Reference

<!-- Made by scripts/reference from the sources: edit src/settings/table.rs or tests/support/reference_page.rs. -->

```
redenv-run [OPTIONS] -- COMMAND [ARG]...
redenv-run check [OPTIONS] [-- COMMAND [ARG]...]
redenv-run mask [OPTIONS]
redenv-run token create | list | revoke [OPTIONS]
redenv-run completions bash | zsh | fish
```

## Settings

If a setting is set in several places, the first of these wins: flag, environment, env file, project file.

- **Variables.** `NAME_FILE` works for every variable: it names a file that holds the value. redenv-run strips one newline
  from the end of the file. Setting both `NAME` and `NAME_FILE` is an error. `1`, `true`, `yes` and `on` turn a switch on.
  Commas separate the items of a list. An empty variable counts as unset if the setting is optional or if the env file
  has the variable. Otherwise it is an error.
- **Env file.** The nearest `.env.local`, or the file of `--env-file`. It has dotenv syntax, and `$` is literal. redenv-run
  reads only the variables that are marked (also in an env file) below.
- **Project file.** The nearest `redenv.config.ts`, `.js`, `.mjs`, `.cjs` or `.json`, or the `redenv` key of
  `package.json`: its literal `name` and `environment`. redenv-run reads it and never runs it.
- **Nearest** means: in the working directory, else in the closest directory above it. The search ends after a directory
  with `.git` and at the home directory. It never enters a shared directory such as `/tmp`, or a directory of another
  user. redenv-run skips a file unless it belongs to you, to root, or to the owner of its directory.
";

const OTHER_FLAGS: &str = "
### Other flags and arguments

| command | flag | what it does |
| --- | --- | --- |
";

const EXIT_CODES: &str = "
## Exit codes

| code | meaning |
| --- | --- |
| the command's own | the command ran |
| 125 | redenv-run failed, or its command line is wrong; the command did not start |
| 126 | the command was found but can't be executed |
| 127 | the command, or the interpreter in its `#!` line, was not found |

`check` exits with 0 if the command would start, and with 125 if not. If redenv-run is process 1 and gets TERM, INT, HUP
or QUIT before the command starts, it exits with 128 + the signal's number.
";

const JSON: &str = "
## The JSON of `check`

`redenv-run check --format json` prints one object on one line. It never contains a value of a secret.

| member | type | meaning |
| --- | --- | --- |
| `project` | string | the project |
| `environments` | array of strings | the environments; a later one wins |
| `secrets` | array | the secrets that the command gets, sorted by `name` |
| `secrets[].name` | string | the name as the command sees it |
| `secrets[].vault_name` | string | the name in the vault |
| `secrets[].environment` | string | the environment that it comes from |
| `secrets[].version` | number, string or null | the version as it is written in the vault |
| `secrets[].created_at` | string or null | when that version was written (ISO 8601) |
| `secrets[].age_seconds` | number or null | the age of that version |
| `secrets[].size` | number | the size of the value in bytes |
| `secrets[].effect` | string | `added`, `replaces` (an inherited variable), `kept_inherited`, or `file` |
| `skipped` | array | the secrets that `--skip-broken` skipped: `name` and `reason` |
| `removed` | array of strings | redenv-run's own variables that the command doesn't get |
| `token_salt` | string | the token's salt, for `REDENV_TOKEN_SALT`; it is not a secret |
| `fallback_age_seconds` | number or null | the age of the fallback file, if it was used |
| `command` | string or null | the path of the command, if one was given |
| `stages` | array | the steps of the launch: `name` and `milliseconds` |
";

const RESERVED_NAMES: &str = "
## Reserved names

redenv-run refuses a secret with one of these names, because the value would run as code. A `*` matches any text.
`--allow-reserved NAME` allows one name. This is a safety net, not a sandbox: no list is complete.

| names | why |
| --- | --- |
";
