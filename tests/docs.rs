//! The docs know every error and warning, name only options that exist, and link to pages that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::launch::bare_redenv_run;

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// The files with this extension in a directory and below it.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, mut found): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    found.retain(|path| path.extension().is_some_and(|it| it == extension));
    found.extend(directories.iter().flat_map(|directory| files(directory, extension)));
    found.sort();
    found
}

/// The texts of `#[error("...")]` and of `report.warning(...)`.
fn texts(source: &str) -> Vec<String> {
    let errors = source.split("#[error(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let warnings = source.split("report.warning(").skip(1).filter_map(|rest| {
        let call = rest.split(");").next().unwrap();
        Some(&rest[call.find('"')? + 1..])
    });
    errors
        .chain(warnings)
        .map(|rest| {
            let (mut text, mut characters) = (String::new(), rest.chars());
            while let Some(character) = characters.next() {
                match character {
                    '"' => break,
                    '\\' => match characters.next() {
                        // The literal goes on in the next line.
                        Some('\n') => {
                            let rest = characters.as_str().trim_start();
                            characters = rest.chars();
                        }
                        Some(escaped) => text.push(escaped),
                        None => break,
                    },
                    other => text.push(other),
                }
            }
            text
        })
        .collect()
}

/// What a text has between its placeholders, without the marks of code.
fn literal_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                parts.push(String::new());
            }
            '`' => {}
            other if depth == 0 => parts.last_mut().unwrap().push(other),
            _ => {}
        }
    }
    let has_words = |part: &String| part.chars().filter(|character| character.is_alphabetic()).count() > 1;
    parts.into_iter().filter(has_words).collect()
}

fn contains_in_order(line: &str, parts: &[String]) -> bool {
    let mut rest = line;
    parts.iter().all(|part| match rest.split_once(part.trim()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn every_error_and_warning_has_an_entry_in_the_docs() {
    let docs = fs::read_to_string(Path::new(SOURCES).join("docs/errors.md")).unwrap().replace('`', "");
    let entries: Vec<&str> = docs.lines().filter(|line| line.starts_with("| ")).collect();
    let mut missing = Vec::new();
    let mut seen = 0;
    for file in files(&Path::new(SOURCES).join("src"), "rs") {
        for text in texts(&fs::read_to_string(&file).unwrap()) {
            let parts = literal_parts(&text);
            seen += 1;
            if !entries.iter().any(|entry| contains_in_order(entry, &parts)) {
                missing.push(format!("{}: {text}", file.strip_prefix(SOURCES).unwrap().display()));
            }
        }
    }
    assert!(seen > 20, "the errors were not found in the sources");
    assert!(missing.is_empty(), "docs/errors.md has no entry for:\n{}", missing.join("\n"));
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// A page's text without its blocks of code.
fn prose(page: &str) -> String {
    page.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn every_link_between_the_docs_leads_to_a_page_and_a_heading() {
    let root = Path::new(SOURCES);
    let mut pages: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    pages.extend(files(&root.join("docs"), "md"));
    let mut broken = Vec::new();
    for page in &pages {
        let text = prose(&fs::read_to_string(page).unwrap());
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        let pictures = text.split("src=\"").skip(1).chain(text.split("srcset=\"").skip(1));
        let pictures = pictures.map(|rest| rest.split('"').next().unwrap());
        for link in
            links.chain(pictures).filter(|link| !link.contains("://") && !link.ends_with("reference.md"))
        {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = heading.is_empty()
                || fs::read_to_string(&target).is_ok_and(|text| anchors(&prose(&text)).contains(heading));
            if !target.exists() || !found {
                broken.push(format!("{}: {link}", page.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(pages.len() > 8 && broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// The long options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '-'));
    let is_option = |word: &&str| {
        word.starts_with("--")
            && word[2..].starts_with(|it: char| it.is_ascii_lowercase())
            && !word.ends_with('-')
    };
    words.filter(is_option).map(String::from).collect()
}

#[test]
fn every_option_in_the_readme_and_the_docs_exists() {
    // Options of other programs in examples; two pages have more of these than of ours.
    let others = [
        "--all-targets",
        "--bin",
        "--bun",
        "--check",
        "--network",
        "--rm",
        "--omit",
        "--exec",
        "--from",
        "--from-file",
        "--health",
        "--ignore-missing",
        "--locked",
        "--minutes",
        "--packages",
        "--path",
        "--quick",
        "--replace",
        "--repo",
        "--test",
        "--watch",
        "--with",
        "--example",
        "--port",
        "--token",
    ];
    let pages: [&[&str]; 6] =
        [&[], &["check"], &["mask"], &["token", "create"], &["token", "list"], &["token", "revoke"]];
    let known: BTreeSet<String> = pages
        .iter()
        .flat_map(|page| options(&bare_redenv_run().args(*page).arg("--help").run().stdout))
        .chain(others.map(String::from))
        .collect();
    let root = Path::new(SOURCES);
    let mut unknown = Vec::new();
    for page in
        files(&root.join("docs"), "md").into_iter().chain([root.join("README.md"), root.join("CHANGELOG.md")])
    {
        if page.ends_with("comparison.md") || page.ends_with("releasing.md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        let told = options(&text);
        unknown.extend(told.difference(&known).map(|option| format!("{}: {option}", page.display())));
    }
    assert!(unknown.is_empty(), "options that redenv-run doesn't have:\n{}", unknown.join("\n"));
}
