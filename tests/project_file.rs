//! The project file: where it is looked for, and what is read of it.

use crate::settings::{TYPESCRIPT, asked, vault, without};

#[test]
fn a_project_file_of_every_kind_is_read() {
    let vault = vault();
    for (name, content) in [
        ("redenv.config.ts", TYPESCRIPT),
        (
            "redenv.config.ts",
            "const config: Config = { name: 'file', environment: 'file-env' };\nexport default config",
        ),
        ("redenv.config.js", "export default { name: 'file', environment: `file-env` };"),
        ("redenv.config.mjs", "// name: 'no'\nexport default { environment: \"file-env\", name: \"file\" }"),
        ("redenv.config.cjs", "module.exports = { name: 'file', environment: 'file-env' }"),
        ("redenv.config.json", r#"{"name": "file", "environment": "file-env", "other": {"name": "no"}}"#),
    ] {
        let launch = without(&vault, &["REDENV_PROJECT"]).file(name, content);
        assert_eq!(asked(&vault, launch), "file file-env", "{name}: {content}");
    }
}

#[test]
fn the_nearest_project_file_counts_also_from_a_parent_directory() {
    let vault = vault();
    let json = |name: &str| format!(r#"{{"name": "{name}"}}"#);
    let launch = |directory: &str| {
        let mut launch = without(&vault, &["REDENV_PROJECT"])
            .file("redenv.config.json", json("top"))
            .file("a/redenv.config.json", json("a"))
            .file("a/redenv.config.ts", "export default { name: 'a-ts' }")
            .file("a/b/c/other", "");
        let directory = launch.directory().join(directory);
        launch.command().current_dir(directory);
        launch
    };
    assert_eq!(asked(&vault, launch(".")), "top development");
    assert_eq!(asked(&vault, launch("a")), "a-ts development");
    assert_eq!(asked(&vault, launch("a/b/c")), "a-ts development");
}

#[test]
fn a_project_file_is_read_and_never_run() {
    let vault = vault();
    let launch = without(&vault, &["REDENV_PROJECT"])
        .file("redenv.config.ts", "export default { name: process.env.PROJECT ?? 'x' }");
    let path = launch.directory().canonicalize().unwrap().join("redenv.config.ts");
    launch.program(["true"]).run().assert_failed(
        125,
        &[
            &format!("error: REDENV_PROJECT is not set, and {} has no literal `name`", path.display()),
            "hint: a project file is read, not run: give the name with -p",
        ],
    );
}
