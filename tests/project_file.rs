//! The project file: where redenv-run looks for it, and what it reads.

use crate::settings::{TYPESCRIPT, asked, vault, without};
use crate::support::launch::{Launch, redenv_run};

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
            &format!(
                "error: REDENV_PROJECT is not set, and `name` in {} is not a literal string",
                path.display()
            ),
            "hint: redenv-run reads the project file and never runs it: give the name with -p \"${PROJECT:-x}\"",
        ],
    );
}

#[test]
fn an_environment_that_is_no_literal_is_an_error_unless_it_is_given_otherwise() {
    let vault = vault();
    for (name, content, shell) in [
        (
            "redenv.config.ts",
            "export default { name: 'file', environment: process.env.NODE_ENV || \"development\" }",
            r#" "${NODE_ENV:-development}""#,
        ),
        (
            "redenv.config.ts",
            "export default { name: 'file', environment: process.env.APP_ENV ?? 'production' }",
            r#" "${APP_ENV:-production}""#,
        ),
        (
            "redenv.config.ts",
            "export default { name: 'file', environment: process.env.APP_ENV }",
            r#" "$APP_ENV""#,
        ),
        ("redenv.config.ts", "export default { environment: process.env.A || '$(id)', name: 'file' }", ""),
        ("redenv.config.js", "module.exports = { name: 'file', ...require('./shared') }", ""),
        ("redenv.config.js", "const environment = pick(); export default { name: 'file', environment }", ""),
        ("redenv.config.json", r#"{"name": "file", "environment": ["production"]}"#, ""),
    ] {
        let launch = || redenv_run(&vault).file(name, content);
        let refused = launch();
        let path = refused.directory().canonicalize().unwrap().join(name);
        refused.program(["true"]).run().assert_failed(
            125,
            &[
                &format!(
                    "error: REDENV_ENVIRONMENT is not set, and `environment` in {} is not a literal string",
                    path.display()
                ),
                &format!("hint: redenv-run reads the project file and never runs it: give the environment with -e{shell}"),
            ],
        );
        assert_eq!(asked(&vault, launch().args(["-e", "staging"])), "acme staging", "{content}");
        assert_eq!(asked(&vault, launch().env("REDENV_ENVIRONMENT", "staging")), "acme staging", "{content}");
    }
    // Without `environment` in the file, the default is used.
    let silent = redenv_run(&vault).file("redenv.config.ts", "export default { name: 'file', plugins: [] }");
    assert_eq!(asked(&vault, silent), "acme development");
}

#[test]
fn a_project_file_in_json_is_read_as_json() {
    let vault = vault();
    let launch = |content: &str| without(&vault, &["REDENV_PROJECT"]).file("redenv.config.json", content);
    let escaped =
        r#"{"name": "caf\u00e9 \/ \ud83d\ude00", "name": "last \u00e9", "environment": "a\u0062c"}"#;
    assert_eq!(asked(&vault, launch(escaped)), "last \u{e9} abc");
    for content in ["{'name': 'file'}", "[\"name\"]", "{\"name\": \"file\"", ""] {
        let launch = launch(content);
        let path = launch.directory().canonicalize().unwrap().join("redenv.config.json");
        let error = format!("error: cannot read {}: it is not a JSON object", path.display());
        launch.program(["true"]).run().assert_failed(125, &[&error]);
    }
}

#[cfg(unix)]
#[test]
fn a_project_file_that_is_no_plain_file_is_refused_and_not_read() {
    use std::os::unix::fs::symlink;
    let vault = vault();
    let bare = || without(&vault, &["REDENV_PROJECT"]).program(["true"]);
    let error = |launch: &Launch, why: &str| {
        let path = launch.directory().canonicalize().unwrap().join("redenv.config.ts");
        format!("error: cannot read {}: {why}", path.display())
    };
    let launch = bare();
    let refused = error(&launch, "it is not a regular file");
    launch.after("mkfifo redenv.config.ts").run().assert_failed(125, &[&refused]);
    let launch = bare();
    let refused = error(&launch, "it is not a regular file");
    symlink("/dev/zero", launch.directory().join("redenv.config.ts")).unwrap();
    launch.after("ulimit -v 2000000 2>/dev/null").run().assert_failed(125, &[&refused]);
    let launch = bare().file("redenv.config.ts", " ".repeat(1024 * 1024 + 1));
    let refused = error(&launch, "it is longer than 1 MiB");
    launch.run().assert_failed(125, &[&refused]);
    let launch = bare().file("redenv.config.ts/file", "");
    let refused = error(&launch, "it is a directory");
    launch.run().assert_failed(125, &[&refused]);
    let launch = bare().file("redenv.config.ts", b"// \xff");
    let refused = error(&launch, "it is not UTF-8");
    launch.run().assert_failed(125, &[&refused]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_searched_has_no_project_file() {
    let vault = vault();
    let json = |environment: &str| format!(r#"{{"name": "acme", "environment": "{environment}"}}"#);
    let launch = || {
        let mut launch = without(&vault, &["REDENV_PROJECT"])
            .file("redenv.config.json", json("production"))
            .file("a/redenv.config.json", json("staging"))
            .file("a/b/other", "");
        let directory = launch.directory().join("a/b");
        launch.command().current_dir(directory);
        launch
    };
    // The command restores the modes: otherwise the directory could not be removed.
    let run = |launch: Launch, setup: &str| {
        let script = "chmod -R 700 .. && echo $WHERE";
        launch.program(["sh", "-c", script]).bound_by_modes().after(setup).run()
    };
    run(launch(), "true").assert_ran("staging\n");
    run(launch(), "chmod 000 ..").assert_ran("production\n");
    // A file in the working directory can still be read.
    let here = launch().file("a/b/redenv.config.json", json("development"));
    run(here, "chmod 000 ..").assert_ran("development\n");
    let launch = launch();
    let path = launch.directory().canonicalize().unwrap().join("a/redenv.config.json");
    let error = format!("error: cannot read {}: permission denied", path.display());
    run(launch, "chmod 000 ../redenv.config.json").assert_failed(125, &[&error]);
}

#[test]
fn a_path_cannot_write_to_the_terminal() {
    let vault = vault();
    let launch = |content: &str| {
        let mut launch = without(&vault, &["REDENV_PROJECT"]).file("\u{1b}[31m/redenv.config.js", content);
        let directory = launch.directory().join("\u{1b}[31m");
        launch.command().current_dir(directory);
        launch
    };
    for (content, error, hint) in [
        (
            "export default { name: ' x' }",
            "`name` in PATH has white space around its value",
            "remove them: redenv-run uses the value of `name` in PATH unchanged (docker's --env-file keeps quotes)",
        ),
        (
            "export default { name: '' }",
            "`name` in PATH is empty",
            "give `name` in PATH a value, or unset it",
        ),
    ] {
        let launch = launch(content);
        let path = launch.directory().canonicalize().unwrap();
        let path = format!("{}/\\u{{1b}}[31m/redenv.config.js", path.display());
        let said = |text: &str| text.replace("PATH", &path);
        let lines = [format!("error: {}", said(error)), format!("hint: {}", said(hint))];
        launch.program(["true"]).run().assert_failed(125, &lines.each_ref().map(String::as_str));
    }
}
