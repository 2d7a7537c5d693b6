//! The ledger: entries, checkpoint, export.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use interlock_api::operations as op;
use interlock_api::v1::ledger::{
    GetCheckpointParams, GetCheckpointResponse, ListEntriesParams, ListEntriesResponse,
};
use interlock_api::{Media, Op as _};
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::call::{Path, Shape, admitted, refuse, request_id, with_body};
use crate::context::{Ctx, State, deadline, failed, rows};

/// Bytes handed to the connection at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader; then the export waits too.
const CHUNKS_MAX: usize = 4;

pub(crate) async fn entries(
    cx: Ctx,
    _permit: Permit<op::ListEntries>,
    p: ListEntriesParams,
) -> Result<ListEntriesResponse, Refusal> {
    let limit = rows(p.limit)?;
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut found = loop {
        let found = cx.store().entries(cx.workspace(), p.from, limit + 1).await.map_err(failed)?;
        if !found.is_empty() || !cx.wait_here(&mut watch, until).await {
            break found;
        }
    };
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().map_or(p.from, |row| row.index + 1);
    let entries = found
        .iter()
        .map(|row| serde_json::from_slice(&row.envelope))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Refusal::new(Reason::StateCorrupt, format!("a ledger entry is no JSON: {error}")))?;
    Ok(ListEntriesResponse { entries, next, has_more })
}

pub(crate) async fn checkpoint(
    cx: Ctx,
    _permit: Permit<op::GetCheckpoint>,
    p: GetCheckpointParams,
) -> Result<GetCheckpointResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut signed = cx.engine().signed(cx.workspace()).await?;
    while p.wait_ms > 0 && p.while_size.is_none_or(|size| signed.checkpoint.size == size) {
        let is_changed = cx.wait_here(&mut watch, until).await;
        signed = cx.engine().signed(cx.workspace()).await?;
        if !is_changed || p.while_size.is_none() {
            break;
        }
    }
    Ok(GetCheckpointResponse {
        checkpoint: signed.note,
        origin: signed.checkpoint.origin,
        size: signed.checkpoint.size,
        root: signed.checkpoint.root.to_string(),
        vkey: signed.vkey,
    })
}

/// The export as it is made: a bounded number of chunks in memory.
pub(crate) async fn export(state: Arc<State>, shape: Arc<Shape>, path: Path, request: Request) -> Response {
    let id = request_id(&request);
    let export = |cx: Ctx, permit: Permit<op::ExportLedger>, _| async move { stream_of(&cx, &permit).await };
    match admitted(&state, &shape, &path, request, &id, export).await {
        Ok(body) => with_body(StatusCode::OK, Media::Tar.as_str(), body),
        Err(refusal) => refuse(&refusal, &id),
    }
}

async fn stream_of(cx: &Ctx, _permit: &Permit<op::ExportLedger>) -> Result<Body, Refusal> {
    let signed = cx.engine().signed(cx.workspace()).await?;
    let (engine, workspace_id, runtime) = (Arc::clone(cx.engine()), cx.workspace(), Handle::current());
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender: sender.clone(), buffer: Vec::with_capacity(CHUNK_BYTES) };
        let written = engine
            .export(runtime, workspace_id, &signed, &mut out)
            .map_err(io::Error::other)
            .and_then(|()| out.flush());
        if let Err(error) = written {
            tracing::warn!(%error, operation = op::ExportLedger::ROW.id, "export.failed");
            // The reader sees the connection break; if it is gone already, nobody has to.
            drop(sender.blocking_send(Err(error)));
        }
    });
    let chunks =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    Ok(Body::from_stream(chunks))
}

/// A writer whose bytes go to a channel.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
