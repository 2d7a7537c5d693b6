//! The server: who holds the lock, and whether it answers a real query.

use std::fs::{File, TryLockError};
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use interlock_api::Problem;
use interlock_api::operations::{GetStatus, ListWakes};
use interlock_api::v1::wake::ListWakesParams;
use interlock_api::v1::workspace::{GetStatusParams, StatusView};
use interlock_core::Reason;
use serde_json::Value;

use super::Check;
use crate::context::Context;
use crate::instance::{Instance, cause};

/// Bytes of the holder's note that are read.
const NOTE_BYTES_MAX: u64 = 4096;

/// The server that runs on the instance, if one does.
pub(super) async fn local(cx: &Context, instance: &Instance) -> Vec<Check> {
    let mut checks = vec![lock(&instance.lock())];
    match ask(cx).await {
        Ok((status, took_ms)) => checks.extend(answered(&status, took_ms)),
        Err(problem) if problem.known_reason() == Some(Reason::ServerNotRunning) => {
            let hint = problem.hint.unwrap_or_default();
            checks.push(Check::warn("server", problem.detail, hint));
        }
        Err(problem) => checks.push(Check::failed("server", &problem)),
    }
    checks
}

/// A server named by its address.
pub(super) async fn remote(cx: &Context, url: &str) -> Check {
    match ask(cx).await {
        Ok((status, took_ms)) => {
            Check::ok("server", format!("{url} answers for {} in {took_ms} ms", status.workspace_id))
        }
        // A supervisor may not look at the workspace, and needs not.
        Err(problem) if problem.known_reason() == Some(Reason::RoleMissing) => as_supervisor(cx, url).await,
        Err(problem) => Check::failed("server", &problem),
    }
}

/// The same with what a supervisor may ask.
async fn as_supervisor(cx: &Context, url: &str) -> Check {
    let start = Instant::now();
    let request = ListWakesParams { limit: 1, ..ListWakesParams::default() };
    let asked = async { cx.connect()?.read::<ListWakes>(&request).await };
    match asked.await {
        Ok(_) => {
            let took_ms = start.elapsed().as_millis();
            Check::ok("server", format!("{url} takes this supervisor's token, and answers in {took_ms} ms"))
        }
        Err(problem) => Check::failed("server", &problem),
    }
}

/// A query that goes through token, permission and store.
async fn ask(cx: &Context) -> Result<(StatusView, u128), Problem> {
    let connection = cx.connect()?;
    let start = Instant::now();
    let status = connection.read::<GetStatus>(&GetStatusParams::default()).await?;
    Ok((status, start.elapsed().as_millis()))
}

fn answered(status: &StatusView, took_ms: u128) -> Vec<Check> {
    let mut checks = vec![Check::ok("server", format!("answers in {took_ms} ms"))];
    checks.push(if status.is_halted {
        Check::warn("agents", "all agents are stopped", "let them go on: interlock resume")
    } else if status.supervisors.is_empty() {
        Check::warn(
            "agents",
            "no supervisor has called, so nobody is woken",
            "start one: interlock supervise",
        )
    } else {
        Check::ok("agents", format!("{} registered", status.agents.len()))
    });
    if !status.attention.is_empty() {
        let detail = match status.attention.len() {
            1 => "1 blocked thread waits for a person".to_owned(),
            n => format!("{n} blocked threads wait for a person"),
        };
        checks.push(Check::warn("threads", detail, "see them: interlock status"));
    }
    checks
}

/// The kernel knows whether the lock is held; the file says by whom.
fn lock(path: &Path) -> Check {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Check::ok("lock", "not held"),
        Err(error) => {
            return Check::fail("lock", format!("{} {}", path.display(), cause(&error)), "remove it");
        }
    };
    match file.try_lock_shared() {
        Ok(()) => Check::ok("lock", "not held"),
        Err(TryLockError::WouldBlock) => Check::ok("lock", holder(&mut file)),
        Err(TryLockError::Error(error)) => {
            let hint = "move the instance to a local disk";
            Check::fail("lock", format!("{} {}", path.display(), cause(&error)), hint)
        }
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok();
    let note = read.and_then(|_| serde_json::from_str::<Value>(&text).ok()).unwrap_or_default();
    let field =
        |name: &str| note.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
    match (field("pid"), field("what"), field("since")) {
        (Some(pid), Some(what), Some(since)) => format!("held by process {pid} ({what}, since {since})"),
        _ => "held by another process".into(),
    }
}
