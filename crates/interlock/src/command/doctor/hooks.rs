//! Whether a person's own program takes part, and tells when its person is at work: its tools and its hooks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::Check;

/// How long Codex may take to say what it thinks of its hooks.
const ASKED_MAX: Duration = Duration::from_secs(5);
/// The events without which nobody learns that a person is at work.
const NEEDED: [&str; 2] = ["UserPromptSubmit", "Stop"];

/// Codex: its `config.toml`, and what it says itself of whether its person has looked at the hooks.
pub(super) async fn codex(program: &Path, home: &Path) -> Vec<Check> {
    const TOOLS: &str = "codex tools";
    const HOOKS: &str = "codex hooks";
    let file = home.join("config.toml");
    let config = std::fs::read_to_string(&file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let config = config.and_then(|table| serde_json::to_value(table).ok()).unwrap_or_default();
    let Some(ours) = config.get("mcp_servers").and_then(|servers| servers.get("interlock")) else {
        return vec![Check::ok(TOOLS, "your own sessions take no part")];
    };
    let tools = if ours.get("required") == Some(&Value::Bool(true)) {
        Check::ok(TOOLS, "your own sessions take part, and do not start without our tools")
    } else {
        let hint = format!(
            "your own sessions start without our tools, and without a word, when they cannot be had; if you want to be \
             told, set required = true in [mcp_servers.interlock] of {}",
            file.display()
        );
        Check::warn(TOOLS, "your own sessions take part; the server is not `required`", hint)
    };
    if !has_hooks(&config, "codex") {
        return vec![tools, missing(HOOKS, "codex")];
    }
    let hooks = match tokio::time::timeout(ASKED_MAX, untrusted(program, home)).await.ok().flatten() {
        Some(0) => Check::ok(HOOKS, "there, and trusted"),
        Some(count) => Check::warn(
            HOOKS,
            format!("{count} of ours are not trusted, so that they do not run"),
            "type /hooks in codex once",
        ),
        None => {
            let hint = "see with /hooks in codex whether they are trusted: without it they do not run";
            Check::warn(HOOKS, "there; codex does not say whether they are trusted", hint)
        }
    };
    vec![tools, hooks]
}

/// Claude Code: the files of this folder, and its person's own settings.
pub(super) fn claude(home: &Path) -> Vec<Check> {
    const TOOLS: &str = "claude tools";
    const HOOKS: &str = "claude hooks";
    let read = |file: &Path| -> Value {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    let servers = read(Path::new(".mcp.json"));
    if servers.get("mcpServers").and_then(|servers| servers.get("interlock")).is_none() {
        return vec![Check::ok(TOOLS, "your own sessions in this folder take no part")];
    }
    let tools = Check::ok(TOOLS, "your own sessions in this folder take part");
    let folder = PathBuf::from(".claude");
    let files =
        [folder.join("settings.local.json"), folder.join("settings.json"), home.join("settings.json")];
    let settings = files.map(|file| read(&file));
    if settings.iter().any(|one| one.get("disableAllHooks") == Some(&Value::Bool(true))) {
        let hint = "take disableAllHooks out of the settings";
        return vec![tools, Check::warn(HOOKS, "your settings switch all hooks off", hint)];
    }
    let is_there = settings.iter().any(|one| has_hooks(one, "claude"));
    vec![tools, if is_there { Check::ok(HOOKS, "there") } else { missing(HOOKS, "claude") }]
}

fn missing(name: &'static str, program: &str) -> Check {
    let hint = format!("put them there: interlock agent install {program} NAME --write");
    Check::warn(
        name,
        "none of ours: nobody learns when you are at work, and your session not what waits",
        hint,
    )
}

/// Whether a configuration has ours for every event that counts.
fn has_hooks(config: &Value, program: &str) -> bool {
    let is_ours = |event: &str| {
        let groups = config.pointer(&format!("/hooks/{event}")).and_then(Value::as_array);
        let hooks = groups.into_iter().flatten().filter_map(|group| group.get("hooks")?.as_array()).flatten();
        let mut commands = hooks.filter_map(|hook| hook.get("command")?.as_str());
        commands.any(|command| command.contains(&format!(" hook {program} {event} ")))
    };
    NEEDED.into_iter().all(is_ours)
}

/// How many of our hooks Codex has not been told to trust; nothing when it does not say.
async fn untrusted(program: &Path, home: &Path) -> Option<usize> {
    let mut command = Command::new(program);
    command.arg("app-server").env("CODEX_HOME", home).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let client =
        json!({"name": "interlock", "title": "interlock doctor", "version": env!("CARGO_PKG_VERSION")});
    let capabilities = json!({"experimentalApi": true});
    let folder = std::env::current_dir().ok()?;
    for message in [
        json!({"id": 1, "method": "initialize", "params": {"clientInfo": client, "capabilities": capabilities}}),
        json!({"method": "initialized"}),
        json!({"id": 2, "method": "hooks/list", "params": {"cwds": [folder]}}),
    ] {
        input.write_all(format!("{message}\n").as_bytes()).await.ok()?;
    }
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.ok()? {
        let Ok(answer) = serde_json::from_str::<Value>(&line) else { continue };
        if answer.get("id") == Some(&json!(2)) {
            return count(&answer);
        }
    }
    None
}

fn count(answer: &Value) -> Option<usize> {
    let folders = answer.pointer("/result/data")?.as_array()?;
    let hooks = folders.iter().filter_map(|folder| folder.get("hooks")?.as_array()).flatten();
    let is_ours = |hook: &&Value| {
        hook.get("command").and_then(Value::as_str).is_some_and(|command| command.contains(" hook codex "))
    };
    let is_untrusted = |hook: &&Value| hook.get("trustStatus").and_then(Value::as_str) != Some("trusted");
    Some(hooks.filter(is_ours).filter(is_untrusted).count())
}
