//! A server of a throw-away instance with the fixtures of the MCP conformance suite beside the product's own tools.
//!
//! Store, engine, HTTP, authentication and the protocol's handler are the product's; [`fixtures`] are laid over the
//! handler and answer the names that the suite asks for. It says where it listens and with which token in one line of
//! JSON, and ends with its standard input. Deliberately absent: any way to serve without a token, and any use of it by
//! a shipped crate.
#![expect(clippy::print_stdout, reason = "whoever starts it reads its address from standard output")]

mod fixtures;

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use interlock_core::Timestamp;
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;
use interlock_engine::{Engine, EngineConfig, Issuer, random_bytes};
use interlock_ledger::LogKey;
use interlock_server::{Server, ServerConfig, WebhookOptions, Webhooks};
use interlock_store::{Store as _, Workspace};
use interlock_store_sqlite::{Options, SqliteStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use fixtures::Fixtures;

/// How long the token holds: longer than the suite takes.
const TOKEN_MS: i64 = 3_600_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let (engine, token) = instance(&folder).await?;
    let webhooks = Webhooks::new(Arc::clone(&engine), WebhookOptions::default())?;
    let server = Server::bind(ServerConfig {
        engine,
        webhooks,
        address: ([127, 0, 0, 1], 0).into(),
        limits: interlock_server::RateLimits::default(),
    })
    .await?;
    println!("{}", json!({"event": "ready", "url": server.url(), "token": token}));
    let (stop, stopping) = watch::channel(false);
    std::thread::spawn(move || {
        // Whatever ends the reading, nobody holds the other end any longer.
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        stop.send_replace(true);
    });
    server.serve_with(Fixtures::new(random_bytes::<32>()?)?, stopping).await;
    Ok(())
}

/// An engine on a new file, and an operator's token for it.
async fn instance(folder: &TempDir) -> Outcome<(Arc<Engine>, String)> {
    let store = SqliteStore::open(&Options::at(folder.path().join("interlock.db")))?;
    let workspace_id = WorkspaceId::from_u128(1);
    let origin = format!("interlock.test/{workspace_id}");
    store.create_workspace(Workspace { workspace_id, origin }).await?;
    let engine = Engine::new(EngineConfig {
        store: Arc::new(store),
        policy: Policy::default(),
        policy_set: BTreeSet::new(),
        ledger_key: LogKey::from_seed(random_bytes()?),
        issuer: Issuer::from_pem(&Issuer::generate_pem()?)?,
        clock: Arc::new(now),
    })?;
    let name = AgentName::parse("tester")?;
    let tester =
        Actor { name, role: Role::Operator, workspace_id, session_id: None, wake_id: None, fence: None };
    let token = engine.issuer().mint(&tester, engine.here(), TOKEN_MS)?;
    Ok((engine, token))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
