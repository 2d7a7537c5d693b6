//! The composition root: an instance's lock, store, engine and server put together.

use std::net::SocketAddr;
use std::sync::Arc;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_engine::{Engine, EngineConfig, Neighbourhood};
use interlock_server::{Server, ServerConfig, Webhooks};
use interlock_store::{Store, StoreError, Workspace};
use interlock_store_postgres::{self as postgres, PostgresStore};
use interlock_store_sqlite::{Holder, InstanceLock, Options, SqliteStore};

use crate::context::Context;
use crate::database::away;
use crate::environment::Secret;
use crate::instance::{Instance, Run};

/// A server that is bound and not yet serving; the instance is ours as long as it lives.
pub(crate) struct Node {
    pub(crate) engine: Arc<Engine>,
    pub(crate) server: Server,
    pub(crate) lock: InstanceLock,
    pub(crate) store: Kept,
    /// Who is told of events over HTTP.
    pub(crate) webhooks: Arc<Webhooks>,
    /// The other servers of the database, where there can be any.
    pub(crate) neighbours: Option<Neighbourhood>,
}

/// Where everything is kept.
#[derive(Clone)]
pub(crate) enum Kept {
    /// In the file in the instance's folder.
    File(Arc<SqliteStore>),
    /// In a PostgreSQL database.
    Database(Arc<PostgresStore>),
}

impl Kept {
    async fn open(instance: &Instance, database: Option<&Secret>) -> Result<Self, StoreError> {
        Ok(match database {
            Some(url) => {
                let name = postgres::application(instance.config.workspace_id);
                let options = postgres::Options::at(&url.0).named(name);
                Self::Database(Arc::new(PostgresStore::open(&options).await?))
            }
            None => Self::File(Arc::new(SqliteStore::open(&Options::at(instance.database()))?)),
        })
    }

    fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => Arc::<SqliteStore>::clone(store),
            Self::Database(store) => Arc::<PostgresStore>::clone(store),
        }
    }

    /// Hear the other servers of the database, and be heard.
    fn join(&self, engine: &Arc<Engine>) -> Result<Option<Neighbourhood>, Problem> {
        let Self::Database(store) = self else { return Ok(None) };
        let joined = engine.join(&store.neighbours()).map_err(|refusal| Problem::of(&refusal, ""))?;
        Ok(Some(joined))
    }

    /// For the end of a server: a file is made whole without its log.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::File(store) => store.fold().await,
            Self::Database(_) => Ok(()),
        }
    }
}

/// Take the instance, open everything, bind the address.
///
/// # Errors
/// `SERVER_RUNNING` with the holder named, and what the store, the keys or the address refuse.
pub(crate) async fn open(
    instance: &Instance,
    listen: Option<SocketAddr>,
    database: Option<&Secret>,
) -> Result<Node, Problem> {
    let (mut lock, mut holder) = hold(instance, "starting")?;
    let refuse = |error: StoreError| match database {
        Some(_) => away(&error),
        None => unusable(instance, &error),
    };
    let kept = Kept::open(instance, database).await.map_err(refuse)?;
    let store = kept.store();
    let workspace =
        Workspace { workspace_id: instance.config.workspace_id, origin: instance.ledger_origin() };
    store.create_workspace(workspace).await.map_err(refuse)?;
    let head = store.ledger_head(instance.config.workspace_id).await.map_err(refuse)?;
    same_keys(instance, head.checkpoint.as_deref())?;
    let engine = Engine::new(EngineConfig {
        store,
        policy: instance.config.policy.clone(),
        policy_set: instance.config.policy_set.clone(),
        ledger_key: instance.ledger_key()?,
        issuer: instance.issuer()?,
        clock: Arc::new(Context::now),
    })
    .map_err(|refusal| Problem::of(&refusal, ""))?;
    let address = listen.unwrap_or(instance.config.listen);
    let webhooks = Webhooks::new(Arc::clone(&engine), instance.config.webhooks.clone())
        .map_err(|refusal| Problem::of(&refusal, ""))?;
    let limits = instance.config.rate;
    let config =
        ServerConfig { engine: Arc::clone(&engine), address, limits, webhooks: Arc::clone(&webhooks) };
    let server = Server::bind(config).await.map_err(|refusal| Problem::of(&refusal, ""))?;
    holder.what = format!("interlock up, {}", server.url());
    lock.note(&holder).map_err(|error| held(instance, &error))?;
    let neighbours = kept.join(&engine)?;
    Ok(Node { engine, server, lock, store: kept, webhooks, neighbours })
}

/// The ledger goes on with the key that signed it, or not at all.
pub(crate) fn same_keys(instance: &Instance, checkpoint: Option<&str>) -> Result<(), Problem> {
    let Some(checkpoint) = checkpoint else { return Ok(()) };
    let vkey = instance.ledger_key()?.vkey(&instance.ledger_origin());
    if vkey.is_ok_and(|vkey| interlock_ledger::open_checkpoint(checkpoint, &vkey).is_ok()) {
        return Ok(());
    }
    let detail = "the database's ledger is signed with another key than this instance has";
    Err(Problem::new(Reason::KeysDiffer, detail, "")
        .hint("copy the folder `keys` of the instance that made the database"))
}

/// Take the instance for this process.
///
/// # Errors
/// `SERVER_RUNNING` with the holder named.
pub(crate) fn hold(instance: &Instance, what: &str) -> Result<(InstanceLock, Holder), Problem> {
    let holder = Holder { pid: std::process::id(), what: what.to_owned(), since: Context::now().to_string() };
    let lock = InstanceLock::acquire(&instance.lock(), &holder).map_err(|error| held(instance, &error))?;
    Ok((lock, holder))
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
pub(crate) fn unusable(instance: &Instance, error: &StoreError) -> Problem {
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
