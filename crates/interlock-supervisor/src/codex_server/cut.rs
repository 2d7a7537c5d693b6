//! The end of a turn that nobody follows any more: found by our message in it, and interrupted, unless it is a person's.

use std::path::Path;
use std::time::Duration;

use interlock_core::id::SessionId;
use serde_json::json;

use super::probe::{ask, greet};
use super::record::Record;
use super::wire::{Wire, is_gone};
use super::{history, newest_turn};

/// How long one try may take.
const TRY_MAX: Duration = Duration::from_secs(3);
/// The pause between tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long it is tried for; by default others take the wake to be in doubt a few seconds after that (`takeover_grace_ms`).
const CUT_MAX: Duration = Duration::from_secs(10);

/// How it stands with a turn that was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its server was told to end it.
    Told,
    /// There is nothing of ours to end: it is over, was never asked for, or is part of a person's turn.
    Nothing,
}

/// End it, as far as its server can be reached in bounded time.
pub(crate) async fn cut(record: &Record, path: &Path) -> Result<Cut, String> {
    let start = tokio::time::Instant::now();
    loop {
        let tried = tokio::time::timeout(TRY_MAX, try_once(record, path)).await;
        let why = match tried {
            Ok(Ok(cut)) => return Ok(cut),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} s", TRY_MAX.as_secs()),
        };
        if start.elapsed() >= CUT_MAX {
            return Err(why);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_once(record: &Record, path: &Path) -> Result<Cut, String> {
    let mut wire = match Wire::connect(&record.socket).await {
        Ok(wire) => wire,
        // What ran there is gone with its server.
        Err(error) if is_gone(&error) => return Ok(Cut::Nothing),
        Err(error) => return Err(format!("it cannot be connected to: {error}")),
    };
    greet(&mut wire).await?;
    let thread = SessionId::to_uuid_text(record.session_id);
    // What runs is the newest.
    let page = match ask(&mut wire, 2, "thread/turns/list", &newest_turn(&thread, None)).await? {
        Ok(page) => page,
        Err(refused) if refused.is_unwritten() => return Ok(Cut::Nothing),
        Err(refused) => return Err(format!("it refuses to say what runs: {}", refused.message)),
    };
    let Some(turn) = history::running(&page, &record.client_id) else { return Ok(Cut::Nothing) };
    record.cut(path).map_err(|error| format!("that it is cut off cannot be written down: {error}"))?;
    // A no says that it is over by now.
    let _over = ask(&mut wire, 3, "turn/interrupt", &json!({"threadId": thread, "turnId": turn})).await?;
    Ok(Cut::Told)
}
