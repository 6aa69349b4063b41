//! Each reserved name makes a real program run its value, and redenv-run refuses a secret of that name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::launch::redenv_run;
use crate::support::project::Project;
use crate::support::sources::reserved as table;
use crate::support::vault::Vault;

/// A program that runs what `variables` name when `command` starts it: it creates the file `$MARKER`.
///
/// `DIR` stands for a directory with `planted` in every form, see [`plant`].
struct Case {
    program: &'static str,
    variables: &'static [(&'static str, &'static str)],
    command: &'static str,
}

const fn case(
    program: &'static str,
    variables: &'static [(&'static str, &'static str)],
    command: &'static str,
) -> Case {
    Case { program, variables, command }
}

/// The host's Cargo variables, such as `CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER`.
#[cfg(target_arch = "x86_64")]
const HOST: [&str; 3] = [
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
];
#[cfg(target_arch = "aarch64")]
const HOST: [&str; 3] = [
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
];

// Cargo caches what a wrapper said.
const BUILD: &str = "touch src/main.rs; CARGO_CACHE_RUSTC_INFO=0 cargo build -q --offline";
const ASK: &str = "printf 'protocol=https\\nhost=x\\n\\n' | git credential fill";

const CASES: &[Case] = &[
    case("sh", &[("PATH", "DIR/bin:/bin:/usr/bin")], "ls"),
    case("sh", &[("ENV", "DIR/planted")], "sh -i"),
    case("sh", &[("LD_PRELOAD", "DIR/planted.so")], "sh -c :"),
    case("iconv", &[("GCONV_PATH", "DIR")], "iconv -f PLANTED -t UTF-8 /dev/null"),
    case("bash", &[("BASH_ENV", "DIR/planted")], "bash -c :"),
    case("bash", &[("BASH_FUNC_ls%%", "() { touch $MARKER; }")], "ls"),
    case("bash", &[("PROMPT_COMMAND", "touch $MARKER")], "bash --norc -i"),
    case("node", &[("NODE_OPTIONS", "--require=DIR/planted.js")], "node -e 0"),
    case("node", &[("NODE_PATH", "DIR")], "node -e 'require(\"planted.js\")'"),
    case("node", &[("NODE_REPL_EXTERNAL_MODULE", "DIR/planted.js")], "node -i"),
    case("python3", &[("PYTHONPATH", "DIR")], "python3 -c 0"),
    case("python3", &[("PYTHONSTARTUP", "DIR/sitecustomize.py")], "python3 -i"),
    case(
        "python3",
        &[("PYTHONWARNINGS", "all:0:antigravity.x:0:0"), ("BROWSER", "DIR/planted %s")],
        "python3 -c 0",
    ),
    case("perl", &[("PERL5OPT", "-IDIR -Mplanted")], "perl -e 0"),
    case("perl", &[("PERL5LIB", "DIR")], "perl -Mstrict -e 0"),
    case("perl", &[("PERL5DB", "BEGIN { system 'touch $MARKER' }")], "perl -d -e 0"),
    case("ruby", &[("RUBYOPT", "-rDIR/planted.rb")], "ruby -e 0"),
    case("ruby", &[("RUBYLIB", "DIR")], "ruby -e 'require \"planted\"'"),
    case("php", &[("PHPRC", "DIR")], "echo '<?php 0;' | php"),
    case("php", &[("PHP_INI_SCAN_DIR", "DIR")], "echo '<?php 0;' | php"),
    case("lua5.4", &[("LUA_INIT", "os.execute('touch $MARKER')")], "lua5.4 -e ''"),
    case("lua5.4", &[("LUA_INIT_5_4", "@DIR/planted.lua")], "lua5.4 -e ''"),
    case("make", &[("MAKEFLAGS", "--eval=$$(shell\\ touch\\ $$$$MARKER)")], "make -f /dev/null"),
    case("make", &[("GNUMAKEFLAGS", "--eval=$$(shell\\ touch\\ $$$$MARKER)")], "make -f /dev/null"),
    case("make", &[("MAKEFILES", "DIR/planted.mk")], "make -f /dev/null"),
    case("less", &[("LESSOPEN", "|DIR/planted %s")], "less planted.js"),
    case(
        "less",
        &[("LESSOPEN", "echo planted.mk #%s"), ("LESSCLOSE", "DIR/planted %s %s")],
        "less planted.js",
    ),
    case("openssl", &[("OPENSSL_CONF", "DIR/planted.cnf")], "openssl version"),
    case("openssl", &[("OPENSSL_MODULES", "DIR")], "openssl list -providers -provider planted"),
    case("openssl", &[("OPENSSL_ENGINES", "DIR")], "openssl engine planted"),
    case("git", &[("GIT_SSH_COMMAND", "DIR/planted")], "git ls-remote ssh://nowhere.invalid/x"),
    case("git", &[("GIT_SSH", "DIR/planted")], "git ls-remote ssh://nowhere.invalid/x"),
    case("git", &[("GIT_PROXY_COMMAND", "DIR/planted")], "git ls-remote git://nowhere.invalid/x"),
    case(
        "git",
        &[
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
            ("GIT_CONFIG_VALUE_0", "DIR/planted"),
        ],
        "git status",
    ),
    case("git", &[("GIT_CONFIG_PARAMETERS", "'core.fsmonitor=DIR/planted'")], "git status"),
    case("git", &[("GIT_CONFIG_GLOBAL", "DIR/planted.gitconfig")], "git status"),
    case("git", &[("GIT_CONFIG_SYSTEM", "DIR/planted.gitconfig")], "git status"),
    case("git", &[("GIT_EXEC_PATH", "DIR/bin")], "git ls-remote https://nowhere.invalid/x"),
    case("git", &[("GIT_TEMPLATE_DIR", "DIR/template")], "rm -rf clone; git clone -q . clone"),
    case("git", &[("GIT_EXTERNAL_DIFF", "DIR/planted")], "git diff"),
    case("git", &[("GIT_ASKPASS", "DIR/planted")], ASK),
    case("git", &[("SSH_ASKPASS", "DIR/planted")], ASK),
    case("git", &[("GIT_EDITOR", "DIR/planted")], "git commit --allow-empty"),
    case("git", &[("EDITOR", "DIR/planted")], "git commit --allow-empty"),
    case("git", &[("VISUAL", "DIR/planted")], "TERM=xterm git commit --allow-empty"),
    case("git", &[("GIT_SEQUENCE_EDITOR", "DIR/planted")], "git rebase -i --root --autostash"),
    case("cargo", &[("RUSTC", "DIR/planted")], BUILD),
    case("cargo", &[("RUSTC_WRAPPER", "DIR/planted")], BUILD),
    case("cargo", &[("RUSTC_WORKSPACE_WRAPPER", "DIR/planted")], BUILD),
    case("cargo", &[("RUSTDOC", "DIR/planted")], "touch src/main.rs; cargo doc -q --offline"),
    case("cargo", &[("CARGO_BUILD_RUSTC", "DIR/planted")], BUILD),
    case("cargo", &[("CARGO_BUILD_RUSTC_WRAPPER", "DIR/planted")], BUILD),
    case("cargo", &[("RUSTFLAGS", "-Clinker=DIR/planted")], BUILD),
    case("cargo", &[("CARGO_BUILD_RUSTFLAGS", "-Clinker=DIR/planted")], BUILD),
    case("cargo", &[("CARGO_ENCODED_RUSTFLAGS", "-Clinker=DIR/planted")], BUILD),
    case("cargo", &[(HOST[0], "DIR/planted")], BUILD),
    case("cargo", &[(HOST[1], "DIR/planted")], "cargo run -q --offline"),
    case("cargo", &[(HOST[2], "-Clinker=DIR/planted")], BUILD),
    case("cargo", &[("CARGO_HOME", "DIR/cargo")], BUILD),
    case("npm", &[("npm_config_script_shell", "DIR/planted")], "npm run x"),
    case("npm", &[("NPM_CONFIG_SCRIPT-SHELL", "DIR/planted")], "npm run x"),
    case("npm", &[("npm_config_node_options", "--require=DIR/planted.js")], "npm run x"),
    case("npm", &[("npm_config_userconfig", "DIR/planted.npmrc")], "npm run x"),
    case("npm", &[("npm_config_globalconfig", "DIR/planted.npmrc")], "npm run x"),
    case("npm", &[("npm_config_git", "DIR/planted")], "npm view git+ssh://nowhere.invalid/x.git"),
];

/// Programs that a machine may lack: `scripts/test` installs the others.
const OPTIONAL: &[&str] = &["php", "ruby"];

/// Names that are reserved because the program's documentation says what it does, and not tried here.
const DOCUMENTED: &[&str] = &[
    "BASHOPTS",
    "CLASSPATH",
    "CORECLR_PROFILER*",
    "COR_PROFILER*",
    "DOTNET_ADDITIONAL_DEPS",
    "DOTNET_STARTUP_HOOKS",
    "DYLD_*",
    "ELIXIR_ERL_OPTIONS",
    "ERL_AFLAGS",
    "ERL_FLAGS",
    "ERL_ZFLAGS",
    "GIT_PAGER",
    "GLIBC_TUNABLES",
    "GRADLE_OPTS",
    "IFS",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JULIA_LOAD_PATH",
    "MANPAGER",
    "MAVEN_OPTS",
    "PAGER",
    // Not read by a bash of root.
    "PS4",
    "PYTHONHOME",
    "R_ENVIRON",
    "R_PROFILE",
    "R_PROFILE_USER",
    "SBT_OPTS",
    "SHELLOPTS",
    "SUDO_ASKPASS",
    "_JAVA_OPTIONS",
];

/// Fills a directory with code that creates `$MARKER`, in every form that a program loads, and with a
/// small project for git, Cargo and npm each.
fn plant(directory: &Path) {
    let dir = directory.to_str().unwrap();
    let script = "#!/bin/sh\ntouch \"$MARKER\"\n";
    for (name, content) in [
        ("planted", script),
        ("bin/ls", script),
        ("bin/git-remote-https", script),
        ("template/hooks/post-checkout", script),
        ("planted.js", "require('fs').writeFileSync(process.env.MARKER, '')"),
        ("sitecustomize.py", "import os; open(os.environ['MARKER'], 'w')"),
        ("planted.pm", "system 'touch $MARKER'; 1;"),
        ("strict.pm", "system 'touch $MARKER'; 1;"),
        ("planted.rb", "system 'touch $MARKER'"),
        ("planted.lua", "os.execute('touch $MARKER')"),
        ("planted.mk", "$(shell touch $$MARKER)\n"),
        ("planted.php", "<?php touch(getenv('MARKER'));"),
        ("php.ini", &format!("auto_prepend_file={dir}/planted.php\n")),
        ("gconv-modules", "module PLANTED// INTERNAL planted 1\n"),
        (
            "planted.c",
            "#include <fcntl.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void run(void) { creat(getenv(\"MARKER\"), 0600); }\n",
        ),
        (
            "planted.cnf",
            &format!(
                "openssl_conf=a\n[a]\nproviders=b\n[b]\nplanted=c\n[c]\nactivate=1\nmodule={dir}/planted.so\n"
            ),
        ),
        ("planted.gitconfig", &format!("[core]\nfsmonitor={dir}/planted\n")),
        ("planted.npmrc", &format!("script-shell={dir}/planted\n")),
        ("cargo/config.toml", &format!("build.rustc-wrapper='{dir}/planted'\n")),
        ("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n"),
        ("src/main.rs", "fn main() {}"),
        ("package.json", r#"{"name":"x","version":"1.0.0","scripts":{"x":"node -e 0"}}"#),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let setup = "cc -shared -fPIC -o planted.so planted.c
        git init -q && git add planted && git -c user.name=x -c user.email=x commit -q -m x && echo >>planted.js
        git config user.name x && git config user.email x && echo >>planted";
    assert!(run(directory, setup, &[]).success(), "cc or git failed");
}

/// Runs a command in the directory. The environment has only what the programs need, `$MARKER` and `variables`.
fn run(directory: &Path, command: &str, variables: &[(&str, String)]) -> std::process::ExitStatus {
    // Unlike sh, bash passes on variables whose names are not identifiers.
    let mut sh = Command::new("timeout");
    sh.args(["30", "bash", "-c", command]).current_dir(directory).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        sh.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // Without them, git would wait for an editor and a password.
    sh.env("MARKER", directory.join("marker")).env("EDITOR", "true").env("GIT_TERMINAL_PROMPT", "0");
    sh.envs(variables.iter().map(|(name, value)| (name, value)));
    sh.output().unwrap().status
}

#[track_caller]
fn assert_each_runs_its_value(program: &str) {
    if !run(Path::new("/"), &format!("command -v {program}"), &[]).success() {
        assert!(OPTIONAL.contains(&program), "{program} is missing; scripts/test installs it");
        eprintln!("NOT TRIED: {program} is missing");
        return;
    }
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    plant(directory);
    let marker = directory.join("marker");
    let mut controlled = BTreeSet::new();
    for case in CASES.iter().filter(|case| case.program == program) {
        if controlled.insert(case.command) {
            run(directory, case.command, &[]);
            assert!(!marker.exists(), "{} creates the marker by itself", case.command);
        }
        let value =
            |(name, value): &(&'static str, &str)| (*name, value.replace("DIR", directory.to_str().unwrap()));
        let variables: Vec<_> = case.variables.iter().map(value).collect();
        run(directory, case.command, &variables);
        assert!(marker.exists(), "{} does not run the value of {:?}", case.command, variables);
        fs::remove_file(&marker).unwrap();
    }
}

macro_rules! programs {
    ($($test:ident: $program:literal),* $(,)?) => {
        $(#[test] fn $test() { assert_each_runs_its_value($program); })*
        const PROGRAMS: &[&str] = &[$($program),*];
    };
}

programs! {
    bash_runs_each_value: "bash",
    cargo_runs_each_value: "cargo",
    git_runs_each_value: "git",
    iconv_runs_each_value: "iconv",
    less_runs_each_value: "less",
    lua_runs_each_value: "lua5.4",
    make_runs_each_value: "make",
    node_runs_each_value: "node",
    npm_runs_each_value: "npm",
    openssl_runs_each_value: "openssl",
    perl_runs_each_value: "perl",
    php_runs_each_value: "php",
    python_runs_each_value: "python3",
    ruby_runs_each_value: "ruby",
    sh_runs_each_value: "sh",
}

#[test]
fn names_are_compared_as_the_program_compares_them() {
    for name in [
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
        "GIT_CONFIG_KEY_0",
        "LUA_INIT_5_4",
        "NPM_CONFIG_SCRIPT_SHELL",
        "npm_config_script-shell",
        "Npm_Config_Node_Options",
    ] {
        assert!(table::find(name).is_some(), "{name}");
    }
    for name in ["path", "git_ssh_command", "MY_PATH", "PATHS", "LD", "XLD_PRELOAD", "NODE_OPTIONS_", ""] {
        assert_eq!(table::find(name), None, "{name}");
    }
}

#[test]
fn names_that_real_vaults_hold_are_allowed() {
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "CARGO_REGISTRIES_MINE_TOKEN",
        "CARGO_REGISTRY_TOKEN",
        "DATABASE_URL",
        "DOCKER_HOST",
        "GITHUB_TOKEN",
        "GIT_TOKEN",
        "HTTPS_PROXY",
        "KUBECONFIG",
        "LDAP_URL",
        "NODE_ENV",
        "NODE_EXTRA_CA_CERTS",
        "NPM_TOKEN",
        "PS1",
        "PYTHONUNBUFFERED",
        "SSL_CERT_FILE",
        "npm_config_//registry.npmjs.org/:_authToken",
        "npm_config_registry",
    ] {
        assert_eq!(table::find(name), None, "{name}");
    }
}

#[test]
fn each_reserved_name_is_tried_or_known_from_documentation() {
    let names = || CASES.iter().flat_map(|case| case.variables).map(|(name, _)| *name);
    for row in table::RESERVED {
        for pattern in row.names {
            let is_tried = names().any(|name| table::matches(pattern, name));
            let is_documented = DOCUMENTED.contains(pattern);
            assert!(is_tried != is_documented, "{pattern}: tried {is_tried}, documented {is_documented}");
        }
    }
    assert!(CASES.iter().all(|case| PROGRAMS.contains(&case.program)));
}

#[test]
fn redenv_run_refuses_each_name_and_says_which_program_would_run_it() {
    let names: BTreeSet<String> = CASES
        .iter()
        .flat_map(|case| case.variables)
        .map(|(name, _)| (*name).to_owned())
        .chain(DOCUMENTED.iter().map(|name| name.replace('*', "X")))
        .collect();
    let add = |project: Project, name: &String| project.secret("development", name, "x");
    let vault = Vault::of(&names.iter().fold(Project::new("acme"), add));
    let outcome = redenv_run(&vault).program(["true"]).run();
    assert_eq!(outcome.code(), Some(125), "{}", outcome.stderr);
    for name in &names {
        let row = table::find(name).unwrap();
        let reason = format!(" {name} ({} would {})", row.program, row.effect);
        assert!(outcome.stderr.contains(&reason), "{reason:?} is not in {}", outcome.stderr);
    }
    redenv_run(&vault).args(["--only", "GIT_SSH_COMMAND"]).program(["true"]).run().assert_failed(
        125,
        &[
            "error: secrets may not be named GIT_SSH_COMMAND (git would run the value)",
            "hint: leave out with --exclude GIT_SSH_COMMAND, or allow with --allow-reserved GIT_SSH_COMMAND",
        ],
    );
    redenv_run(&vault)
        .args(["--only", "GIT_SSH_COMMAND", "--allow-reserved", "GIT_SSH_COMMAND"])
        .program(["printenv", "GIT_SSH_COMMAND"])
        .run()
        .assert_ran("x\n");
}
