//! `interlock log WAKE`.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use clap::Args;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::id::WakeId;

use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render::safe;

/// Bytes of a log that are read, from its end.
const LOG_BYTES_MAX: u64 = 1024 * 1024;

/// What `log` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The wake.
    #[arg(value_name = "WAKE")]
    wake_id: WakeId,
}

/// Show what a wake's process printed.
pub(crate) fn run(cx: &Context, params: &Params) -> End {
    let missing = |detail: String| Problem::new(Reason::LogNotFound, &detail, "");
    if let Some(url) = cx.remote() {
        let detail = format!("logs are on the machine whose supervisor ran the wake, not at {url}");
        return Err(missing(detail).hint("read it on that machine, in its instance").into());
    }
    let file = cx.instance()?.wake_log(params.wake_id);
    let (bytes, is_cut) = read_end(&file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(format!("there is no log of {} here", params.wake_id))
            .hint("see the wakes with: interlock wake list"),
        _ => missing(format!("`{}` {}", file.display(), crate::instance::cause(&error))),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let json = serde_json::json!({
        "wake_id": params.wake_id,
        "file": file.display().to_string(),
        "is_cut": is_cut,
        "text": text,
    });
    let mut shown = safe::output(&text);
    if !shown.is_empty() && !shown.ends_with('\n') {
        shown.push('\n');
    }
    Ok(Answer::new(&json, shown)?)
}

/// The last bytes of a file, and whether there are more before them.
fn read_end(file: &Path) -> std::io::Result<(Vec<u8>, bool)> {
    let mut opened = File::open(file)?;
    let size = opened.metadata()?.len();
    let skipped = size.saturating_sub(LOG_BYTES_MAX);
    opened.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    opened.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok((bytes, skipped > 0))
}
