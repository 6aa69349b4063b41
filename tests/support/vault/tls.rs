//! A certificate authority of its own for each vault.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::NamedTempFile;

/// The kind of the server's certificate.
#[derive(Clone, Copy, PartialEq)]
pub enum Certificate {
    /// For `localhost`, 127.0.0.1 and the names that the builder added.
    Valid,
    /// The same, but it expired in 2020.
    Expired,
    /// Only for `elsewhere.example`.
    WrongName,
}

/// The versions of TLS that the server speaks.
#[derive(Clone, Copy, Default)]
pub enum Protocols {
    #[default]
    Modern,
    Tls12,
}

/// A server's TLS configuration, and the CA file that makes a client trust it.
pub struct Tls {
    pub server: Arc<ServerConfig>,
    ca: NamedTempFile,
}

impl Tls {
    pub fn new(certificate: Certificate, protocols: Protocols, extra_names: &[String]) -> Self {
        let ca = authority();
        let mut names = match certificate {
            Certificate::WrongName => vec!["elsewhere.example".to_owned()],
            _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        };
        names.extend(extra_names.iter().cloned());
        let mut params = CertificateParams::new(names).unwrap();
        if certificate == Certificate::Expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        }
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &ca).unwrap().der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = match protocols {
            Protocols::Modern => rustls::DEFAULT_VERSIONS,
            Protocols::Tls12 => &[&rustls::version::TLS12],
        };
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut file = NamedTempFile::with_suffix(".pem").unwrap();
        file.write_all(ca.pem().as_bytes()).unwrap();
        Self { server: Arc::new(server), ca: file }
    }

    pub fn ca_file(&self) -> &Path {
        self.ca.path()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "CA of a local vault");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
