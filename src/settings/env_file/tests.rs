use proptest::prelude::*;

use super::*;

fn parse(bytes: impl AsRef<[u8]>) -> EnvFile {
    EnvFile::parse(Path::new("x"), Choice::Named, bytes.as_ref()).unwrap()
}

/// The line that is malformed.
fn malformed(bytes: impl AsRef<[u8]>) -> Option<usize> {
    match EnvFile::parse(Path::new("x"), Choice::Named, bytes.as_ref()) {
        Err(Problem::EnvFileLine { line, .. }) => Some(line),
        Err(other) => panic!("{other:?}"),
        Ok(_) => None,
    }
}

fn project(file: &EnvFile) -> Option<&str> {
    file.get("REDENV_PROJECT").map(SecretText::expose)
}

#[test]
fn only_own_variables_are_taken() {
    let file = parse(
        "\u{feff}# comment\nREDENV_PROJECT=acme\nexport REDENV_TOKEN_KEY='redenv_sk_a+b/c='\nDATABASE_URL=x\n",
    );
    let names: Vec<&str> = file.variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["REDENV_PROJECT", "REDENV_TOKEN_KEY"]);
    assert_eq!(file.get("REDENV_TOKEN_KEY").unwrap().expose(), "redenv_sk_a+b/c=");
}

#[test]
fn what_widens_trust_is_ignored_and_remembered() {
    let lines = b"REDENV_ALLOW_RESERVED=LD_PRELOAD\nREDENV_CA_FILE=ca.pem\nREDENV_PROJECT_FILE=/etc/passwd\n";
    for (choice, taken) in [(Choice::Named, &["REDENV_PROJECT_FILE"][..]), (Choice::Found, &[])] {
        let file = EnvFile::parse(Path::new("x"), choice, lines).unwrap();
        let names: Vec<&str> = file.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names.as_slice(), file.ignored.len()), (taken, 3 - taken.len()));
    }
}

#[test]
fn a_value_is_what_dotenv_readers_agree_on() {
    for (text, value) in [
        ("REDENV_PROJECT=acme", "acme"),
        ("REDENV_PROJECT=acme\r\n", "acme"),
        ("  REDENV_PROJECT =\t acme  ", "acme"),
        ("export REDENV_PROJECT=acme", "acme"),
        ("\texport\tREDENV_PROJECT\t=acme", "acme"),
        ("REDENV_PROJECT=a=b==", "a=b=="),
        ("REDENV_PROJECT=", ""),
        ("REDENV_PROJECT=  \nA=1", ""),
        ("REDENV_PROJECT=''", ""),
        // A comment begins behind a blank.
        ("REDENV_PROJECT=acme # not beta", "acme"),
        ("REDENV_PROJECT=acme#beta", "acme#beta"),
        ("REDENV_PROJECT= # none", ""),
        ("REDENV_PROJECT='acme' # it's", "acme"),
        ("REDENV_PROJECT=\"acme\"\t#\r", "acme"),
        // Quotes count at the start alone, and so do escapes in them.
        ("REDENV_PROJECT=it's", "it's"),
        (r"REDENV_PROJECT=a\nb\", r"a\nb\"),
        (r#"REDENV_PROJECT='a\n"b"\'"#, r#"a\n"b"\"#),
        (r#"REDENV_PROJECT="a\n\t\r\\\"\$\`b\x\é'""#, "a\n\t\r\\\"$`b\\x\\é'"),
        ("REDENV_PROJECT=\"a # b\n\r\n c\" # d", "a # b\n\r\n c"),
        ("REDENV_PROJECT='a\nREDENV_PROJECT=b\n'", "a\nREDENV_PROJECT=b\n"),
        // `$` is literal.
        ("REDENV_PROJECT=$PATH${HOME}$(id)", "$PATH${HOME}$(id)"),
        ("REDENV_PROJECT=\"$PATH ${HOME} $(id) `id`\"", "$PATH ${HOME} $(id) `id`"),
        ("A=x\nREDENV_PROJECT=${A}", "${A}"),
        // The last one counts.
        ("REDENV_PROJECT=a\nREDENV_PROJECT=b", "b"),
    ] {
        assert_eq!(project(&parse(text)), Some(value), "{text}");
    }
}

#[test]
fn a_malformed_line_is_named_by_its_number_only() {
    for (text, line) in [
        // Another kind of file.
        ("\n# a\nhunter2 is secret\n", 3),
        ("{\n  \"name\": \"hunter2\"\n}\n", 1),
        ("A=1\nREDENV_PROJECT=two words\n", 2),
        ("A=1\r\nexport REDENV_PROJECT = two words\r\n", 2),
        ("A='\n\n'\n# 4\nREDENV_PROJECT='a'#b", 5),
        ("REDENV_PROJECT='a'b", 1),
        ("REDENV_PROJECT=\"a\\\"", 1),
        ("REDENV_PROJECT: acme=", 1),
        ("set REDENV_PROJECT=acme", 1),
        // An open quote takes the lines behind it.
        ("A=1\nB='It\nREDENV_PROJECT=acme\n", 2),
        ("A=1\nB=\"\nREDENV_PROJECT=\"acme\"\n", 2),
    ] {
        assert_eq!(malformed(text), Some(line), "{text}");
    }
}

#[test]
fn what_other_programs_make_of_their_own_lines_is_theirs() {
    for lines in [
        &b"TITLE=two words"[..],
        b"PRICE=5 $ or so",
        b"A='x' y",
        b"export B = a b",
        b"C=It's",
        b"D=\"a\nb\"",
        b"E='\nREDENV_PROJECT=other\n'",
        b"my-name=1",
        b"1=2",
        b"F=\xff\xfe",
        b"G=\"\xff\n\"",
        b"\xff\xfe=\xff \"",
        b"\0=\0",
        b"title: my app",
        b"a word or two",
    ] {
        let own = b"REDENV_PROJECT=acme";
        for text in [[own, &b"\n"[..], lines].concat(), [lines, b"\n", own].concat()] {
            let shown = text.escape_ascii().to_string();
            assert_eq!(project(&parse(text)), Some("acme"), "{shown}");
        }
    }
    // After an open quote, the rest of the file belongs to other programs, too.
    assert_eq!(project(&parse("REDENV_PROJECT=acme\nB='It\nC=1\n")), Some("acme"));
}

#[test]
fn an_own_value_that_is_not_utf8_is_named_by_its_line() {
    let error = EnvFile::parse(Path::new("x"), Choice::Named, b"A=\xff\nREDENV_PROJECT=a\xff").err();
    assert!(matches!(error, Some(Problem::EnvFileLine { line: 2, what: "UTF-8", .. })), "{error:?}");
}

/// Pieces with a meaning in env files, so that random files make sense.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "REDENV_PROJECT",
            "REDENV_RAW",
            "A",
            "_FILE",
            "export",
            "=",
            "'",
            "\"",
            "\\",
            "#",
            "$",
            " ",
            "\n",
            "\r\n",
            "\u{feff}",
            "é",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_parser(bytes in pieces()) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for choice in [Choice::Found, Choice::Named] {
            match EnvFile::parse(Path::new("x"), choice, &bytes) {
                Err(Problem::EnvFileLine { line, .. }) => {
                    prop_assert!((1..=lines).contains(&line), "{line}");
                }
                other => prop_assert!(other.is_ok()),
            }
        }
        // The items cover the file in order, up to its end. No item is empty.
        let mut rest = bytes.len();
        for item in Items::of(&bytes) {
            prop_assert!(!item.text.is_empty() && item.text.len() <= rest);
            rest -= item.text.len();
        }
    }

    #[test]
    fn a_quoted_value_is_read_back(value in "\\PC*", name in "[A-Z]{1,3}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        let file = parse(format!("{name}='\n'\nREDENV_PROJECT=\"{escaped}\"\n"));
        prop_assert_eq!(project(&file), Some(value.as_str()));
        if !value.contains('\'') {
            let file = parse(format!("REDENV_PROJECT='{value}' # {name}"));
            prop_assert_eq!(project(&file), Some(value.as_str()));
        }
    }
}
