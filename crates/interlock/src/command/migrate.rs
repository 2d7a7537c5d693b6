//! `interlock migrate`: an instance moves from its file to PostgreSQL, or back, with nothing lost.
//!
//! The copy is one transaction of the target, read again and compared before it counts. Until the configuration names the
//! new place the old one is as it was, so that an interruption at any instant leaves the instance usable.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::id::WorkspaceId;
use interlock_store::StoreError;
use interlock_store::archive::Archive;
use interlock_store_postgres::{Options, PostgresArchive, servers};
use interlock_store_sqlite::SqliteArchive;

use crate::context::Context;
use crate::database::{DatabaseParams, away};
use crate::environment::Secret;
use crate::exit::{Answer, End};
use crate::instance::{Instance, parent_of, unwritable};
use crate::node;
use crate::random::random;

mod copy;

use copy::Copied;

/// How long connections of servers may still be there, and between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// What `migrate` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// From PostgreSQL back to the file in the instance's folder.
    #[arg(long)]
    back: bool,
    #[command(flatten)]
    database: DatabaseParams,
}

/// Move the instance; its configuration says where it is afterwards.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let instance = cx.instance()?;
    let url = params.database.of(cx, &instance).ok_or_else(|| {
        Problem::new(Reason::UsageInvalid, "no database is named", "")
            .hint("name it with --database-url or INTERLOCK_DATABASE_URL")
    })?;
    let (_lock, _) = node::hold(&instance, "interlock migrate")?;
    let copied = if params.back { back(&instance, url).await? } else { there(&instance, url).await? };
    let is_named = params.back && cx.environment.database_url.is_some();
    answer(params.back, is_named, &copied)
}

fn answer(is_back: bool, is_named: bool, copied: &Copied) -> End {
    let place = if is_back { "sqlite" } else { "postgresql" };
    let json = serde_json::json!({
        "moved_to": place, "entries": copied.entries, "rows": copied.summary.rows,
        "digest": copied.summary.digest.to_string(), "checkpoint": copied.checkpoint,
    });
    let where_now =
        if is_back { "the file interlock.db" } else { "PostgreSQL; config.toml names the database" };
    let mut text = format!(
        "moved {} ledger entries and {} rows in all to {where_now}\ndigest of both, compared: {}\n",
        copied.entries, copied.summary.rows, copied.summary.digest
    );
    if is_named {
        text += "INTERLOCK_DATABASE_URL still names the database: unset it before you start the server\n";
    }
    Ok(Answer::new(&json, text)?)
}

/// From the file to PostgreSQL. The file stays under another name.
async fn there(instance: &Instance, url: &Secret) -> Result<Copied, Problem> {
    let file = instance.database();
    if !file.exists() {
        return Err(nothing(&format!("{} is not there", file.display())));
    }
    let ws = instance.config.workspace_id;
    let mut source = SqliteArchive::open(&file, ws).map_err(|error| node::unusable(instance, &error))?;
    let mut target = PostgresArchive::open(&Options::at(&url.0), ws).await.map_err(|error| away(&error))?;
    let here = |error: StoreError| node::unusable(instance, &error);
    let copied = copy::all(&mut source, &here, &mut target, &|error| away(&error)).await?;
    node::same_keys(instance, copied.checkpoint.as_deref())?;
    target.commit().await.map_err(|error| away(&error))?;
    instance.set_database(Some(url))?;
    // Folds the log, so that the file alone is whole.
    source.commit().await.map_err(here)?;
    drop(source);
    let moved = free_name(&file);
    fs::rename(&file, &moved).map_err(|error| unwritable(&moved, &error))?;
    Ok(copied)
}

/// From PostgreSQL to the file. The workspace stays in the database under another id.
async fn back(instance: &Instance, url: &Secret) -> Result<Copied, Problem> {
    let (file, fresh) = (instance.database(), instance.folder().join("interlock.db.new"));
    let ws = instance.config.workspace_id;
    let options = Options::at(&url.0);
    unused(&options, ws).await?;
    let mut source = PostgresArchive::open(&options, ws).await.map_err(|error| away(&error))?;
    for name in ["interlock.db.new", "interlock.db.new-wal", "interlock.db.new-shm"] {
        remove(&instance.folder().join(name))?;
    }
    // A file that is there already holds the same, after an interruption, or is refused.
    let place = if file.exists() { &file } else { &fresh };
    let here = |error: StoreError| node::unusable(instance, &error);
    let mut target = SqliteArchive::open(place, ws).map_err(here)?;
    let copied = copy::all(&mut source, &|error| away(&error), &mut target, &here).await?;
    node::same_keys(instance, copied.checkpoint.as_deref())?;
    target.commit().await.map_err(here)?;
    drop(target);
    if place == &fresh {
        put_in_place(&fresh, &file).map_err(|error| unwritable(&file, &error))?;
    }
    instance.set_database(None)?;
    let retired = WorkspaceId::derive(Context::now(), &random::<32>()?, 0);
    source.rename(retired).await.map_err(|error| away(&error))?;
    source.commit().await.map_err(|error| away(&error))?;
    Ok(copied)
}

/// Refuse while servers use the database; those of one that has just ended go away in a moment.
async fn unused(options: &Options, ws: WorkspaceId) -> Result<(), Problem> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let connections = servers(options, ws).await.map_err(|error| away(&error))?;
        if connections == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            let detail = format!("servers of this instance have {connections} connections to the database");
            return Err(Problem::new(Reason::ServerRunning, &detail, "").hint("stop all of them first"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn put_in_place(fresh: &Path, file: &Path) -> std::io::Result<()> {
    File::open(fresh)?.sync_all()?;
    fs::rename(fresh, file)?;
    File::open(parent_of(file))?.sync_all()
}

fn remove(file: &Path) -> Result<(), Problem> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritable(file, &error)),
        _ => Ok(()),
    }
}

/// `interlock.db.moved`, or that with a number, for nothing is overwritten.
fn free_name(file: &Path) -> PathBuf {
    let named = |more: String| {
        let mut name = file.as_os_str().to_owned();
        name.push(more);
        PathBuf::from(name)
    };
    let numbered = (2_u32..).map(|n| named(format!(".moved-{n}")));
    let mut all = std::iter::once(named(".moved".into())).chain(numbered);
    all.find(|name| !name.exists()).unwrap_or_else(|| named(".moved".into()))
}

/// What is said when there is no source.
fn nothing(detail: &str) -> Problem {
    Problem::new(Reason::NothingToMove, detail, "").hint("see where the data are with: interlock doctor")
}
