//! The deadline of a turn: nothing of ours runs in a server of Codex, so a shim that is told of the lease ends the turn when
//! that is over, whether its supervisor is stopped, asleep or dead.

use std::path::PathBuf;
use std::process::Stdio;

use super::record::{self, Record};
use crate::process::Shim;
use crate::protocol::{Notice, Order, TurnPlan};
use crate::shared::Shared;
use interlock_api::v1::wake::ClaimedWake;

/// What is to be watched over.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The turn.
    pub(crate) record: Record,
    /// It was begun on an earlier claim.
    pub(crate) is_found: bool,
    /// The wake's log.
    pub(crate) log: PathBuf,
}

/// A shim that ends a turn when its lease is over. Dropping it changes nothing of that: its supervisor may be dead.
#[derive(Debug)]
pub(crate) struct Deadline {
    shim: Shim,
    /// As it was when the shim took the turn over.
    pub(crate) record: Record,
    /// Where it stands.
    pub(crate) path: PathBuf,
}

impl Deadline {
    /// Let a shim watch over this turn; the one of an earlier claim does so no longer.
    pub(crate) async fn start(
        shared: &Shared,
        claimed: &ClaimedWake,
        turn: Watched,
        lease_until_ms: u64,
    ) -> Result<Self, String> {
        let Watched { record, is_found, log } = turn;
        let path = record::path(&shared.config.state_dir, claimed);
        let plan = TurnPlan {
            turn: record.clone(),
            is_found,
            record: path.clone().into_os_string(),
            lock: path.with_extension("lock").into_os_string(),
            log: log.into_os_string(),
            lease_until_ms,
        };
        let fault = |error: std::io::Error| format!("the shim of its turn cannot be started: {error}");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fault)?;
        }
        let mut shim = Shim::start(&shared.config.shim, &plan, Stdio::null()).await.map_err(fault)?;
        match shim.next().await {
            Some(Notice::Watching) => {}
            Some(Notice::Failed(failure)) => return Err(failure.detail),
            _ => return Err("the shim of its turn does not watch over it".into()),
        }
        let known = Record::read(&path, &record.client_id).map_err(fault)?;
        Ok(Self { shim, record: known.unwrap_or(record), path })
    }

    /// The lease was renewed.
    pub(crate) async fn renewed(&mut self, until_ms: u64) {
        self.shim.order(Order::Lease { until_ms }).await;
    }

    /// The turn is over, and this with it.
    pub(crate) async fn over(mut self) {
        self.shim.order(Order::Over).await;
    }
}
