//! The local vault as a program: an Upstash to try redenv-run with.
#![allow(unreachable_pub, reason = "its modules are the tests' too")]

mod distance;
mod example;
#[allow(dead_code, reason = "only the tests use all of it")]
mod project;
#[allow(dead_code, reason = "only the tests use all of it")]
mod vault;

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use project::{MASTER_PASSWORD, Project};
use vault::{Certificate, Vault};

/// Serves Upstash's REST API on 127.0.0.1 until it is killed. Once it listens,
/// it prints the settings of a client as shell lines.
#[derive(Parser)]
#[command(after_help = AFTER_HELP)]
struct Options {
    /// Listen on port N rather than on one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// The REST token that may do everything
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A second token, which may only read
    #[arg(long, value_name = "TOKEN")]
    read_only_token: Option<String>,
    /// Load a JSON file of hashes: {key: {field: text}}
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    /// Make a project of N secrets; print its service token and master password
    #[arg(long, value_name = "N", conflicts_with = "dump")]
    secrets: Option<usize>,
    /// Serve the example project `shop`; print its service token and master password
    #[arg(long, conflicts_with_all = ["dump", "secrets"])]
    example: bool,
    /// Give each of those secrets M versions
    #[arg(long, value_name = "M", default_value_t = 1, requires = "secrets")]
    versions: usize,
    /// Keep everything in the Redis at URL, not in memory
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Replace what that Redis already holds of the dump or project
    #[arg(long, requires = "redis")]
    overwrite: bool,
    /// Serve HTTPS, with a certificate made for this run
    #[arg(long, requires = "ca_out")]
    tls: bool,
    /// Write the certificate authority's certificate to FILE
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,
    /// One more name for the certificate, besides localhost and 127.0.0.1
    #[arg(long, value_name = "HOST", requires = "tls")]
    name: Vec<String>,
    /// Wait N milliseconds before each response
    #[arg(long, value_name = "N", default_value_t = 0)]
    delay_ms: u64,
    /// Let each round trip take N milliseconds, as on a network: connection, TLS and request are one each
    #[arg(long, value_name = "N", default_value_t = 0)]
    round_trip_ms: u64,
    /// Answer N requests per second and refuse the rest with 429
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
}

const AFTER_HELP: &str = "\
The settings can be sourced; behind them `# master password: ...` is for `redenv-run token create`.
It and `token revoke` work in memory, too: of scripts, only theirs; a client's own script takes --redis.";

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let project = match options.secrets {
        Some(number) => Some(Project::synthetic(number, options.versions)),
        None => options.example.then(example::project),
    };
    if let Err(error) = TcpListener::bind(("127.0.0.1", options.port)) {
        eprintln!("local-vault: error: cannot listen on port {}: {error}", options.port);
        eprintln!("local-vault: hint: stop the other vault, or choose another port with --port");
        return Ok(ExitCode::FAILURE);
    }
    let vault = match start(&options, project.as_ref()) {
        Ok(vault) => vault,
        Err(held) => {
            eprintln!("local-vault: error: the Redis already holds {}", held.join(", "));
            eprintln!("local-vault: hint: --overwrite replaces them; --redis alone serves them as they are");
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Some(file) = &options.ca_out {
        fs::copy(vault.ca_file(), file)?;
    }
    let url = match options.round_trip_ms {
        0 => vault.url(),
        n => {
            let port = distance::between(vault.address(), Duration::from_millis(n))?;
            let url = vault.url();
            let (host, _) = url.rsplit_once(':').expect("a vault's URL has its port");
            format!("{host}:{port}")
        }
    };
    print_settings(&vault, url, options.ca_out)?;
    loop {
        thread::park();
    }
}

/// The error lists the keys that the Redis already holds.
fn start(options: &Options, project: Option<&Project>) -> Result<Vault, Vec<String>> {
    let mut builder = Vault::builder().port(options.port).overwrite(options.overwrite);
    if let Some(token) = &options.token {
        builder = builder.token(token);
    }
    if let Some(token) = &options.read_only_token {
        builder = builder.read_only_token(token);
    }
    if let Some(url) = &options.redis {
        builder = builder.redis(url);
    }
    if let Some(file) = &options.dump {
        builder = builder.dump(file);
    }
    if let Some(project) = project {
        builder = builder.project(project);
    }
    if options.tls {
        builder = options.name.iter().fold(builder.tls(Certificate::Valid), |b, name| b.name(name));
    }
    let vault = builder.try_start()?;
    vault.set_delay(Duration::from_millis(options.delay_ms));
    vault.set_rate(options.rate);
    Ok(vault)
}

fn print_settings(vault: &Vault, url: String, ca_file: Option<PathBuf>) -> io::Result<()> {
    let mut settings = vec![("UPSTASH_REDIS_URL", url), ("UPSTASH_REDIS_TOKEN", vault.token().to_owned())];
    if let Some(file) = ca_file {
        let file = fs::canonicalize(file)?;
        settings.push(("REDENV_CA_FILE", file.display().to_string()));
    }
    if let Some(credentials) = vault.credentials() {
        settings.push(("REDENV_PROJECT", credentials.project.clone()));
        settings.push(("REDENV_TOKEN_ID", credentials.token_id.clone()));
        settings.push(("REDENV_TOKEN_KEY", credentials.token_key.clone()));
        settings.push(("REDENV_TOKEN_SALT", credentials.salt.clone()));
    }
    let export = |(name, value): &(&str, String)| format!("export {name}='{}'", value.replace('\'', r"'\''"));
    let mut lines: Vec<String> = settings.iter().map(export).collect();
    // The comment is last: `eval $(...)` without quotes would lose every line behind it.
    if vault.credentials().is_some() {
        lines.push(format!("# master password: {MASTER_PASSWORD}"));
    }
    // One write: a reader that waits for the first line gets all lines.
    let mut stdout = io::stdout().lock();
    stdout.write_all((lines.join("\n") + "\n").as_bytes())?;
    stdout.flush()
}
