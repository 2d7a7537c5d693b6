//! The server's own log: JSON lines in `logs/server.log`, bounded on disk.
//!
//! Lines are gathered in memory, within a bound, and written once a second, when the server ends, and at once for
//! what is a warning or worse: no request waits for the file of its line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interlock_api::Problem;
use interlock_core::Reason;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::instance::unwritable;

/// Bytes of the log file; then it becomes `server.log.1` and a new one begins.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes gathered before they are written.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// What is logged unless said otherwise. The MCP library tells of every request what our own line of it says better.
const FILTER: &str = "info,rmcp=warn";
/// How long a line may wait.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// Writes what is gathered when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Writer);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.write_gathered();
    }
}

/// Log from now on to this file; `filter` is a tracing filter such as `info` or `debug,hyper=warn`.
///
/// # Errors
/// `PATH_UNWRITABLE`; `CONFIG_INVALID` for a filter that is none.
pub(crate) fn start(file: &Path, filter: Option<&str>) -> Result<Guard, Problem> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER)).map_err(|error| {
        Problem::new(Reason::ConfigInvalid, &format!("INTERLOCK_LOG: {error}"), "")
            .hint("set it to a level such as info or debug, or unset it")
    })?;
    let log = Log::open(file.to_owned()).map_err(|error| unwritable(file, &error))?;
    let writer = Writer { log: Arc::new(Mutex::new(log)), is_urgent: false };
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(writer.clone())
        .finish();
    // Set once per process; a second instance in one process would share the first one's log.
    let _already = tracing::subscriber::set_global_default(subscriber);
    let regular = writer.clone();
    std::thread::Builder::new()
        .name("interlock-log".into())
        .spawn(move || {
            loop {
                std::thread::sleep(WRITE_EVERY);
                regular.write_gathered();
            }
        })
        .map_err(|error| unwritable(file, &error))?;
    Ok(Guard(writer))
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    gathered: Vec<u8>,
}

impl Log {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, gathered: Vec::new() })
    }

    fn add(&mut self, line: &[u8], is_urgent: bool) -> io::Result<()> {
        self.gathered.extend_from_slice(line);
        if is_urgent || self.gathered.len() >= GATHERED_BYTES_MAX { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        // Taken first: what cannot be written is lost, and not kept until memory is full.
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return Ok(());
        }
        if self.bytes > LOG_BYTES_MAX {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(self.path.clone())?;
        }
        self.file.write_all(&gathered)?;
        self.bytes += gathered.len() as u64;
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Writer {
    log: Arc<Mutex<Log>>,
    is_urgent: bool,
}

impl Writer {
    fn write_gathered(&self) {
        // There is nobody to tell that the log cannot be written.
        drop(self.log.lock().unwrap_or_else(PoisonError::into_inner).write());
    }
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).add(line, self.is_urgent)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self {
        Self { is_urgent: *meta.level() <= Level::WARN, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_until_there_are_many_or_one_is_urgent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.log");
        let mut log = Log::open(path.clone()).unwrap();
        let size = || std::fs::metadata(&path).unwrap().len();
        log.add(b"a line\n", false).unwrap();
        assert_eq!(size(), 0);
        log.add(b"a warning\n", true).unwrap();
        assert_eq!(size(), 17);
        for _ in 0..GATHERED_BYTES_MAX / 8 {
            log.add(b"0123456\n", false).unwrap();
        }
        assert_eq!(size(), 17 + GATHERED_BYTES_MAX as u64);
        log.add(b"the last\n", false).unwrap();
        log.write().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("the last\n"));
    }
}
