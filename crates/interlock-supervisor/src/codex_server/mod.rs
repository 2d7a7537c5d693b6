//! The live door into Codex: a server of Codex that runs already and has the agent's thread, or can load it.
//!
//! That is the background server which a person's Codex starts for itself, or one of ours for each CODEX_HOME
//! ([`servers`]). A person may sit in front of the same thread: they see our turn, keep what they have half typed, and are
//! never talked into. Start reading at `turn.rs`, which says what is done when, as a pure state machine; [`wire`] is the
//! socket, [`follow`] the thin shell around both. What people do there while nobody is woken is seen by [`watch`], whose
//! shell is [`watchers`]. When nobody follows a turn any more, a shim of its own ends it ([`deadline`]).
//!
//! Deliberately absent: answers to what the server asks. It asks every client that is connected, and approving is a
//! person's business; our own turns ask nobody.

mod cut;
mod deadline;
mod follow;
mod history;
mod item;
mod message;
mod params;
mod probe;
mod record;
pub(crate) mod servers;
mod token;
mod turn;
mod watch;
pub(crate) mod watchers;
mod wire;

pub(crate) use cut::{Cut, cut};
pub(crate) use follow::Live;
pub(crate) use record::Record;
pub(crate) use token::clear;
pub(crate) use turn::Event;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Where the background server of a person's Codex listens, below their CODEX_HOME.
const CONTROL: &str = "app-server-control/app-server-control.sock";

/// The socket of a person's own background server.
pub(crate) fn control(home: &Path) -> PathBuf {
    home.join(CONTROL)
}

/// Who we are to a server.
fn greeting() -> Value {
    let client = json!({"name": "interlock", "title": "Interlock", "version": env!("CARGO_PKG_VERSION")});
    json!({"clientInfo": client, "capabilities": {"experimentalApi": true}})
}

/// What asks for the newest turn of a thread, or for the one that a former answer went up to. One turn at a time, so that
/// no answer is longer than a turn.
fn newest_turn(thread: &str, cursor: Option<&str>) -> Value {
    json!({"threadId": thread, "limit": 1, "sortDirection": "desc", "itemsView": "full", "cursor": cursor})
}

/// The server that we run for a CODEX_HOME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnServer {
    /// Where it listens.
    pub socket: PathBuf,
    /// Whether somebody listens there; what was killed leaves its socket behind.
    pub answers: bool,
    /// How a person attaches to it; the session's id comes after these words.
    pub attach: Vec<String>,
}

/// The server that we run for this CODEX_HOME, if there is or was one.
pub async fn own_server(state_dir: &Path, home: &Path) -> Option<OwnServer> {
    let socket = socket(state_dir, home);
    socket.symlink_metadata().ok()?;
    let answers = wire::Wire::connect(&socket).await.is_ok();
    Some(OwnServer { attach: attach(&socket), answers, socket })
}

fn attach(socket: &Path) -> Vec<String> {
    let address = format!("unix://{}", socket.display());
    vec!["codex".into(), "--remote".into(), address, "resume".into()]
}

/// Whether a server of a person's own listens for this CODEX_HOME, or has left its socket behind.
pub async fn has_background_server(home: &Path) -> Option<bool> {
    let socket = control(home);
    if !socket.exists() && socket.symlink_metadata().is_err() {
        return None;
    }
    Some(wire::Wire::connect(&socket).await.is_ok())
}

/// Where everything of the live door lies in a supervisor's state folder.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("live")
}

/// A name for a CODEX_HOME that is short enough for a socket's address: FNV-1a, which keeps no secret.
fn key(home: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let home = std::fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    let bytes = home.as_os_str().as_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The socket of our own server for this CODEX_HOME, which people attach to.
pub(crate) fn socket(state_dir: &Path, home: &Path) -> PathBuf {
    folder(state_dir).join(format!("{}.sock", key(home)))
}
