use super::*;
use crate::vault::Name;
use crate::vault::crypto::DecryptError;

const NUL: Broken = Broken::Nul;
const TAG: Broken = Broken::Value(DecryptError::Tag);

/// A vault of these names and values.
fn vault(entries: &[(&str, Result<&str, Broken>)]) -> DecryptedVault {
    let decrypted = |name: &str, value: &Result<&str, Broken>| {
        value.map(|text| Secret {
            vault_name: name.to_owned(),
            environment: Name::new("development").unwrap(),
            version: None,
            created_at: None,
            value: SecretText::new(text.to_owned()),
        })
    };
    entries.iter().map(|(name, value)| ((*name).to_owned(), decrypted(name, value))).collect()
}

/// Names, and how they came to be in `Selection`.
fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn only(patterns: &[&str]) -> Selection {
    Selection { only: texts(patterns), ..Selection::default() }
}

fn exclude(patterns: &[&str]) -> Selection {
    Selection { exclude: texts(patterns), ..Selection::default() }
}

fn scope(prefix: &str) -> Selection {
    Selection { scope: Some(prefix.to_owned()), ..Selection::default() }
}

/// `NAME=value` of each, in their order.
fn selected(vault: DecryptedVault, selection: &Selection) -> Result<String, SelectError> {
    let selected = select(vault, selection)?;
    let shown = selected.secrets.iter().map(|(name, secret)| format!("{name}={}", secret.value.expose()));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

#[test]
fn patterns_choose_by_the_names_in_the_vault() {
    let entries = [("API_KEY", Ok("1")), ("API_URL", Ok("2")), ("DB_URL", Ok("3")), ("api_key", Ok("4"))];
    for (selection, expected) in [
        (Selection::default(), "API_KEY=1 API_URL=2 DB_URL=3 api_key=4"),
        (only(&["API_KEY"]), "API_KEY=1"),
        (only(&["*"]), "API_KEY=1 API_URL=2 DB_URL=3 api_key=4"),
        (only(&["API_*"]), "API_KEY=1 API_URL=2"),
        (only(&["*_URL", "api_???"]), "API_URL=2 DB_URL=3 api_key=4"),
        (exclude(&["API_*"]), "DB_URL=3 api_key=4"),
        (exclude(&["*"]), ""),
        (Selection { exclude: texts(&["*_KEY"]), ..only(&["API_*"]) }, "API_URL=2"),
        (scope("API_"), "KEY=1 URL=2"),
        (Selection { scope: Some("API_".into()), ..only(&["*_URL"]) }, "URL=2"),
        (Selection { scope: Some("API_".into()), ..exclude(&["API_KEY"]) }, "URL=2"),
    ] {
        assert_eq!(selected(vault(&entries), &selection).as_deref(), Ok(expected), "{selection:?}");
    }
}

#[test]
fn what_matches_nothing_is_an_error_with_the_nearest_name() {
    let entries = [("DATABASE_URL", Ok("1")), ("PORT", Ok("2"))];
    for (selection, flag, pattern, nearest) in [
        (only(&["DATABSE_URL"]), "--only", "DATABSE_URL", Some("DATABASE_URL")),
        (only(&["PORT", "NOTHING_LIKE_IT"]), "--only", "NOTHING_LIKE_IT", None),
        (exclude(&["port"]), "--exclude", "port", Some("PORT")),
        (scope("NEXT_"), "--scope", "NEXT_", None),
    ] {
        let expected =
            SelectError::NoMatch { flag, pattern: pattern.to_owned(), nearest: nearest.map(String::from) };
        assert_eq!(selected(vault(&entries), &selection), Err(expected), "{selection:?}");
    }
}

#[test]
fn references_are_expanded_over_the_whole_set_before_the_choice() {
    let entries = [("APP_URL", Ok("http://${HOST}:${APP_PORT}")), ("APP_PORT", Ok("80")), ("HOST", Ok("db"))];
    for (selection, expected) in [
        (only(&["APP_URL"]), "APP_URL=http://db:80"),
        (exclude(&["HOST", "APP_PORT"]), "APP_URL=http://db:80"),
        (scope("APP_"), "PORT=80 URL=http://db:80"),
        (
            Selection { references: References::Keep, ..scope("APP_") },
            "PORT=80 URL=http://${HOST}:${APP_PORT}",
        ),
    ] {
        assert_eq!(selected(vault(&entries), &selection).as_deref(), Ok(expected), "{selection:?}");
    }
}

#[test]
fn only_what_is_needed_has_to_open() {
    let entries = [("A", Ok("${B}")), ("B", Err(NUL)), ("C", Ok("c")), ("D", Err(TAG))];
    let broken = |names: &[(&str, Broken)]| {
        Err(SelectError::Broken(names.iter().map(|(name, why)| ((*name).to_owned(), *why)).collect()))
    };
    let raw = |selection| Selection { references: References::Keep, ..selection };
    for (selection, expected) in [
        (Selection::default(), broken(&[("B", NUL), ("D", TAG)])),
        (only(&["C"]), Ok("C=c")),
        (only(&["A"]), broken(&[("B", NUL)])),
        (exclude(&["B", "D"]), broken(&[("B", NUL)])),
        (exclude(&["A", "B", "D"]), Ok("C=c")),
        (raw(exclude(&["B", "D"])), Ok("A=${B} C=c")),
        (raw(Selection::default()), broken(&[("B", NUL), ("D", TAG)])),
    ] {
        let seen = selected(vault(&entries), &selection);
        assert_eq!(seen, expected.map(String::from), "{selection:?}");
    }
}

#[test]
fn skip_broken_leaves_out_what_does_not_open_and_remembers_it() {
    let entries = [("A", Ok("${B}")), ("B", Err(NUL)), ("C", Ok("c")), ("D", Err(TAG))];
    for (selection, skipped) in
        [(Selection::default(), &["B", "D"][..]), (only(&["A", "C"]), &["B"]), (only(&["C"]), &[])]
    {
        let selection = Selection { broken: OnBroken::Skip, ..selection };
        let selected = select(vault(&entries), &selection).unwrap();
        assert_eq!(selected.skipped.into_keys().collect::<Vec<_>>(), skipped, "{selection:?}");
        assert_eq!(selected.secrets["C"].value.expose(), "c");
        // A reference to nothing stays as it is.
        if let Some(secret) = selected.secrets.get("A") {
            assert_eq!(secret.value.expose(), "${B}");
        }
    }
}

#[test]
fn names_that_no_variable_can_have_are_all_named() {
    let entries =
        [("", Ok("1")), ("A=B", Ok("2")), ("A\0", Ok("3")), ("GOOD", Ok("4")), ("КЛЮЧ Ü-.", Ok("5"))];
    let bad = |name: &str, problem| (name.to_owned(), problem);
    let expected = [bad("", "empty"), bad("A\0", "contains a NUL byte"), bad("A=B", "contains a `=`")];
    assert_eq!(selected(vault(&entries), &Selection::default()), Err(SelectError::BadNames(expected.into())));
    let good = only(&["GOOD", "КЛЮЧ*"]);
    assert_eq!(selected(vault(&entries), &good).as_deref(), Ok("GOOD=4 КЛЮЧ Ü-.=5"));
}

#[test]
fn a_scope_that_is_a_whole_name_leaves_none() {
    let entries = [("APP_", Ok("1")), ("APP_X", Ok("2"))];
    let expected = [("APP_".to_owned(), "empty without the prefix")];
    assert_eq!(selected(vault(&entries), &scope("APP_")), Err(SelectError::BadNames(expected.into())));
}

#[test]
fn a_cycle_outside_of_the_choice_is_no_concern() {
    let entries = [("A", Ok("${B}")), ("B", Ok("${A}")), ("C", Ok("c"))];
    assert_eq!(selected(vault(&entries), &only(&["C"])).as_deref(), Ok("C=c"));
    let cycle = SelectError::Expand(ExpandError::Cycle(texts(&["A", "B", "A"])));
    assert_eq!(selected(vault(&entries), &Selection::default()), Err(cycle));
}
