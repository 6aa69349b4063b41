//! `scripts/demo` shows a launch and the life of a token, on a terminal and in a pipe.

use crate::support::example;
use crate::support::launcher::script;
use crate::support::project::MASTER_PASSWORD;
use crate::support::vault::Vault;

#[test]
fn it_goes_from_the_launch_to_a_revoked_token_without_an_escape_in_a_pipe() {
    let vault = Vault::of(&example::project());
    let directory = tempfile::TempDir::new().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, MASTER_PASSWORD).unwrap();
    let output = script("demo", &vault).env("REDENV_MASTER_PASSWORD_FILE", &password).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "{stdout}{stderr}");
    assert!(!stdout.contains("redenv_sk_") && !stderr.contains("redenv_sk_"), "no key is shown");
    // In this order.
    let shown = [
        "$ redenv-run check\nproject shop,",
        "exit status 42\n",
        "$ redenv-run token create -n my-laptop ",
        "$ redenv-run token list\nName ",
        "\nmy-laptop ",
        "\nGood morning, 世界\n",
        "\nRevoked: stk_",
        "exit status 125\n",
    ];
    let mut rest = stdout.as_str();
    for part in shown {
        rest =
            rest.split_once(part).unwrap_or_else(|| panic!("no {part:?} in its place: {stdout}{stderr}")).1;
    }
    assert!(stderr.contains("it was revoked"), "{stderr}");
}
