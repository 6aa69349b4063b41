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

fn own_names() -> BTreeSet<OsString> {
    ["REDENV_TOKEN_KEY", "UPSTASH_REDIS_TOKEN_FILE"].map(OsString::from).into()
}

fn emptied() -> BTreeSet<OsString> {
    ["REDENV_TOKEN_KEY", "REDENV_PROJECT", "REDENV_TOKEN_ID"].map(OsString::from).into()
}

/// `NAME=value` of each, in their order.
fn built(policy: Policy) -> String {
    let policy = Policy { own_names: own_names(), ..policy };
    let child = build(environment(INHERITED), &secrets(SECRETS), &policy).unwrap();
    let entries = child.environment.iter();
    let entries = entries.map(|(name, value)| format!("{}={}", name.display(), value.display()));
    entries.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_commands_environment_is_this_table() {
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
        (
            "an env file with REDENV_TOKEN_KEY, REDENV_PROJECT and REDENV_TOKEN_ID",
            Policy { emptied: emptied(), ..Policy::default() },
            "A=secret B= HOME=/root LC_ALL=C PATH=/bin REDENV_PROJECT=its own REDENV_TOKEN_ID= REDENV_TOKEN_KEY= X=x",
        ),
        (
            "the same file and --keep-token",
            Policy { emptied: emptied(), own: OwnVariables::Keep, ..Policy::default() },
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
        assert_eq!(built(policy), expected, "{what}");
    }
}
