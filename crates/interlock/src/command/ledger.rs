//! `interlock ledger entries|export`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_api::operations::{ExportLedger, ListEntries};
use interlock_api::v1::ledger::{ExportLedgerParams, ListEntriesParams, ListEntriesResponse};
use interlock_core::Reason;
use serde_json::Value;

use super::view;
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::instance::{parent_of, unwritable};
use crate::output::Output;
use crate::render::View;
use crate::render::style::Paint;
use crate::render::table::{Cell, table};
use crate::{argument, usage};

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List entries: who did what, when.
    Entries(EntriesParams),
    /// Export entries, tiles and the signed checkpoint into a file that anybody can verify.
    Export(ExportParams),
}

/// What `ledger entries` takes.
#[derive(Debug, Args)]
pub(crate) struct EntriesParams {
    /// From this index on.
    #[arg(long, value_name = "INDEX", default_value = "0")]
    from: u64,
    /// Rows at most.
    #[arg(long, value_name = "ROWS", default_value = "50", value_parser = argument::limit())]
    limit: u32,
}

/// What `ledger export` takes.
#[derive(Debug, Args)]
pub(crate) struct ExportParams {
    /// The file to write, a tar archive; `-` writes it to standard output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::Entries(params) => entries(cx, &params).await,
        Verb::Export(params) if params.file.as_os_str() == "-" => export_to_output(cx).await,
        Verb::Export(params) => export(cx, &params.file).await,
    }
}

async fn entries(cx: &Context, params: &EntriesParams) -> End {
    let request = ListEntriesParams { from: params.from, limit: params.limit, wait_ms: 0 };
    let answer = cx.connect()?.read::<ListEntries>(&request).await?;
    Ok(Answer::new(&answer, entries_text(view(cx), &answer))?)
}

fn entries_text(view: View, answer: &ListEntriesResponse) -> String {
    if answer.entries.is_empty() {
        return "no entries\n".into();
    }
    let rows: Vec<[Cell; 5]> = answer.entries.iter().map(row).collect();
    let mut text = table(view.style, ["INDEX", "AT", "ACTOR", "OPERATION", "EVENTS"], &rows);
    if answer.has_more {
        text.push_str(&view.style.dim(&format!("more with --from {}", answer.next)));
        text.push('\n');
    }
    text
}

/// An entry as a row; what an envelope does not have stays empty.
fn row(entry: &Value) -> [Cell; 5] {
    let text = |pointer: &str| match entry.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null | Value::Object(_) | Value::Array(_)) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let first_of = |pointers: &[&str]| {
        let found = pointers.iter().map(|pointer| text(pointer));
        found.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
    };
    let events = entry.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kinds = events.iter().filter_map(|event| event.get("kind")).filter_map(Value::as_str);
    [
        text("/index").into(),
        first_of(&["/at/at", "/at"]).into(),
        Cell::new(first_of(&["/actor/name", "/actor"]), Paint::Cyan),
        text("/operation").into(),
        kinds.collect::<Vec<_>>().join(", ").into(),
    ]
}

/// Export beside the file's place, then move it there: no half export ever bears its name.
async fn export(cx: &Context, file: &Path) -> End {
    refuse_special(file)?;
    let folder = parent_of(file);
    let connection = cx.connect()?;
    let mut fresh = tempfile::Builder::new()
        .prefix(".interlock-export-")
        .tempfile_in(folder)
        .map_err(|error| unwritable(folder, &error))?;
    let mut bytes: u64 = 0;
    connection
        .stream::<ExportLedger>(&ExportLedgerParams {}, |chunk| {
            bytes = bytes.saturating_add(chunk.len() as u64);
            fresh.write_all(chunk).map_err(|error| unwritable(file, &error))
        })
        .await?;
    fresh.as_file().sync_all().map_err(|error| unwritable(file, &error))?;
    fresh.persist(file).map_err(|error| unwritable(file, &error.error))?;
    let shown = file.display().to_string();
    let json = serde_json::json!({ "file": shown, "bytes": bytes });
    let shown = crate::render::safe::line(&shown);
    let text = format!("exported {bytes} bytes to {shown}\nverify them with: interlock verify {shown}\n");
    Ok(Answer::new(&json, text)?)
}

/// Moving a file over a folder or a device would fail, or worse, succeed.
fn refuse_special(file: &Path) -> Result<(), Problem> {
    let detail = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => return Ok(()),
        Ok(_) => format!("`{}` is there and is no plain file", file.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(file, &error)),
    };
    Err(Problem::new(Reason::PathUnwritable, &detail, "").hint("name a file"))
}

async fn export_to_output(cx: &Context) -> End {
    if cx.output.is_json() {
        let detail = "standard output cannot carry both the export and JSON";
        return Err(usage::invalid(detail).hint("name a file, or leave out --json").into());
    }
    if Output::is_terminal() {
        let detail = "an export is no text for a terminal";
        return Err(usage::invalid(detail).hint("name a file, or pipe it into a program").into());
    }
    let mut failure = None;
    let streamed = cx
        .connect()?
        .stream::<ExportLedger>(&ExportLedgerParams {}, |chunk| {
            Output::bytes(chunk).map_err(|why| {
                failure = Some(why);
                usage::invalid("standard output cannot be written")
            })
        })
        .await;
    if let Some(failure) = failure {
        return Err(failure);
    }
    streamed?;
    Ok(Answer::written())
}
