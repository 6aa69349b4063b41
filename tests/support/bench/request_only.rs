//! Fetches a project in one HTTPS request and exits, without decrypting anything.
//!
//! Prints the answer's length in bytes. With `--parse` it prints how many milliseconds `serde_json`
//! takes to parse the answer into a `Value`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use std::{env, fs};

use serde_json::json;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

fn main() {
    let answer = fetch();
    if env::args().any(|argument| argument == "--parse") {
        let start = Instant::now();
        let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let took = start.elapsed();
        black_box(value);
        println!("{}", took.as_secs_f64() * 1e3);
    } else {
        println!("{}", answer.len());
    }
}

fn fetch() -> Vec<u8> {
    let ca = fs::read(variable("REDENV_CA_FILE")).unwrap();
    let ca = Certificate::from_pem(&ca).unwrap();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[ca]))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder().tls_config(tls).build().into();
    let project = variable("REDENV_PROJECT");
    let commands = json!([
        ["HMGET", format!("meta@{project}"), "salt", "kdf", "algorithm", "serviceTokens"],
        ["HGETALL", format!("development:{project}")],
    ]);
    let response = agent
        .post(format!("{}/pipeline", variable("UPSTASH_REDIS_URL")))
        .header("authorization", format!("Bearer {}", variable("UPSTASH_REDIS_TOKEN")))
        .header("content-type", "application/json")
        .send(commands.to_string());
    response.unwrap().body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is missing: scripts/local-vault prints it"))
}
