//! Expansion of `${NAME}` over a set of names and values; a pure function.
//!
//! - A reference to a name of the set becomes that name's expanded value, any other stays as it is.
//! - Of the backslashes directly before a reference half stay, rounding down; of an odd number the
//!   last one makes the reference literal. Backslashes elsewhere are left alone.
//! - The chains are followed on a stack of our own: a thousand links are no problem.

use std::collections::BTreeMap;
use std::fmt;

use crate::secret::SecretText;
use crate::ui::report::Shown;

/// The most bytes that all expanded values may have together: a few references to references would
/// otherwise fill any memory.
const LIMIT: usize = 64 * 1024 * 1024;

/// Why a set can't be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExpandError {
    /// References that lead back to where they started: `A -> B -> A`.
    Cycle(Vec<String>),
    /// The values grow over the limit; the name where that happened.
    TooLong(String),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(names) => {
                f.write_str("the references form a cycle: ")?;
                for (index, name) in names.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { " -> " }, Shown(name))?;
                }
                Ok(())
            }
            Self::TooLong(name) => {
                write!(f, "the references in {} make the values grow over {} MiB", Shown(name), LIMIT >> 20)
            }
        }
    }
}

/// Part of a value.
#[derive(Debug, PartialEq)]
enum Segment<'v> {
    Literal(&'v str),
    Reference { name: &'v str, whole: &'v str },
}

/// A name whose references are being followed.
struct Open<'v> {
    name: &'v str,
    segments: Vec<Segment<'v>>,
    /// The segments before this one are done.
    next: usize,
}

/// The expanded values of those of `roots` that refer to something, and of all that they refer to;
/// a root without a reference is its own expansion and not repeated. `value` gives a name's value,
/// and `None` where the set has no such name.
///
/// # Errors
/// [`ExpandError`]: a cycle, or values that grow without measure.
pub(crate) fn expand<'v>(
    roots: impl IntoIterator<Item = &'v str>,
    mut value: impl FnMut(&'v str) -> Option<&'v str>,
) -> Result<BTreeMap<&'v str, SecretText>, ExpandError> {
    let mut done: BTreeMap<&'v str, SecretText> = BTreeMap::new();
    let mut room = LIMIT;
    for root in roots {
        // Most values are like this, and a copy of each would double what is in memory.
        if value(root).is_none_or(|text| !text.contains("${")) {
            continue;
        }
        let mut stack: Vec<Open<'v>> = Vec::new();
        // The names on the stack, with their depth: a chain of thousands isn't searched for each link.
        let mut depth: BTreeMap<&'v str, usize> = BTreeMap::new();
        open(root, &mut value, &done, &mut stack, &mut depth);
        while let Some(top) = stack.last_mut() {
            let reference =
                top.segments[top.next..].iter().position(|s| matches!(s, Segment::Reference { .. }));
            if let Some(offset) = reference {
                top.next += offset + 1;
                let Segment::Reference { name, .. } = top.segments[top.next - 1] else { continue };
                if let Some(&from) = depth.get(name) {
                    let mut names: Vec<_> = stack[from..].iter().map(|open| open.name.to_owned()).collect();
                    names.push(name.to_owned());
                    return Err(ExpandError::Cycle(names));
                }
                open(name, &mut value, &done, &mut stack, &mut depth);
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

fn open<'v>(
    name: &'v str,
    value: &mut impl FnMut(&'v str) -> Option<&'v str>,
    done: &BTreeMap<&'v str, SecretText>,
    stack: &mut Vec<Open<'v>>,
    depth: &mut BTreeMap<&'v str, usize>,
) {
    if done.contains_key(name) {
        return;
    }
    if let Some(text) = value(name) {
        depth.insert(name, stack.len());
        stack.push(Open { name, segments: segments(text), next: 0 });
    }
}

/// Puts a value together, in a buffer that has its size from the start; `None` where it has not
/// `room` for it.
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

/// Splits a value at its well-formed references, backslashes dealt with.
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
        // Half of the backslashes stay; a literal reference goes on as part of the next literal.
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

/// The name of `NAME}`, where it is one: `[A-Za-z0-9_]+`.
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
    fn references_and_backslashes_as_the_table_says() {
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
    fn a_cycle_is_named() {
        let cycle = |set: &[(&str, &str)]| match expanded(set, "A") {
            Err(error) => error.to_string(),
            Ok(_) => "no error".to_owned(),
        };
        assert_eq!(cycle(&[("A", "${A}")]), "the references form a cycle: A -> A");
        assert_eq!(cycle(&[("A", "${B}"), ("B", "${A}")]), "the references form a cycle: A -> B -> A");
        assert_eq!(
            cycle(&[("A", "x${B}"), ("B", "${C}"), ("C", "${D}"), ("D", "${B}")]),
            "the references form a cycle: B -> C -> D -> B"
        );
        assert_eq!(cycle(&[("A", "\\${B}"), ("B", "${A}")]), "no error");
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

    #[test]
    fn values_that_double_with_each_link_are_refused() {
        let names: Vec<String> = (0..64).map(|n| format!("N{n}")).collect();
        let values: Vec<String> = (1..=64).map(|n| format!("${{N{n}}}${{N{n}}}")).collect();
        let set: BTreeMap<&str, &str> =
            names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        let error = expand(["N0"], |name| set.get(name).copied()).unwrap_err();
        assert!(matches!(error, ExpandError::TooLong(_)), "{error}");
    }
}
