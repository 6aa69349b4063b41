//! Parts of a launch on their own, made of the launcher's own modules.
//!
//! `stages fetch` makes the request and ends; `stages open` makes it, and then measures parsing and
//! decryption; `stages value` measures a `serde_json::Value` parse of the same answer. Each does it
//! once, as a launch does: in memory that the process touches for the first time.
//!
//! The settings are those of the launcher, from the environment, without its look for mistakes.
#![allow(dead_code, unused_imports, reason = "the launcher's modules, of which this needs a part")]

#[path = "../../../src"]
mod launcher {
    pub(crate) mod deadline;
    pub(crate) mod secret;
    pub(crate) mod ui;
    pub(crate) mod upstash;
    pub(crate) mod vault;
}
// Where these modules look for each other.
pub(crate) use launcher::{deadline, secret, ui, upstash, vault};

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use deadline::Deadline;
use secret::SecretText;
use upstash::address::PlainHttp;
use upstash::{Address, CertificateFile, Network, Patience, Upstash};
use vault::crypto::{Key, Salt};
use vault::{Name, Request};

fn main() {
    let project = Name::new(&setting("REDENV_PROJECT")).unwrap();
    let environments = [Name::new("development").unwrap()];
    let token_id = setting("REDENV_TOKEN_ID");
    let request = Request { project: &project, environments: &environments, token_id: &token_id };
    match env::args().nth(1).as_deref() {
        Some("fetch") => println!("{}", fetch(&request).len()),
        Some("open") => println!("{}", open(&request).as_secs_f64()),
        Some("value") => println!("{}", value(&fetch(&request)).as_secs_f64()),
        _ => panic!("fetch, open or value?"),
    }
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is missing: local-vault prints it"))
}

fn fetch(request: &Request<'_>) -> Vec<u8> {
    let address = Address::parse(&setting("UPSTASH_REDIS_URL"), PlainHttp::Loopback).unwrap();
    let token = SecretText::new(setting("UPSTASH_REDIS_TOKEN"));
    let path = setting("REDENV_CA_FILE");
    let pem = fs::read(&path).unwrap();
    let network = Network { proxy: None, roots: vec![CertificateFile { path, pem: pem.into() }] };
    let client = Upstash::new(&address, &token, &network).unwrap();
    let deadline = Deadline::new(Instant::now(), Duration::from_secs(60));
    client.pipeline(&request.commands(), deadline, Patience::UntilDeadline, &mut |_| {}).unwrap()
}

fn open(request: &Request<'_>) -> Duration {
    // The key is derived before, from the salt that is known: the answer is parsed as soon as it is there, as in
    // a launch and as `value` does it, and not when the caches have lost it.
    let salt = Salt::from_hex(&setting("REDENV_TOKEN_SALT")).unwrap();
    let token_key = Key::derive(&SecretText::new(setting("REDENV_TOKEN_KEY")), &salt);
    let answer = fetch(request);
    let start = Instant::now();
    let sealed = vault::parse(&answer, request).unwrap();
    let pek = sealed.open_pek(&token_key).unwrap();
    let opened = sealed.open(&pek, &BTreeMap::new()).unwrap();
    let took = start.elapsed();
    black_box(opened);
    took
}

fn value(answer: &[u8]) -> Duration {
    let start = Instant::now();
    let value: serde_json::Value = serde_json::from_slice(answer).unwrap();
    let took = start.elapsed();
    black_box(value);
    took
}
