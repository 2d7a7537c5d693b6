//! The copy itself: read, written, read again, and compared.

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_store::StoreError;
use interlock_store::archive::{Archive, ArchiveHead, Cell, Cells, Summary, TABLES};

use super::nothing;

/// Rows that are read and written at once.
const PAGE_ROWS: u32 = 200;

/// What was moved.
pub(super) struct Copied {
    pub(super) entries: u64,
    pub(super) summary: Summary,
    /// The newest signed checkpoint, as the target has it.
    pub(super) checkpoint: Option<String>,
}

/// What an error of one side means.
type Explain<'a> = &'a (dyn Fn(StoreError) -> Problem + Sync);

/// Copy everything of the workspace into the target, whose transaction is still open afterwards. A target that holds the
/// same already is left as it is.
///
/// # Errors
/// `NOTHING_TO_MOVE`, `TARGET_NOT_EMPTY`; `DATABASE_BROKEN` when what arrived is not what was sent.
pub(super) async fn all(
    source: &mut dyn Archive,
    of_source: Explain<'_>,
    target: &mut dyn Archive,
    of_target: Explain<'_>,
) -> Result<Copied, Problem> {
    let head = source.head().await.map_err(of_source)?;
    let head = head.ok_or_else(|| nothing("the database does not hold this instance's workspace"))?;
    let there = target.head().await.map_err(of_target)?;
    let sent = match &there {
        Some(_) => summary(source, of_source, &head).await?,
        None => send(source, of_source, target, of_target, &head).await?,
    };
    let arrived = target.head().await.map_err(of_target)?;
    let arrived = arrived.ok_or_else(|| differs("the workspace has not arrived"))?;
    let received = summary(target, of_target, &arrived).await?;
    if received != sent {
        return Err(match there {
            Some(there) => not_empty(&there, &head),
            None => differs(&format!("{} rows were sent, {} arrived", sent.rows, received.rows)),
        });
    }
    let checkpoint = checkpoint(target, of_target, &arrived).await?;
    Ok(Copied { entries: arrived.size, summary: received, checkpoint })
}

async fn send(
    source: &mut dyn Archive,
    of_source: Explain<'_>,
    target: &mut dyn Archive,
    of_target: Explain<'_>,
    head: &ArchiveHead,
) -> Result<Summary, Problem> {
    target.begin(head).await.map_err(of_target)?;
    let mut sent = Summary::begin(head);
    for table in &TABLES {
        let mut after: Option<Cells> = None;
        loop {
            let rows = source.rows(table, after.as_deref(), PAGE_ROWS).await.map_err(of_source)?;
            let Some(last) = rows.last() else { break };
            sent.add(table, &rows);
            target.put(table, &rows).await.map_err(of_target)?;
            after = Some(last.clone());
        }
    }
    Ok(sent)
}

async fn summary(
    archive: &mut dyn Archive,
    explain: Explain<'_>,
    head: &ArchiveHead,
) -> Result<Summary, Problem> {
    let mut read = Summary::begin(head);
    for table in &TABLES {
        let mut after: Option<Cells> = None;
        loop {
            let rows = archive.rows(table, after.as_deref(), PAGE_ROWS).await.map_err(explain)?;
            let Some(last) = rows.last() else { break };
            read.add(table, &rows);
            after = Some(last.clone());
        }
    }
    Ok(read)
}

/// The checkpoint of the whole ledger.
async fn checkpoint(
    archive: &mut dyn Archive,
    explain: Explain<'_>,
    head: &ArchiveHead,
) -> Result<Option<String>, Problem> {
    let Some(before) = head.size.checked_sub(1) else { return Ok(None) };
    let table = TABLES.iter().find(|table| table.name == "ledger_checkpoint");
    let table = table.ok_or_else(|| differs("there is no table of checkpoints"))?;
    let before = [Cell::Number(i64::try_from(before).unwrap_or(i64::MAX))];
    let rows = archive.rows(table, Some(&before), 1).await.map_err(explain)?;
    match rows.into_iter().next().as_deref() {
        Some([Cell::Number(_), Cell::Text(note)]) => Ok(Some(note.clone())),
        _ => Err(differs("the newest entry has no checkpoint")),
    }
}

fn not_empty(there: &ArchiveHead, here: &ArchiveHead) -> Problem {
    let detail = format!(
        "this instance is there already, with a ledger of {} entries; the one to move has {}",
        there.size, here.size
    );
    Problem::new(Reason::TargetNotEmpty, &detail, "").hint("name an empty place; nothing was changed")
}

fn differs(why: &str) -> Problem {
    Problem::new(Reason::DatabaseBroken, &format!("the copy is not what was to be moved: {why}"), "")
        .hint("nothing was changed; look at the source with: interlock doctor")
}
