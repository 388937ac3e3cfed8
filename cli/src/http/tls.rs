//! Sets up TLS by rustls: whom to trust, and who we are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::address::HttpAddress;

/// Why TLS cannot be spoken with what the command line names.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("cannot read certificates from {path}: {1}; name a file of PEM that can be read", path = .0.display())]
    Certificates(PathBuf, pem::Error),
    #[error("{} holds no certificate; name a file of PEM, which begins with -----BEGIN CERTIFICATE-----", .0.display())]
    NoCertificate(PathBuf),
    #[error("{path} holds a certificate that cannot be trusted: {1}", path = .0.display())]
    Untrusted(PathBuf, rustls::Error),
    #[error("the system trusts no certificates; name those to trust with --output-ca FILE")]
    NobodyToTrust,
    #[error("cannot read a key from {path}: {1}; name a file of PEM that can be read", path = .0.display())]
    Key(PathBuf, pem::Error),
    #[error(
        "the certificate {certificate} and the key {key} cannot be used: {2}; name two that belong together",
        certificate = .0.display(), key = .1.display()
    )]
    Pair(PathBuf, PathBuf, rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// Connects to servers whose certificates the authorities in a file have signed, or, without a file, those
/// that the system trusts.
///
/// # Errors
/// The file can't be read, or there is nobody to trust.
fn connector(ca: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| TlsError::Untrusted(path.to_path_buf(), error))?;
            }
        }
        None => {
            // Some of a system's many may be odd; the others will do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NobodyToTrust);
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same for an address, if it is spoken to by TLS.
pub fn connector_for(
    address: &HttpAddress,
    ca: Option<&Path>,
) -> Result<Option<TlsConnector>, TlsError> {
    address.is_tls().then(|| connector(ca)).transpose()
}

/// Why TLS could not be spoken with a server, and what mends it.
pub fn trouble(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|it| it.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(problem)) = inner else {
        return format!("{error}; see whether that port speaks TLS");
    };
    match problem {
        CertificateError::UnknownIssuer => format!(
            "{error}; name the authority that signed its certificate with --output-ca FILE"
        ),
        // The library gives it no other name than this.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority (CA:TRUE), which no server may show; give it one that this authority \
             has signed, or make its own anew with `openssl req -x509 -addext basicConstraints=critical,CA:FALSE …` and \
             name that with --output-ca FILE"
                .to_string()
        }
        _ => format!("{error}; give the server a certificate that is right for its name and for today"),
    }
}

/// Answers connections with the certificates in one file (ours first) and the key in another.
///
/// # Errors
/// A file can't be read, or they do not go together.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|error| TlsError::Key(key.to_path_buf(), error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let config = config
        .map_err(|error| TlsError::Pair(certificate.to_path_buf(), key.to_path_buf(), error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    match all {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsError::NoCertificate(path.to_path_buf())),
        Err(error) => Err(TlsError::Certificates(path.to_path_buf(), error)),
    }
}
