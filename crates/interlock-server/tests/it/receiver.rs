//! A receiver of webhooks on this machine: takes down what arrives and answers as it is told to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use interlock_server::WebhookOptions;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::soon;

/// What arrived.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Parcel {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What another implementation says of the signature under this secret.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        standardwebhooks::Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }
}

/// What to answer to a parcel, given how often it has come before.
type Manner = dyn Fn(&Parcel, usize) -> Say + Send + Sync;

/// What a receiver says.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// This status with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Nothing of use, and that not before the receiver is gone.
    Nothing,
}

pub(crate) fn status(status: u16) -> Say {
    Say::Status(status, Vec::new())
}

struct Desk {
    manner: Mutex<Arc<Manner>>,
    parcels: watch::Sender<Vec<Parcel>>,
    gone: watch::Sender<bool>,
}

/// The receiver; gone when it is dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    desk: Arc<Desk>,
    _serving: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn new(manner: impl Fn(&Parcel, usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let (router, desk) = router(manner);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, _serving: serving }
    }

    /// One that takes everything.
    pub(crate) async fn content() -> Self {
        Self::new(|_, _| status(204)).await
    }

    /// From now on it answers otherwise.
    pub(crate) fn turns(&self, manner: impl Fn(&Parcel, usize) -> Say + Send + Sync + 'static) {
        *self.desk.manner.lock().unwrap() = Arc::new(manner);
    }

    /// Everything that has arrived.
    pub(crate) fn parcels(&self) -> Vec<Parcel> {
        self.desk.parcels.borrow().clone()
    }

    /// Until what has arrived is enough.
    pub(crate) async fn until(&self, is_enough: impl Fn(&[Parcel]) -> bool) -> Vec<Parcel> {
        let mut parcels = self.desk.parcels.subscribe();
        let enough = async { parcels.wait_for(|parcels| is_enough(parcels)).await.unwrap().clone() };
        soon(enough).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.desk.gone.send_replace(true);
    }
}

/// A router that takes parcels down, and what it took down.
fn router(manner: impl Fn(&Parcel, usize) -> Say + Send + Sync + 'static) -> (Router, Arc<Desk>) {
    let (parcels, gone) = (watch::Sender::new(Vec::new()), watch::Sender::new(false));
    let desk = Desk { manner: Mutex::new(Arc::new(manner)), parcels, gone };
    let desk = Arc::new(desk);
    (Router::new().fallback(take).with_state(Arc::clone(&desk)), desk)
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = headers.get("webhook-id").map_or("", |id| id.to_str().unwrap()).to_owned();
    let parcel = Parcel { id, headers, body };
    let manner = Arc::clone(&desk.manner.lock().unwrap());
    let before = desk.parcels.borrow().iter().filter(|other| other.id == parcel.id).count();
    let say = manner(&parcel, before);
    desk.parcels.send_modify(|parcels| parcels.push(parcel));
    match say {
        Say::Nothing => {
            drop(desk.gone.subscribe().wait_for(|gone| *gone).await);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Say::Status(status, headers) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    }
}

/// A receiver behind TLS, and the options of a server that believes the authority which vouches for it.
pub(crate) struct Sealed {
    pub(crate) receiver: Receiver,
    pub(crate) options: WebhookOptions,
    _folder: tempfile::TempDir,
}

impl Sealed {
    pub(crate) async fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("authority.pem");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
        let (router, desk) = router(|_, _| status(200));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A sender that does not believe us breaks off; that is its own affair.
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let stream = hyper_util::rt::TokioIo::new(stream);
                let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
                drop(served.await);
            }
        });
        let options = WebhookOptions { ca_file: Some(ca_file), ..crate::world::quick() };
        Self { receiver: Receiver { url, desk, _serving: serving }, options, _folder: folder }
    }
}
