//! A PostgreSQL server for tests: one throw-away cluster per run of the tests, one database per test.
//!
//! The first test that needs it makes the cluster: as an unprivileged user, on a Unix socket alone, in a folder named
//! after the process that runs the tests. A watcher takes it away when that process is gone, however it ended.
//! INTERLOCK_TEST_DATABASE_URL names a server to use instead; its user must be allowed to create databases.

mod held;
mod own;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub use held::Held;
pub use own::OwnServer;

/// Set where a test that cannot run must fail.
const REQUIRE_ALL: &str = "INTERLOCK_REQUIRE_ALL";
/// A server that is there already.
const SERVER: &str = "INTERLOCK_TEST_DATABASE_URL";
/// Whom the server runs as when the tests run as root: `nobody`.
const NOBODY: u32 = 65_534;

/// No settings of the user's, rows without ornament, and an end at the first error.
const QUIETLY: [&str; 5] = ["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"];

static MADE: AtomicU32 = AtomicU32::new(0);

/// An empty database of its own, dropped in the end.
#[derive(Debug)]
pub struct TestDatabase {
    admin: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// One for this test, or `None` after a word on why the test is skipped.
    ///
    /// # Panics
    /// Where skipping is not allowed, or the server cannot be started.
    pub fn make(test: &str) -> Option<Self> {
        let admin = if let Ok(url) = std::env::var(SERVER) {
            url
        } else if let Some(programs) = programs() {
            cluster(&programs)
        } else {
            may_skip(test, &format!("no PostgreSQL programs were found, and {SERVER} names no server"));
            return None;
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock_{}_{number}", std::process::id());
        sql(&admin, &format!("CREATE DATABASE {name}"));
        let url = with_database(&admin, &name);
        Some(Self { admin, name, url })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Run a statement in it, as its owner would by hand; gives what it finds, without titles.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, text: &str) -> String {
        sql(&self.url, text)
    }

    /// Change the database itself, as in `ALTER DATABASE ... change`. Sessions that are there notice nothing.
    ///
    /// # Panics
    /// When it fails.
    pub fn alter(&self, change: &str) {
        sql(&self.admin, &format!("ALTER DATABASE {} {change}", self.name));
    }

    /// End every session in it, without a word to whom it belongs to.
    ///
    /// # Panics
    /// When it fails.
    pub fn end_sessions(&self) {
        let theirs = format!("FROM pg_stat_activity WHERE datname = '{}'", self.name);
        sql(&self.admin, &format!("SELECT count(pg_terminate_backend(pid)) {theirs}"));
    }

    /// How many sessions in it have a transaction open in which nothing happens.
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn idle_in_transaction(&self) -> u32 {
        let theirs = format!("FROM pg_stat_activity WHERE datname = '{}'", self.name);
        let count = sql(&self.admin, &format!("SELECT count(*) {theirs} AND state = 'idle in transaction'"));
        count.trim().parse().unwrap()
    }

    /// Begin a transaction with this, and keep it open.
    ///
    /// # Panics
    /// When it fails.
    pub fn hold(&self, text: &str) -> Held {
        Held::begin(&self.url, text)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            sql(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Say why a test is skipped, where it may be.
fn may_skip(test: &str, why: &str) {
    assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{test} must not be skipped: {why}");
    eprintln!("SKIP {test}: {why}");
}

/// The same server's other database; a URL's path, before its query.
fn with_database(admin: &str, name: &str) -> String {
    let (address, query) = admin.split_once('?').map_or((admin, None), |(a, q)| (a, Some(q)));
    let host_at = address.find("://").map_or(0, |at| at + 3);
    let host = address[host_at..].find('/').map_or(address, |at| &address[..host_at + at]);
    query.map_or_else(|| format!("{host}/{name}"), |query| format!("{host}/{name}?{query}"))
}

/// The newest version's programs.
fn programs() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = installed.filter(|path| path.join("bin/initdb").is_file()).max_by_key(|path| version(path));
    let on_path = std::env::var_os("PATH");
    newest
        .map(|path| path.join("bin"))
        .or_else(|| std::env::split_paths(&on_path?).find(|folder| folder.join("initdb").is_file()))
}

fn psql() -> PathBuf {
    programs().map_or_else(|| "psql".into(), |folder| folder.join("psql"))
}

fn sql(url: &str, text: &str) -> String {
    let done = Command::new(psql()).args(QUIETLY).args(["-d", url, "-c", text]).output().unwrap();
    assert!(done.status.success(), "`{text}`: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The cluster of this run, started by whoever comes first.
fn cluster(programs: &Path) -> String {
    let runner = std::os::unix::process::parent_id();
    let started = fs::metadata(format!("/proc/{runner}")).map_or(0, |data| data.ctime());
    let folder = std::env::temp_dir().join(format!("interlock-pg-{runner}-{started}"));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("ready").exists() {
        prepare(&folder);
        watch(&folder, runner);
        initialize(programs, &folder);
        start(programs, &folder);
        File::create(folder.join("ready")).unwrap();
    }
    format!("postgresql://interlock@{}/postgres", encoded(&folder))
}

/// A folder as a URL's host.
fn encoded(folder: &Path) -> String {
    folder.display().to_string().replace('%', "%25").replace('/', "%2F")
}

/// Takes the cluster away when the runner is gone.
fn watch(folder: &Path, runner: u32) {
    let script = format!(
        "while kill -0 {runner} 2>/dev/null; do sleep 1; done; \
         kill -QUIT $(head -1 '{0}/data/postmaster.pid'); rm -rf '{0}' '{1}'",
        folder.display(),
        folder.with_extension("lock").display()
    );
    let mut command = Command::new("setsid");
    command
        .args(["--fork", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(command.current_dir("/").status().unwrap().success(), "the watcher does not start");
}

/// An empty folder that the server's user may go into.
fn prepare(folder: &Path) {
    drop(fs::remove_dir_all(folder));
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

fn initialize(programs: &Path, folder: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = folder.join("data").display().to_string();
    let arguments = ["-D", &data, "-A", "trust", "-U", "interlock", "--no-sync", "-E", "UTF8", "--locale=C"];
    run(programs, "initdb", &arguments);
}

/// What a server for tests is started with: on a socket in its folder alone, and without syncs.
fn options(folder: &Path) -> String {
    format!(
        "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c max_connections=200 \
         -c shared_buffers=64MB -c dynamic_shared_memory_type=posix",
        folder.display()
    )
}

fn start(programs: &Path, folder: &Path) {
    let (data, log) = (folder.join("data").display().to_string(), folder.join("log").display().to_string());
    run(programs, "pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options(folder), "start"]);
}

fn run(programs: &Path, program: &str, arguments: &[&str]) {
    run_with(programs, program, arguments, &[]);
}

fn run_with(programs: &Path, program: &str, arguments: &[&str], environment: &[(&'static str, PathBuf)]) {
    let mut command = Command::new(programs.join(program));
    command.args(arguments).current_dir("/").stdin(Stdio::null()).envs(environment.iter().cloned());
    // PostgreSQL does not run as root.
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let log = std::env::temp_dir().join(format!("interlock-pg-{}-{program}-{number}", std::process::id()));
    let file = File::create(&log).unwrap();
    let done = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    let said = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    assert!(done.success(), "{program}: {said}");
}
