//! A server of a test's own, which may be stopped and started while others are at work on theirs.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{NOBODY, encoded, may_skip, options, prepare, programs, run, run_with, watch};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A PostgreSQL server that belongs to one test, and ends with it.
#[derive(Debug)]
pub struct OwnServer {
    programs: PathBuf,
    folder: PathBuf,
    more: String,
    port: u16,
    environment: Vec<(&'static str, PathBuf)>,
}

/// Over TCP nobody is let in without encryption.
const ACCESS: &str = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";

/// A file that the server's user alone may read.
fn own_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl OwnServer {
    /// One for this test, or `None` after a word on why the test is skipped.
    ///
    /// # Panics
    /// Where skipping is not allowed, or the server cannot be started.
    pub fn make(test: &str) -> Option<Self> {
        let server = Self::initialized(test)?;
        server.start();
        Some(server)
    }

    /// One that is reached over TCP too, at `localhost` and encrypted only, with this certificate and its key.
    ///
    /// # Panics
    /// As [`OwnServer::make`].
    pub fn with_certificate(test: &str, certificate: &str, key: &str) -> Option<Self> {
        let mut server = Self::initialized(test)?;
        for (name, text) in [("server.crt", certificate), ("server.key", key), ("data/pg_hba.conf", ACCESS)] {
            own_file(&server.folder.join(name), text);
        }
        let folder = server.folder.display();
        // Free a moment ago; a server that finds it taken does not start, and says so.
        server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        server.more = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c ssl=on -c ssl_cert_file='{folder}/server.crt' \
             -c ssl_key_file='{folder}/server.key'",
            server.port
        );
        server.start();
        Some(server)
    }

    /// One whose programs see these variables besides.
    ///
    /// # Panics
    /// As [`OwnServer::make`].
    pub fn with_environment(test: &str, environment: Vec<(&'static str, PathBuf)>) -> Option<Self> {
        let mut server = Self::initialized(test)?;
        server.environment = environment;
        server.start();
        Some(server)
    }

    /// Run a statement; gives what it finds, without titles.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, text: &str) -> String {
        super::sql(&self.url(), text)
    }

    fn initialized(test: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            may_skip(test, "no PostgreSQL programs were found");
            return None;
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock-pg-own-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        prepare(&folder);
        watch(&folder, std::process::id());
        super::initialize(&programs, &folder);
        Some(Self { programs, folder, more: String::new(), port: 0, environment: Vec::new() })
    }

    /// Where it is over TCP, by this name for this machine.
    pub fn tcp_url(&self, host: &str) -> String {
        format!("postgresql://interlock@{host}:{}/postgres", self.port)
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
        let words = ["-D", &data, "-l", &log, "-w", "-o", &options, "start"];
        run_with(&self.programs, "pg_ctl", &words, &self.environment);
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
