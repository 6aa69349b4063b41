//! The certificates that redenv-run trusts: the bundled certificates, and those in the user's files.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use super::Error;

/// The content of a PEM file whose certificates are trusted.
#[derive(Debug)]
pub(crate) struct CertificateFile {
    /// The path, for messages.
    pub(crate) path: String,
    /// The content.
    pub(crate) pem: Zeroizing<Vec<u8>>,
}

/// A TLS configuration that trusts the bundled certificates and those in `files`.
///
/// # Errors
/// [`Error::NoCertificate`] for a file without a certificate.
pub(super) fn trust(files: &[CertificateFile]) -> Result<TlsConfig, Error> {
    let mut trusted: Vec<Certificate<'static>> =
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der)).collect();
    for file in files {
        trusted.extend(read(&file.pem).ok_or_else(|| Error::NoCertificate { path: file.path.clone() })?);
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(trusted)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

/// The certificates of a PEM file; `None` if no certificate is usable. ureq would silently ignore a damaged
/// certificate.
fn read(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let certificates: Vec<CertificateDer<'_>> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    let owned = |der: &CertificateDer<'_>| Certificate::from_der(der).to_owned();
    (usable > 0).then(|| certificates.iter().map(owned).collect())
}
