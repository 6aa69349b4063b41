//! A small npm registry on loopback: `npm publish` fills it, and the package managers install from it.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::server::Server;
use super::vault::http::{After, Pace, Request, Response, read_request, write_response};

/// A running registry; it knows no package but those that were published to it.
pub struct Registry {
    server: Server,
}

type Packages = Mutex<BTreeMap<String, Value>>;

impl Registry {
    pub fn start() -> Self {
        let packages = Arc::<Packages>::default();
        Self { server: Server::start(move |stream| serve(stream, &packages)) }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The settings of an npm that publishes to this registry.
    pub fn npmrc(&self) -> String {
        format!("registry={0}/\n//{1}/:_authToken=any\n", self.url(), self.server.address())
    }
}

fn serve(mut stream: TcpStream, packages: &Packages) {
    let mut unread = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut unread, 0) {
        let response = answer(&request, &mut packages.lock().unwrap());
        if write_response(&mut stream, &response, After::KeepAlive, Pace::AtOnce).is_err() {
            return;
        }
    }
}

fn answer(request: &Request, packages: &mut BTreeMap<String, Value>) -> Response {
    let path = request.path.split('?').next().unwrap().trim_start_matches('/');
    let path = path.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
    match (request.method.as_str(), path.split_once("/-/")) {
        ("PUT", None) => {
            let mut package: Value = serde_json::from_str(&request.body).unwrap();
            // Some package managers refuse what is younger than a day.
            let version = package["dist-tags"]["latest"].as_str().unwrap().to_owned();
            package["time"] = json!({ version: "2026-01-15T09:30:00.000Z" });
            packages.insert(path, package);
            Response::new(201).body("{}")
        }
        ("GET", None) => match packages.get(&path) {
            Some(package) => {
                let mut package = package.clone();
                package.as_object_mut().unwrap().remove("_attachments");
                Response::new(200).body(package.to_string())
            }
            None => Response::new(404).body(r#"{"error": "not found"}"#),
        },
        ("GET", Some((package, file))) => {
            let data = packages[package]["_attachments"][file]["data"].as_str().unwrap();
            Response::new(200)
                .header("Content-Type", "application/octet-stream")
                .body(BASE64_STANDARD.decode(data).unwrap())
        }
        _ => Response::new(405).body("{}"),
    }
}
