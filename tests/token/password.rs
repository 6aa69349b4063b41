//! The master password, from stdin, a file and the terminal.

use super::{assert_failed, service_tokens, token, vault};
use crate::support::fixtures;

const SIGINT: i64 = 2;
const WRONG: &str = "redenv-run: error: wrong master password: it does not decrypt the key of project acme-api; nothing was written\n";

#[test]
fn a_wrong_password_writes_nothing() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let password = fixtures::master_password();
    // The same letters, decomposed: other bytes make another password.
    let decomposed = password.replace('ä', "a\u{308}").replace('ö', "o\u{308}");
    let not_utf8 = "redenv-run: error: the master password on stdin is not UTF-8\n";
    let empty = "redenv-run: error: the master password is empty; nothing was written\n";
    for (stdin, stderr) in [
        (b"wrong\n".to_vec(), WRONG),
        (format!("{password} \n").into_bytes(), WRONG),
        (format!("\u{feff}{password}\n").into_bytes(), WRONG),
        (decomposed.into_bytes(), WRONG),
        (b"\xff\n".to_vec(), not_utf8),
        (b"\n".to_vec(), empty),
        (Vec::new(), empty),
    ] {
        let outcome = token(&vault, &["create", "-n", "x", "--password-stdin"]).stdin(stdin).run();
        assert_failed(&outcome, stderr);
    }
    let file = |content: &str| {
        token(&vault, &["create", "-n", "x"])
            .file("password", content)
            .env("REDENV_MASTER_PASSWORD_FILE", "password")
            .run()
    };
    assert_failed(&file("wrong"), WRONG);
    assert_eq!(file("\n").code(), Some(125));
    let missing = token(&vault, &["create", "-n", "x"]).env("REDENV_MASTER_PASSWORD_FILE", "/no/file").run();
    let stderr = "redenv-run: error: cannot read /no/file (REDENV_MASTER_PASSWORD_FILE): no such file or directory\n\
         redenv-run: hint: check the path, and that this user may read the file\n";
    assert_failed(&missing, stderr);
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn the_password_is_typed_without_echo_and_the_prompt_can_be_left() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let start = || {
        let mut terminal = token(&vault, &["create", "-n", "x"]).env("NO_COLOR", "1").on_terminal();
        terminal.expect("Master password of project acme-api: ");
        terminal
    };
    let prompt = "Master password of project acme-api: \n";
    let shown = start().type_hidden("hunter2").finish();
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{WRONG}")));

    let mut terminal =
        token(&vault, &["create", "-n", "x", "--password-stdin"]).env("NO_COLOR", "1").on_terminal();
    let shown = terminal.expect("Master password").type_hidden("hunter2").finish();
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{WRONG}")));

    let shown = start().type_control('d').finish();
    let none = "redenv-run: error: no master password was typed; nothing was written\n";
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{none}")));

    let mut terminal = start();
    let shown = terminal.type_control('c').finish();
    assert_eq!((shown.code, shown.screen.as_str()), (-SIGINT, prompt));
    assert!(terminal.echoes(), "the terminal is left silent");
    assert_eq!(service_tokens(&vault), before);
}
