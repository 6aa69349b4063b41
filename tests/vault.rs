//! The local vault behaves like Upstash: the official clients work with it unchanged, and both of its
//! backends answer alike.

mod script;

use std::collections::BTreeMap;

use crate::support::backends::{Stored, both_backends};
use crate::support::fixtures;
use crate::support::project::Project;
use crate::support::python::{python, sdk};
use crate::support::vault::{Certificate, Vault};

const SDK_LOAD: &str = "print(json.dumps(dict(asyncio.run(client().load()))))";

#[test]
fn the_official_sdk_loads_the_fixtures_from_both_backends() {
    for token in ["ci", "ephemeral"] {
        for Stored { name, vault, _redis } in both_backends(token) {
            let loaded: BTreeMap<String, String> = serde_json::from_str(&sdk(&vault, SDK_LOAD)).unwrap();
            assert_eq!(loaded, fixtures::expected("development"), "{name}");
        }
    }
}

#[test]
fn the_official_sdk_loads_a_project_made_for_a_test() {
    let project = Project::new("acme")
        .secret("development", "GREETING", "grüße")
        .history("development", "DATABASE_URL", &["new", "old"])
        .raw_field("development", "__created_by", "tests")
        .raw_field("development", "EMPTY_HISTORY", "[]");
    let expected = r#"{"DATABASE_URL": "new", "GREETING": "gr\u00fc\u00dfe"}"#;
    assert_eq!(sdk(&Vault::of(&project), SDK_LOAD).trim_end(), expected);
    assert_eq!(sdk(&Vault::of(&project.ephemeral()), SDK_LOAD).trim_end(), expected);
}

const SDK_SET_AND_LOAD: &str = r#"
async def main():
    await client().set("ADDED", "first ✓")
    await client().set("ADDED", "second ✓")
    redenv = client()
    secrets = await redenv.load()
    print(secrets["ADDED"], "|", await redenv.get_version("ADDED", 1), "|", secrets["PLAIN"])
asyncio.run(main())
"#;

#[test]
fn what_the_official_sdk_sets_it_loads_again_with_a_real_redis() {
    let [_, Stored { vault, _redis, .. }] = both_backends("web");
    assert_eq!(sdk(&vault, SDK_SET_AND_LOAD), "second ✓ | first ✓ | hello world\n");
}

#[test]
fn what_the_official_sdk_sets_with_a_script_memory_refuses_and_says_what_is_needed() {
    let [Stored { vault, .. }, _] = both_backends("web");
    let script = "
try:
    asyncio.run(client().set('ADDED', 'value'))
except Exception as error:
    print(error)
";
    let message = sdk(&vault, script);
    let refused = "in memory the local vault runs no script but redenv-run's: start it with --redis";
    assert!(message.contains(refused), "{message}");
}

#[test]
fn the_official_redis_client_works_on_both_backends() {
    let script = r#"
import os
from upstash_redis import Redis
for encoding in ("base64", None):
    redis = Redis(os.environ["UPSTASH_REDIS_URL"], os.environ["UPSTASH_REDIS_TOKEN"],
                  rest_encoding=encoding, rest_retries=0)
    print(redis.ping(), redis.set("text", "grüße"), redis.get("text"), redis.get("none"))
    print(redis.hset("hash", values={"a": "1", "b": "ü"}), redis.hset("hash", "c", {"json": 1}))
    print(redis.hgetall("hash"), redis.hgetall("none"), redis.hmget("hash", "a", "none"))
    print(redis.hget("hash", "c"), redis.hexists("hash", "b"), redis.hlen("hash"), redis.hkeys("hash"))
    pipeline = redis.pipeline()
    pipeline.hdel("hash", "c")
    pipeline.hget("hash", "c")
    print(pipeline.exec())
    multi = redis.multi()
    multi.delete("hash", "text")
    multi.exists("hash")
    print(multi.exec())
"#;
    let once = "\
PONG True grüße None
2 1
{'a': '1', 'b': 'ü', 'c': '{\"json\": 1}'} {} ['1', None]
{\"json\": 1} True 3 ['a', 'b', 'c']
[1, None]
[2, 0]
";
    for Stored { name, vault, _redis } in both_backends("ci") {
        assert_eq!(python(&vault, script), once.repeat(2), "{name}");
    }
}

/// A request's path, body and `Upstash-Encoding`, and the answer's status and body.
type Exchange = (&'static str, &'static str, Option<&'static str>, u16, &'static str);

const EXCHANGES: &[Exchange] = &[
    ("/", r#"["PING"]"#, None, 200, r#"{"result":"PONG"}"#),
    ("/", r#"["ping","ü"]"#, Some("base64"), 200, r#"{"result":"w7w="}"#),
    ("/", r#"["HSET","h","b","2","c","ü"]"#, None, 200, r#"{"result":2}"#),
    ("/", r#"["HSET","h","c",3.50]"#, None, 200, r#"{"result":0}"#),
    ("/", r#"["HGETALL","h"]"#, None, 200, r#"{"result":["b","2","c","3.50"]}"#),
    ("/", r#"["HGETALL","h"]"#, Some("base64"), 200, r#"{"result":["Yg==","Mg==","Yw==","My41MA=="]}"#),
    ("/", r#"["HGETALL","none"]"#, None, 200, r#"{"result":[]}"#),
    ("/", r#"["HMGET","none","a","b"]"#, None, 200, r#"{"result":[null,null]}"#),
    ("/", r#"["HMGET","h","b","a"]"#, Some("base64"), 200, r#"{"result":["Mg==",null]}"#),
    ("/", r#"["HGET","h"]"#, None, 400, r#"{"error":"ERR wrong number of arguments for 'hget' command"}"#),
    (
        "/",
        r#"["HSET","h","a"]"#,
        None,
        400,
        r#"{"error":"ERR wrong number of arguments for 'hset' command"}"#,
    ),
    (
        "/",
        r#"["HSET","h","a","1","b"]"#,
        None,
        400,
        r#"{"error":"ERR wrong number of arguments for 'hset' command"}"#,
    ),
    ("/", r#"["SET","t","x"]"#, Some("base64"), 200, r#"{"result":"OK"}"#),
    (
        "/",
        r#"["HGETALL","t"]"#,
        None,
        400,
        r#"{"error":"WRONGTYPE Operation against a key holding the wrong kind of value"}"#,
    ),
    (
        "/pipeline",
        r#"[["HGET","h","b"],["HGET","h"],["EXISTS","t","t","none"]]"#,
        None,
        200,
        r#"[{"result":"2"},{"error":"ERR wrong number of arguments for 'hget' command"},{"result":2}]"#,
    ),
    ("/pipeline", "[]", None, 200, "[]"),
    (
        "/multi-exec",
        r#"[["HDEL","h","b","none"],["GET","h"],["HKEYS","h"]]"#,
        None,
        200,
        r#"[{"result":1},{"error":"WRONGTYPE Operation against a key holding the wrong kind of value"},{"result":["c"]}]"#,
    ),
    (
        "/multi-exec",
        r#"[["DEL","h"],["HGET","h"]]"#,
        None,
        400,
        r#"{"error":"EXECABORT Transaction discarded because of previous errors."}"#,
    ),
    ("/", r#"["HVALS","h"]"#, None, 200, r#"{"result":["3.50"]}"#),
    ("/", r#"["HDEL","h","c"]"#, None, 200, r#"{"result":1}"#),
    ("/", r#"["EXISTS","h"]"#, None, 200, r#"{"result":0}"#),
    ("/", r#"["FLUSHALL"]"#, None, 200, r#"{"result":"OK"}"#),
    ("/", r#"["EXISTS","t"]"#, None, 200, r#"{"result":0}"#),
    ("/", "[]", None, 400, r#"{"error":"ERR failed to parse command"}"#),
    ("/", r#"{"HGET":"h"}"#, None, 400, r#"{"error":"ERR failed to parse command"}"#),
];

#[test]
fn both_backends_give_the_same_json() {
    for Stored { name, vault, _redis } in both_backends("ci") {
        for (path, body, encoding, status, json) in EXCHANGES {
            let mut headers = vec![("Authorization", format!("Bearer {}", vault.token()))];
            headers.extend(encoding.map(|encoding| ("Upstash-Encoding", encoding.to_owned())));
            let answer = post(&vault, path, &headers, body);
            assert_eq!(answer, (*status, (*json).to_owned()), "{body} to {path} on {name}");
        }
    }
}

#[test]
fn a_read_only_token_may_read_and_nothing_else_on_both_backends() {
    for Stored { name, vault, _redis } in both_backends("ci") {
        let ask = |path, body| post(&vault, path, &[("Authorization", "Bearer read-only".to_owned())], body);
        let read = ask("/", r#"["HGET","meta@acme-api","kdf"]"#);
        assert_eq!(read, (200, r#"{"result":"pbkdf2"}"#.to_owned()), "{name}");
        let refused = r#"{"error":"NOPERM this user has no permissions to run the 'hdel' command"}"#;
        let written = ask("/", r#"["HDEL","meta@acme-api","kdf"]"#);
        assert_eq!(written, (400, refused.to_owned()), "{name}");
        let pipeline = ask("/pipeline", r#"[["HDEL","meta@acme-api","kdf"],["PING"]]"#);
        assert_eq!(pipeline, (200, format!(r#"[{refused},{{"result":"PONG"}}]"#)), "{name}");
        assert_eq!(vault.hget("meta@acme-api", "kdf").as_deref(), Some("pbkdf2"));
    }
}

#[test]
fn only_a_bearer_of_the_token_is_let_in() {
    let vault = Vault::builder().token("secret").start();
    for value in ["Bearer wrong", "bearer secret", "Bearer secret ", "Basic secret", "secret"] {
        // A header's value has no space at its end.
        let status = if value == "Bearer secret " { 200 } else { 401 };
        let answer = post(&vault, "/", &[("Authorization", value.to_owned())], r#"["PING"]"#);
        assert_eq!(answer.0, status, "{value}: {}", answer.1);
    }
    let answer = post(&vault, "/", &[], r#"["PING"]"#);
    assert_eq!(answer, (401, r#"{"error":"WRONGPASS invalid or missing auth token"}"#.to_owned()));
}

#[test]
fn a_client_that_trusts_the_vaults_authority_accepts_its_certificate_alone() {
    let script = r#"
import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=CA)
request = urllib.request.Request(URL, data=b'["PING"]', headers={
    "Authorization": "Bearer " + os.environ["UPSTASH_REDIS_TOKEN"], "Content-Type": "application/json"})
try:
    print(urllib.request.urlopen(request, context=context).read().decode())
except OSError as error:
    print(error.reason.verify_message)
"#;
    let wrong = "Hostname mismatch, certificate is not valid for 'localhost'.";
    for (certificate, expected) in [
        (Certificate::Valid, r#"{"result":"PONG"}"#),
        (Certificate::Expired, "certificate has expired"),
        (Certificate::WrongName, wrong),
    ] {
        let vault = Vault::builder().tls(certificate).start();
        let settings = format!("CA = {:?}\nURL = {:?}", vault.ca_file(), vault.url());
        assert_eq!(python(&vault, &format!("{settings}\n{script}")).trim_end(), expected);
    }
}

fn post(vault: &Vault, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
    let client = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = client.post(format!("{}{path}", vault.url())).content_type("application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let mut answer = request.send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}
