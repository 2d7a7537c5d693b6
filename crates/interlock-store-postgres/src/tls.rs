//! Encrypted connections, as `sslmode` and `sslrootcert` of the URL say.
//!
//! `require` encrypts and does not ask who answers, unless `sslrootcert` names who may vouch for it; `verify-full` asks
//! always. Anything in between is refused: what looks like protection and is none helps nobody.

use std::sync::Arc;

use interlock_store::StoreError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

const MODE: &str = "sslmode";
const ROOTS: &str = "sslrootcert";

/// A database's address without what concerns encryption, and that.
pub(crate) struct Secured {
    pub(crate) url: String,
    pub(crate) tls: Option<MakeRustlsConnect>,
}

/// Read what an address says of encryption.
pub(crate) fn secured(address: &str) -> Result<Secured, StoreError> {
    let (url, Said { mode, roots }) = taken_apart(address);
    let tls = match (mode.as_deref(), roots.as_deref()) {
        (None | Some("disable" | "prefer"), _) => None,
        (Some("verify-full"), None) => {
            let why =
                "sslmode=verify-full needs sslrootcert=FILE, the certificates that vouch for the server";
            return Err(refused(why));
        }
        (Some("require" | "verify-full"), roots) => Some(connector(roots)?),
        (Some(other), _) => {
            let other: String = other.chars().take(20).collect();
            let why = format!("sslmode `{other}` is not supported: use disable, require or verify-full");
            return Err(refused(&why));
        }
    };
    Ok(Secured { url, tls })
}

fn refused(why: &str) -> StoreError {
    StoreError::Address(why.to_owned())
}

/// What an address says of encryption.
#[derive(Default)]
struct Said {
    mode: Option<String>,
    roots: Option<String>,
}

impl Said {
    /// Take a pair that is about encryption; says whether it is about something else.
    fn is_other(&mut self, name: &str, value: String) -> bool {
        match name {
            MODE => self.mode = Some(value),
            ROOTS => self.roots = Some(value),
            _ => return true,
        }
        false
    }
}

/// The address without what it says of encryption, and that. Both forms: a URL, and a list of `name=value`.
fn taken_apart(address: &str) -> (String, Said) {
    let mut said = Said::default();
    let is_url = address.contains("://");
    let (before, pairs, between) = match address.split_once('?') {
        Some((before, query)) if is_url => (format!("{before}?"), query.split('&').collect::<Vec<_>>(), "&"),
        _ if is_url || !address.contains(MODE) => return (address.to_owned(), said),
        _ => (String::new(), address.split_whitespace().collect(), " "),
    };
    let rest = pairs.into_iter().filter(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = if is_url { decoded(value) } else { value.trim_matches('\'').to_owned() };
        said.is_other(name, value)
    });
    let rest: Vec<&str> = rest.collect();
    (format!("{before}{}", rest.join(between)), said)
}

/// A value of a URL's query: `%2F` is a slash.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let coded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%');
        bytes.push(coded.unwrap_or(*first));
        rest = if coded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whoever answers is believed, or those for whom a certificate in this file vouches.
fn connector(roots: Option<&str>) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error.to_string()))?;
    let config = match roots {
        Some(file) => builder.with_root_certificates(trusted(file)?),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn trusted(file: &str) -> Result<RootCertStore, StoreError> {
    let unreadable = |why: String| refused(&format!("sslrootcert `{file}`: {why}"));
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))? {
        let certificate = found.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("it holds no certificate".into()));
    }
    Ok(roots)
}

/// Believes whoever answers, but not that its words are somebody else's: the connection is encrypted with the one whose
/// certificate it is.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_encryption_is_taken_out() {
        let parts = |address: &str| {
            let (url, Said { mode, roots }) = taken_apart(address);
            (url, mode.unwrap_or_default(), roots.unwrap_or_default())
        };
        for (address, url, mode, roots) in [
            ("postgresql://h/d", "postgresql://h/d", "", ""),
            ("postgresql://h/d?sslmode=require", "postgresql://h/d?", "require", ""),
            (
                "postgresql://h/d?a=b&sslrootcert=%2Fetc%2Fx%20y.pem&sslmode=verify-full&c=d",
                "postgresql://h/d?a=b&c=d",
                "verify-full",
                "/etc/x y.pem",
            ),
            ("host=h sslmode='require' user=me", "host=h user=me", "require", ""),
            ("host=h password='a  b'", "host=h password='a  b'", "", ""),
        ] {
            assert_eq!(parts(address), (url.into(), mode.into(), roots.into()), "{address}");
        }
    }

    #[test]
    fn what_looks_like_protection_and_is_none_is_refused() {
        for (address, word) in [
            ("postgresql://h/d?sslmode=verify-ca", "not supported"),
            ("postgresql://h/d?sslmode=allow", "not supported"),
            ("postgresql://h/d?sslmode=verify-full", "needs sslrootcert"),
            ("postgresql://h/d?sslmode=require&sslrootcert=/nonexistent", "`/nonexistent`"),
            ("postgresql://h/d?sslmode=verify-full&sslrootcert=/dev/null", "no certificate"),
        ] {
            let error = secured(address).map(|_| ()).unwrap_err();
            assert!(matches!(error, StoreError::Address(_)), "{address}: {error:?}");
            assert!(error.to_string().contains(word), "{address}: {error}");
        }
        assert!(secured("postgresql://h/d?sslmode=require").unwrap().tls.is_some());
        assert!(secured("postgresql://h/d").unwrap().tls.is_none());
    }
}
