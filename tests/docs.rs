//! The docs know every error.

use std::fs;
use std::path::{Path, PathBuf};

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

/// The texts of `#[error("...")]`.
fn error_texts(source: &str) -> Vec<String> {
    let attributes = source.split("#[error(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    attributes
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
fn every_error_has_an_entry_in_the_docs() {
    let docs = fs::read_to_string(Path::new(SOURCES).join("docs/errors.md")).unwrap().replace('`', "");
    let entries: Vec<&str> = docs.lines().filter(|line| line.starts_with("| ")).collect();
    let mut missing = Vec::new();
    let mut seen = 0;
    for file in files(&Path::new(SOURCES).join("src"), "rs") {
        for text in error_texts(&fs::read_to_string(&file).unwrap()) {
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
