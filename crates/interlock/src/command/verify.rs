//! `interlock verify FILE`: offline, from the exported bytes alone.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_ledger::{Report, VerifyError, verify_export_with};
use serde_json::Value;

use crate::context::Context;
use crate::exit::{Answer, End};
use crate::output::Output;
use crate::render::safe;
use crate::render::style::Paint;
use crate::render::table::{Cell, fields};

/// Bytes of a key file that are read.
const KEY_BYTES_MAX: u64 = 4096;

/// What `verify` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The exported ledger.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The key to trust, or a file that holds it; this instance's own unless said otherwise.
    #[arg(long, value_name = "VKEY|FILE")]
    key: Option<String>,
    /// Show this entry too, as it was hashed.
    #[arg(long, value_name = "INDEX")]
    entry: Option<u64>,
}

/// Where the trusted key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeySource {
    Given,
    Instance,
    Export,
}

impl KeySource {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Instance => "instance",
            Self::Export => "export",
        }
    }
}

/// Verify an export.
pub(crate) fn run(cx: &Context, params: &Params) -> End {
    let (source, vkey) = trusted_key(cx, params.key.as_deref())?;
    let input = File::open(&params.file).map_err(|error| unreadable(&params.file, &error))?;
    let mut entry = None;
    let report =
        verify_export_with(BufReader::with_capacity(1 << 16, input), vkey.as_deref(), |index, bytes| {
            if params.entry == Some(index) {
                entry = Some(bytes.to_vec());
            }
        })
        .map_err(|error| broken(&params.file, &error, source))?;
    let entry = params.entry.map(|index| read_entry(index, entry.as_deref(), report.size)).transpose()?;
    if source == KeySource::Export {
        Output::note(
            "note: the key comes from the file itself, so this proves that the log is whole, not whose it is; \
             name the key you trust with --key",
        );
    }
    let mut json = serde_json::json!({
        "verified": true,
        "origin": report.origin,
        "size": report.size,
        "root": report.root.to_string(),
        "key": source.as_str(),
        "kinds": report.kinds,
    });
    let mut text = text(cx, &report, source);
    if let (Some(entry), Some(fields)) = (entry, json.as_object_mut()) {
        text.push_str(&safe::lines(&format!("{entry:#}\n")));
        fields.insert("entry".into(), entry);
    }
    Ok(Answer::new(&json, text)?)
}

/// The entry that was asked for, of an export that verified.
fn read_entry(index: u64, bytes: Option<&[u8]>, size: u64) -> Result<Value, Problem> {
    let detail = || format!("the export has no entry {index}, but {size} entries, the first of them 0");
    let bytes = bytes.ok_or_else(|| Problem::new(Reason::ParameterInvalid, &detail(), ""))?;
    // Verification has read it as JSON before.
    serde_json::from_slice(bytes).map_err(|error| Problem::new(Reason::Defect, &error.to_string(), ""))
}

/// The key that was named, else this instance's own, else none.
fn trusted_key(cx: &Context, given: Option<&str>) -> Result<(KeySource, Option<String>), Problem> {
    if let Some(given) = given {
        // A verifier key has two plus signs; what names a file is read.
        let path = Path::new(given);
        let vkey = if path.is_file() { read_key(path)? } else { given.trim().to_owned() };
        return Ok((KeySource::Given, Some(vkey)));
    }
    let own = match cx.instance() {
        Ok(instance) => Some(instance.ledger_vkey()).filter(|file| file.exists()),
        // Whoever names an instance means it; who names none may be anywhere.
        Err(problem) if cx.global.instance.is_some() => return Err(problem),
        Err(_) => None,
    };
    match own {
        Some(file) => Ok((KeySource::Instance, Some(read_key(&file)?))),
        None => Ok((KeySource::Export, None)),
    }
}

fn read_key(file: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(KEY_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| unreadable(file, &error))?;
    Ok(text.trim().to_owned())
}

fn unreadable(file: &Path, error: &std::io::Error) -> Problem {
    let cause = match error.kind() {
        ErrorKind::InvalidData => "is no text".into(),
        _ => crate::instance::cause(error),
    };
    Problem::new(Reason::ParameterInvalid, &format!("`{}` {cause}", file.display()), "")
}

/// What is wrong with the export, or with the question.
fn broken(file: &Path, error: &VerifyError, source: KeySource) -> Problem {
    let detail = format!("`{}`: {error} [{}]", file.display(), error.reason.code());
    match error.reason {
        interlock_ledger::Reason::ExportUnreadable => Problem::new(Reason::ParameterInvalid, &detail, "")
            .hint("name a file made by: interlock ledger export FILE"),
        interlock_ledger::Reason::VerifierKeyInvalid => {
            let hint = match source {
                KeySource::Instance => {
                    "the instance's own keys/ledger.vkey is damaged; name the key with --key"
                }
                _ => "give the line of a `.vkey` file, or the file",
            };
            Problem::new(Reason::ParameterInvalid, &detail, "").hint(hint)
        }
        _ if source == KeySource::Instance => Problem::new(Reason::LedgerInvalid, &detail, "")
            .hint("checked with this instance's key; an export of another instance needs --key"),
        _ => Problem::new(Reason::LedgerInvalid, &detail, "")
            .hint("do not rely on what follows that place; ask for a fresh export"),
    }
}

fn text(cx: &Context, report: &Report, source: KeySource) -> String {
    let style = cx.output.style();
    let key = match source {
        KeySource::Given => "the one you named",
        KeySource::Instance => "this instance's own",
        KeySource::Export => "from the file itself: whole, but whose is not proved",
    };
    let mut rows = vec![
        ("origin", Cell::from(&report.origin)),
        ("entries", report.size.to_string().into()),
        ("root", report.root.to_string().into()),
        ("key", key.into()),
    ];
    rows.extend(report.kinds.iter().map(|(kind, n)| ("", Cell::from(format!("{n} {}", safe::line(kind))))));
    format!("{}\n{}", style.paint(Paint::Green, "the ledger verifies"), fields(style, &rows))
}
