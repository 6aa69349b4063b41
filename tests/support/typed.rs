//! Interactive shells in a home directory that was set up as `completions --help` says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::launch::bare_redenv_run;

/// A home directory with the completions of all shells and the program `frobnicate`. The working
/// directory has the file `noexec`.
pub struct Home {
    directory: TempDir,
}

/// Text typed before a tab, and the line that it becomes.
pub type Cases<'a> = &'a [(&'a str, &'a str)];

/// Types into the shell `$1`. Ctrl-X and r write the line to a file and clear it.
const DRIVER: &str = r#"
zmodload zsh/zpty
zpty shell $1
zpty -r shell seen '*ready*'
for line in "${@:2}"; do zpty -w -n shell "$line"$'\t\030r'; done
zpty -w -n shell $'exit\r'
while zpty -r shell seen; do :; done
"#;

const ZSHRC: &str = r"
_frobnicate() { compadd alpha beta }
compdef _frobnicate frobnicate
alias rr='redenv-run --'
report() { print -r -- $BUFFER >>~/lines; BUFFER= }
zle -N report
bindkey '^Xr' report
PS1=ready
";

const BASHRC: &str = r#"
complete -W 'alpha beta' frobnicate
alias rr='redenv-run --'
report() { printf '%s\n' "$READLINE_LINE" >>~/lines; READLINE_LINE=; }
bind -x '"\C-xr": report'
PS1=ready
"#;

const FISH: &str = r"
complete -c frobnicate -f -a 'alpha beta'
alias rr='redenv-run --'
";

impl Home {
    pub fn new() -> Self {
        let home = Self { directory: TempDir::new().unwrap() };
        for directory in ["bin", "work"] {
            fs::create_dir(home.path().join(directory)).unwrap();
        }
        fs::write(home.path().join("work/noexec"), "").unwrap();
        for program in ["frobnicate", "tokenise"] {
            let path = home.path().join("bin").join(program);
            fs::write(&path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let page = bare_redenv_run().args(["completions", "--help"]).run().stdout;
        let examples = page.split_once("\nExamples:\n").unwrap().1;
        let output = home.command("sh").args(["-ec", examples]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let zshrc = examples.lines().find_map(|line| line.trim().strip_prefix("# in .zshrc: ")).unwrap();
        // No question and no dump file, whoever owns zsh's directories.
        home.write(".zshrc", &zshrc.replace("; compinit", "; compinit -u -D"), ZSHRC);
        home.write(".config/fish/config.fish", "", FISH);
        home
    }

    #[track_caller]
    pub fn assert_zsh(&self, cases: Cases) {
        self.assert("zsh -d -i", cases);
    }

    /// Runs `setup` in bash first.
    #[track_caller]
    pub fn assert_bash(&self, setup: &str, cases: Cases) {
        self.write(".bashrc", setup, BASHRC);
        self.assert("bash -i", cases);
    }

    /// fish's completions of this line, without their descriptions.
    pub fn fish(&self, line: &str) -> Vec<String> {
        let output = self.command("fish").args(["-c", "complete -C $argv[1]", line]).output().unwrap();
        let offered = stdout(&output);
        offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn assert(&self, shell: &str, cases: Cases) {
        let (typed, expected): (Vec<&str>, Vec<&str>) = cases.iter().copied().unzip();
        let output = self.command("zsh").args(["-fc", DRIVER, "zsh", shell]).args(typed).output().unwrap();
        stdout(&output);
        let lines = fs::read_to_string(self.path().join("lines")).unwrap();
        fs::remove_file(self.path().join("lines")).unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }

    fn command(&self, program: &str) -> Command {
        let launch = Path::new(env!("CARGO_BIN_EXE_redenv-run")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path: Vec<PathBuf> =
            [self.path().join("bin"), launch].into_iter().chain(std::env::split_paths(&path)).collect();
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::join_paths(path).unwrap());
        command.env("HOME", self.path()).env("TERM", "vt100").current_dir(self.path().join("work"));
        command
    }

    fn write(&self, name: &str, first: &str, then: &str) {
        fs::write(self.path().join(name), [first, "\n", then].concat()).unwrap();
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
