//! PostgreSQL for the tests of its store: there, or installed, or an error that says so.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

/// Names a server that is there already.
const SERVER: &str = "INTERLOCK_TEST_DATABASE_URL";
/// Where Debian puts each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Debian's package; its own cluster is not wanted.
const PACKAGES: [&str; 2] = ["postgresql-common", "postgresql"];
const CONFIGURATION: &str = "/etc/postgresql-common/createcluster.conf";

/// Makes sure that tests can start a server.
pub(crate) fn ensure_installed() -> Result<()> {
    if std::env::var_os(SERVER).is_some() || is_installed() {
        return Ok(());
    }
    println!("PostgreSQL is not here; installing it with apt-get");
    install().with_context(|| {
        format!(
            "install PostgreSQL 15 or later, or let {SERVER} name a server whose user may create databases"
        )
    })?;
    ensure!(
        is_installed(),
        "apt-get installed PostgreSQL, and no `initdb` is found in {VERSIONS} or on PATH"
    );
    Ok(())
}

fn is_installed() -> bool {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.map(|entry| entry.path().join("bin")).chain(std::env::split_paths(&path)).any(has_programs)
}

fn has_programs(folder: impl AsRef<Path>) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.as_ref().join(name).is_file())
}

/// The common part first, so that the second does not start a server of its own.
fn install() -> Result<()> {
    let [common, server] = PACKAGES;
    apt(&["update"])?;
    apt(&["install", "--yes", "--no-install-recommends", common])?;
    let quiet = format!("sed -i 's/^#\\?create_main_cluster.*/create_main_cluster = false/' {CONFIGURATION}");
    shell::succeed(&mut privileged("sh", &["-c", &quiet]))?;
    apt(&["install", "--yes", "--no-install-recommends", server])
}

fn apt(words: &[&str]) -> Result<()> {
    shell::succeed(&mut privileged("apt-get", words))
}

/// As root, or by sudo without a question.
fn privileged(program: &str, words: &[&str]) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|data| {
        use std::os::unix::fs::MetadataExt as _;
        data.uid() == 0
    });
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    if !is_root {
        command.args(["-n", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", program]).args(words);
    command
}
