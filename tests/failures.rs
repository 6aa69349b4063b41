//! Every way in which a vault, a token or a store can be wrong has its own words, and a way out.

#[cfg(target_os = "linux")]
use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;

use crate::support::launcher::{Launcher, launcher, said};
use crate::support::project::{Project, TOKEN_ID, TOKEN_SALT};
use crate::support::vault::{Response, Vault};

/// A launch that fails: what is wrong, and what is said of it.
pub struct Failure {
    pub what: &'static str,
    project: fn(Project) -> Project,
    vault: fn(&Vault),
    launcher: fn(Launcher) -> Launcher,
    lines: &'static [&'static str],
}

/// In every project, and in the environment of every launch: none of it may be said.
pub const CANARY: &str = "canary-4f8a1c";

impl Failure {
    const fn of(what: &'static str, lines: &'static [&'static str]) -> Self {
        Self { what, project: |project| project, vault: |_| {}, launcher: |launcher| launcher, lines }
    }

    const fn project(mut self, change: fn(Project) -> Project) -> Self {
        self.project = change;
        self
    }

    const fn vault(mut self, change: fn(&Vault)) -> Self {
        self.vault = change;
        self
    }

    const fn launcher(mut self, change: fn(Launcher) -> Launcher) -> Self {
        self.launcher = change;
        self
    }

    /// The vault, and a launcher for it that is about to fail.
    pub fn set_up(&self) -> (Vault, Launcher) {
        let project = Project::new("acme").secret("development", "CANARY", CANARY);
        let vault = Vault::of(&(self.project)(project));
        (self.vault)(&vault);
        let launcher = (self.launcher)(launcher(&vault));
        (vault, launcher)
    }
}

/// What a store would say that repeats what it was sent.
const ECHO: &str = r#"{"error":"ERR unknown command, with args beginning with: canary-4f8a1c"}"#;
const DAMAGED: &str = "its value can't be decrypted: damaged, or encrypted for another project";

fn answers(vault: &Vault, status: u16, body: &str) {
    vault.respond_always(Some(Response::new(status).body(body)));
}

macro_rules! damaged {
    ($name:literal) => {
        concat!(
            "error: cannot use secret ",
            $name,
            " (its value can't be decrypted: damaged, or encrypted for another project)"
        )
    };
}

const WRITE_AGAIN: &str =
    "hint: set them again; --skip-broken skips them with a warning, --exclude leaves them out";
const RENAME: &str = "hint: rename the secret, or leave it out with --exclude";
const LITERAL: &str = r"hint: write \${NAME} for a literal reference, or pass --raw to expand none";
const REVOKED: &str = "error: project acme has no service token stk_a1B2c3D4e5F6g7H8: it was revoked, or it belongs to another project";
const NEW_TOKEN: &str = "hint: check REDENV_TOKEN_ID, or create a new token with `redenv-run token create`";
const COPY_TOKEN: &str = "hint: copy the REST token from the database's page, with a trailing =; the database's password does not work here";
const NOT_ACCEPTED: &str = "error: 127.0.0.1 rejected the Upstash token (HTTP 401)";

pub const FAILURES: &[Failure] = &[
    // Secrets.
    Failure::of("a damaged value", &[damaged!("BROKEN"), WRITE_AGAIN]).project(|project| {
        let mut damaged = project.encrypt(CANARY.as_bytes());
        let last = damaged.pop();
        damaged.push(if last == Some('0') { '1' } else { '0' });
        project.raw_field("development", "BROKEN", &format!(r#"[{{"value":"{damaged}","version":1}}]"#))
    }),
    Failure::of("a value of another project", &[damaged!("FOREIGN"), WRITE_AGAIN]).project(|project| {
        let foreign = Project::new("other").version(CANARY, 1);
        project.raw_field("development", "FOREIGN", &format!("[{foreign}]"))
    }),
    Failure::of(
        "a value without a dot",
        &[
            "error: cannot use secret BROKEN (its ciphertext is malformed: there is no dot)",
            WRITE_AGAIN,
        ],
    )
    .project(|project| project.raw_field("development", "BROKEN", r#"[{"value":"canary-4f8a1c"}]"#)),
    Failure::of(
        "a value in plain text",
        &[
            "error: cannot use secret BROKEN (its history is not JSON)",
            WRITE_AGAIN,
        ],
    )
    .project(|project| project.raw_field("development", "BROKEN", CANARY)),
    Failure::of(
        "a version without a value",
        &[
            "error: cannot use secret BROKEN (its history contains a malformed version)",
            WRITE_AGAIN,
        ],
    )
    .project(|project| project.raw_field("development", "BROKEN", r#"[{"version":1}]"#)),
    Failure::of(
        "several of them",
        &[
            "error: cannot use secrets EMPTY (its history has no version), NUL (its value contains a NUL byte), \
             OBJECT (its history is not an array) and UTF_8 (its value is not UTF-8)",
            WRITE_AGAIN,
        ],
    )
    .project(|project| {
        let not_utf8 = project.encrypt(b"canary-4f8a1c\xff");
        project
            .secret("development", "NUL", "canary-4f8a1c\0")
            .raw_field("development", "EMPTY", "[]")
            .raw_field("development", "OBJECT", r#"{"value":"canary-4f8a1c"}"#)
            .raw_field("development", "UTF_8", &format!(r#"[{{"value":"{not_utf8}"}}]"#))
    }),
    Failure::of(
        "a secret that another one refers to",
        &["error: cannot use secret BROKEN (its value contains a NUL byte)", WRITE_AGAIN],
    )
    .project(|project| {
        project.secret("development", "USES", "${BROKEN}").secret("development", "BROKEN", "canary-4f8a1c\0")
    })
    .launcher(|launcher| launcher.args(["--only", "USES"])),
    Failure::of("a cycle", &["error: the references form a cycle: A -> B -> A", LITERAL])
        .project(|project| project.secret("development", "A", "canary-4f8a1c${B}").secret("development", "B", "${A}")),
    Failure::of(
        "references without measure",
        &["error: the references in N08 expand to more than 64 MiB", LITERAL],
    )
    .project(|project| {
        (0..30).fold(project, |project, n| {
            let next = format!("${{N{:02}}}", n + 1);
            project.secret("development", &format!("N{n:02}"), &format!("{next}{next}"))
        })
        .secret("development", "N30", CANARY)
    }),
    Failure::of(
        "impossible names",
        &[
            "error: no variable can be named like secrets \"\" (empty), A\\u{0}B (contains a NUL byte) and A=B (contains a `=`)",
            RENAME,
        ],
    )
    .project(|project| {
        project.secret("development", "", CANARY).secret("development", "A=B", CANARY).secret("development", "A\0B", CANARY)
    }),
    Failure::of(
        "a name that would write to the terminal",
        &[
            "error: cannot use secret \\u{1b}[31mA\\u{a}redenv-run: ok (its history has no version)",
            WRITE_AGAIN,
        ],
    )
    .project(|project| project.raw_field("development", "\x1b[31mA\nredenv-run: ok", "[]")),
    Failure::of(
        "a reserved name",
        &[
            "error: secrets may not be named LD_PRELOAD (the dynamic loader would load the libraries it names) and NODE_OPTIONS (node would load the code it names)",
            "hint: leave them out with --exclude LD_PRELOAD,NODE_OPTIONS, or allow them with --allow-reserved LD_PRELOAD,NODE_OPTIONS",
        ],
    )
    .project(|project| {
        project.secret("development", "LD_PRELOAD", CANARY).secret("development", "NODE_OPTIONS", CANARY)
    }),
    // Projects and tokens.
    Failure::of(
        "a missing environment",
        &[
            "error: project acme has no environment stagin",
            "hint: check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
        ],
    )
    .launcher(|launcher| launcher.args(["-e", "stagin"])),
    Failure::of(
        "several missing environments",
        &[
            "error: project acme has no environments a, b and c",
            "hint: check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
        ],
    )
    .launcher(|launcher| launcher.args(["-e", "a,b,development,c"])),
    Failure::of(
        "a missing project",
        &[
            "error: the database 127.0.0.1 has no project acmee",
            "hint: check -p (REDENV_PROJECT), and that UPSTASH_REDIS_URL is this project's database",
        ],
    )
    .launcher(|launcher| launcher.args(["-p", "acmee"])),
    Failure::of("a revoked token", &[REVOKED, NEW_TOKEN])
        .project(|project| project.raw_meta("serviceTokens", r#"{"stk_other":{"encryptedPEK":"x","salt":"y"}}"#)),
    Failure::of("a project without a single token", &[REVOKED, NEW_TOKEN])
        .project(|project| project.without_meta("serviceTokens")),
    Failure::of(
        "a wrong key",
        &[
            "error: REDENV_TOKEN_KEY is not the key of token stk_a1B2c3D4e5F6g7H8",
            "hint: check that the ID and the key come from the same `token create`; a lost key can't be recovered, create a new token",
        ],
    )
    .launcher(|launcher| launcher.env("REDENV_TOKEN_KEY", "redenv_sk_canary-4f8a1c")),
    Failure::of(
        "a token that is no object",
        &["error: the project's data is malformed: serviceTokens entry stk_a1B2c3D4e5F6g7H8 is not an object with `encryptedPEK` and `salt`"],
    )
    .project(|project| project.raw_meta("serviceTokens", &format!(r#"{{"{TOKEN_ID}":"canary-4f8a1c"}}"#))),
    Failure::of(
        "a token with a malformed salt",
        &["error: the project's data is malformed: salt of token stk_a1B2c3D4e5F6g7H8 is not 32 hex digits"],
    )
    .project(|project| {
        let entry = r#"{"encryptedPEK":"aa.bb","salt":"canary-4f8a1c"}"#;
        project.raw_meta("serviceTokens", &format!(r#"{{"{TOKEN_ID}":{entry}}}"#))
    }),
    Failure::of(
        "a token with a malformed key",
        &["error: the entry of token stk_a1B2c3D4e5F6g7H8 is malformed: its ciphertext is malformed: the IV is not 24 hex digits"],
    )
    .project(|project| {
        let entry = r#"{"encryptedPEK":"canary-4f8a1c.bb","salt":"000102030405060708090a0b0c0d0e0f"}"#;
        project.raw_meta("serviceTokens", &format!(r#"{{"{TOKEN_ID}":{entry}}}"#))
    }),
    Failure::of(
        "tokens that are no JSON",
        &["error: the project's data is malformed: serviceTokens is not a JSON object"],
    )
    .project(|project| project.raw_meta("serviceTokens", CANARY)),
    Failure::of(
        "another key derivation",
        &[
            "error: the project's `kdf` is not pbkdf2, the only one that redenv-run supports",
            "hint: look for a newer version of redenv-run; if there is none, somebody may have changed the project",
        ],
    )
    .project(|project| project.raw_meta("kdf", CANARY)),
    Failure::of(
        "another cipher",
        &[
            "error: the project's `algorithm` is not aes-256-gcm, the only one that redenv-run supports",
            "hint: look for a newer version of redenv-run; if there is none, somebody may have changed the project",
        ],
    )
    .project(|project| project.raw_meta("algorithm", "none")),
    // The store.
    Failure::of("a wrong Upstash token", &[NOT_ACCEPTED, COPY_TOKEN])
        .launcher(|launcher| launcher.env("UPSTASH_REDIS_TOKEN", CANARY)),
    Failure::of("a token that lost its trailing =", &[NOT_ACCEPTED, COPY_TOKEN])
        .launcher(|launcher| launcher.env("UPSTASH_REDIS_TOKEN", "AXlocalVaultTokenForTestsOnly=")),
    Failure::of(
        "a token with a line break",
        &[
            "error: the Upstash token contains a character that no token has",
            "hint: copy the REST token again, without line breaks",
        ],
    )
    .launcher(|launcher| launcher.env("UPSTASH_REDIS_TOKEN", "canary-\n4f8a1c")),
    Failure::of("an answer of 401", &[NOT_ACCEPTED, COPY_TOKEN]).vault(|vault| answers(vault, 401, ECHO)),
    Failure::of(
        "an answer of 403",
        &[
            "error: 127.0.0.1 denied access (HTTP 403)",
            "hint: check that the token and this machine's IP address may use this database",
        ],
    )
    .vault(|vault| answers(vault, 403, ECHO)),
    Failure::of(
        "an address without the API",
        &[
            "error: 127.0.0.1 has no Upstash REST API at this URL (HTTP 404)",
            "hint: set UPSTASH_REDIS_URL to the REST URL from the database's page",
        ],
    )
    .vault(|vault| answers(vault, 404, ECHO)),
    Failure::of(
        "another refusal",
        &["error: 127.0.0.1 refused the request (HTTP 400): error code ERR"],
    )
    .vault(|vault| answers(vault, 400, ECHO)),
    Failure::of(
        "a used up quota",
        &[
            "error: 127.0.0.1 refused the request: the database's request quota is used up",
            "hint: raise the quota in Upstash's console, or wait for its next period",
        ],
    )
    .vault(|vault| answers(vault, 400, r#"{"error":"ERR max requests limit exceeded. Limit: 1, Usage: 2"}"#)),
    Failure::of(
        "a redirect",
        &[
            "error: 127.0.0.1 redirects to another URL (HTTP 307), which redenv-run does not follow",
            "hint: set UPSTASH_REDIS_URL to the database's own REST URL",
        ],
    )
    .vault(|vault| {
        let elsewhere = Response::new(307).header("Location", "http://127.0.0.1:1/canary-4f8a1c");
        vault.respond_always(Some(elsewhere));
    }),
    Failure::of(
        "an answer that is no JSON",
        &[
            "error: 127.0.0.1 did not answer like an Upstash REST API (invalid JSON at byte 0)",
            "hint: set UPSTASH_REDIS_URL to the REST URL from the database's page",
        ],
    )
    .vault(|vault| answers(vault, 200, CANARY)),
    Failure::of(
        "an answer of another shape",
        &[
            "error: 127.0.0.1 did not answer like an Upstash REST API (invalid JSON at byte 0)",
            "hint: set UPSTASH_REDIS_URL to the REST URL from the database's page",
        ],
    )
    .vault(|vault| answers(vault, 200, r#"{"result":"canary-4f8a1c"}"#)),
    Failure::of(
        "a pipeline that is refused as a whole",
        &["error: 127.0.0.1 refused the request (HTTP 200): error code ERR"],
    )
    .vault(|vault| answers(vault, 200, ECHO)),
    Failure::of("too few answers", &["error: 127.0.0.1 answered 1 commands instead of 2"])
        .vault(|vault| answers(vault, 200, r#"[{"result":["canary-4f8a1c",null,null,null,null]}]"#)),
    Failure::of(
        "a command that the store refuses",
        &["error: 127.0.0.1 refused to read meta@acme: error code ERR"],
    )
    .vault(|vault| {
        answers(vault, 200, r#"[{"error":"ERR canary-4f8a1c"},{"result":["canary-4f8a1c","x"]}]"#);
    }),
    Failure::of("an answer that is no HTTP", &[
        "error: 127.0.0.1 did not answer in HTTP",
        "hint: check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there",
    ])
    .vault(|vault| vault.respond_always(Some(Response::raw("canary-4f8a1c\r\n\r\n")))),
];

#[test]
fn every_failure_has_its_own_words_and_status_125() {
    let mut wrong = Vec::new();
    for failure in FAILURES {
        let (_vault, launcher) = failure.set_up();
        let outcome = launcher.program(["echo", "started"]).run();
        let expected = said(failure.lines);
        if (outcome.code(), outcome.stderr.as_str(), outcome.stdout.as_str()) != (Some(125), &expected, "") {
            wrong.push((failure.what, outcome, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_store_that_is_not_there_is_named() {
    // Nothing listens on the port that a vault had.
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    let (address, launch) = (vault.address(), launcher(&vault).args(["--timeout", "300ms"]));
    drop(vault);
    let outcome = launch.program(["true"]).run();
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!((outcome.code(), lines.len()), (Some(125), 2), "{}", outcome.stderr);
    let error = format!("redenv-run: error: {address} could not be reached within 300ms: connection refused");
    assert!(lines[0].starts_with(&error), "{}", lines[0]);
    assert_eq!(
        lines[1],
        "redenv-run: hint: check UPSTASH_REDIS_URL, this machine's network and firewall; set HTTPS_PROXY if you need a proxy"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_that_gives_no_thread_is_told_with_what_to_do() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    let limited = || {
        let launch = launcher(&vault).program(["true"]);
        fs::set_permissions(launch.directory(), fs::Permissions::from_mode(0o777)).unwrap();
        let nobody = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];
        launch.through([&["prlimit", "--nproc=1:1"][..], &nobody].concat())
    };
    let hint = "hint: raise the limit of processes: `ulimit -u`, or the container's limit of pids";
    let request = "error: 127.0.0.1 was not asked: the system allows no more threads";
    limited().run().assert_failed(125, &[request, hint]);
    let derivation = "error: the system allows no thread for the key derivation";
    limited().env("REDENV_TOKEN_SALT", TOKEN_SALT).run().assert_failed(125, &[derivation, hint]);
}

#[test]
#[cfg(not(target_os = "linux"))]
fn a_system_without_memory_files_is_told() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    launcher(&vault).args(["--file", "A"]).program(["true"]).run().assert_failed(
        125,
        &[
            "error: --file: this system has no memory files",
            "hint: it works on Linux alone; elsewhere give the program the value itself",
        ],
    );
}

#[test]
fn a_key_of_the_wrong_type_is_named() {
    let vault = Vault::builder().project(&Project::new("acme").secret("development", "A", "1")).start();
    vault.respond_always(Some(Response::new(200).body(
        r#"[{"error":"WRONGTYPE Operation against a key holding the wrong kind of value"},{"result":[]}]"#,
    )));
    let outcome = launcher(&vault).program(["true"]).run();
    outcome.assert_failed(125, &["error: 127.0.0.1 refused to read meta@acme: the key is not a hash"]);
}

#[test]
fn skip_broken_starts_without_what_cannot_be_opened() {
    let project = Project::new("acme");
    let not_utf8 = project.encrypt(b"\xff");
    let project = project
        .secret("development", "GOOD", "<${NUL}>")
        .secret("development", "NUL", "a\0b")
        .raw_field("development", "EMPTY", "[]")
        .raw_field("development", "FOREIGN", &format!("[{}]", Project::new("other").version("x", 1)))
        .raw_field("development", "UTF_8", &format!(r#"[{{"value":"{not_utf8}","version":1}}]"#));
    let vault = Vault::of(&project);
    for (flag, variable) in [(Some("--skip-broken"), ""), (None, "1")] {
        let launch = launcher(&vault).args(flag).env("REDENV_SKIP_BROKEN", variable).env("NUL", "inherited");
        let outcome = launch.program(["sh", "-c", "echo $GOOD ${NUL} ${FOREIGN-none}"]).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "<${NUL}> inherited none\n"));
        assert_eq!(
            outcome.stderr,
            format!(
                "redenv-run: warning: skipped EMPTY: its history has no version\n\
                 redenv-run: warning: skipped FOREIGN: {DAMAGED}\n\
                 redenv-run: warning: skipped NUL: its value contains a NUL byte; ${{NUL}} stays unexpanded in GOOD\n\
                 redenv-run: warning: skipped UTF_8: its value is not UTF-8\n"
            )
        );
    }
}

#[test]
fn skip_broken_is_no_way_around_a_bad_name_or_a_cycle() {
    let bad = Project::new("acme").secret("development", "A=B", "1");
    launcher(&Vault::of(&bad))
        .arg("--skip-broken")
        .program(["true"])
        .run()
        .assert_failed(125, &["error: no variable can be named like secret A=B (contains a `=`)", RENAME]);
    let cycle = Project::new("acme").secret("development", "A", "${A}");
    launcher(&Vault::of(&cycle))
        .arg("--skip-broken")
        .program(["true"])
        .run()
        .assert_failed(125, &["error: the references form a cycle: A -> A", LITERAL]);
}

#[test]
fn a_variable_too_long_for_any_program_is_named_before_the_exec() {
    // With the name and `=` one byte over what the kernel takes.
    let project = Project::new("acme").secret("development", "LONG", &"x".repeat(131_067));
    launcher(&Vault::of(&project)).program(["true"]).run().assert_failed(
        125,
        &[
            "error: variables over the system's limit of 131071 bytes for NAME=VALUE: LONG (131072 bytes)",
            "hint: pass the value as a file with --file NAME, or leave it out with --exclude NAME",
        ],
    );
}
