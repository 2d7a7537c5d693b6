//! A server of a test's own, which may be stopped and started while others are at work on theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{encoded, may_skip, options, prepare, programs, run, watch};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL server that belongs to one test, and ends with it.
#[derive(Debug)]
pub struct OwnServer {
    programs: PathBuf,
    folder: PathBuf,
    more: String,
}

impl OwnServer {
    /// One for this test, or `None` after a word on why the test is skipped.
    ///
    /// # Panics
    /// Where skipping is not allowed, or the server cannot be started.
    pub fn make(test: &str) -> Option<Self> {
        Self::with(test, |_| String::new())
    }

    /// One with more options, which may name files that are written into its folder first.
    ///
    /// # Panics
    /// As [`OwnServer::make`].
    pub fn with(test: &str, options: impl FnOnce(&Path) -> String) -> Option<Self> {
        let Some(programs) = programs() else {
            may_skip(test, "no PostgreSQL programs were found");
            return None;
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock-pg-own-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        prepare(&folder);
        let more = options(&folder);
        watch(&folder, std::process::id());
        super::initialize(&programs, &folder);
        let server = Self { programs, folder, more };
        server.start();
        Some(server)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("postgresql://interlock@{}/postgres", encoded(&self.folder))
    }

    /// Start it, and wait until it takes connections.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&self) {
        let (data, log) = (self.data(), self.folder.join("log").display().to_string());
        let options = format!("{} {}", options(&self.folder), self.more);
        run(&self.programs, "pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options, "start"]);
    }

    /// End it without goodbye to anybody, as a crash does.
    ///
    /// # Panics
    /// When it does not end.
    pub fn crash(&self) {
        run(&self.programs, "pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.folder.join("data/postmaster.pid").exists() && !std::thread::panicking() {
            self.crash();
        }
        // The watcher removes what is left.
        drop(fs::remove_dir_all(&self.folder));
    }
}
