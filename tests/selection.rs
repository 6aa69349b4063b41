//! The options that select secrets, and the names that the command sees.

use std::collections::BTreeMap;

use crate::support::launch::{Outcome, pairs, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

/// Two environments; in `development` a history, references, a prefix, and names that look alike.
fn vault() -> Vault {
    let project = Project::new("acme")
        .secret("development", "API_KEY", "key")
        .secret("development", "API_URL", "https://api.example/${API_KEY}")
        .history("development", "DB_HOST", &["host3", "host2", "host1"])
        .secret("development", "DB_URL", "db://${DB_HOST}/${DB_NAME}")
        .secret("development", "DB_NAME", "shop")
        .secret("development", "LITERAL", "\\${DB_NAME} ${NOT_IN_THE_VAULT} $DB_NAME")
        .secret("production", "DB_HOST", "live")
        .secret("production", "ONLY_LIVE", "1");
    Vault::of(&project)
}

/// The secrets in the environment of a command that was launched with these options.
fn seen(vault: &Vault, options: &[&str]) -> BTreeMap<String, String> {
    run(vault, options).environment()
}

fn run(vault: &Vault, options: &[&str]) -> Outcome {
    redenv_run(vault).args(options).program(["env", "-0"]).run()
}

#[test]
fn every_option_selects_what_it_promises() {
    let literal = ("LITERAL", "${DB_NAME} ${NOT_IN_THE_VAULT} $DB_NAME");
    let api = [("API_KEY", "key"), ("API_URL", "https://api.example/key")];
    let db = [("DB_HOST", "host3"), ("DB_NAME", "shop"), ("DB_URL", "db://host3/shop")];
    let all = [&api[..], &db, &[literal]].concat();
    let vault = vault();
    for (options, expected) in [
        (&[][..], &all[..]),
        (&["--only", "API_*"], &api),
        (&["--only", "API_KEY,API_URL"], &api),
        (&["--only=API_KEY", "--only", "API_URL"], &api),
        (&["--only", "?PI_*,DB_NAME"], &[api[0], api[1], db[1]]),
        (&["--only", " API_KEY , API_URL "], &api),
        (&["--only", "*"], &all),
        (&["--exclude", "API_*,LITERAL"], &db),
        (&["--exclude", "API_*", "--exclude", "LITERAL"], &db),
        (&["--only", "API_*", "--exclude", "API_KEY"], &[api[1]]),
        // An empty selection is fine, because every pattern matched something.
        (&["--only", "API_*", "--exclude", "*_KEY,*_URL"], &[]),
        (&["--scope", "API_"], &[("KEY", "key"), ("URL", "https://api.example/key")]),
        // Patterns match vault names, so they include the prefix.
        (&["--scope", "DB_", "--only", "DB_H*"], &[("HOST", "host3")]),
        (&["--scope", "DB_", "--exclude", "DB_H*,*_URL"], &[("NAME", "shop")]),
        (&["--require", "API_KEY,DB_URL"], &all),
        (&["--scope", "API_", "--require", "KEY"], &[("KEY", "key"), ("URL", "https://api.example/key")]),
        // References to secrets that are not selected expand, too.
        (&["--only", "DB_URL"], &[db[2]]),
        (&["--raw", "--only", "DB_URL"], &[("DB_URL", "db://${DB_HOST}/${DB_NAME}")]),
        (&["--raw", "--only", "LITERAL"], &[("LITERAL", "\\${DB_NAME} ${NOT_IN_THE_VAULT} $DB_NAME")]),
        // A version by its number, or by its distance from the newest.
        (&["--only", "DB_HOST", "--pin", "DB_HOST=1"], &[("DB_HOST", "host1")]),
        (&["--only", "DB_HOST", "--pin", "DB_HOST=3"], &[("DB_HOST", "host3")]),
        (&["--only", "DB_HOST", "--pin", "DB_HOST=~0"], &[("DB_HOST", "host3")]),
        (&["--only", "DB_HOST", "--pin", "DB_HOST=~2"], &[("DB_HOST", "host1")]),
        // A pin also affects the secrets that refer to the pinned one.
        (&["--only", "DB_URL", "--pin", "DB_HOST=~1,DB_NAME=1"], &[("DB_URL", "db://host2/shop")]),
        (&["--raw", "--pin", "DB_HOST=2", "--only", "DB_HOST"], &[("DB_HOST", "host2")]),
        (&["--scope", "DB_", "--pin", "DB_HOST=2", "--only", "DB_HOST"], &[("HOST", "host2")]),
        // Environments are layered first.
        (&["-e", "development,production", "--only", "DB_URL"], &[("DB_URL", "db://live/shop")]),
        (&["-e", "production", "-e", "development", "--only", "DB_URL"], &[db[2]]),
        (&["-e", "production"], &[("DB_HOST", "live"), ("ONLY_LIVE", "1")]),
        (
            &["-e", "development,production", "--pin", "DB_HOST=1", "--only", "DB_HOST"],
            &[("DB_HOST", "live")],
        ),
    ] {
        assert_eq!(seen(&vault, options), pairs(expected), "{options:?}");
    }
}

#[test]
fn every_misuse_is_an_error_with_the_next_step() {
    const NAMES: &str = "`redenv-run check` lists the names";
    let vault = vault();
    for (options, error, hint) in [
        (&["--only", "API_KEZ"][..], "--only: no secret matches API_KEZ", "did you mean API_KEY?"),
        (&["--only", "api_key"], "--only: no secret matches api_key", "did you mean API_KEY?"),
        (&["--only", "API_KEY,SENTRY"], "--only: no secret matches SENTRY", NAMES),
        (&["--only", "X*"], "--only: no secret matches X*", NAMES),
        (&["--exclude", "LITERALS"], "--exclude: no secret matches LITERALS", "did you mean LITERAL?"),
        // It exists only in another environment.
        (&["--only", "ONLY_LIVE"], "--only: no secret matches ONLY_LIVE", NAMES),
        (&["--scope", "STRIPE_"], "--scope: no secret matches STRIPE_", NAMES),
        (&["--pin", "DB_HOTS=1"], "--pin: no secret is named DB_HOTS", "did you mean DB_HOST?"),
        (&["--pin", "SENTRY=1"], "--pin: no secret is named SENTRY", NAMES),
        (&["--pin", "DB_HOST=4"], "--pin: DB_HOST has no version 4", "choose a version from 1 to 3"),
        (&["--pin", "DB_HOST=0"], "--pin: DB_HOST has no version 0", "choose a version from 1 to 3"),
        (&["--pin", "DB_HOST=~3"], "--pin: DB_HOST has no version ~3", "choose a version from 1 to 3"),
        (
            &["--pin", "DB_HOST"],
            "--pin is not NAME=VERSION",
            "use NAME=3 for version 3, or NAME=~1 for the previous one",
        ),
        (
            &["--pin", "DB_HOST=latest"],
            "--pin is not NAME=VERSION",
            "use NAME=3 for version 3, or NAME=~1 for the previous one",
        ),
        (
            &["--require", "API_KEY,STRIPE_KEY,SENTRY_DSN"],
            "required secrets: STRIPE_KEY and SENTRY_DSN missing",
            "--require takes names as the command sees them; `redenv-run check` lists them",
        ),
        // With a scope the command sees another name than the vault's.
        (
            &["--scope", "API_", "--require", "API_KEY"],
            "required secrets: API_KEY missing",
            "--require takes names as the command sees them; `redenv-run check` lists them",
        ),
        (
            &["--exclude", "API_KEY", "--require", "API_KEY"],
            "required secrets: API_KEY missing",
            "--require takes names as the command sees them; `redenv-run check` lists them",
        ),
        (
            &["-e", "staging"],
            "project acme has no environment staging",
            "check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
        ),
        (&["--only", ""], "--only is empty", "give --only a value, or leave it out"),
        (&["--only", " , "], "--only is empty", "give --only a value, or leave it out"),
        (&["--exclude="], "--exclude is empty", "give --exclude a value, or leave it out"),
        (&["--require", ""], "--require is empty", "give --require a value, or leave it out"),
        (&["--scope", ""], "--scope is empty", "give --scope a value, or leave it out"),
        (&["--pin", ""], "--pin is empty", "give --pin a value, or leave it out"),
    ] {
        run(&vault, options).assert_failed(125, &[&format!("error: {error}"), &format!("hint: {hint}")]);
    }
}

#[test]
fn every_spelling_of_json_is_accepted() {
    let project = Project::new("acme");
    let value = |text: &str| project.encrypt(text.as_bytes());
    let escaped = value("escaped").replace('.', "\\u002e");
    let spellings = [
        ("ESCAPED", format!(r#"[{{"\u0076alue":"{escaped}","vers\u0069on":1}}]"#)),
        ("LAST", format!(r#"[{{"value":"{}","version":2,"value":"{}"}}]"#, value("first"), value("last"))),
        ("SPACED", format!("\n[\t{{ \"version\" : 3 ,\r\n\"value\" : \"{}\" }} ] ", value("spaced"))),
        ("NESTED", format!(r#"[{{"user":{{"a":["}}",{{}}]}},"value":"{}"}}]"#, value("nested"))),
    ];
    let add =
        |project: Project, (name, history): &(&str, String)| project.raw_field("development", name, history);
    let project = spellings.iter().fold(project, add);
    let expected = [("ESCAPED", "escaped"), ("LAST", "last"), ("NESTED", "nested"), ("SPACED", "spaced")];
    assert_eq!(seen(&Vault::of(&project), &[]), pairs(&expected));
}

#[test]
fn a_required_secret_must_not_be_empty() {
    let project = Project::new("acme").secret("development", "EMPTY", "").secret("development", "FULL", "x");
    let vault = Vault::of(&project);
    let hint = "hint: --require takes names as the command sees them; `redenv-run check` lists them";
    run(&vault, &["--require", "EMPTY,FULL"])
        .assert_failed(125, &["error: required secrets: EMPTY empty", hint]);
    run(&vault, &["--require", "EMPTY,GONE"])
        .assert_failed(125, &["error: required secrets: GONE missing; EMPTY empty", hint]);
    assert_eq!(seen(&vault, &["--require", "FULL"]), pairs(&[("EMPTY", ""), ("FULL", "x")]));
}

/// Secrets that can't be decrypted, each for its own reason, and secrets that refer to them.
fn broken() -> Vault {
    let project = Project::new("acme");
    let history = |value: &str| {
        let mut version = project.version("", 1);
        version["value"] = value.into();
        serde_json::Value::Array(vec![version]).to_string()
    };
    let not_utf8 = history(&project.encrypt(b"\xff\xfe"));
    let nul = history(&project.encrypt(b"a\0b"));
    let other_key = history(&Project::new("other").encrypt(b"x"));
    let project = project
        .raw_field("development", "BAD_JSON", "no JSON")
        .raw_field("development", "BAD_KEY", &other_key)
        .raw_field("development", "BAD_NUL", &nul)
        .raw_field("development", "BAD_UTF8", &not_utf8)
        .raw_field("development", "BAD_VERSIONS", "[]")
        .secret("development", "GOOD", "fine")
        .secret("development", "REFERS", "to ${BAD_KEY}")
        .secret("development", "REFERS_FURTHER", "further ${REFERS}");
    Vault::of(&project)
}

const BROKEN: &str =
    "hint: set them again; --skip-broken skips them with a warning, --exclude leaves them out";

#[test]
fn a_broken_secret_matters_only_where_it_is_selected_or_referred_to() {
    let vault = broken();
    assert_eq!(seen(&vault, &["--only", "GOOD"]), pairs(&[("GOOD", "fine")]));
    assert_eq!(seen(&vault, &["--exclude", "BAD_*,REFERS*"]), pairs(&[("GOOD", "fine")]));
    let message = "error: cannot use secret BAD_KEY (its value can't be decrypted: damaged, or encrypted for another project)";
    for selected in ["REFERS", "REFERS_FURTHER", "BAD_KEY"] {
        run(&vault, &["--only", selected]).assert_failed(125, &[message, BROKEN]);
    }
    // Without expansion there are no references.
    let raw = seen(&vault, &["--only", "REFERS*", "--raw"]);
    assert_eq!(raw, pairs(&[("REFERS", "to ${BAD_KEY}"), ("REFERS_FURTHER", "further ${REFERS}")]));
    run(&vault, &["--only", "BAD_KEY,GOOD", "--raw"]).assert_failed(125, &[message, BROKEN]);
}

#[test]
fn skip_broken_starts_without_them_and_warns_of_each() {
    let vault = broken();
    let outcome = run(&vault, &["--skip-broken", "--only", "BAD_KEY,BAD_NUL,GOOD"]);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("GOOD=fine\0"));
    assert!(!outcome.stdout.contains("BAD_"), "{}", outcome.stdout);
    assert_eq!(
        outcome.stderr,
        "redenv-run: warning: skipped BAD_KEY: its value can't be decrypted: damaged, or encrypted for another project\n\
         redenv-run: warning: skipped BAD_NUL: its value contains a NUL byte\n"
    );
    // An indirect reference stays unexpanded, too.
    let outcome = run(&vault, &["--skip-broken", "--only", "GOOD,REFERS,REFERS_FURTHER"]);
    assert!(outcome.stdout.contains("REFERS=to ${BAD_KEY}\0"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("REFERS_FURTHER=further to ${BAD_KEY}\0"), "{}", outcome.stdout);
    let warning = "redenv-run: warning: skipped BAD_KEY: its value can't be decrypted: damaged, or \
        encrypted for another project; ${BAD_KEY} stays unexpanded in REFERS and REFERS_FURTHER\n";
    assert_eq!(outcome.stderr, warning);
    // With --raw, references are unexpanded on purpose.
    let raw = run(&vault, &["--skip-broken", "--raw", "--only", "BAD_KEY,REFERS"]);
    assert!(raw.stderr.ends_with("encrypted for another project\n"), "{}", raw.stderr);
    let quiet = run(&vault, &["-q", "--skip-broken"]).environment();
    assert!(!quiet.keys().any(|name| name.starts_with("BAD_")), "{quiet:?}");
    // An inherited variable of its name stays.
    let launch = redenv_run(&vault).env("BAD_NUL", "mine").args(["-q", "--skip-broken"]);
    launch.program(["printenv", "BAD_NUL"]).run().assert_ran("mine\n");
    // A skipped secret can't be required.
    let outcome = run(&vault, &["-q", "--skip-broken", "--require", "BAD_KEY"]);
    assert!(outcome.stderr.starts_with("redenv-run: error: required secrets: BAD_KEY missing\n"));
    assert_eq!(outcome.code(), Some(125));
}

#[test]
fn a_cycle_matters_only_where_it_is_selected_or_referred_to() {
    let project = Project::new("acme")
        .secret("development", "A", "${B}")
        .secret("development", "B", "${C}")
        .secret("development", "C", "${A}")
        .secret("development", "INTO", "${A}")
        .secret("development", "SELF", "${SELF}")
        .secret("development", "GOOD", "fine");
    let vault = Vault::of(&project);
    assert_eq!(seen(&vault, &["--only", "GOOD"]), pairs(&[("GOOD", "fine")]));
    assert_eq!(seen(&vault, &["--only", "SELF", "--raw"]), pairs(&[("SELF", "${SELF}")]));
    let hint = "hint: write \\${NAME} for a literal reference, or pass --raw to expand none";
    for (selected, cycle) in
        [("A", "A -> B -> C -> A"), ("INTO", "A -> B -> C -> A"), ("SELF", "SELF -> SELF")]
    {
        let error = format!("error: the references form a cycle: {cycle}");
        run(&vault, &["--only", selected]).assert_failed(125, &[&error, hint]);
    }
}

#[test]
fn a_name_that_no_variable_can_have_is_refused_unless_it_is_left_out() {
    let project = Project::new("acme")
        .secret("development", "A=B", "1")
        .secret("development", "", "2")
        .secret("development", "N\0L", "3")
        .secret("development", "GOOD", "fine");
    let vault = Vault::of(&project);
    assert_eq!(run(&vault, &[]).code(), Some(125));
    assert_eq!(seen(&vault, &["--only", "G*"]), pairs(&[("GOOD", "fine")]));
    // `--scope` may strip a whole name.
    run(&vault, &["--scope", "GOOD"]).assert_failed(
        125,
        &[
            "error: no variable can be named like secret GOOD (empty without the prefix)",
            "hint: rename the secret, or leave it out with --exclude",
        ],
    );
}

#[test]
fn an_excluded_secret_is_not_injected_and_an_inherited_variable_of_its_name_stays() {
    let vault = vault();
    for options in [&["--exclude", "API_KEY"], &["--only", "DB_*"]] {
        let outcome =
            redenv_run(&vault).env("API_KEY", "mine").args(options).program(["printenv", "API_KEY"]);
        outcome.run().assert_ran("mine\n");
    }
    // A reference means the vault's secret, not the inherited variable.
    let outcome = redenv_run(&vault).env("API_KEY", "mine").args(["--exclude", "API_KEY"]);
    outcome.program(["printenv", "API_URL"]).run().assert_ran("https://api.example/key\n");
}

#[test]
fn names_and_patterns_are_not_only_ascii() {
    let project = Project::new("acme")
        .secret("development", "GRÜSSE", "hallo")
        .secret("development", "КЛЮЧ", "1")
        .secret("development", "with space.and-dash", "2");
    let vault = Vault::of(&project);
    assert_eq!(seen(&vault, &["--only", "GR?SSE"]), pairs(&[("GRÜSSE", "hallo")]));
    assert_eq!(seen(&vault, &["--scope", "КЛ"]), pairs(&[("ЮЧ", "1")]));
    assert_eq!(seen(&vault, &["--only", "with *"]), pairs(&[("with space.and-dash", "2")]));
}
