//! Opening a database: ours or refused, migrated to this build's schema.

use std::future::poll_fn;
use std::str::FromStr as _;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use interlock_core::Timestamp;
use interlock_core::id::WorkspaceId;
use interlock_store::StoreError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::clock::{self, Clock};
use crate::error;
use crate::pool::{CONNECT_MAX, Line, in_time};
use crate::tls::{Secured, secured};

/// The migrations, in order; `interlock_schema` counts those applied.
const MIGRATIONS: [&str; 11] = [
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_search.sql"),
    include_str!("../migrations/0003_reasons.sql"),
    include_str!("../migrations/0004_jobs.sql"),
    include_str!("../migrations/0005_answers.sql"),
    include_str!("../migrations/0006_webhooks.sql"),
    include_str!("../migrations/0007_denials.sql"),
    include_str!("../migrations/0008_agents.sql"),
    include_str!("../migrations/0009_sessions.sql"),
    include_str!("../migrations/0010_supervisors.sql"),
    include_str!("../migrations/0011_snapshots.sql"),
];

/// Names the lock that one migration at a time holds: `ILOK`.
const MIGRATION_LOCK: i64 = 0x494C_4F4B;

/// What every session is set to. Generic plans by index: without statistics the planner looks at each lookup anew, which
/// costs more than the lookup. What hangs in a lock or amid a transaction is ended by the database too.
const SESSION: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c synchronous_commit=on \
    -c lock_timeout=8s -c statement_timeout=9s -c idle_in_transaction_session_timeout=15s \
    -c default_transaction_isolation=read\\ committed -c timezone=UTC";

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Where the database is: a connection URL or a list of `name=value`.
    pub url: String,
    /// Connections at most.
    pub connections: usize,
    /// What the database calls our sessions.
    pub name: String,
}

/// What the sessions of a workspace's server are called.
pub fn application(ws: WorkspaceId) -> String {
    format!("interlock {ws}")
}

// The URL may hold a password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Options {
    /// The database at `url` with eight connections.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections: 8, name: "interlock".into() }
    }

    /// With another name for our sessions.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// How to reach the database: its address with what every session is set to.
#[derive(Clone)]
pub(crate) struct Way {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Way {
    pub(crate) fn of(options: &Options) -> Result<Self, StoreError> {
        let Secured { url, tls } = secured(&options.url)?;
        let mut config = Config::from_str(&url).map_err(|error| StoreError::Address(error.to_string()))?;
        let ours =
            config.get_options().map_or_else(|| SESSION.to_owned(), |theirs| format!("{theirs} {SESSION}"));
        config.options(&ours).application_name(&options.name).connect_timeout(CONNECT_MAX);
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// A connection outside the pool, served in the background; what is notified goes to `heard`.
    pub(crate) async fn connect(&self, heard: Option<mpsc::Sender<String>>) -> Result<Client, StoreError> {
        let fail = |error: tokio_postgres::Error| error::store(&error);
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(fail)?;
            tokio::spawn(serve(connection, heard));
            return Ok(client);
        }
        let (client, connection) = self.config.connect(NoTls).await.map_err(fail)?;
        tokio::spawn(serve(connection, heard));
        Ok(client)
    }

    /// The pool; connects when first asked.
    pub(crate) fn pool(&self, connections: usize) -> Result<Pool, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.tls {
            Some(tls) => Manager::from_config(self.config.clone(), tls.clone(), recycling),
            None => Manager::from_config(self.config.clone(), NoTls, recycling),
        };
        Pool::builder(manager)
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_MAX))
            .create_timeout(Some(CONNECT_MAX))
            .recycle_timeout(Some(CONNECT_MAX))
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

/// Serve a connection until its end, of which its client hears by itself.
async fn serve<S, T>(mut connection: Connection<S, T>, heard: Option<mpsc::Sender<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let (AsyncMessage::Notification(note), Some(heard)) = (message, &heard)
            && heard.try_send(note.payload().to_owned()).is_err()
        {
            // Too many, or nobody listens: the channel's end says so.
            return;
        }
    }
}

/// Make or bring up to date; one server at a time.
pub(crate) async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let line = Line::take(pool).await?;
    in_time(async {
        line.plain("BEGIN").await?;
        line.plain(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        for (version, sql) in (1_u32..).zip(MIGRATIONS).skip(found(&line).await?) {
            line.plain(sql).await?;
            line.plain(&format!("INSERT INTO interlock_schema (version) VALUES ({version})")).await?;
        }
        line.plain("COMMIT").await
    })
    .await?;
    line.give_back();
    Ok(())
}

/// Ask the database what time it is.
pub(crate) async fn compare(pool: &Pool, clock: &Clock) -> Result<(), StoreError> {
    let line = Line::take(pool).await?;
    let asked = clock::here();
    let said = in_time(line.one(&format!("SELECT {}", clock::NOW), &[])).await?;
    let said = said.ok_or_else(|| StoreError::Unavailable("the database tells no time".into()))?;
    clock.hear(asked, Timestamp::from_millis(crate::row::get(&said, 0)?));
    line.give_back();
    Ok(())
}

/// Migrations applied so far, after the table that counts them is made where there is none.
async fn found(line: &Line) -> Result<usize, StoreError> {
    let version = applied(line).await?;
    if version.is_none() {
        line.plain("CREATE TABLE interlock_schema (version BIGINT PRIMARY KEY)").await?;
    }
    Ok(usize::try_from(version.unwrap_or_default()).unwrap_or(usize::MAX))
}

/// Migrations applied so far; `None` for a database without any table.
pub(crate) async fn applied(line: &Line) -> Result<Option<u32>, StoreError> {
    let get = |row: &tokio_postgres::Row| row.try_get::<_, i64>(0).map_err(|e| error::store(&e));
    let count = async |sql: &str| match line.one(sql, &[]).await? {
        Some(row) => get(&row),
        None => Ok(0),
    };
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')";
    let ours = format!("{tables} AND relname = 'interlock_schema'");
    if count(&ours).await? == 0 {
        if count(tables).await? > 0 {
            return Err(StoreError::Foreign("the database has tables of another program".into()));
        }
        return Ok(None);
    }
    let version = count("SELECT coalesce(max(version), 0) FROM interlock_schema").await?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if version > known {
        return Err(StoreError::TooNew { found: version, known });
    }
    Ok(Some(version))
}
