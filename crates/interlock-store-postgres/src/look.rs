//! A look at a database that changes nothing in it.

use interlock_core::id::WorkspaceId;
use interlock_store::{LedgerHead, StoreError};

use crate::open::{self, Way};
use crate::pool::{Line, in_time};
use crate::row::{get, number};
use crate::{Options, application, query};

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The server's version, as it says.
    pub server: String,
    /// Migrations applied; 0 for a database that is still empty.
    pub schema: u32,
    /// The ledger of the workspace that was asked for, when the database knows it.
    pub ledger: Option<LedgerHead>,
}

/// Look for a workspace.
///
/// # Errors
/// As opening the database; it is neither made nor migrated.
pub async fn look(options: &Options, ws: WorkspaceId) -> Result<Looked, StoreError> {
    let pool = Way::of(options)?.pool(1)?;
    in_time(async {
        let line = Line::take(&pool).await?;
        let row = line.one("SHOW server_version", &[]).await?;
        let server = row.map(|row| get(&row, 0)).transpose()?.unwrap_or_default();
        let schema = open::applied(&line).await?.unwrap_or_default();
        let pk = if schema == 0 {
            None
        } else {
            let sql = "SELECT pk FROM workspace WHERE id = $1";
            line.one(sql, &[&ws.to_bytes().as_slice()]).await?.map(|row| get(&row, 0)).transpose()?
        };
        let ledger = match pk {
            Some(pk) => Some(query::ledger_head(&line, pk).await?),
            None => None,
        };
        line.give_back();
        Ok(Looked { server, schema, ledger })
    })
    .await
}

/// How many connections servers of this workspace have to the database.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn servers(options: &Options, ws: WorkspaceId) -> Result<u64, StoreError> {
    let pool = Way::of(options)?.pool(1)?;
    in_time(async {
        let line = Line::take(&pool).await?;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1";
        let row = line.one(sql, &[&application(ws)]).await?;
        line.give_back();
        row.map_or(Ok(0), |row| number(&row, 0))
    })
    .await
}
