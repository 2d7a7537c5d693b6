//! Writing a log as one file that anybody can check.

use std::io::{self, Write};

use crate::LedgerError;
use crate::checkpoint::{Checkpoint, open_checkpoint};
use crate::container::{write_end, write_file};
use crate::source::{LogSource, layout};
use crate::tile::{Resource, TILE_HEIGHT};

/// Name of the verifier key in an export.
pub(crate) const VKEY_PATH: &str = "vkey";

/// Why an export could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// The store failed.
    #[error("log could not be read")]
    Source(#[source] E),
    /// The writer failed.
    #[error("export could not be written")]
    Output(#[source] io::Error),
    /// The stored checkpoint does not open with the verifier key.
    #[error(transparent)]
    Checkpoint(LedgerError),
    /// The store has fewer or longer hashes or entries than the checkpoint's size asks for.
    #[error("stored log has no whole `{path}`")]
    Incomplete {
        /// The file that could not be made.
        path: String,
    },
}

/// Writes a tar file with the log under its latest checkpoint: `vkey`, `checkpoint`, `tile/<L>/<N>[.p/<W>]` and
/// `tile/entries/<N>[.p/<W>]`, named as C2SP tlog-tiles names them, so that other tools can read it once unpacked.
///
/// The same log gives the same bytes. One tile or bundle is in memory at a time. What is stored is written as it is,
/// however wrong: finding that out is the verifier's work.
///
/// # Errors
/// [`ExportError`]; whatever was written by then is not an export.
pub fn write_export<S: LogSource, W: Write>(
    source: &mut S,
    vkey: &str,
    mut out: W,
) -> Result<Checkpoint, ExportError<S::Error>> {
    let note = source.checkpoint().map_err(ExportError::Source)?;
    let head = open_checkpoint(&note, vkey).map_err(ExportError::Checkpoint)?;
    let mut write = |path: &str, bytes: &[u8]| write_file(&mut out, path, bytes).map_err(ExportError::Output);
    write(VKEY_PATH, format!("{vkey}\n").as_bytes())?;
    write(&Resource::Checkpoint.path(), note.as_bytes())?;
    for resource in layout(head.size) {
        write(&resource.path(), &content(source, resource)?)?;
    }
    write_end(&mut out).map_err(ExportError::Output)?;
    Ok(head)
}

fn content<S: LogSource>(source: &mut S, resource: Resource) -> Result<Vec<u8>, ExportError<S::Error>> {
    let bytes = match resource {
        Resource::Checkpoint => Some(source.checkpoint().map_err(ExportError::Source)?.into_bytes()),
        Resource::Tile(at) => {
            let hashes = source.tile(at).map_err(ExportError::Source)?;
            (hashes.len() == at.bytes()).then_some(hashes)
        }
        Resource::Entries { index, width } => {
            let count = u64::from(width);
            let entries = source.entries(index << TILE_HEIGHT, count).map_err(ExportError::Source)?;
            (entries.len() as u64 == count).then(|| bundle_bytes(&entries)).flatten()
        }
    };
    bytes.ok_or_else(|| ExportError::Incomplete { path: resource.path() })
}

/// The entry bundle of C2SP tlog-tiles, each entry behind its length as 16 bits, big-endian: also what a server
/// sends for `tile/entries/<N>`. `None` when an entry is longer than [`ENTRY_BYTES_MAX`](crate::ENTRY_BYTES_MAX).
pub fn bundle_bytes<B: AsRef<[u8]>>(entries: &[B]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.as_ref().len() + 2).sum());
    for entry in entries {
        let entry = entry.as_ref();
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}
