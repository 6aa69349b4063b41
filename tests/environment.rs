//! How inherited variables and secrets become the command's environment.

use std::collections::BTreeMap;

#[cfg(target_os = "linux")]
use crate::support::launch::Outcome;
use crate::support::launch::{Launch, pairs, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

fn vault_of(secrets: &[(&str, &str)]) -> Vault {
    let project = Project::new("acme");
    let add = |project: Project, (name, value): &(&str, &str)| project.secret("development", name, value);
    Vault::of(&secrets.iter().fold(project, add))
}

#[test]
fn inherited_variables_win_where_they_are_preserved() {
    let vault = vault_of(&[("A", "vault"), ("B", "vault"), ("PREFIX_A", "scoped"), ("NEW", "vault")]);
    for (options, expected) in [
        (&[][..], &[("A", "vault"), ("B", "vault"), ("NEW", "vault"), ("PREFIX_A", "scoped")][..]),
        (&["--preserve-env"], &[("A", "mine"), ("B", ""), ("NEW", "vault"), ("PREFIX_A", "scoped")]),
        (&["--preserve-env=A"], &[("A", "mine"), ("B", "vault"), ("NEW", "vault"), ("PREFIX_A", "scoped")]),
        (&["--preserve-env=A,B,NONE"], &[("A", "mine"), ("B", ""), ("NEW", "vault"), ("PREFIX_A", "scoped")]),
        (
            &["--preserve-env=A", "--preserve-env=B"],
            &[("A", "mine"), ("B", ""), ("NEW", "vault"), ("PREFIX_A", "scoped")],
        ),
        // All is all, whatever is named beside.
        (
            &["--preserve-env", "--preserve-env=A"],
            &[("A", "mine"), ("B", ""), ("NEW", "vault"), ("PREFIX_A", "scoped")],
        ),
        (&["--preserve-env=A,*"], &[("A", "mine"), ("B", ""), ("NEW", "vault"), ("PREFIX_A", "scoped")]),
        // It takes names as the command sees them.
        (&["--preserve-env=A", "--scope", "PREFIX_"], &[("A", "mine"), ("B", "")]),
        (&["--preserve-env=PREFIX_A", "--scope", "PREFIX_"], &[("A", "scoped"), ("B", "")]),
        (&["--only", "A", "--preserve-env"], &[("A", "mine"), ("B", "")]),
        (&["--only", "A", "--preserve-env=B"], &[("A", "vault"), ("B", "")]),
        // With `--pristine` there is no inherited one to preserve, unless it is kept.
        (&["--pristine", "--preserve-env", "--only", "A"], &[("A", "vault")]),
        (&["--pristine", "--keep", "A", "--preserve-env", "--only", "A,B"], &[("A", "mine"), ("B", "vault")]),
    ] {
        let launch = redenv_run(&vault).env("A", "mine").env("B", "").args(options);
        assert_eq!(launch.environment(), pairs(expected), "{options:?}");
    }
}

#[test]
fn a_required_secret_counts_as_the_command_sees_it() {
    let vault = vault_of(&[("A", "vault"), ("EMPTY", "")]);
    let preserved = |value: &str, options: &[&str]| redenv_run(&vault).env("A", value).args(options);
    let required = ["--preserve-env", "--require", "A"];
    assert_eq!(preserved("mine", &required).environment(), pairs(&[("A", "mine"), ("EMPTY", "")]));
    let outcome = preserved("", &required).program(["env"]).run();
    let hint = "hint: --require takes names as the command sees them; `redenv-run check` lists them";
    outcome.assert_failed(125, &["error: required secrets: A empty", hint]);
    // An inherited variable is no secret.
    let outcome = redenv_run(&vault).env("B", "mine").args(["--require", "B"]).program(["env"]).run();
    outcome.assert_failed(125, &["error: required secrets: B missing", hint]);
}

#[test]
fn every_variable_that_the_required_file_defines_must_have_a_value() {
    let vault = vault_of(&[("A", "vault"), ("B", "vault"), ("EMPTY", ""), ("APP_C", "scoped")]);
    let hint =
        "hint: add each to the vault, or export it; --only, --exclude and --scope may have left it out";
    // The token is redenv-run's, and not the command's.
    let met = "# comment\nA=\nexport B='x'\n\nMINE=two words\nREDENV_TOKEN_KEY=\nUPSTASH_REDIS_URL=\n";
    for (file, options, error) in [
        (met, &[][..], None),
        ("MINE=\nC=\n", &["--scope", "APP_"], None),
        ("MINE=\n", &["--pristine", "--keep", "MINE"], None),
        (
            "GONE=1\nA=1\nEMPTY=1\nALSO=\nBLANK=x\n",
            &[],
            Some("variables that .env.example defines: ALSO and GONE missing; BLANK and EMPTY empty"),
        ),
        ("A=\n", &["--exclude", "A"], Some("variables that .env.example defines: A missing")),
        ("MINE=\n", &["--pristine"], Some("variables that .env.example defines: MINE missing")),
        ("A=\n", &["--preserve-env"], Some("variables that .env.example defines: A empty")),
    ] {
        let given = || {
            let launch = redenv_run(&vault).file(".env.example", file).env("MINE", "mine").env("BLANK", "");
            let launch = if options == ["--preserve-env"] { launch.env("A", "") } else { launch };
            launch.args(options)
        };
        for launch in [
            given().args(["--require-from", ".env.example"]),
            given().env("REDENV_REQUIRE_FROM", ".env.example"),
        ] {
            let outcome = launch.program(["true"]).run();
            match error {
                None => outcome.assert_ran(""),
                Some(error) => outcome.assert_failed(125, &[&format!("error: {error}"), hint]),
            }
        }
    }
}

#[test]
fn a_required_file_that_defines_nothing_or_is_malformed_is_refused() {
    let vault = vault_of(&[("A", "1")]);
    let from = "(--require-from)";
    let correct = "hint: correct that line, or name another file";
    for (file, error, hint) in [
        (
            "# nothing\n",
            format!(".env.example {from} defines no variables"),
            "hint: name a file with a NAME= line per variable, such as .env.example",
        ),
        ("A=1\nB\n", format!(".env.example {from} is malformed: line 2 is not NAME=VALUE"), correct),
        (
            "A=1\nB='open\nC=1\n",
            format!(".env.example {from} is malformed: line 2 is not NAME=VALUE"),
            correct,
        ),
    ] {
        let launch = redenv_run(&vault).file(".env.example", file).args(["--require-from", ".env.example"]);
        launch.program(["true"]).run().assert_failed(125, &[&format!("error: {error}"), hint]);
    }
    let outcome = redenv_run(&vault).args(["--require-from", "none"]).program(["true"]).run();
    let error = "error: cannot read none (--require-from): no such file or directory";
    outcome.assert_failed(125, &[error, "hint: check the path, and that this user may read the file"]);
    assert_eq!(vault.connections(), 0);
}

#[test]
fn pristine_leaves_the_documented_handful_and_what_is_kept() {
    let vault = vault_of(&[("SECRET", "s"), ("HOME", "/vault")]);
    let inherit = |mut launch: Launch| {
        for name in ["USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "LC_ALL", "LC_X", "TMPDIR", "PWD"] {
            launch = launch.env(name, "kept");
        }
        for name in ["EDITOR", "SSH_AUTH_SOCK", "LANGUAGE", "lang", "LC", "HTTP_PROXY", "ONE", "TWO"] {
            launch = launch.env(name, "gone");
        }
        launch.env("HOME", "/home").env("SSL_CERT_FILE", "")
    };
    let handful = "HOME=/vault LANG=kept LC_ALL=kept LC_X=kept LOGNAME=kept PWD=kept SECRET=s SHELL=kept TERM=kept \
                   TMPDIR=kept TZ=kept USER=kept";
    let shown = |environment: BTreeMap<String, String>| {
        environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let pristine =
        |options: &[&str]| shown(inherit(redenv_run(&vault)).arg("--pristine").args(options).environment());
    assert_eq!(pristine(&[]), handful);
    let kept = handful.replace("PWD=kept", "ONE=gone PWD=kept").replace("TZ=kept", "TWO=gone TZ=kept");
    assert_eq!(pristine(&["--keep", "ONE,TWO,NOT_SET"]), kept);
    assert_eq!(pristine(&["--keep", "ONE", "--keep", "TWO"]), kept);
}

#[test]
fn keep_without_pristine_is_a_slip() {
    let outcome = redenv_run(&vault_of(&[("A", "1")])).args(["--keep", "HOME"]).program(["env"]).run();
    outcome.assert_failed(125, &["error: --keep needs --pristine"]);
}

#[test]
fn an_empty_list_of_names_is_a_slip() {
    let vault = vault_of(&[("A", "1")]);
    for (option, flag) in [
        ("--preserve-env=", "--preserve-env"),
        ("--allow-reserved=", "--allow-reserved"),
        ("--file=,", "--file"),
    ] {
        let error = format!("error: {flag} is empty");
        let hint = format!("hint: give {flag} a value, or leave it out");
        redenv_run(&vault).arg(option).program(["env"]).run().assert_failed(125, &[&error, &hint]);
    }
    let outcome = redenv_run(&vault).args(["--pristine", "--keep", ""]).program(["env"]).run();
    outcome.assert_failed(125, &["error: --keep is empty", "hint: give --keep a value, or leave it out"]);
}

#[test]
fn every_secret_of_a_reserved_name_is_named_at_once() {
    let vault = vault_of(&[("NODE_OPTIONS", "x"), ("LD_PRELOAD", "/evil.so"), ("FINE", "1")]);
    redenv_run(&vault).program(["env"]).run().assert_failed(
        125,
        &[
            "error: secrets may not be named LD_PRELOAD (the dynamic loader would load the \
             libraries that the value names) and NODE_OPTIONS (node would load the code that the value names)",
            "hint: leave out with --exclude LD_PRELOAD,NODE_OPTIONS, or allow with --allow-reserved \
             LD_PRELOAD,NODE_OPTIONS",
        ],
    );
    // Names are allowed one by one, not by pattern.
    redenv_run(&vault).args(["--allow-reserved", "NODE_OPTIONS,LD_*"]).program(["env"]).run().assert_failed(
        125,
        &[
            "error: secrets may not be named LD_PRELOAD (the dynamic loader would load the \
             libraries that the value names)",
            "hint: leave out with --exclude LD_PRELOAD, or allow with --allow-reserved LD_PRELOAD",
        ],
    );
    let allowed = redenv_run(&vault).args(["--only", "NODE_*", "--allow-reserved", "NODE_OPTIONS"]);
    assert_eq!(allowed.environment(), pairs(&[("NODE_OPTIONS", "x")]));
    assert_eq!(redenv_run(&vault).args(["--exclude", "LD_*,NODE_*"]).environment(), pairs(&[("FINE", "1")]));
    // An inherited variable may stay.
    let preserved =
        redenv_run(&vault).env("NODE_OPTIONS", "--mine").args(["--exclude", "LD_*", "--preserve-env"]);
    assert_eq!(preserved.environment(), pairs(&[("FINE", "1"), ("NODE_OPTIONS", "--mine")]));
}

#[test]
fn a_name_can_become_reserved_when_scope_strips_its_prefix() {
    let vault = vault_of(&[("APP_LD_PRELOAD", "x"), ("APP_A", "1")]);
    redenv_run(&vault).args(["--scope", "APP_"]).program(["env"]).run().assert_failed(
        125,
        &[
            "error: secrets may not be named LD_PRELOAD (the dynamic loader would load the \
             libraries that the value names)",
            "hint: leave out with --exclude APP_LD_PRELOAD, or allow with --allow-reserved LD_PRELOAD",
        ],
    );
    // And the other way round: with the prefix it is a name like any other.
    assert_eq!(redenv_run(&vault).environment(), pairs(&[("APP_A", "1"), ("APP_LD_PRELOAD", "x")]));
}

/// A value with which `NAME=VALUE` is of `length` bytes.
fn filling(name: &str, length: usize) -> String {
    "x".repeat(length - name.len() - 1)
}

#[test]
fn the_longest_variable_is_as_long_as_the_kernel_allows() {
    let vault = vault_of(&[("LONG", &filling("LONG", 131_071)), ("OTHER", "1")]);
    let count = "echo ${#LONG}";
    redenv_run(&vault).program(["sh", "-c", count]).run().assert_ran("131066\n");
    let vault = vault_of(&[
        ("LONG", &filling("LONG", 131_072)),
        ("LONGER", &filling("LONGER", 200_000)),
        ("OTHER", "1"),
    ]);
    redenv_run(&vault).program(["env"]).run().assert_failed(
        125,
        &[
            "error: variables over the system's limit of 131071 bytes for NAME=VALUE: LONGER (200000 bytes) \
             and LONG (131072 bytes)",
            "hint: pass the value as a file with --file NAME, or leave it out with --exclude NAME",
        ],
    );
    assert_eq!(redenv_run(&vault).args(["--exclude", "LONG*"]).environment(), pairs(&[("OTHER", "1")]));
    if cfg!(target_os = "linux") {
        let files = redenv_run(&vault).args(["--file", "LONG,LONGER"]);
        let count = "wc -c <\"$LONG\"; wc -c <\"$LONGER\"";
        files.program(["sh", "-c", count]).run().assert_ran("131067\n199993\n");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_total_over_the_systems_limit_is_refused_before_the_exec() {
    let value = |name: &str| filling(name, 50_000);
    let secrets = [("A", value("A")), ("B", value("B")), ("C", value("C")), ("D", filling("D", 60_000))];
    let secrets: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let vault = vault_of(&secrets);
    // A quarter of the stack's limit, and at least 128 KiB, for arguments and environment together.
    let small = "ulimit -S -s 512";
    let Outcome { status, stderr, .. } = redenv_run(&vault).program(["/bin/true"]).after(small).run();
    assert_eq!(status.code(), Some(125), "{stderr}");
    let (error, hint) = stderr.split_once('\n').unwrap();
    let rest = error
        .strip_prefix("redenv-run: error: arguments and environment take ")
        .and_then(|rest| rest.split_once(" bytes, and this system allows 131072; "));
    let (total, rest) = rest.unwrap_or_else(|| panic!("{error}"));
    assert!(total.parse::<usize>().unwrap() > 210_000, "{error}");
    assert_eq!(rest, "the largest variables: D (60000 bytes), A (50000 bytes) and B (50000 bytes)");
    assert_eq!(
        hint,
        "redenv-run: hint: select fewer secrets with --only or --exclude, pass large ones with --file, or raise the \
         limit: ulimit -s\n"
    );
    // With fewer, with files, and with a higher limit it starts.
    for (setup, options) in
        [(small, &["--only", "A,D"][..]), (small, &["--file", "A,B,C,D"]), ("ulimit -S -s 1024", &[])]
    {
        redenv_run(&vault).args(options).program(["/bin/true"]).after(setup).run().assert_ran("");
    }
}

/// If redenv-run counted too little, the kernel's refusal would have another message.
#[test]
#[cfg(target_os = "linux")]
fn the_size_check_agrees_with_the_kernel_to_the_byte() {
    let project = |length| Project::new("acme").secret("development", "A", &"x".repeat(length));
    let run = |length: usize| {
        let vault = Vault::of(&project(length));
        let fixed = ["--pristine", "--timeout", "30"];
        let launch = redenv_run(&vault).args(fixed).program(["/bin/true"]);
        let outcome = launch.after("ulimit -S -s 512; export PATH=/bin").run();
        (outcome.code(), outcome.stderr)
    };
    // The whole limit is 131,072 bytes, of which pointers and the other strings take some; and a
    // single variable may not be longer than 131,071 anyway.
    let (mut works, mut fails) = (100_000, 131_060);
    assert_eq!(run(works), (Some(0), String::new()));
    assert_eq!(run(fails).0, Some(125));
    while fails - works > 1 {
        let middle = usize::midpoint(works, fails);
        match run(middle) {
            (Some(0), _) => works = middle,
            (_, stderr) => {
                assert!(
                    stderr.contains("error: arguments and environment take "),
                    "the kernel refused {middle}: {stderr}"
                );
                fails = middle;
            }
        }
    }
}

#[test]
fn verbose_names_what_happened_to_each_variable() {
    let vault = vault_of(&[("A", "value-a"), ("B", "value-b"), ("C", "value-c")]);
    let launch = redenv_run(&vault).env("A", "mine").env("B", "mine").args(["-v", "--preserve-env=B"]);
    let outcome = launch.program(["true"]).run();
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    for line in [
        "redenv-run: injected A and C",
        "redenv-run: replaced A",
        "redenv-run: kept inherited B",
        "redenv-run: removed REDENV_PROJECT, REDENV_TOKEN_ID, REDENV_TOKEN_KEY, UPSTASH_REDIS_TOKEN and \
         UPSTASH_REDIS_URL",
    ] {
        assert!(outcome.stderr.lines().any(|said| said == line), "{line:?} is not in {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("value-") && !outcome.stderr.contains("mine"), "{}", outcome.stderr);
}
