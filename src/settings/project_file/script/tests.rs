use proptest::prelude::*;

use super::*;

/// `?` for a computed value, `-` for an absent one.
fn read(source: &str) -> [String; 2] {
    super::read(source).map(|value| match value {
        Value::Literal(text) => text,
        Value::Computed(_) => "?".to_owned(),
        Value::Absent => "-".to_owned(),
    })
}

#[test]
fn the_literal_name_and_environment_are_read() {
    let both = ["acme", "staging"];
    for (source, expected) in [
        (
            r#"import { defineConfig } from "@redenv/client"; export default defineConfig({ "name": "acme", "environment": "staging" });"#,
            both,
        ),
        ("export default { name: 'acme', environment: `staging`, }", both),
        (
            "module.exports = {\n  // name: 'other',\n  name: 'acme', /* environment: 'x' */ environment: 'staging' }",
            both,
        ),
        ("const config: Config = { name: 'acme', environment: 'staging' };\nexport default config;", both),
        ("const c = defineConfig({ name: 'acme', environment: 'staging' }); module.exports = c", both),
        (
            "export default { plugins: [{ name: 'x' }], name: 'acme', nested: { environment: 'y' } }",
            ["acme", "-"],
        ),
        ("export default { title: 'name: \"x\"', name: \"acme\" }", ["acme", "-"]),
        ("export default { url: 'http://x', name: 'ac\\'me' }", ["ac'me", "-"]),
        ("// nothing yet", ["-", "-"]),
        ("export default {}", ["-", "-"]),
    ] {
        assert_eq!(read(source), expected, "{source}");
    }
}

#[test]
fn what_only_running_the_file_would_tell_is_told_apart_from_what_is_not_there() {
    for (source, expected) in [
        ("export default { name: process.env.NAME, environment: 'staging' }", ["?", "staging"]),
        ("export default { name: `a${b}`, environment: 'stag' + 'ing' }", ["?", "?"]),
        ("export default { name: 'caf\\u00e9', environment: 'a\\rb' }", ["?", "?"]),
        ("export default { name, environment() { return 'x' } }", ["?", "?"]),
        ("export default { [key]: 'acme', environment: 'x' }", ["?", "x"]),
        ("export default { name: 'acme', get environment() { return 'x' } }", ["acme", "?"]),
        ("export default { name: 'acme', ...shared }", ["?", "?"]),
        ("export default { ...shared, name: 'acme' }", ["acme", "?"]),
        ("export default { a: [...b], f: g(...h), name: 'acme' }", ["acme", "-"]),
        ("export default configure('acme')", ["?", "?"]),
        ("import './other'", ["?", "?"]),
        ("export default", ["?", "?"]),
        ("export default { name: 'acme", ["?", "?"]),
        ("export default { name: 'acme\nenvironment: 'x' }", ["?", "?"]),
    ] {
        assert_eq!(read(source), expected, "{source}");
    }
}

#[test]
fn of_two_members_of_one_name_the_last_one_counts() {
    for (source, expected) in [
        ("export default { name: 'a', name: 'b', environment: 'c', 'environment': 'd' }", ["b", "d"]),
        ("export default { name: 'a', name: b }", ["?", "-"]),
        ("export default { name: a, name: 'b' }", ["b", "-"]),
    ] {
        assert_eq!(read(source), expected, "{source}");
    }
}

#[test]
fn a_regular_expression_is_neither_a_comment_nor_a_string() {
    for expression in [r"/https?:\/\//", "/['\"`]/gi", "/[/'*]//2", r"/\//", "/a/ /* b */", "a /2/ b"] {
        let source = format!("export default {{ only: {expression}, name: 'acme' }} // it's");
        assert_eq!(read(&source), ["acme", "-"], "{expression}");
    }
    // If an expression is not recognized, both members count as computed.
    assert_eq!(read("const a = b /'x'; export default { name: 'a',\nenvironment: 'x }"), ["?", "?"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_it(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "export default ", "module.exports = ", "const a =", "name", "environment", ":", "'", "`", "\"", "${",
                "{", "}", "[", "]", "(", ")", ",", "...", "/", "*", "\\", "\n", "é", "\u{feff}",
            ]),
            0..40,
        )
    ) {
        read(&pieces.concat());
    }
}
