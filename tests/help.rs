//! `--help` of every command is one page that names everything, and the man pages say the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::launch::{bare_redenv_run, redenv_run};
use crate::support::manual;
use crate::support::project::Project;
use crate::support::vault::Vault;

const COMMANDS: [&[&str]; 7] = [
    &[],
    &["check"],
    &["mask"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["completions"],
];

fn help(command: &[&str]) -> String {
    let outcome = bare_redenv_run().args(command).arg("--help").run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""), "{command:?}");
    outcome.stdout
}

/// The long options of a page.
fn options(page: &str) -> BTreeSet<&str> {
    let names = page.lines().filter_map(|line| line.split_once("--")).filter(|(before, _)| {
        let before = before.trim();
        before.is_empty() || (before.len() == 3 && before.starts_with('-') && before.ends_with(','))
    });
    names
        .map(|(_, rest)| rest.split([' ', '[', '=']).next().unwrap())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn each_page_names_the_flags_of_its_command() {
    let project = "project env env-file no-env-file";
    let selection = "only exclude scope pin raw skip-broken";
    let environment = "require require-from preserve-env pristine keep allow-reserved file keep-token";
    let network = "timeout allow-http ca-file";
    let fallback = "fallback max-stale offline";
    let output = "verbose quiet help";
    let launch = [project, selection, environment, network, fallback, output].join(" ");
    let token = ["project env-file no-env-file", network, output].join(" ");
    let expected = [
        format!("{launch} version"),
        format!("{launch} format"),
        [project, selection, network, fallback, output].join(" "),
        format!("{token} name description password-stdin format"),
        format!("{token} format"),
        format!("{token} yes"),
        "help".to_owned(),
    ];
    for (command, expected) in COMMANDS.iter().zip(&expected) {
        let page = help(command);
        // `--pristine leaves ...` is a note at the start of a line.
        let found = options(&page);
        assert_eq!(found, expected.split(' ').collect::<BTreeSet<_>>(), "{command:?}");
    }
}

/// Each page of the manual by its name.
fn manual_pages() -> BTreeMap<String, String> {
    manual::pages(crate::support::sources::definition::redenv_run()).into_iter().collect()
}

fn manual_name(command: &[&str]) -> String {
    [&["redenv-run"], command].concat().join("-")
}

fn unescaped(roff: &str) -> String {
    let signs = [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fR", ""),
        ("\\-", "-"),
        ("\\*(Aq", "'"),
        ("\\(aq", "'"),
        ("\\(ti", "~"),
        ("\\&", ""),
        ("\\e", "\\"),
    ];
    signs.iter().fold(roff.to_owned(), |text, (escaped, sign)| text.replace(escaped, sign))
}

#[test]
fn a_man_page_has_the_name_of_its_command_and_the_usual_sections() {
    let pages = manual_pages();
    for command in COMMANDS.iter().chain(&[&["token"][..]]) {
        let name = manual_name(command);
        let page = &pages[&name];
        let title = format!(".TH {name} 1  \"redenv-run {}\"", env!("CARGO_PKG_VERSION"));
        assert!(page.contains(&title), "{name}: {}", page.lines().nth(2).unwrap());
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(sections[..3], ["NAME", "SYNOPSIS", "DESCRIPTION"], "{name}");
        assert_eq!(sections.last(), Some(&"EXAMPLES"), "{name}");
        assert!(!sections.contains(&"EXTRA"), "{name}");
        let status = help(command).contains("\nExit status: ");
        assert_eq!(sections.contains(&"EXIT STATUS"), status, "{name}");
    }
    for name in ["redenv-run", "redenv-run-token-create"] {
        assert!(pages[name].contains("\n.SH ENVIRONMENT\n"), "{name}");
    }
    assert_eq!(pages.len(), COMMANDS.len() + 1);
}

#[test]
fn the_man_pages_have_the_notes_and_the_examples_of_the_help() {
    let pages = manual_pages();
    for command in COMMANDS.iter().chain(&[&["token"][..]]) {
        let name = manual_name(command);
        let page = &pages[&name];
        // What is hyphenated or filled can't be copied.
        assert!(page.find("\n.nh\n").unwrap() < page.find("\n.SH ").unwrap(), "{name}");
        let unfilled: Vec<&str> =
            page.split("\n.nf\n").skip(1).map(|rest| rest.split("\n.fi\n").next().unwrap()).collect();
        let unfilled = unescaped(&unfilled.join("\n"));
        let help = help(command);
        let examples = help.split_once("\nExample").unwrap().1.trim_end();
        for line in examples.lines().skip(1).filter(|line| !line.is_empty()) {
            assert!(unfilled.lines().any(|typed| typed == line.trim_start()), "{name}: {line}: {unfilled}");
        }
        let words: Vec<String> =
            unescaped(page).to_lowercase().split_whitespace().map(String::from).collect();
        let last_option = help.rfind("Print this page").unwrap();
        for word in help[last_option..].split_once("\n\n").unwrap().1.to_lowercase().split_whitespace() {
            let heading = word.strip_suffix([':', ',']).unwrap_or(word);
            assert!(words.iter().any(|w| w == word || w == heading), "{name}: {word}");
        }
    }
}

#[test]
fn the_man_pages_have_the_flags_of_the_help_with_the_same_words() {
    let pages = manual_pages();
    for command in COMMANDS {
        let name = manual_name(command);
        // An option is a paragraph of its own: its names, then its words.
        let roff = unescaped(&pages[&name]);
        let paragraphs: Vec<(&str, &str)> =
            roff.split(".TP\n").skip(1).filter_map(|paragraph| paragraph.split_once('\n')).collect();
        let page = help(command);
        let long = |names: &str| {
            names.split_once("--").map(|(_, rest)| rest.split([' ', '[', '=']).next().unwrap().to_owned())
        };
        let found: BTreeSet<String> = paragraphs.iter().filter_map(|(names, _)| long(names)).collect();
        assert_eq!(found, options(&page).into_iter().map(String::from).collect(), "{name}");
        for (names, words) in paragraphs {
            let words = words.lines().next().unwrap();
            assert!(long(names).is_none() || page.contains(words), "{name}: {names}: {words}");
        }
    }
}

#[test]
fn the_help_fits_a_page_of_80_columns() {
    let shown = bare_redenv_run().arg("--help").on_terminal().finish();
    assert_eq!(shown.code, 0);
    let page = shown.screen;
    // What is on a line of its own has nothing of another on it.
    let plain = uncoloured(&page);
    for line in plain.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        if line.trim_start().starts_with('-') && !line.starts_with("--") {
            assert!(line.trim().contains("  "), "no text beside {line}");
        }
    }
    assert!(plain.lines().count() < 80, "a page, not a book");
}

/// Text without SGR escapes.
fn uncoloured(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn both_flags_print_the_same_page_with_examples() {
    for command in COMMANDS.iter().chain(&[&["token"][..]]) {
        let page = help(command);
        assert_eq!(page, bare_redenv_run().args(*command).arg("-h").run().stdout, "{command:?}");
        let examples = page.split_once("\nExample").unwrap_or_else(|| panic!("no example in {page}")).1;
        assert!(examples.contains("redenv-run "), "{command:?}");
        assert!(page.contains(&["Usage: redenv-run", &command.join(" ")].join(" ").trim_end().to_owned()));
    }
}

/// That settings are missing is found behind the options, and before anything is started.
#[test]
fn the_examples_are_valid_command_lines() {
    for command in &COMMANDS[..2] {
        let page = help(command);
        let examples = page.split_once("\nExamples:\n").unwrap().1;
        assert!(examples.lines().count() >= 2);
        for line in examples.lines() {
            let words = line.trim_start().strip_prefix("redenv-run ").unwrap();
            let words = words.split(' ').take_while(|word| *word != "--");
            let outcome = bare_redenv_run().args(words).program(["true"]).run();
            let missing = "REDENV_TOKEN_ID, REDENV_TOKEN_KEY, ";
            assert!(outcome.stderr.contains(missing), "{line}: {}", outcome.stderr);
        }
    }
}

#[test]
fn no_page_shows_a_value_of_the_environment() {
    let vault = Vault::of(&Project::new("acme"));
    for command in COMMANDS {
        let with = redenv_run(&vault).env("REDENV_ONLY", "hunter2").args(command).arg("--help").run();
        assert_eq!(with.stdout, help(command), "{command:?}");
    }
}
