//! `mask`: GitHub's runner hides the secrets once it has read the output.

use std::process::{Command, Stdio};

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

/// The masks that a runner takes from this output, by its own rules: `ActionCommand.TryParseV2` and
/// `UnescapeData`, then `AddMaskCommandExtension`, which masks the whole and each of its lines. Any other line
/// would be logged, so it panics.
fn masked_by_the_runner(output: &str) -> Vec<String> {
    assert!(output.is_empty() || output.ends_with('\n'));
    let mut masks = Vec::new();
    for line in output.lines() {
        let data = line.strip_prefix("::add-mask::").unwrap_or_else(|| panic!("{line:?} is no command"));
        let data = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
        assert!(!data.trim().is_empty(), "the runner complains of an empty mask");
        masks.extend(
            data.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned),
        );
        masks.push(data);
    }
    masks
}

/// The log, masked.
fn logged(masks: &[String], log: &str) -> String {
    let mut masks: Vec<&String> = masks.iter().collect();
    masks.sort_by_key(|mask| std::cmp::Reverse(mask.len()));
    masks.iter().fold(log.to_owned(), |log, mask| log.replace(mask.as_str(), "***"))
}

fn vault_of(secrets: &[(&str, &str)]) -> Vault {
    let add = |project: Project, (name, value): &(&str, &str)| project.secret("development", name, value);
    Vault::of(&secrets.iter().fold(Project::new("acme"), add))
}

fn mask(vault: &Vault, options: &[&str]) -> Launch {
    redenv_run(vault).arg("mask").args(options)
}

#[test]
fn the_runner_masks_every_value_and_each_of_its_lines() {
    for (value, lines) in [
        ("simple", &["simple"][..]),
        ("per%cent%0Aand%25", &["per%cent%0Aand%25"]),
        ("%%%%", &["%%%%"]),
        ("::add-mask::x", &["::add-mask::x"]),
        ("::stop-commands::x\n::endgroup::", &["::stop-commands::x", "::endgroup::"]),
        ("first\nsecond", &["first", "second"]),
        ("first\r\nsecond\r\n", &["first", "second"]),
        ("first\rsecond", &["first", "second"]),
        ("\n\nfirst\n\nsecond\n\n", &["first", "second"]),
        ("first %0A\nsecond %25\n", &["first %0A", "second %25"]),
        // Programs may strip blanks.
        ("  around  ", &["around", "  around  "]),
        ("{\"key\":\n  \"indented\"\n}xyz", &["{\"key\":", "\"indented\"", "}xyz"]),
        ("grüße 你好吗嗎\nпривет", &["grüße 你好吗嗎", "привет"]),
        ("你好吗嗎", &["你好吗嗎"]),
    ] {
        let vault = vault_of(&[("SECRET", value)]);
        let outcome = mask(&vault, &[]).run();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""), "{value:?}");
        let masks = masked_by_the_runner(&outcome.stdout);
        for text in lines.iter().chain(&[value]) {
            assert!(masks.iter().any(|mask| mask == text), "{text:?} of {value:?} is not in {masks:?}");
        }
        assert_eq!(logged(&masks, &format!("<{value}>")), "<***>", "{value:?}");
    }
}

#[test]
fn the_output_is_workflow_commands_and_nothing_else() {
    let vault =
        vault_of(&[("PEM", "-----BEGIN-----\nabcd\n-----END-----\n"), ("TOKEN", "100%"), ("SAME", "100%")]);
    mask(&vault, &[]).run().assert_ran(
        "::add-mask::-----BEGIN-----\n\
         ::add-mask::abcd\n\
         ::add-mask::-----END-----\n\
         ::add-mask::-----BEGIN-----%0Aabcd%0A-----END-----%0A\n\
         ::add-mask::100%25\n\
         ::add-mask::100%25\n",
    );
}

#[test]
fn short_lines_are_not_masked_and_their_secrets_are_named() {
    let json = "{\n  \"private_key\": \"abcdef\"\n}";
    let vault =
        vault_of(&[("BLANK", " \n "), ("EMPTY", ""), ("FLAG", "yes"), ("JSON", json), ("LONG", "four")]);
    let outcome = mask(&vault, &[]).run();
    assert_eq!(
        (outcome.code(), outcome.stderr.as_str()),
        (
            Some(0),
            "redenv-run: warning: lines shorter than 4 characters are not masked: they are in FLAG and JSON\n"
        )
    );
    assert_eq!(outcome.stdout, "::add-mask::\"private_key\": \"abcdef\"\n::add-mask::four\n");
    // Masked as a whole, JSON would make every { of the log a star: the runner masks each line, too.
    let masks = masked_by_the_runner(&outcome.stdout);
    assert_eq!(logged(&masks, "fn main() { yes }"), "fn main() { yes }");
    let quiet = mask(&vault, &["-q", "--only", "FLAG"]).run();
    assert_eq!((quiet.code(), quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn mask_expands_and_selects_like_a_launch() {
    let vault = vault_of(&[("USER_NAME", "adam"), ("URL", "db://${USER_NAME}@host"), ("APP_KEY", "scoped")]);
    mask(&vault, &["--only", "URL"]).run().assert_ran("::add-mask::db://adam@host\n");
    mask(&vault, &["--only", "URL", "--raw"]).run().assert_ran("::add-mask::db://${USER_NAME}@host\n");
    mask(&vault, &["--scope", "APP_"]).run().assert_ran("::add-mask::scoped\n");
    mask(&vault, &["--only", "URI"])
        .run()
        .assert_failed(125, &["error: --only: no secret matches URI", "hint: did you mean URL?"]);
    let outcome = mask(&vault, &["-v"]).run().without_sources();
    let beginning = "redenv-run: project acme, environment development\nredenv-run: fetched ";
    assert!(outcome.stderr.starts_with(beginning), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("adam") && outcome.stdout.lines().count() == 3);
}

#[test]
fn a_terminal_is_refused() {
    let vault = vault_of(&[("SECRET", "value-of-secret")]);
    let shown = mask(&vault, &[]).env("NO_COLOR", "1").on_terminal().finish();
    assert_eq!(
        (shown.code, shown.screen.as_str()),
        (
            125,
            "redenv-run: error: `mask` prints the secrets for the runner of GitHub Actions, but stdout is a terminal\n\
             redenv-run: hint: run it in a step of a GitHub Actions workflow, without a redirection\n"
        )
    );
    assert_eq!(vault.requests().len(), 0, "nothing was fetched");
}

#[test]
fn a_file_is_refused() {
    let vault = vault_of(&[("SECRET", "value-of-secret")]);
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("out");
    let mut launch = mask(&vault, &[]);
    let command: &mut Command = launch.command();
    let child = command.stdout(std::fs::File::create(&path).unwrap()).stderr(Stdio::piped());
    let output = child.output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (
            Some(125),
            "redenv-run: error: `mask` prints the secrets for the runner of GitHub Actions, but stdout is a file\n\
             redenv-run: hint: run it in a step of a GitHub Actions workflow, without a redirection\n"
        )
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(vault.requests().len(), 0, "nothing was fetched");
}

#[test]
fn dev_null_and_a_closed_stdout_are_refused() {
    let vault = vault_of(&[("SECRET", "value-of-secret")]);
    // Rust opens /dev/null in place of a closed stdout.
    for output in [">/dev/null", ">&-"] {
        let outcome = mask(&vault, &[]).after(&format!("exec {output}")).run();
        outcome.assert_failed(
            125,
            &[
                "error: `mask` prints the secrets for the runner of GitHub Actions, but stdout is /dev/null or closed",
                "hint: run it in a step of a GitHub Actions workflow, without a redirection",
            ],
        );
    }
    assert_eq!(vault.requests().len(), 0, "nothing was fetched");
}

#[test]
#[cfg(target_os = "linux")]
fn a_failed_write_is_an_error() {
    let vault = vault_of(&[("SECRET", "value-of-secret")]);
    let mut launch = mask(&vault, &[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = launch.command().stdout(full).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert_eq!(
        stderr,
        "redenv-run: error: the secrets are not masked: cannot write to stdout: no space left on device\n"
    );
}

#[test]
fn a_command_is_refused() {
    let vault = vault_of(&[("SECRET", "value-of-secret")]);
    let outcome = mask(&vault, &["--", "env"]).run();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""), "{}", outcome.stderr);
}
