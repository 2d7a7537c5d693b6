//! Servers to test, each on a throw-away instance and with a token for it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::shell;

/// A running server; it ends with this.
pub(super) struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(super) host: String,
    pub(super) token: String,
    binary: PathBuf,
    /// Where its instance is, and what testers leave behind.
    pub(super) folder: TempDir,
}

impl Server {
    /// The product as it is shipped.
    pub(super) fn shipped(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let interlock = |words: &[&str]| {
            let mut command = Command::new(binary);
            command.args(words).current_dir(folder.path());
            command
        };
        shell::output(&mut interlock(&["init", "--json"]))?;
        let words = ["up", "--json", "--server-only", "--listen", "127.0.0.1:0", "--until-stdin-closes"];
        let (child, ready) = start(&mut interlock(&words))?;
        let mut server =
            Self { child, host: host(&ready)?, token: String::new(), binary: binary.to_owned(), folder };
        server.token = server.issue("operator")?;
        Ok(server)
    }

    /// A token with this role.
    pub(super) fn issue(&self, role: &str) -> Result<String> {
        let words = ["token", "issue", "--json", "--name", "tester", "--role", role];
        let said = shell::output(Command::new(&self.binary).args(words).current_dir(self.folder.path()))?;
        text(&serde_json::from_str(&said)?, "token")
    }

    /// The same stack with the suite's fixtures beside the product's own tools.
    pub(super) fn with_fixtures(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (child, ready) = start(Command::new(binary).current_dir(folder.path()))?;
        let (host, token) = (host(&ready)?, text(&ready, "token")?);
        Ok(Self { child, host, token, binary: binary.to_owned(), folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends with its standard input; whatever became of it, nobody is waited for any longer.
        drop(self.child.wait());
    }
}

/// A server that lives as long as its standard input, and what it says when it is ready.
fn start(command: &mut Command) -> Result<(Child, Value)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("the server cannot be started")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    Ok((child, serde_json::from_str(&line).context("the server is not ready")?))
}

fn host(ready: &Value) -> Result<String> {
    Ok(text(ready, "url")?.trim_start_matches("http://").to_owned())
}

fn text(said: &Value, name: &str) -> Result<String> {
    let text = said.get(name).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the server tells no `{name}`"))?.to_owned())
}
