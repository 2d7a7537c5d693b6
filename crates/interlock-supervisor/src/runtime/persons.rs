//! What a person has configured for their own use of a program, as far as a woken run has to step around it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use interlock_core::agent::{Launch, Runtime};

/// How a server in a configuration is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// By a program that is started for it.
    Command,
    /// By an address.
    Url,
}

/// Where the program keeps its person's configuration and sessions: what the agent is given wins over the supervisor's own.
pub(crate) fn home(runtime: Runtime, launch: &Launch, own: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    let (variable, folder) = match runtime {
        Runtime::Codex => ("CODEX_HOME", ".codex"),
        Runtime::Claude => ("CLAUDE_CONFIG_DIR", ".claude"),
        Runtime::Command | Runtime::Unmanaged => return None,
    };
    let given = |name: &str| {
        let set = launch.environment.iter().find(|variable| variable.name == name);
        let value = set.and_then(|variable| variable.value.as_ref()).map(OsString::from);
        value.or_else(|| own.get(OsStr::new(name)).cloned()).filter(|value| !value.is_empty())
    };
    given(variable).map(PathBuf::from).or_else(|| Some(PathBuf::from(given("HOME")?).join(folder)))
}

/// Codex's server of this name in its person's configuration, or in the one that lies in the folder it works in. What
/// cannot be read or understood has none: Codex itself says what is wrong with it.
pub(super) fn codex_server(
    launch: &Launch,
    own: &BTreeMap<OsString, OsString>,
    name: &str,
) -> Option<Transport> {
    let server = codex_entry(launch, own, name)?;
    Some(if server.get("url").is_some() { Transport::Url } else { Transport::Command })
}

/// The participant that the server which `agent install` has written into a person's configuration speaks as. One that is
/// reached by an address speaks as whoever's token its program was started with, which nobody can tell.
pub(crate) fn codex_speaker(launch: &Launch, own: &BTreeMap<OsString, OsString>) -> Option<String> {
    let server = codex_entry(launch, own, super::BRIDGE)?;
    let words: Vec<&str> = server.get("args")?.as_array()?.iter().filter_map(toml::Value::as_str).collect();
    let is_enabled = server.get("enabled").and_then(toml::Value::as_bool).unwrap_or(true);
    match words.as_slice() {
        ["mcp", "--as", name, ..] if is_enabled => Some((*name).to_owned()),
        _ => None,
    }
}

fn codex_entry(launch: &Launch, own: &BTreeMap<OsString, OsString>, name: &str) -> Option<toml::Value> {
    let home = home(Runtime::Codex, launch, own).map(|home| home.join("config.toml"));
    let folders = launch.directory.iter().flat_map(|directory| project(Path::new(directory)));
    let mut files = home.into_iter().chain(folders.map(|folder| folder.join(".codex/config.toml")));
    files.find_map(|file| server(&std::fs::read_to_string(file).ok()?, name))
}

/// The folder and those above it, up to the root of its work tree.
fn project(directory: &Path) -> Vec<&Path> {
    let folders: Vec<_> = directory.ancestors().collect();
    let root = folders.iter().position(|folder| folder.join(".git").exists()).unwrap_or(0);
    folders.into_iter().take(root.saturating_add(1)).collect()
}

fn server(text: &str, name: &str) -> Option<toml::Value> {
    let table: toml::Table = text.parse().ok()?;
    table.get("mcp_servers")?.get(name).cloned()
}
