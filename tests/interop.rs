//! redenv-run and the official Python SDK give the same secrets from a real Redis, and each reads the other's.

use std::collections::BTreeMap;

use crate::support::backends::{Stored, both_backends};
use crate::support::launch::redenv_run;
use crate::support::python::sdk;
use crate::support::vault::Vault;

fn secrets(vault: &Vault) -> BTreeMap<String, String> {
    redenv_run(vault).environment()
}

#[test]
fn the_command_gets_what_the_official_sdk_loads() {
    for token in ["ci", "web", "ephemeral"] {
        let [_, Stored { vault, _redis, .. }] = both_backends(token);
        let loaded = sdk(&vault, "print(json.dumps(dict(asyncio.run(client().load()))))");
        let loaded: BTreeMap<String, String> = serde_json::from_str(&loaded).unwrap();
        assert!(loaded.len() > 40, "the fixtures were loaded");
        assert_eq!(secrets(&vault), loaded, "{token}");
    }
}

#[test]
fn the_command_sees_what_the_official_sdk_sets() {
    let [_, Stored { vault, _redis, .. }] = both_backends("web");
    let before = secrets(&vault);
    sdk(
        &vault,
        r#"
async def main():
    await client().set("PLAIN", "changed")
    await client().set("ADDED", "first")
    await client().set("ADDED", "second ✓\n  \t\"quoted\" = \x07")
    await client().set("COMPOSED", "<${ADDED}|${PLAIN}|${NOT_THERE}>")
asyncio.run(main())
"#,
    );
    let added = "second ✓\n  \t\"quoted\" = \x07";
    let mut expected = before;
    expected.insert("PLAIN".into(), "changed".into());
    expected.insert("ADDED".into(), added.into());
    expected.insert("COMPOSED".into(), format!("<{added}|changed|${{NOT_THERE}}>"));
    assert_eq!(secrets(&vault), expected);
}
