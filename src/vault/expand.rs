//! Expands `${NAME}` in a set of values; a pure function.
//!
//! - A reference to a name in the set becomes that name's expanded value. Any other stays as it is.
//! - Backslashes directly before a reference are halved, rounding down. An odd number makes the reference
//!   literal. Other backslashes are left alone.
//! - The chain of references is a stack on the heap, so it may have thousands of links.

use std::collections::BTreeMap;

use crate::secret::SecretText;
use crate::ui::text::Shown;

/// The most bytes that all expanded values may have together. Without a limit, references to references
/// could fill any memory.
const LIMIT: usize = 64 * 1024 * 1024;

/// Why a set can't be expanded.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub(crate) enum ExpandError {
    #[error("the references form a cycle: {}", chain(_0))]
    Cycle(Vec<String>),
    #[error("the references in {} expand to more than {} MiB", Shown(_0), LIMIT >> 20)]
    TooLong(String),
}

fn chain(names: &[String]) -> String {
    names.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(" -> ")
}

/// Part of a value.
#[derive(Debug, PartialEq)]
enum Segment<'v> {
    Literal(&'v str),
    Reference { name: &'v str, whole: &'v str },
}

/// A name whose references are being followed.
struct Link<'v> {
    name: &'v str,
    segments: Vec<Segment<'v>>,
    /// The segments before this one are done.
    next: usize,
}

/// The expanded values of the `roots` that contain references, and of all that they refer to.
/// `value` gives the value of a name in the set.
pub(crate) fn expand<'v>(
    roots: impl IntoIterator<Item = &'v str>,
    mut value: impl FnMut(&'v str) -> Option<&'v str>,
) -> Result<BTreeMap<&'v str, SecretText>, ExpandError> {
    let mut done: BTreeMap<&'v str, SecretText> = BTreeMap::new();
    let mut room = LIMIT;
    for root in roots {
        // Most values have no reference. Copies of them would double the memory.
        if value(root).is_none_or(|text| !text.contains("${")) {
            continue;
        }
        let mut stack: Vec<Link<'v>> = Vec::new();
        // The depth of each name on the stack, so that a long chain need not be searched for every link.
        let mut depth: BTreeMap<&'v str, usize> = BTreeMap::new();
        follow(root, &mut value, &done, &mut stack, &mut depth);
        while let Some(top) = stack.last_mut() {
            let reference =
                top.segments[top.next..].iter().position(|s| matches!(s, Segment::Reference { .. }));
            if let Some(offset) = reference {
                top.next += offset + 1;
                let Segment::Reference { name, .. } = top.segments[top.next - 1] else { continue };
                if let Some(&from) = depth.get(name) {
                    let mut names: Vec<_> = stack[from..].iter().map(|link| link.name.to_owned()).collect();
                    names.push(name.to_owned());
                    return Err(ExpandError::Cycle(names));
                }
                follow(name, &mut value, &done, &mut stack, &mut depth);
            } else {
                let Some(top) = stack.pop() else { continue };
                depth.remove(top.name);
                let text = assemble(&top.segments, &done, room)
                    .ok_or_else(|| ExpandError::TooLong(top.name.to_owned()))?;
                room -= text.expose().len();
                done.insert(top.name, text);
            }
        }
    }
    Ok(done)
}

fn follow<'v>(
    name: &'v str,
    value: &mut impl FnMut(&'v str) -> Option<&'v str>,
    done: &BTreeMap<&'v str, SecretText>,
    stack: &mut Vec<Link<'v>>,
    depth: &mut BTreeMap<&'v str, usize>,
) {
    if done.contains_key(name) {
        return;
    }
    if let Some(text) = value(name) {
        depth.insert(name, stack.len());
        stack.push(Link { name, segments: segments(text), next: 0 });
    }
}

/// Joins the segments of a value; `None` if it is longer than `room`. The buffer never moves, so no copy of
/// the secret stays behind.
fn assemble<'v>(
    segments: &[Segment<'v>],
    done: &BTreeMap<&'v str, SecretText>,
    room: usize,
) -> Option<SecretText> {
    let parts = || {
        segments.iter().map(|segment| match *segment {
            Segment::Literal(text) => text,
            Segment::Reference { name, whole } => done.get(name).map_or(whole, SecretText::expose),
        })
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
        push_literal(&mut segments, &value[literal..dollar - backslashes.div_ceil(2)]);
        if backslashes % 2 == 0 {
            segments.push(Segment::Reference { name, whole: &value[dollar..end] });
            literal = end;
        } else {
            push_literal(&mut segments, &value[dollar..end]);
            literal = end;
        }
        from = end;
    }
    push_literal(&mut segments, &value[literal..]);
    segments
}

fn push_literal<'v>(segments: &mut Vec<Segment<'v>>, text: &'v str) {
    if !text.is_empty() {
        segments.push(Segment::Literal(text));
    }
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
