//! Projects made for a test: a key, a service token and encrypted secrets, as the official clients
//! would have written them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::OnceLock;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac, pbkdf2};
use serde_json::{Value, json};

use super::vault::Hashes;

/// The settings of redenv-run that name a project and its token.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub project: String,
    pub token_id: String,
    pub token_key: String,
    /// 32 hexadecimal digits.
    pub salt: String,
}

/// One project with one service token; the environments come with their secrets.
pub struct Project {
    name: String,
    pek: [u8; 32],
    meta: BTreeMap<String, String>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
}

pub const TOKEN_ID: &str = "stk_a1B2c3D4e5F6g7H8";
pub const TOKEN_KEY: &str = "redenv_sk_wX+3/zQ8mN5bV2cL7kJ4hG1fD9sA6pR0";
pub const TOKEN_SALT: &str = "000102030405060708090a0b0c0d0e0f";
pub const MASTER_PASSWORD: &str = "correct horse battery staple";
const MASTER_SALT: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const CREATED_AT: &str = "2026-01-15T09:30:00.000Z";

impl Project {
    pub fn new(name: &str) -> Self {
        let mut pek = [0; 32];
        SystemRandom::new().fill(&mut pek).unwrap();
        let encrypted = |key| encrypt(key, hex(&pek).as_bytes());
        let token = json!({
            "encryptedPEK": encrypted(token_key()),
            "salt": TOKEN_SALT,
            "name": "tests",
            "description": "the only token of this project",
            "createdAt": CREATED_AT,
        });
        let tokens = json!({ TOKEN_ID: token }).to_string();
        let encrypted_pek = encrypted(master_key());
        let meta = [
            ("encryptedPEK", encrypted_pek.as_str()),
            ("salt", MASTER_SALT),
            ("historyLimit", "10"),
            ("kdf", "pbkdf2"),
            ("algorithm", "aes-256-gcm"),
            ("createdAt", CREATED_AT),
            ("serviceTokens", tokens.as_str()),
        ];
        let meta = meta.map(|(field, text)| (field.to_owned(), text.to_owned())).into();
        Self { name: name.to_owned(), pek, meta, environments: BTreeMap::new() }
    }

    /// A project of `secrets` secrets with `versions` versions each, for measuring.
    pub fn synthetic(secrets: usize, versions: usize) -> Self {
        let mut project = Self::new("synthetic");
        for i in 0..secrets {
            let value = |version| format!("value {version} of secret {i}, of a usual length");
            let values: Vec<String> = (1..=versions).rev().map(value).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            project = project.history("development", &format!("SECRET_{i:05}"), &values);
        }
        project
    }

    /// A secret of one version.
    pub fn secret(self, environment: &str, name: &str, value: &str) -> Self {
        self.history(environment, name, &[value])
    }

    /// A secret of several versions, the newest first; the oldest is version 1.
    pub fn history(self, environment: &str, name: &str, values: &[&str]) -> Self {
        let versions = values.iter().zip((1..=values.len()).rev());
        let versions = versions.map(|(value, version)| self.version(value, version));
        let text = Value::Array(versions.collect()).to_string();
        self.raw_field(environment, name, &text)
    }

    /// A secret whose field holds any text, even text that no client would write.
    pub fn raw_field(mut self, environment: &str, name: &str, text: &str) -> Self {
        let fields = self.environments.entry(environment.to_owned()).or_default();
        fields.insert(name.to_owned(), text.to_owned());
        self
    }

    /// A field of `meta@…` with any text.
    pub fn raw_meta(mut self, field: &str, text: &str) -> Self {
        self.meta.insert(field.to_owned(), text.to_owned());
        self
    }

    pub fn without_meta(mut self, field: &str) -> Self {
        self.meta.remove(field);
        self
    }

    /// Makes the token an ephemeral one, as local tools do.
    pub fn ephemeral(mut self) -> Self {
        let tokens = self.meta.remove("serviceTokens").expect("a project begins with a token");
        let mut tokens: Value = serde_json::from_str(&tokens).unwrap();
        let token = tokens[TOKEN_ID].take().to_string();
        self.raw_meta(&format!("ephemeral:{TOKEN_ID}"), &token)
    }

    /// One element of a history.
    pub fn version(&self, value: &str, version: usize) -> Value {
        json!({
            "value": self.encrypt(value.as_bytes()),
            "version": version,
            "user": TOKEN_ID,
            "createdAt": CREATED_AT,
        })
    }

    /// Encrypts any bytes, also bytes that are not UTF-8, with the project's key.
    pub fn encrypt(&self, plain: &[u8]) -> String {
        encrypt(&self.pek, plain)
    }

    /// The project's key in hex. No file may contain it.
    pub fn pek_hex(&self) -> String {
        hex(&self.pek)
    }

    /// HMAC-SHA256 in hexadecimal over `parts`, each preceded by its length, under HKDF-SHA256 of the
    /// project's key with `purpose` as the info.
    pub fn mac(&self, purpose: &str, parts: &[&str]) -> String {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.pek);
        let key: hmac::Key = key.expand(&[purpose.as_bytes()], hmac::HMAC_SHA256).unwrap().into();
        let message: Vec<u8> = parts
            .iter()
            .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat())
            .collect();
        hex(hmac::sign(&key, &message).as_ref())
    }

    /// The key of the hash that holds the project.
    pub fn meta_key(&self) -> String {
        format!("meta@{}", self.name)
    }

    /// The key of the hash that holds an environment's secrets.
    pub fn environment_key(&self, environment: &str) -> String {
        format!("{environment}:{}", self.name)
    }

    /// The whole project as Redis hashes.
    pub fn hashes(&self) -> Hashes {
        let environments = self.environments.iter();
        let environments = environments.map(|(e, fields)| (self.environment_key(e), fields.clone()));
        let meta = (self.meta_key(), self.meta.clone());
        environments.chain([meta]).collect()
    }

    pub fn credentials(&self) -> Credentials {
        Credentials {
            project: self.name.clone(),
            token_id: TOKEN_ID.to_owned(),
            token_key: TOKEN_KEY.to_owned(),
            salt: TOKEN_SALT.to_owned(),
        }
    }
}

/// `<hex IV>.<hex of ciphertext and tag>`
pub fn encrypt(key: &[u8; 32], plain: &[u8]) -> String {
    let mut iv = [0; 12];
    SystemRandom::new().fill(&mut iv).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut bytes = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(iv);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).unwrap();
    format!("{}.{}", hex(&iv), hex(&bytes))
}

// Derived once per process: 310,000 rounds in every test would be most of its time.
fn token_key() -> &'static [u8; 32] {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    KEY.get_or_init(|| derive(TOKEN_KEY, TOKEN_SALT))
}

fn master_key() -> &'static [u8; 32] {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    KEY.get_or_init(|| derive(MASTER_PASSWORD, MASTER_SALT))
}

/// PBKDF2-HMAC-SHA256 with the protocol's 310,000 rounds; the salt is hexadecimal.
pub fn derive(password: &str, salt: &str) -> [u8; 32] {
    let salt = base16ct::mixed::decode_vec(salt).unwrap();
    let rounds = NonZeroU32::new(310_000).unwrap();
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut key);
    key
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}
