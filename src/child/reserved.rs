//! Variables that make a common program run their value as code. A safety net: no list is complete.
//!
//! This file imports nothing, so that the generator of the reference page can include it.

/// A program and the variables that make it run a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    /// The names. A `*` matches any text.
    pub(crate) names: &'static [&'static str],
    /// The program that reads them.
    pub(crate) program: &'static str,
    /// What the program does with the value. Continues "the program would".
    pub(crate) effect: &'static str,
}

const fn row(names: &'static [&'static str], program: &'static str, effect: &'static str) -> Reserved {
    Reserved { names, program, effect }
}

/// Every reserved name.
#[rustfmt::skip] // A row reads as a row.
pub(crate) const RESERVED: &[Reserved] = &[
    row(&["PATH"], "every program", "start programs from the directories that the value names"),
    row(&["IFS"], "sh", "split commands differently"),
    row(&["LD_*", "DYLD_*", "GLIBC_TUNABLES"],
        "the dynamic loader", "load the libraries that the value names"),
    row(&["GCONV_PATH"], "the C library", "load libraries from the directories that the value names"),
    row(&["BASH_ENV", "BASH_FUNC_*", "PROMPT_COMMAND", "PS4", "SHELLOPTS", "BASHOPTS"],
        "bash", "run the value"),
    row(&["ENV"], "an interactive sh", "run the file that the value names"),
    row(&["NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE"],
        "node", "load the code that the value names"),
    row(&["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS"],
        "python", "load the code that the value names"),
    row(&["PERL5OPT", "PERL5LIB", "PERL5DB"], "perl", "load the code that the value names"),
    row(&["RUBYOPT", "RUBYLIB"], "ruby", "load the code that the value names"),
    row(&["LUA_INIT", "LUA_INIT_*"], "lua", "run the value"),
    row(&["PHPRC", "PHP_INI_SCAN_DIR"],
        "php", "read settings from the place that the value names, and run code that they name"),
    row(&["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"],
        "java", "load the code that the value names"),
    row(&["JAVA_OPTS", "MAVEN_OPTS", "GRADLE_OPTS", "SBT_OPTS"],
        "Java's build tools", "load the code that the value names"),
    row(&["DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "CORECLR_PROFILER*", "COR_PROFILER*"],
        ".NET", "load the code that the value names"),
    row(&["R_PROFILE", "R_PROFILE_USER", "R_ENVIRON"], "R", "run the file that the value names"),
    row(&["JULIA_LOAD_PATH"], "julia", "load code from the directories that the value names"),
    row(&["ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ELIXIR_ERL_OPTIONS"], "Erlang", "run the value"),
    row(&["GIT_SSH_COMMAND", "GIT_SSH", "GIT_PROXY_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "GIT_PAGER",
        "GIT_EDITOR", "GIT_SEQUENCE_EDITOR"], "git", "run the value"),
    row(&["GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"],
        "git", "run programs from the directory that the value names"),
    row(&["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*", "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"], "git", "run programs that these settings name"),
    row(&["MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES"], "make", "run the value"),
    row(&["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC", "CARGO_BUILD_RUSTC*",
        "CARGO_TARGET_*_LINKER", "CARGO_TARGET_*_RUNNER"], "cargo", "run the value"),
    row(&["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_*_RUSTFLAGS"],
        "cargo", "run the linker that the value names"),
    row(&["CARGO_HOME"],
        "cargo", "read settings from the directory that the value names, and run programs that they name"),
    row(&["npm_config_script_shell", "npm_config_node_options", "npm_config_git", "npm_config_userconfig",
        "npm_config_globalconfig"], "npm", "run the program that the value names"),
    row(&["LESSOPEN", "LESSCLOSE"], "less", "run the value"),
    row(&["PAGER", "MANPAGER", "EDITOR", "VISUAL", "BROWSER", "SSH_ASKPASS", "SUDO_ASKPASS"],
        "many programs", "run the value"),
    row(&["OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"],
        "OpenSSL", "load the libraries that the value names"),
];

/// The row that reserves a name.
pub(crate) fn find(name: &str) -> Option<&'static Reserved> {
    // npm reads its variables in upper and lower case, with `-` or `_`.
    let as_npm = name.to_ascii_lowercase().replace('-', "_");
    RESERVED.iter().find(|row| {
        let name = if row.program == "npm" { &as_npm } else { name };
        row.names.iter().any(|pattern| matches(pattern, name))
    })
}

/// Whether a name matches a pattern. A pattern has at most one `*`, and not at the beginning.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    // Each secret meets each pattern. Without this check, a launch with 10,000 secrets takes a sixth longer.
    if pattern.as_bytes().first() != name.as_bytes().first() {
        return false;
    }
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}
