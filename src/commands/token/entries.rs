//! The text of `serviceTokens`, one JSON object. Entries are added and removed; all the rest stays byte for
//! byte, whatever other tools wrote there.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text and its entries.
#[derive(Debug)]
pub(super) struct Entries<'t> {
    text: &'t str,
    entries: Vec<Entry<'t>>,
}

/// One member of the object.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) id: String,
    pub(super) json: &'t str,
    /// From the key to the end of the value.
    span: Range<usize>,
}

/// The text is not a JSON object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnObject;

impl<'t> Entries<'t> {
    /// Parses the field's text. A missing field is an empty object.
    pub(super) fn parse(text: Option<&'t str>) -> Result<Self, NotAnObject> {
        let text = text.filter(|text| !text.is_empty()).unwrap_or("{}");
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json.deserialize_map(Members(PhantomData)).map_err(|_| NotAnObject)?;
        json.end().map_err(|_| NotAnObject)?;
        let offset = |part: &str| part.as_ptr().addr() - text.as_ptr().addr();
        let entries = members.into_iter().map(|(id, key, value)| {
            let span = offset(key)..offset(value) + value.len();
            Entry { id, json: value, span }
        });
        Ok(Self { text, entries: entries.collect() })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<'t>> {
        self.entries.iter()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }

    /// The text with one more entry at its end.
    pub(super) fn with(&self, id: &str, json: &str) -> String {
        let (at, comma) = match self.entries.last() {
            Some(last) => (last.span.end, ","),
            None => (self.text.rfind('}').unwrap_or(0), ""),
        };
        let (before, after) = self.text.split_at(at);
        let id = serde_json::Value::from(id);
        format!("{before}{comma}{id}:{json}{after}")
    }

    /// The text without the entries of these IDs.
    pub(super) fn without(&self, ids: &[String]) -> String {
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else {
            return self.text.to_owned();
        };
        let mut text = self.text[..first.span.start].to_owned();
        let mut is_first = true;
        for (index, entry) in self.entries.iter().enumerate() {
            if ids.contains(&entry.id) {
                continue;
            }
            if !is_first {
                // The comma, and the blanks around it.
                text.push_str(&self.text[self.entries[index - 1].span.end..entry.span.start]);
            }
            text.push_str(&self.text[entry.span.clone()]);
            is_first = false;
        }
        text.push_str(&self.text[last.span.end..]);
        text
    }
}

/// The members of an object in order: the decoded key, then key and value as they were written.
struct Members<'t>(PhantomData<&'t str>);

impl<'t> Visitor<'t> for Members<'t> {
    type Value = Vec<(String, &'t str, &'t str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<&'t RawValue, &'t RawValue>()? {
            let id = serde_json::from_str(key.get()).map_err(A::Error::custom)?;
            members.push((id, key.get(), value.get()));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = " {\n  \"a\" : {\"x\":1.50, \"\\u0065\":\"\\/\"},\t\"b\":null , \"\\u0063\": [ ] }\n";

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn entries_are_read_in_order_with_decoded_keys() {
        let entries = Entries::parse(Some(ODD)).unwrap();
        let seen: Vec<_> = entries.iter().map(|entry| (entry.id.as_str(), entry.json)).collect();
        let a = "{\"x\":1.50, \"\\u0065\":\"\\/\"}";
        assert_eq!(seen, [("a", a), ("b", "null"), ("c", "[ ]")]);
    }

    #[test]
    fn an_entry_is_added_and_the_rest_stays_byte_for_byte() {
        for (before, after) in [
            (None, r#"{"d/+":{}}"#),
            (Some(""), r#"{"d/+":{}}"#),
            (Some("{ }\n"), "{ \"d/+\":{}}\n"),
            (
                Some(ODD),
                " {\n  \"a\" : {\"x\":1.50, \"\\u0065\":\"\\/\"},\t\"b\":null , \"\\u0063\": [ ],\"d/+\":{} }\n",
            ),
        ] {
            assert_eq!(Entries::parse(before).unwrap().with("d/+", "{}"), after);
        }
    }

    #[test]
    fn entries_are_removed_and_the_rest_stays_byte_for_byte() {
        let a = "\"a\" : {\"x\":1.50, \"\\u0065\":\"\\/\"}";
        for (gone, after) in [
            (ids(&["a"]), " {\n  \"b\":null , \"\\u0063\": [ ] }\n".to_owned()),
            (ids(&["b"]), format!(" {{\n  {a} , \"\\u0063\": [ ] }}\n")),
            (ids(&["c"]), format!(" {{\n  {a},\t\"b\":null }}\n")),
            (ids(&["a", "b"]), " {\n  \"\\u0063\": [ ] }\n".to_owned()),
            (ids(&["c", "b", "a"]), " {\n   }\n".to_owned()),
            (ids(&["d"]), ODD.to_owned()),
        ] {
            assert_eq!(Entries::parse(Some(ODD)).unwrap().without(&gone), after, "{gone:?}");
        }
    }

    #[test]
    fn an_entry_that_is_added_and_removed_leaves_no_trace() {
        for text in ["{}", " { }", ODD, r#"{"a":1}"#] {
            let more = Entries::parse(Some(text)).unwrap().with("new", r#"{"name":"}"}"#);
            assert_eq!(Entries::parse(Some(&more)).unwrap().without(&ids(&["new"])), text);
        }
    }

    #[test]
    fn both_entries_of_a_duplicate_id_are_removed() {
        let entries = Entries::parse(Some(r#"{"a":1,"b":2,"a":3}"#)).unwrap();
        assert_eq!(entries.without(&ids(&["a"])), r#"{"b":2}"#);
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for text in ["[]", "null", "{", "{}{}", "{\"a\":}", "{\"a\":1,}", "x"] {
            assert_eq!(Entries::parse(Some(text)).unwrap_err(), NotAnObject, "{text}");
        }
    }
}
