//! `.env.local` and the project file are found from a package of a repository, and no further up than that.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::settings::{asked, vault, without};
use crate::support::launch::{Launch, bare_redenv_run, said};
use crate::support::project::{TOKEN_ID, TOKEN_KEY};
use crate::support::vault::Vault;

/// A launch from this directory below its working directory.
fn from(mut launch: Launch, directory: &str) -> Launch {
    let directory = launch.directory().join(directory);
    fs::create_dir_all(&directory).unwrap();
    launch.command().current_dir(directory);
    launch
}

fn bare(vault: &Vault) -> Launch {
    without(vault, &["REDENV_PROJECT"])
}

#[test]
fn a_package_finds_both_files_of_the_repository() {
    let vault = vault();
    let env_file = format!(
        "REDENV_TOKEN_ID={TOKEN_ID}\nREDENV_TOKEN_KEY={TOKEN_KEY}\nUPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\n",
        vault.url(),
        vault.token()
    );
    let launch = bare_redenv_run()
        .file(".git/HEAD", "")
        .file(".env.local", env_file)
        .file("redenv.config.json", r#"{"name": "acme", "environment": "staging"}"#)
        .file("apps/web/package.json", r#"{"name": "web", "version": "1.0.0"}"#);
    from(launch, "apps/web/src").program(["printenv", "WHERE"]).run().assert_ran("staging\n");
}

#[test]
fn the_nearest_file_wins_each_on_its_own() {
    let vault = vault();
    let launch = || {
        bare(&vault)
            .file(".git/HEAD", "")
            .file(".env.local", "REDENV_PROJECT=root\n")
            .file("redenv.config.json", r#"{"name": "no", "environment": "root-env"}"#)
            .file("apps/web/redenv.config.json", r#"{"name": "no", "environment": "web-env"}"#)
            .file("apps/api/.env.local", "REDENV_PROJECT=api\n")
    };
    assert_eq!(asked(&vault, from(launch(), "apps/web")), "root web-env");
    assert_eq!(asked(&vault, from(launch(), "apps/api/src")), "api root-env");
    // -v says which file it was, and warnings name it.
    let launch = launch().file(".env.local", "REDENV_PROJECT=root\nREDENV_RAW=1\n").arg("-v");
    let file = launch.directory().canonicalize().unwrap().join(".env.local");
    let outcome = from(launch, "apps/web").program(["true"]).run();
    let file = file.display();
    let ignored = format!("REDENV_RAW in {file} is ignored");
    let origin = format!("REDENV_PROJECT from {file}");
    assert!(outcome.stderr.contains(&ignored) && outcome.stderr.contains(&origin), "{}", outcome.stderr);
}

#[test]
fn the_search_ends_at_the_repositorys_root() {
    let vault = vault();
    let launch = |git: &str| {
        bare(&vault)
            .file(".env.local", "REDENV_PROJECT=above\n")
            .file(git, "gitdir: elsewhere\n")
            .file("repository/redenv.config.json", r#"{"name": "repository"}"#)
    };
    // In a worktree, `.git` is a file.
    for git in ["repository/.git/HEAD", "repository/.git"] {
        assert_eq!(asked(&vault, from(launch(git), "repository/a")), "repository development");
    }
    assert_eq!(asked(&vault, from(launch("other"), "repository/a")), "above development");
}

#[test]
fn the_search_ends_at_the_home_directory() {
    let vault = vault();
    let launch = |home: &str| {
        let launch = bare(&vault)
            .file(".env.local", "REDENV_PROJECT=above\n")
            .file("home/redenv.config.json", r#"{"name": "home"}"#);
        let home = launch.directory().join(home);
        from(launch.env("HOME", home), "home/a/b")
    };
    assert_eq!(asked(&vault, launch("home")), "home development");
    assert_eq!(asked(&vault, launch("elsewhere")), "above development");
    // The same directory by another name.
    let linked = launch("link");
    symlink("home", linked.directory().join("link")).unwrap();
    assert_eq!(asked(&vault, linked), "home development");
}

#[test]
fn a_shared_directory_is_never_searched() {
    let vault = vault();
    let launch = |directory: &str, mode: u32| {
        let launch = from(bare(&vault).file("shared/.env.local", "REDENV_PROJECT=shared\n"), directory);
        let launch = launch.file("shared/redenv.config.json", r#"{"name": "shared"}"#);
        fs::set_permissions(launch.directory().join("shared"), fs::Permissions::from_mode(mode)).unwrap();
        launch
    };
    let missing = [
        "error: REDENV_PROJECT is not set",
        "hint: set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above",
    ];
    launch("shared/a", 0o1777).program(["true"]).run().assert_failed(125, &missing);
    // A umask of 002 and mounts from Windows make directories that others can write to.
    for mode in [0o775, 0o777] {
        assert_eq!(asked(&vault, launch("shared/a", mode)), "shared development");
    }
    // Where the user works in it, a file there is not ignored in silence.
    let launch = launch("shared", 0o1777).program(["true"]);
    let config = launch.directory().canonicalize().unwrap().join("shared/redenv.config.json");
    let everyone = "everyone may create files in its directory";
    launch.run().assert_failed(
        125,
        &[
            &format!("warning: skipped .env.local: {everyone}; use it with --env-file .env.local"),
            &format!(
                "warning: skipped {}: {everyone}; give the project and the environment with -p and -e",
                config.display()
            ),
            missing[0],
            missing[1],
        ],
    );
}

#[test]
fn the_redenv_key_of_a_package_is_a_project_file() {
    let vault = vault();
    let package = r#"{"name": "web", "redenv": {"name": "acme", "environment": "staging"}}"#;
    let launch = || bare(&vault).file("package.json", package);
    assert_eq!(asked(&vault, launch()), "acme staging");
    assert_eq!(asked(&vault, from(launch(), "src")), "acme staging");
    let both = launch().file("redenv.config.json", r#"{"name": "file"}"#);
    assert_eq!(asked(&vault, both), "file development");
    // A package without the key, or one that can't be read, is none.
    for other in [r#"{"name": "web"}"#, "{", "\u{fffd}", r#"{"redenv": null}"#, r#"{"redenv": "x"}"#] {
        let nested = from(launch().file("apps/web/package.json", other), "apps/web");
        assert_eq!(asked(&vault, nested), "acme staging", "{other}");
    }
    let nested = from(launch().file("apps/web/package.json/file", ""), "apps/web");
    assert_eq!(asked(&vault, nested), "acme staging");
}

#[test]
fn the_credentials_file_of_the_official_command_line_is_no_project_file() {
    let vault = vault();
    let credentials = r#"{"url": "https://x.upstash.io", "token": "AXabc", "email": "dev@example.com"}"#;
    let launch = || {
        bare(&vault)
            .file("redenv.config.json", r#"{"name": "acme", "url": "https://acme.example"}"#)
            .file("a/redenv.config.json", credentials)
    };
    assert_eq!(asked(&vault, from(launch(), "a")), "acme development");
    let outcome = from(launch(), "a").arg("-v").program(["true"]).run();
    assert!(
        !outcome.stderr.contains("AXabc")
            && outcome.stderr.contains(&said(&["project acme, environment development"]))
    );
}
