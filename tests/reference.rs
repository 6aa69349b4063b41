//! docs/reference.md says what the program does: it is made of the same sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::launch::redenv_run;
use crate::support::project::Project;
use crate::support::reference_page::page;
use crate::support::vault::Vault;

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let written = fs::read_to_string(path).unwrap();
    assert!(written == page(), "docs/reference.md differs from the sources: run scripts/reference");
}

/// The paths of all members of a JSON value.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                members(value, &path, found);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| members(value, &format!("{path}[]"), found)),
        _ => {}
    }
}

#[test]
fn the_reference_page_names_each_member_of_the_json_of_check() {
    let project = Project::new("acme").secret("development", "A", "1").raw_field("development", "B", "[]");
    let outcome = redenv_run(&Vault::of(&project)).args(["check", "--skip-broken", "--format", "json"]).run();
    let mut found = BTreeSet::new();
    members(&serde_json::from_str(&outcome.stdout).unwrap(), "", &mut found);
    let page = page();
    let json = page.split("\n## ").find(|section| section.starts_with("The JSON of")).unwrap();
    for member in &found {
        let rest = member.strip_prefix("skipped[].").or_else(|| member.strip_prefix("stages[]."));
        assert!(json.contains(&format!("`{}`", rest.unwrap_or(member))), "{member}");
    }
    let documented = json.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown: Vec<&str> = documented.filter(|member| !found.contains(*member)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

#[test]
fn the_variables_that_pristine_keeps_are_all_on_the_reference_page() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/child/environment.rs")).unwrap();
    let list =
        source.split("const PRISTINE").nth(1).unwrap().split('=').nth(1).unwrap().split(';').next().unwrap();
    let page = page();
    let row = page.lines().find(|line| line.contains("`--pristine`")).unwrap();
    for name in list.split('"').skip(1).step_by(2) {
        assert!(row.contains(name), "{name}");
    }
}
