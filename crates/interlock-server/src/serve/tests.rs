use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interlock_core::Timestamp;
use interlock_core::policy::Policy;
use interlock_engine::{EngineConfig, Issuer};
use interlock_ledger::LogKey;
use interlock_store_sqlite::{Options, SqliteStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;
use crate::webhooks::WebhookOptions;

const PLACES: usize = 3;
const ASK: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server with few places, and what stops it.
struct Small {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Small {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap();
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let engine = Engine::new(EngineConfig {
            store: Arc::new(store),
            policy: Policy::default(),
            policy_set: BTreeSet::new(),
            ledger_key: LogKey::from_seed([7; 32]),
            issuer: Issuer::from_pem(&Issuer::generate_pem().unwrap()).unwrap(),
            clock: Arc::new(move || Timestamp::from_millis(i64::try_from(wall()).unwrap())),
        });
        let address = "127.0.0.1:0".parse().unwrap();
        let engine = engine.unwrap();
        let webhooks = Webhooks::new(Arc::clone(&engine), WebhookOptions::default()).unwrap();
        let config = ServerConfig { engine, address, limits: RateLimits::default(), webhooks };
        let server = Server::bind(config).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let address = server.address();
        let serving = tokio::spawn(server.serve_at_once(PLACES, Bare, stopping));
        Self { address, stop, serving, _folder: folder }
    }

    /// Connections that were answered once and keep their places.
    async fn keep_all_places(&self) -> Vec<TcpStream> {
        let mut kept = Vec::new();
        for _ in 0..PLACES {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            kept.push(stream);
        }
        kept
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_served_when_another_ends() {
    let small = Small::new().await;
    let mut kept = small.keep_all_places().await;
    let mut late = TcpStream::connect(small.address).await.unwrap();
    late.write_all(ASK).await.unwrap();
    // Those with a place are served while it waits.
    let mut held = kept.pop().unwrap();
    held.write_all(ASK).await.unwrap();
    let mut answer = String::new();
    held.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 200"));
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_full_server_stops_all_the_same() {
    let small = Small::new().await;
    let kept = small.keep_all_places().await;
    let late = TcpStream::connect(small.address).await.unwrap();
    small.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(20), small.serving).await.expect("it stops").unwrap();
    drop((kept, late));
}
