//! The server's own log: JSON lines in `logs/server.log`, bounded on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use interlock_api::Problem;
use interlock_core::Reason;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::instance::unwritable;

/// Bytes of the log file; then it becomes `server.log.1` and a new one begins.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Log from now on to this file; `filter` is a tracing filter such as `info` or `debug,hyper=warn`.
///
/// # Errors
/// `PATH_UNWRITABLE`; `CONFIG_INVALID` for a filter that is none.
pub(crate) fn start(file: &Path, filter: Option<&str>) -> Result<(), Problem> {
    let filter = EnvFilter::try_new(filter.unwrap_or("info")).map_err(|error| {
        Problem::new(Reason::ConfigInvalid, &format!("INTERLOCK_LOG: {error}"), "")
            .hint("set it to a level such as info or debug, or unset it")
    })?;
    let log = Log::open(file.to_owned()).map_err(|error| unwritable(file, &error))?;
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(Writer(Arc::new(Mutex::new(log))))
        .finish();
    // Set once per process; a second instance in one process would share the first one's log.
    let _already = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > LOG_BYTES_MAX {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(self.path.clone())?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Log>>);

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)?;
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
}
