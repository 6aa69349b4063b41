//! Every way in which a vault, a token or an answer can be wrong has its own error and mostly a hint, and
//! is not tried again.

#[cfg(target_os = "linux")]
use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;

use crate::support::launch::{Launch, redenv_run, said};
use crate::support::project::{Project, TOKEN_ID, TOKEN_SALT};
use crate::support::vault::{Response, Vault};

/// A launch that fails, with the lines that it prints.
pub struct Failure {
    project: Project,
    answer: Option<Response>,
    arguments: Vec<&'static str>,
    variable: Option<(&'static str, &'static str)>,
    pub lines: Vec<String>,
}

/// Part of every project and of every answer. No message may show it.
pub const CANARY: &str = "canary-4f8a1c";

impl Failure {
    fn new(error: &str, hint: &str) -> Self {
        let hint = Some(hint).filter(|hint| !hint.is_empty()).map(|hint| format!("hint: {hint}"));
        let lines = [format!("error: {error}")].into_iter().chain(hint).collect();
        Self { project: project(), answer: None, arguments: Vec::new(), variable: None, lines }
    }

    fn project(self, project: Project) -> Self {
        Self { project, ..self }
    }

    /// The vault, and a launch from it that is about to fail.
    pub fn set_up(&self) -> (Vault, Launch) {
        let vault = Vault::of(&self.project);
        vault.respond_always(self.answer.clone());
        let launch = redenv_run(&vault).env("REDENV_TIMEOUT", "50s").args(&self.arguments);
        let launch = self.variable.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        (vault, launch)
    }
}

fn project() -> Project {
    Project::new("acme").secret("development", "CANARY", CANARY)
}

const BROKEN: &str = "set them again; --skip-broken skips them with a warning, --exclude leaves them out";
const RENAME: &str = "rename the secret, or leave it out with --exclude";
const LITERAL: &str = r"write \${NAME} for a literal reference, or pass --raw to expand none";
const ENVIRONMENT: &str = "check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret";
const REST_URL: &str = "set UPSTASH_REDIS_URL to the REST URL from the database's page";
const COPY_TOKEN: &str = "copy the REST token from the database's page, with a trailing =; the database's password does not work here; -v shows where the token came from";
const QUOTA: &str = "raise the quota in Upstash's console, or wait for its next period";
const PORT: &str = "check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there";

pub fn failures() -> Vec<Failure> {
    [broken_secrets(), projects(), tokens(), launches(), answers()].into_iter().flatten().collect()
}

fn broken_secrets() -> Vec<Failure> {
    let mut damaged = project().encrypt(CANARY.as_bytes());
    let last = damaged.pop();
    damaged.push(if last == Some('0') { '1' } else { '0' });
    let other_key = "its value can't be decrypted: damaged, or encrypted for another project";
    let cases = [
        (format!(r#"[{{"value":"{damaged}","version":1}}]"#), other_key),
        (format!("[{}]", Project::new("other").version(CANARY, 1)), other_key),
        (format!(r#"[{{"value":"{CANARY}"}}]"#), "its ciphertext is malformed: there is no dot"),
        (CANARY.to_owned(), "its history is not JSON"),
        (r#"[{"version":1}]"#.to_owned(), "its history contains a malformed version"),
    ];
    let cases = cases.map(|(text, why)| {
        let error = format!("cannot use secret BROKEN ({why})");
        Failure::new(&error, BROKEN).project(project().raw_field("development", "BROKEN", &text))
    });
    cases.into()
}

fn projects() -> Vec<Failure> {
    let secrets = |secrets: &[(&str, &str)]| {
        secrets.iter().fold(project(), |project, (name, value)| project.secret("development", name, value))
    };
    let with_nul = format!("{CANARY}\0");
    let several = secrets(&[("NUL", &with_nul)]);
    let not_utf8 = several.encrypt(b"canary-4f8a1c\xff");
    let several = several
        .raw_field("development", "EMPTY", "[]")
        .raw_field("development", "OBJECT", r#"{"value":"canary-4f8a1c"}"#)
        .raw_field("development", "UTF_8", &format!(r#"[{{"value":"{not_utf8}"}}]"#));
    let doubling = (0..30).fold(project().secret("development", "N30", CANARY), |project, n| {
        let next = format!("${{N{:02}}}", n + 1);
        project.secret("development", &format!("N{n:02}"), &format!("{next}{next}"))
    });
    [
        (
            "cannot use secrets EMPTY (its history has no version), NUL (its value contains a NUL byte), \
             OBJECT (its history is not an array) and UTF_8 (its value is not UTF-8)",
            BROKEN,
            several,
        ),
        (
            r"cannot use secret \u{1b}[31mA\u{a}redenv-run: ok (its history has no version)",
            BROKEN,
            project().raw_field("development", "\x1b[31mA\nredenv-run: ok", "[]"),
        ),
        (
            "the references form a cycle: A -> B -> A",
            LITERAL,
            secrets(&[("A", "canary-4f8a1c${B}"), ("B", "${A}")]),
        ),
        ("the references in N08 expand to more than 64 MiB", LITERAL, doubling),
        (
            "no variable can be named like secrets \"\" (empty), A\\u{0}B (contains a NUL byte) and A=B (contains a `=`)",
            RENAME,
            secrets(&[("", CANARY), ("A=B", CANARY), ("A\0B", CANARY)]),
        ),
        (
            "secrets may not be named LD_PRELOAD (the dynamic loader would load the libraries that the value names) and NODE_OPTIONS (node would load the code that the value names)",
            "leave out with --exclude LD_PRELOAD,NODE_OPTIONS, or allow with --allow-reserved LD_PRELOAD,NODE_OPTIONS",
            secrets(&[("LD_PRELOAD", CANARY), ("NODE_OPTIONS", CANARY)]),
        ),
    ]
    .map(|(error, hint, project)| Failure::new(error, hint).project(project))
    .into()
}

/// Fields of `meta@acme`.
fn tokens() -> Vec<Failure> {
    let revoked = format!(
        "project acme has no service token {TOKEN_ID}: it was revoked, or it belongs to another project"
    );
    let create = "check REDENV_TOKEN_ID, or create a new token with `redenv-run token create`";
    let newer =
        "look for a newer version of redenv-run; if there is none, somebody may have changed the project";
    let malformed = |what: &str| format!("the project's data is malformed: {what}");
    let entry = |entry: &str| format!(r#"{{"{TOKEN_ID}":{entry}}}"#);
    let without = Failure::new(&revoked, create).project(project().without_meta("serviceTokens"));
    let cases = [
        ("serviceTokens", r#"{"stk_other":{"encryptedPEK":"x","salt":"y"}}"#.to_owned(), revoked, create),
        (
            "serviceTokens",
            entry(r#""canary-4f8a1c""#),
            malformed(&format!(
                "serviceTokens entry {TOKEN_ID} is not an object with `encryptedPEK` and `salt`"
            )),
            "",
        ),
        (
            "serviceTokens",
            entry(r#"{"encryptedPEK":"aa.bb","salt":"canary-4f8a1c"}"#),
            malformed(&format!("salt of token {TOKEN_ID} is not 32 hex digits")),
            "",
        ),
        (
            "serviceTokens",
            entry(r#"{"encryptedPEK":"canary-4f8a1c.bb","salt":"000102030405060708090a0b0c0d0e0f"}"#),
            format!(
                "the entry of token {TOKEN_ID} is malformed: its ciphertext is malformed: the IV is not 24 hex digits"
            ),
            "",
        ),
        ("serviceTokens", CANARY.to_owned(), malformed("serviceTokens is not a JSON object"), ""),
        (
            "kdf",
            CANARY.to_owned(),
            "the project's `kdf` is not pbkdf2, the only one that redenv-run supports".to_owned(),
            newer,
        ),
        (
            "algorithm",
            "none".to_owned(),
            "the project's `algorithm` is not aes-256-gcm, the only one that redenv-run supports".to_owned(),
            newer,
        ),
    ];
    let cases = cases.map(|(field, value, error, hint)| {
        Failure::new(&error, hint).project(project().raw_meta(field, &value))
    });
    cases.into_iter().chain([without]).collect()
}

/// Arguments and variables of a launch.
fn launches() -> Vec<Failure> {
    let rejected = "127.0.0.1 rejected the Upstash token (HTTP 401)";
    let arguments = [
        (&["-e", "stagin"], "project acme has no environment stagin", ENVIRONMENT),
        (&["-e", "a,b,development,c"], "project acme has no environments a, b and c", ENVIRONMENT),
        (
            &["-p", "acmee"],
            "the database 127.0.0.1 has no project acmee",
            "check -p (REDENV_PROJECT), and that UPSTASH_REDIS_URL is this project's database",
        ),
    ];
    let variables = [
        (
            "REDENV_TOKEN_KEY",
            "redenv_sk_canary-4f8a1c",
            "REDENV_TOKEN_KEY is not the key of token stk_a1B2c3D4e5F6g7H8",
            "check that the ID and the key come from the same `token create`; a lost key can't be recovered, create a new token",
        ),
        ("UPSTASH_REDIS_TOKEN", CANARY, rejected, COPY_TOKEN),
        // It lost one of two `=`.
        ("UPSTASH_REDIS_TOKEN", "AXlocalVaultTokenForTestsOnly=", rejected, COPY_TOKEN),
        (
            "UPSTASH_REDIS_TOKEN",
            "canary-\n4f8a1c",
            "the Upstash token contains a character that no token has",
            "copy the REST token again, without line breaks",
        ),
    ];
    let arguments = arguments
        .map(|(arguments, error, hint)| Failure { arguments: arguments.into(), ..Failure::new(error, hint) });
    let variables = variables.map(|(name, value, error, hint)| Failure {
        variable: Some((name, value)),
        ..Failure::new(error, hint)
    });
    let referring = project().secret("development", "USES", "${NUL}").secret("development", "NUL", "x\0");
    let referring = Failure {
        arguments: vec!["--only", "USES"],
        project: referring,
        ..Failure::new("cannot use secret NUL (its value contains a NUL byte)", BROKEN)
    };
    arguments.into_iter().chain(variables).chain([referring]).collect()
}

fn answers() -> Vec<Failure> {
    let answer = |status: u16, body: &str| Response::new(status).body(body);
    let error = |text: &str| format!(r#"{{"error":"{text}"}}"#);
    let echo = error("ERR unknown command, with args beginning with: canary-4f8a1c");
    let quota = "127.0.0.1 refused the request: the database's request quota is used up";
    let access = "check that the token and this machine's IP address may use this database";
    let no_api = |status| format!("127.0.0.1 has no Upstash REST API at this URL (HTTP {status})");
    let rejected = |why| format!("127.0.0.1 rejected the Upstash token ({why})");
    let refused = |why| format!("127.0.0.1 refused the request ({why})");
    let not_json =
        |at| format!("127.0.0.1 did not answer like an Upstash REST API (invalid JSON at byte {at})");
    let not_http = "127.0.0.1 did not answer in HTTP";
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let no_permission = "NOPERM canary-4f8a1c";
    let may = "use a token that may read; `token create` and `token revoke` need one that may write";
    let cases = vec![
        (answer(400, &error(no_permission)), refused("HTTP 400") + ": the token lacks the permission", may),
        (
            answer(200, &format!(r#"[{},{{"result":[]}}]"#, error(no_permission))),
            "127.0.0.1 refused to read meta@acme: the token lacks the permission".into(),
            may,
        ),
        (answer(400, &echo), refused("HTTP 400") + ": error code ERR", ""),
        (answer(200, &echo), refused("HTTP 200") + ": error code ERR", ""),
        (answer(400, CANARY), refused("HTTP 400") + ": no reason given", ""),
        (answer(413, ""), refused("HTTP 413") + ": no reason given", ""),
        (answer(401, ""), rejected("HTTP 401"), COPY_TOKEN),
        (answer(401, &echo), rejected("HTTP 401"), COPY_TOKEN),
        (answer(400, &error("WRONGPASS invalid or missing auth token")), rejected("HTTP 400"), COPY_TOKEN),
        (
            answer(200, r#"[{"error":"WRONGPASS canary-4f8a1c"},{"result":[]}]"#),
            rejected("WRONGPASS"),
            COPY_TOKEN,
        ),
        (answer(403, &echo), "127.0.0.1 denied access (HTTP 403)".into(), access),
        (answer(429, &error("ERR max requests limit exceeded. Limit: 9, Usage: 10")), quota.into(), QUOTA),
        (
            answer(400, &error("ERR max daily request limit exceeded. Limit: 9, Usage: 10")),
            quota.into(),
            QUOTA,
        ),
        (
            answer(200, r#"[{"error":"ERR max requests limit exceeded."},{"error":"ERR"}]"#),
            quota.into(),
            QUOTA,
        ),
        (answer(404, &echo), no_api(404), REST_URL),
        (answer(405, ""), no_api(405), REST_URL),
        (answer(200, ""), not_json(0), REST_URL),
        (answer(200, CANARY), not_json(0), REST_URL),
        (answer(200, r#"{"result":"canary-4f8a1c"}"#), not_json(0), REST_URL),
        (answer(200, r#"[{"result":"canary-4f8a1c"}]"#), not_json(25), REST_URL),
        (
            answer(200, r#"[{"result":["canary-4f8a1c",null,null,null,null]}]"#),
            "127.0.0.1 answered 1 commands instead of 2".into(),
            "",
        ),
        (
            answer(200, r#"[{"error":"ERR canary-4f8a1c"},{"result":["canary-4f8a1c","x"]}]"#),
            "127.0.0.1 refused to read meta@acme: error code ERR".into(),
            "",
        ),
        (
            answer(200, &format!(r#"[{},{{"result":[]}}]"#, error(wrong_type))),
            "127.0.0.1 refused to read meta@acme: the key is not a hash".into(),
            "",
        ),
        (Response::raw("canary-4f8a1c\r\n\r\n"), not_http.into(), PORT),
        (Response::raw("HTTP/1.1 two hundred\r\n\r\n"), not_http.into(), PORT),
    ];
    let redirects = [301, 302, 307, 308].map(|status| {
        let error =
            format!("127.0.0.1 redirects to another URL (HTTP {status}), which redenv-run does not follow");
        let answer = Response::new(status).header("Location", "http://127.0.0.1:1/canary-4f8a1c");
        (answer, error, "set UPSTASH_REDIS_URL to the database's own REST URL")
    });
    let cases = cases.into_iter().chain(redirects);
    cases
        .map(|(answer, error, hint)| Failure { answer: Some(answer), ..Failure::new(&error, hint) })
        .collect()
}

#[test]
fn every_failure_has_its_own_error_and_is_not_tried_again() {
    let mut wrong = Vec::new();
    for failure in failures() {
        let (vault, launch) = failure.set_up();
        let outcome = launch.program(["echo", "started"]).run();
        let expected = said(&failure.lines.iter().map(String::as_str).collect::<Vec<_>>());
        let failed =
            (outcome.code(), outcome.stdout.as_str()) == (Some(125), "") && vault.requests().len() <= 1;
        if !failed || outcome.stderr != expected {
            wrong.push((expected, outcome, vault.requests().len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_upstash_that_nothing_listens_for_is_named() {
    // Nothing listens on the port that a vault had.
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    let (address, launch) = (vault.address(), redenv_run(&vault).args(["--timeout", "300ms"]));
    drop(vault);
    let outcome = launch.program(["true"]).run();
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!((outcome.code(), lines.len()), (Some(125), 2), "{}", outcome.stderr);
    let error = format!("redenv-run: error: {address} could not be reached within 300ms: connection refused");
    assert!(lines[0].starts_with(&error), "{}", lines[0]);
    assert_eq!(
        lines[1],
        "redenv-run: hint: nothing answers there: start the local vault, or check UPSTASH_REDIS_URL"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_without_threads_is_named_with_the_next_step() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    let limited = |limit: &'static str| {
        let launch = redenv_run(&vault).program(["true"]);
        fs::set_permissions(launch.directory(), fs::Permissions::from_mode(0o777)).unwrap();
        let nobody = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];
        launch.through([&["prlimit", limit][..], &nobody].concat())
    };
    let hint = "hint: raise the limit of processes: `ulimit -u`, or the container's limit of pids";
    let request = "error: 127.0.0.1 was not asked: the system allows no more threads";
    limited("--nproc=1:1").run().assert_failed(125, &[request, hint]);
    let derivation = "error: the system allows no thread for the key derivation";
    let salted = limited("--nproc=1:1").env("REDENV_TOKEN_SALT", TOKEN_SALT);
    salted.run().assert_failed(125, &[derivation, hint]);
    assert_eq!(vault.requests().len(), 0);
    // One thread is enough for the request: it connects by itself.
    limited("--nproc=2:2").run();
    assert_eq!(vault.requests().len(), 1);
}

#[test]
#[cfg(not(target_os = "linux"))]
fn a_system_without_memory_files_is_named() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    redenv_run(&vault).args(["--file", "A"]).program(["true"]).run().assert_failed(
        125,
        &[
            "error: --file: cannot create an in-memory file for A: only Linux has in-memory files",
            "hint: without --file, the command gets the value in its environment",
        ],
    );
}

#[test]
fn skip_broken_is_no_way_around_a_bad_name_or_a_cycle() {
    let (rename, literal) = (format!("hint: {RENAME}"), format!("hint: {LITERAL}"));
    let bad = Project::new("acme").secret("development", "A=B", "1");
    redenv_run(&Vault::of(&bad))
        .arg("--skip-broken")
        .program(["true"])
        .run()
        .assert_failed(125, &["error: no variable can be named like secret A=B (contains a `=`)", &rename]);
    let cycle = Project::new("acme").secret("development", "A", "${A}");
    redenv_run(&Vault::of(&cycle))
        .arg("--skip-broken")
        .program(["true"])
        .run()
        .assert_failed(125, &["error: the references form a cycle: A -> A", &literal]);
}
