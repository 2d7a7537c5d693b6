//! The composition root: an instance's lock, store, engine and server put together.

use std::net::SocketAddr;
use std::sync::Arc;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_engine::{Engine, EngineConfig};
use interlock_server::{Server, ServerConfig};
use interlock_store::{Store as _, StoreError, Workspace};
use interlock_store_sqlite::{Holder, InstanceLock, Options, SqliteStore};

use crate::context::Context;
use crate::instance::{Instance, Run};

/// A server that is bound and not yet serving; the instance is ours as long as it lives.
pub(crate) struct Node {
    pub(crate) engine: Arc<Engine>,
    pub(crate) server: Server,
    pub(crate) lock: InstanceLock,
    pub(crate) store: Arc<SqliteStore>,
}

/// Take the instance, open everything, bind the address.
///
/// # Errors
/// `SERVER_RUNNING` with the holder named, and what the store, the keys or the address refuse.
pub(crate) async fn open(instance: &Instance, listen: Option<SocketAddr>) -> Result<Node, Problem> {
    let mut holder = holder("starting");
    let mut lock =
        InstanceLock::acquire(&instance.lock(), &holder).map_err(|error| held(instance, &error))?;
    let store =
        Arc::new(SqliteStore::open(&Options::at(instance.database())).map_err(|e| unusable(instance, &e))?);
    let workspace =
        Workspace { workspace_id: instance.config.workspace_id, origin: instance.ledger_origin() };
    store.create_workspace(workspace).await.map_err(|error| unusable(instance, &error))?;
    let engine = Engine::new(EngineConfig {
        store: Arc::<SqliteStore>::clone(&store),
        policy: instance.config.policy.clone(),
        ledger_key: instance.ledger_key()?,
        issuer: instance.issuer()?,
        clock: Arc::new(Context::now),
    })
    .map_err(|refusal| Problem::of(&refusal, ""))?;
    let address = listen.unwrap_or(instance.config.listen);
    let server = Server::bind(ServerConfig { engine: Arc::clone(&engine), address })
        .await
        .map_err(|refusal| Problem::of(&refusal, ""))?;
    holder.what = format!("interlock up, {}", server.url());
    lock.note(&holder).map_err(|error| held(instance, &error))?;
    Ok(Node { engine, server, lock, store })
}

fn holder(what: &str) -> Holder {
    Holder { pid: std::process::id(), what: what.to_owned(), since: Context::now().to_string() }
}

/// What the instance says of a server at this address.
pub(crate) fn run_of(server: &Server) -> Run {
    let url = server.url();
    Run { pid: std::process::id(), mcp_url: format!("{url}/mcp"), url, started_at: Context::now() }
}

fn held(instance: &Instance, error: &StoreError) -> Problem {
    let folder = instance.folder().display();
    match error {
        StoreError::Held { holder } => {
            Problem::new(Reason::ServerRunning, &format!("{folder} is in use by {holder}"), "")
                .hint("use that server, or stop it with: interlock stop")
        }
        other => unusable(instance, other),
    }
}

/// What a store that cannot be opened means.
fn unusable(instance: &Instance, error: &StoreError) -> Problem {
    let file = instance.database().display().to_string();
    match error {
        StoreError::Foreign(why) => {
            Problem::new(Reason::DatabaseForeign, &format!("`{file}` is no Interlock database: {why}"), "")
                .hint("move that file away; nothing was written to it")
        }
        StoreError::TooNew { .. } => Problem::new(Reason::SchemaTooNew, &format!("`{file}`: {error}"), "")
            .hint("use the Interlock that wrote it, or a newer one"),
        StoreError::Corrupt(why) => {
            Problem::new(Reason::DatabaseBroken, &format!("`{file}` is broken: {why}"), "")
                .hint("keep a copy of the folder, then restore the file from a backup")
        }
        other => Problem::new(Reason::StoreUnavailable, &format!("`{file}`: {other}"), "")
            .hint("check the disk and the folder's permissions"),
    }
}
