//! What a thread and a turn are begun with: the same as on the command line of `codex exec`, as the server takes it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::{Launch, Runtime, Sandbox};
use serde_json::{Map, Value, json};

use super::token;
use super::turn::Wanted;
use crate::runtime::{self, BRIDGE, Transport};
use crate::shim::redact::Redactor;

/// The name of our server in a thread that we load.
const TOOLS: &str = "interlock_wake";

/// What is wanted of a server for this claim.
pub(crate) fn wanted(
    claimed: &ClaimedWake,
    state_dir: &Path,
    bridge: &[OsString],
    own: &BTreeMap<OsString, OsString>,
    (is_ours, hide): (bool, Redactor),
) -> Result<Wanted, String> {
    let launch = &claimed.launch;
    let sandbox = launch.sandbox.unwrap_or(Sandbox::WorkspaceWrite);
    // Our own server was started with these words.
    let mut config = if is_ours { Map::new() } else { settings(&launch.command)? };
    tools(&mut config, bridge, &token::path(state_dir, claimed))?;
    if let Some(transport) = runtime::bridge(Runtime::Codex, launch, own) {
        let off = match transport {
            Transport::Command => json!({"command": "false", "enabled": false}),
            Transport::Url => json!({"url": "http://127.0.0.1:1", "enabled": false}),
        };
        config.insert(format!("mcp_servers.{BRIDGE}"), off);
    }
    let writable = runtime::writable(Runtime::Codex, launch);
    if sandbox == Sandbox::WorkspaceWrite {
        config.insert("sandbox_workspace_write.writable_roots".into(), json!(writable));
        config.insert("sandbox_workspace_write.network_access".into(), false.into());
    }
    let mut load = json!({"approvalPolicy": "never", "sandbox": sandbox.as_str(), "config": config});
    let mut start = json!({
        "input": [{"type": "text", "text": claimed.prompt, "text_elements": []}],
        "approvalPolicy": "never", "sandboxPolicy": policy(sandbox, &writable), "turnTrigger": "interlock",
    });
    for params in [&mut load, &mut start].into_iter().filter_map(Value::as_object_mut) {
        for (name, value) in [("cwd", &launch.directory), ("model", &launch.model)] {
            if let Some(value) = value {
                params.insert(name.into(), value.clone().into());
            }
        }
    }
    let mut tools = vec![TOOLS];
    if runtime::codex_speaker(launch, own).as_deref() == Some(claimed.wake.agent.as_str()) {
        // What `agent install` has written speaks as this very agent.
        tools.push(BRIDGE);
    }
    Ok(Wanted {
        thread: claimed.resume,
        is_in_doubt: claimed.is_in_doubt,
        is_cut: false,
        client_id: client_id(claimed),
        load,
        start,
        tools,
        is_override: claimed.is_override,
        hide,
    })
}

/// Names an attempt's message in the thread's history: the wake, and which attempt it is. An attempt that is in doubt is
/// not counted, so the claim that looks for it has the same name.
pub(crate) fn client_id(claimed: &ClaimedWake) -> String {
    format!("{}.{}", claimed.wake.wake_id, claimed.wake.attempts.saturating_add(1))
}

/// Our tools, by the bridge that reads its token from a file.
fn tools(config: &mut Map<String, Value>, bridge: &[OsString], file: &Path) -> Result<(), String> {
    let text = |word: &OsString| word.to_str().map(str::to_owned);
    let words: Option<Vec<String>> = bridge.iter().map(text).collect();
    let file = file.to_str().map(str::to_owned);
    let (Some(words), Some(file)) = (words, file) else {
        return Err("the path of our program, or of the state folder, is no text".into());
    };
    let Some((command, rest)) = words.split_first() else { return Err("there is no bridge".into()) };
    let args: Vec<&String> = rest.iter().chain([&file]).collect();
    for (name, value) in [
        ("command", json!(command)),
        ("args", json!(args)),
        ("required", json!(true)),
        ("default_tools_approval_mode", json!("approve")),
        // As long as our longest wait, and a little more.
        ("tool_timeout_sec", json!(60)),
    ] {
        config.insert(format!("mcp_servers.{TOOLS}.{name}"), value);
    }
    Ok(())
}

/// The settings that stand on the agent's command line. Other words mean nothing to a server that runs already.
fn settings(command: &[String]) -> Result<Map<String, Value>, String> {
    let mut config = Map::new();
    let mut words = command.iter().skip(1);
    while let Some(word) = words.next() {
        let setting = match word.as_str() {
            "-c" | "--config" => words.next().map(String::as_str),
            word => word.strip_prefix("--config="),
        };
        let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) else {
            return Err(format!("`{word}` of its command line cannot be handed to a server that runs"));
        };
        config.insert(name.trim().to_owned(), read(value.trim()));
    }
    Ok(config)
}

/// A value as Codex reads it: TOML, or else the text that it is.
fn read(value: &str) -> Value {
    let table: Option<toml::Table> = format!("value = {value}").parse().ok();
    let read = table.and_then(|mut table| serde_json::to_value(table.remove("value")?).ok());
    read.unwrap_or_else(|| value.into())
}

fn policy(sandbox: Sandbox, writable: &[String]) -> Value {
    match sandbox {
        Sandbox::ReadOnly => json!({"type": "readOnly", "networkAccess": false}),
        Sandbox::WorkspaceWrite => {
            json!({"type": "workspaceWrite", "writableRoots": writable, "networkAccess": false})
        }
        Sandbox::DangerFullAccess => json!({"type": "dangerFullAccess"}),
    }
}

/// The variables that a server which somebody else started does not have.
pub(crate) fn missing_variables(launch: &Launch) -> Vec<&str> {
    let names = launch.environment.iter().map(|variable| variable.name.as_str());
    names.filter(|name| *name != "CODEX_HOME").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_command_line_are_handed_over_and_other_words_are_not_left_out() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let read = settings(&words("/bin/codex -c model_provider=\"s\" --config n=3 --config=t=plain.text"))
            .unwrap();
        assert_eq!(Value::from(read), json!({"model_provider": "s", "n": 3, "t": "plain.text"}));
        let table = settings(&["codex".into(), "-c".into(), "p.s={name=\"s\",n=[1,true]}".into()]).unwrap();
        assert_eq!(Value::from(table), json!({"p.s": {"name": "s", "n": [1, true]}}));
        assert_eq!(settings(&[]).unwrap().len(), 0);
        for line in ["codex --profile x", "codex -c", "codex -c nothing", "env X=1 codex"] {
            assert!(settings(&words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn sandboxes_are_named_as_the_server_names_them() {
        let kind = |sandbox| policy(sandbox, &["/x".to_owned()]);
        assert_eq!(kind(Sandbox::ReadOnly)["type"], "readOnly");
        assert_eq!(kind(Sandbox::DangerFullAccess)["type"], "dangerFullAccess");
        let write = json!({"type": "workspaceWrite", "writableRoots": ["/x"], "networkAccess": false});
        assert_eq!(kind(Sandbox::WorkspaceWrite), write);
    }
}
