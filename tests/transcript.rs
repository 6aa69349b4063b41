//! The README shows what the launcher prints: its transcript is run again.

use crate::support::example;
use crate::support::launcher::script;
use crate::support::vault::Vault;

#[test]
fn the_transcript_in_the_readme_is_what_the_launcher_prints() {
    let vault = Vault::of(&example::project());
    let output = script("transcript", &vault).arg("--check").output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
}
