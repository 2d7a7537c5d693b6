//! One request to a receiver: a connection of its own, an answer of which only the head is read.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use interlock_core::{Reason, Refusal};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::address::{Networks, Target};

/// The media type of one event in the JSON format.
const CLOUD_EVENT: &str = "application/cloudevents+json";
/// Bytes of an answer's head.
const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What goes to a receiver.
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) seconds: i64,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

/// What a receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long it wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// Sends requests.
pub(crate) struct Poster {
    networks: Networks,
    tls: TlsConnector,
    timeout: Duration,
}

impl Poster {
    /// One that reaches these networks besides the public ones, and believes whom this machine believes and whom the
    /// certificates in this file vouch for.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for a file that holds no certificate.
    pub(crate) fn new(
        networks: Networks,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, Refusal> {
        let broken = |error: &dyn std::fmt::Display| Refusal::new(Reason::Defect, error.to_string());
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(&error))?
            .with_root_certificates(roots(ca_file)?)
            .with_no_client_auth();
        Ok(Self { networks, tls: TlsConnector::from(Arc::new(config)), timeout })
    }

    /// Where an address leads.
    ///
    /// # Errors
    /// `WEBHOOK_URL_REFUSED`.
    pub(crate) fn target(&self, url: &str) -> Result<Target, Refusal> {
        Target::parse(url, &self.networks)
    }

    /// Send it; an answer of any kind is one.
    ///
    /// # Errors
    /// Why there was no answer, in words.
    pub(crate) async fn post(&self, target: &Target, parcel: &Parcel) -> Result<Answer, String> {
        let asked = async {
            let stream = self.connect(target).await?;
            let request = request(target, parcel)?;
            if !target.is_tls {
                return ask(stream, request).await;
            }
            let name = target.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
            let stream = self.tls.connect(name, stream).await.map_err(|error| format!("no TLS: {error}"))?;
            ask(stream, request).await
        };
        in_time(self.timeout, asked).await
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, String> {
        let mut why = String::new();
        let connected = async {
            for address in target.addresses(&self.networks).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => why = format!("{address} cannot be reached: {error}"),
                }
            }
            Err(why)
        };
        in_time(CONNECT_MAX, connected).await
    }
}

async fn in_time<T>(limit: Duration, doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| format!("no answer in {} ms", limit.as_millis());
    tokio::time::timeout(limit, doing).await.map_err(late).and_then(|done| done)
}

fn request(target: &Target, parcel: &Parcel) -> Result<Request<Full<Bytes>>, String> {
    let url = &target.url;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, HeaderValue::from_static(CLOUD_EVENT))
        .header(header::USER_AGENT, concat!("interlock/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .header("webhook-id", &parcel.id)
        .header("webhook-timestamp", parcel.seconds)
        .header("webhook-signature", &parcel.signature)
        .body(Full::new(Bytes::from(parcel.body.clone())))
        .map_err(|error| error.to_string())
}

/// The head of the answer. Its body concerns nobody: the connection is dropped with it.
async fn ask<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("no answer: {error}");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(ANSWER_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ended with this function, whatever the receiver does.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok(Answer { status: response.status().as_u16(), retry_after: retry_after(response.headers()) })
}

/// How long a receiver wants to be left alone: seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Whom this machine believes, and whom the certificates in the file vouch for.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "webhooks.certificates");
    }
    roots.add_parsable_certificates(found.certs);
    let Some(file) = ca_file else { return Ok(roots) };
    let wrong = |why: String| {
        Refusal::new(Reason::ConfigInvalid, format!("`ca_file` {}: {why}", file.display()))
            .hint("mend [webhooks] in config.toml")
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(wrong("it holds no certificate".into()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_until_a_date() {
        assert_eq!(after("121"), Some(Duration::from_secs(121)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(after("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() > Duration::from_secs(1_000_000));
        for nothing in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(nothing), None, "{nothing}");
        }
    }
}
