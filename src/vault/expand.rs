//! Expands `${NAME}` in a set of values; a pure function.
//!
//! - A reference to a name in the set becomes that name's expanded value. Any other reference stays unchanged.
//! - Backslashes directly before a reference are halved, rounding down. An odd number makes the reference
//!   literal. Other backslashes are left alone.
//! - The steps are on the heap, not the stack, so a chain of references may have thousands of links.

use std::collections::BTreeMap;

use indexmap::IndexSet;

use crate::secret::SecretText;
use crate::ui::text::Shown;

/// The most bytes that all expanded values may have together. Without a limit, references to references
/// could fill any memory.
const LIMIT: usize = 64 * 1024 * 1024;

/// Why a set can't be expanded.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub(crate) enum ExpandError {
    #[error("the references form a cycle: {}", in_order(_0))]
    Cycle(Vec<String>),
    #[error("the references in {} expand to more than {} MiB", Shown(_0), LIMIT >> 20)]
    TooLong(String),
}

fn in_order(names: &[String]) -> String {
    names.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(" -> ")
}

/// Part of a value.
struct Segment<'v> {
    text: &'v str,
    /// The name, if the text is a reference.
    name: Option<&'v str>,
}

/// A step of the expansion. The step that was added last runs first.
enum Step<'v> {
    /// Follow this name's references.
    Enter(&'v str),
    /// Assemble this name's value: all its references are expanded.
    Leave(&'v str, Vec<Segment<'v>>),
}

/// Expands the `roots` that contain references, and all values that they refer to. `value` gives the value of a
/// name in the set.
pub(crate) fn expand<'v>(
    roots: impl IntoIterator<Item = &'v str>,
    mut value: impl FnMut(&'v str) -> Option<&'v str>,
) -> Result<BTreeMap<&'v str, SecretText>, ExpandError> {
    let mut done: BTreeMap<&'v str, SecretText> = BTreeMap::new();
    // The names that were entered but not left yet.
    let mut chain: IndexSet<&'v str> = IndexSet::new();
    let mut room = LIMIT;
    for root in roots {
        // Most values have no reference. Copies of them would double the memory.
        if value(root).is_none_or(|text| !text.contains("${")) {
            continue;
        }
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(name) if done.contains_key(name) => {}
                Step::Enter(name) => {
                    if let Some(from) = chain.get_index_of(name) {
                        let cycle = chain[from..].iter().copied().chain([name]);
                        return Err(ExpandError::Cycle(cycle.map(String::from).collect()));
                    }
                    let Some(segments) = value(name).map(segments) else { continue };
                    let references: Vec<_> =
                        segments.iter().rev().filter_map(|segment| segment.name).collect();
                    chain.insert(name);
                    steps.push(Step::Leave(name, segments));
                    steps.extend(references.into_iter().map(Step::Enter));
                }
                Step::Leave(name, segments) => {
                    chain.pop();
                    let text = assemble(&segments, &done, room)
                        .ok_or_else(|| ExpandError::TooLong(name.to_owned()))?;
                    room -= text.expose().len();
                    done.insert(name, text);
                }
            }
        }
    }
    Ok(done)
}

/// Joins the segments of a value; `None` if it is longer than `room`. The buffer never moves, so no copy of
/// the secret stays behind.
fn assemble<'v>(
    segments: &[Segment<'v>],
    done: &BTreeMap<&'v str, SecretText>,
    room: usize,
) -> Option<SecretText> {
    let parts = || {
        let value = |name| done.get(name).map(SecretText::expose);
        segments.iter().map(move |segment| segment.name.and_then(value).unwrap_or(segment.text))
    };
    let length = parts().map(str::len).fold(0, usize::saturating_add);
    if length > room {
        return None;
    }
    let mut text = String::with_capacity(length);
    parts().for_each(|part| text.push_str(part));
    Some(SecretText::new(text))
}

/// Splits a value at its well-formed references, and halves the backslashes before them.
fn segments(value: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut literal = 0;
    let mut from = 0;
    while let Some(found) = value[from..].find("${") {
        let dollar = from + found;
        let Some(name) = name_at(&value[dollar + 2..]) else {
            from = dollar + 2;
            continue;
        };
        let end = dollar + 2 + name.len() + 1;
        let backslashes = value[literal..dollar].bytes().rev().take_while(|byte| *byte == b'\\').count();
        segments.push(Segment { text: &value[literal..dollar - backslashes.div_ceil(2)], name: None });
        let is_reference = backslashes % 2 == 0;
        segments.push(Segment { text: &value[dollar..end], name: is_reference.then_some(name) });
        (literal, from) = (end, end);
    }
    segments.push(Segment { text: &value[literal..], name: None });
    segments
}

/// The name of `NAME}`, if it is well-formed: `[A-Za-z0-9_]+`.
fn name_at(rest: &str) -> Option<&str> {
    let end = rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))?;
    (end > 0 && rest.as_bytes()[end] == b'}').then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(set: &[(&str, &str)], name: &str) -> Result<String, ExpandError> {
        let set: BTreeMap<&str, &str> = set.iter().copied().collect();
        let done = expand(set.keys().copied(), |name| set.get(name).copied())?;
        Ok(done.get(name).map_or(set[name], SecretText::expose).to_owned())
    }

    #[test]
    fn references_and_backslashes_expand_like_in_the_official_client() {
        let set = [("B", "b"), ("EMPTY", ""), ("C", "<${B}>"), ("lower", "l"), ("9", "nine")];
        for (value, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${B}", "b"),
            ("x${B}y${B}z", "xbybz"),
            ("${C}", "<b>"),
            ("${EMPTY}${EMPTY}", ""),
            ("${NOT_THERE}", "${NOT_THERE}"),
            ("${lower}${9}", "lnine"),
            ("${b}", "${b}"),
            // Not well-formed: left alone, backslashes too.
            ("$B $ {B} ${} ${ B} ${B", "$B $ {B} ${} ${ B} ${B"),
            ("${A-B} ${É} \\${", "${A-B} ${É} \\${"),
            ("$${B}", "$b"),
            ("${${B}}", "${b}"),
            ("${B}}", "b}"),
            // Backslashes.
            ("\\${B}", "${B}"),
            ("\\\\${B}", "\\b"),
            ("\\\\\\${B}", "\\${B}"),
            ("\\\\\\\\${B}", "\\\\b"),
            ("a\\b\\\\c", "a\\b\\\\c"),
            ("\\n${B}", "\\nb"),
            ("\\${NOT_THERE}", "${NOT_THERE}"),
            ("\\\\${NOT_THERE}", "\\${NOT_THERE}"),
            ("${B}\\${B}", "b${B}"),
            ("\\${B}\\${B}", "${B}${B}"),
            ("é\\${B}é${B}", "é${B}éb"),
        ] {
            let mut with = set.to_vec();
            with.push(("A", value));
            assert_eq!(expanded(&with, "A").as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_does_not_overflow_the_stack() {
        let names: Vec<String> = (0..100_000).map(|n| format!("N{n}")).collect();
        let values: Vec<String> = (1..=100_000).map(|n| format!("${{N{n}}}")).collect();
        let set: BTreeMap<&str, &str> =
            names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        let done = expand(["N0"], |name| set.get(name).copied()).unwrap();
        assert_eq!(done["N0"].expose(), "${N100000}");
    }
}
