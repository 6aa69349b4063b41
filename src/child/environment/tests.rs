use super::*;
use crate::secret::SecretText;
use crate::vault::Name;

fn environment(entries: &[(&str, &str)]) -> Environment {
    entries.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn secrets(entries: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let secret = |name: &str, value: &str| Secret {
        vault_name: name.to_owned(),
        environment: Name::new("development").unwrap(),
        version: None,
        created_at: None,
        value: SecretText::new(value.to_owned()),
    };
    entries.iter().map(|(name, value)| ((*name).to_owned(), secret(name, value))).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const INHERITED: &[(&str, &str)] = &[
    ("A", "inherited"),
    ("HOME", "/root"),
    ("LC_ALL", "C"),
    ("PATH", "/bin"),
    ("REDENV_TOKEN_KEY", "redenv_sk_x"),
    ("UPSTASH_REDIS_TOKEN_FILE", "/run/secrets/upstash"),
    ("X", "x"),
];
const SECRETS: &[(&str, &str)] = &[("A", "secret"), ("B", ""), ("REDENV_PROJECT", "its own")];

/// `NAME=value` of each, in their order.
fn built(policy: &Policy) -> String {
    let child = build(environment(INHERITED), &secrets(SECRETS), policy).unwrap();
    let entries = child.environment.iter();
    let entries = entries.map(|(name, value)| format!("{}={}", name.display(), value.display()));
    entries.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_command_gets_is_this_table() {
    let preserve = |preserve| Policy { preserve, ..Policy::default() };
    let pristine =
        |keep: &[&str]| Policy { inherit: Inherit::Pristine { keep: names(keep) }, ..Policy::default() };
    for (what, policy, expected) in [
        (
            "nothing",
            Policy::default(),
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own X=x",
        ),
        (
            "--preserve-env",
            preserve(Preserve::All),
            "A=inherited B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own X=x",
        ),
        (
            "--preserve-env=A",
            preserve(Preserve::Names(names(&["A"]))),
            "A=inherited B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own X=x",
        ),
        (
            "--preserve-env=B",
            preserve(Preserve::Names(names(&["B"]))),
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own X=x",
        ),
        (
            "--keep-token",
            Policy { own: OwnVariables::Keep, ..Policy::default() },
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own REDENV_TOKEN_KEY=redenv_sk_x \
             UPSTASH_REDIS_TOKEN_FILE=/run/secrets/upstash X=x",
        ),
        ("--pristine", pristine(&[]), "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own"),
        (
            "--pristine --keep X",
            pristine(&["X", "NOT_THERE"]),
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own X=x",
        ),
        (
            "--pristine --keep REDENV_TOKEN_KEY",
            pristine(&["REDENV_TOKEN_KEY"]),
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own",
        ),
        (
            "--pristine --keep-token",
            Policy { own: OwnVariables::Keep, ..pristine(&[]) },
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own REDENV_TOKEN_KEY=redenv_sk_x \
             UPSTASH_REDIS_TOKEN_FILE=/run/secrets/upstash",
        ),
    ] {
        assert_eq!(built(&policy), expected, "{what}");
    }
}

#[test]
fn what_was_done_is_told_by_name() {
    let child = build(environment(INHERITED), &secrets(SECRETS), &Policy::default()).unwrap();
    assert_eq!(child.injected, names(&["A", "B", "REDENV_PROJECT"]));
    assert_eq!(child.replaced, ["A"]);
    assert_eq!(child.preserved, [""; 0]);
    assert_eq!(child.removed, ["REDENV_TOKEN_KEY", "UPSTASH_REDIS_TOKEN_FILE"]);

    let policy = Policy { preserve: Preserve::All, ..Policy::default() };
    let child = build(environment(INHERITED), &secrets(SECRETS), &policy).unwrap();
    assert_eq!(child.injected, names(&["B", "REDENV_PROJECT"]));
    assert_eq!((child.replaced, child.preserved), (vec![], vec!["A".to_owned()]));
}

#[test]
fn reserved_names_are_this_list() {
    for name in RESERVED {
        let name = name.replace('*', "ANYTHING");
        assert!(is_reserved(&name), "{name}");
    }
    for name in ["LD_", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES"] {
        assert!(is_reserved(name), "{name}");
    }
    for name in ["ENV", "IFS", "LD", "path", "PATHS", "MY_PATH", "NODE_OPTIONS_", "XLD_PRELOAD", ""] {
        assert!(!is_reserved(name), "{name}");
    }
}

#[test]
fn a_secret_of_a_reserved_name_is_refused_unless_it_is_allowed_or_kept_out() {
    let secrets = secrets(&[("LD_PRELOAD", "x"), ("NODE_OPTIONS", "y"), ("PATH", "z")]);
    let build =
        |policy| build(environment(&[("PATH", "/bin")]), &secrets, &policy).map(|child| child.injected);
    let reserved = |names: &[&str]| {
        Err(EnvironmentError::Reserved(names.iter().map(|name| (*name).to_owned()).collect()))
    };
    let allow = |list: &[&str]| Policy { allow_reserved: names(list), ..Policy::default() };
    assert_eq!(build(Policy::default()), reserved(&["LD_PRELOAD", "NODE_OPTIONS", "PATH"]));
    assert_eq!(build(allow(&["NODE_OPTIONS"])), reserved(&["LD_PRELOAD", "PATH"]));
    // By its whole name alone.
    assert_eq!(build(allow(&["LD_*", "PATH", "NODE_OPTIONS"])), reserved(&["LD_PRELOAD"]));
    assert_eq!(
        build(allow(&["LD_PRELOAD", "PATH", "NODE_OPTIONS"])),
        Ok(names(&["LD_PRELOAD", "NODE_OPTIONS", "PATH"]))
    );
    let keeping = Policy { preserve: Preserve::All, ..allow(&["LD_PRELOAD", "NODE_OPTIONS"]) };
    assert_eq!(build(keeping), Ok(names(&["LD_PRELOAD", "NODE_OPTIONS"])));
}

#[test]
fn required_names_have_to_be_secrets_and_not_empty() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let build = |names: &[&str]| {
        let policy = Policy { require: list(names), ..Policy::default() };
        build(environment(INHERITED), &secrets(SECRETS), &policy).map(drop)
    };
    assert_eq!(build(&["A", "REDENV_PROJECT"]), Ok(()));
    assert_eq!(
        build(&["A", "B", "HOME", "NOT_THERE"]),
        Err(EnvironmentError::Required { missing: list(&["HOME", "NOT_THERE"]), empty: list(&["B"]) })
    );
}

#[test]
fn inherited_bytes_are_left_as_they_are() {
    use std::os::unix::ffi::OsStringExt;
    let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let inherited: Environment =
        [(odd(b"BYTES"), odd(b"\xff")), (odd(b"\xff"), odd(b"1")), (odd(b"=C:"), odd(b"x"))].into();
    let child = build(inherited.clone(), &BTreeMap::new(), &Policy::default()).unwrap();
    assert_eq!(child.environment, inherited);
    let pristine = Policy { inherit: Inherit::Pristine { keep: names(&["BYTES"]) }, ..Policy::default() };
    let child = build(inherited, &BTreeMap::new(), &pristine).unwrap();
    assert_eq!(child.environment, [(odd(b"BYTES"), odd(b"\xff"))].into());
}
