//! Codex CLI: `codex exec --json`, resumed by the thread's UUID and never by a name, which would begin a new thread.
//!
//! Measured with 0.169.0. The turn has begun with `thread.started` and `turn.started`; it is complete with
//! `turn.completed` alone, whatever the exit code says.

use interlock_core::agent::Sandbox;
use interlock_core::id::SessionId;
use interlock_core::wake::{TurnFault, Usage};
use serde_json::Value;

use super::persons::Transport;
use super::text::{count, cut, member, model_fault, reset_in_ms};
use super::{Fault, Heard, Line, Said, Start, Turn, program};
use crate::shim::redact::Redactor;

/// The name that `agent install` gives to its server in a person's configuration. Woken runs give theirs another one:
/// settings of one name are merged, and what a person's server is reached by would not go with an address.
pub(crate) const BRIDGE: &str = "interlock";

/// The command line of one turn.
pub(super) fn start(turn: &Turn<'_>) -> Start {
    let launch = turn.launch;
    let sandbox = launch.sandbox.unwrap_or(Sandbox::WorkspaceWrite);
    let mut words = program(launch, "codex");
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    add(&["exec", "--json", "--skip-git-repo-check", "-s", sandbox.as_str()]);
    if let Some(directory) = &launch.directory {
        add(&["-C", directory]);
    }
    if let Some(model) = &launch.model {
        add(&["-m", model]);
    }
    let url = format!("mcp_servers.interlock_wake.url={}", quoted(&turn.mcp_url));
    let settings = [
        // Nobody is there to be asked; what the sandbox does not allow fails.
        "approval_policy=\"never\"",
        url.as_str(),
        "mcp_servers.interlock_wake.bearer_token_env_var=\"INTERLOCK_TOKEN\"",
        "mcp_servers.interlock_wake.required=true",
        "mcp_servers.interlock_wake.default_tools_approval_mode=\"approve\"",
        // As long as our longest wait, and a little more.
        "mcp_servers.interlock_wake.tool_timeout_sec=60",
    ];
    for setting in settings {
        add(&["-c", setting]);
    }
    if let Some(transport) = turn.bridge {
        // It speaks as somebody else. Switched off it must still be a whole server: which one is in force Codex decides.
        let reached = match transport {
            Transport::Command => "command=\"false\"",
            Transport::Url => "url=\"http://127.0.0.1:1\"",
        };
        add(&["-c", &format!("mcp_servers.{BRIDGE}={{{reached},enabled=false}}")]);
    }
    if sandbox == Sandbox::WorkspaceWrite {
        // Said also where there is nothing to say: what its person has configured for themselves is not for this run.
        let folders: Vec<_> = turn.writable.iter().map(|folder| quoted(folder)).collect();
        add(&["-c", &format!("sandbox_workspace_write.writable_roots=[{}]", folders.join(","))]);
        add(&["-c", "sandbox_workspace_write.network_access=false"]);
    }
    if let Some(session) = turn.resume {
        add(&["resume", &session.to_uuid_text()]);
    }
    add(&[turn.prompt]);
    Start { words, input: None, passed: &["CODEX_HOME"], set: &[] }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's.
    Value::from(text).to_string()
}

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    session: Option<SessionId>,
    pub(super) heard: Heard,
}

impl Reader {
    /// One event.
    pub(super) fn event(&mut self, event: &Value, hide: &Redactor) -> Line {
        let mut line = Line::default();
        match member(event, "/type") {
            "thread.started" => self.session = SessionId::from_uuid_text(member(event, "/thread_id")),
            "turn.started" => line.said = self.session.map(Said::Began),
            "turn.completed" => {
                self.heard.is_done = true;
                // Measured: a resumed thread goes on counting where it stopped.
                self.heard.is_session_total = true;
                self.heard.usage = Some(Usage {
                    input_tokens: count(event, "/usage/input_tokens"),
                    cached_input_tokens: count(event, "/usage/cached_input_tokens"),
                    output_tokens: count(event, "/usage/output_tokens"),
                    cost_micro_usd: None,
                });
            }
            "turn.failed" => {
                let text = member(event, "/error/message");
                self.heard.fault.get_or_insert(Fault::Turn(model_fault(0, text)));
                self.heard.reset_in_ms = reset_in_ms(text);
                line.text = Some(format!("the turn failed: {}", cut(hide, text)));
            }
            "error" => line.text = Some(format!("error: {}", cut(hide, member(event, "/message")))),
            "item.completed" => {
                if member(event, "/item/type") == "agent_message" {
                    self.heard.said(hide, member(event, "/item/text"));
                }
                line.text = item(event, hide);
            }
            _ => {}
        }
        line
    }

    /// A line that is no event: most likely a word of the program itself on why it gives up.
    pub(super) fn words(&mut self, text: &str) -> Line {
        // What is quoted in the middle of a turn is no word of the program.
        let fault = if self.session.is_some() {
            None
        } else if text.contains("no rollout found") {
            Some(Fault::SessionGone)
        } else if text.contains("already has an active writer") {
            Some(Fault::SessionBusy)
        } else if text.contains("required MCP servers failed to initialize") {
            Some(Fault::Turn(TurnFault::ToolsUnavailable))
        } else {
            None
        };
        if let Some(fault) = fault {
            self.heard.fault.get_or_insert(fault);
        }
        Line { said: None, text: Some(text.to_owned()) }
    }
}

fn item(event: &Value, hide: &Redactor) -> Option<String> {
    let text = |name: &str| member(event, &format!("/item/{name}"));
    match text("type") {
        "agent_message" => Some(cut(hide, text("text"))),
        "command_execution" => {
            let code = event.pointer("/item/exit_code").and_then(Value::as_i64);
            let code = code.map_or_else(|| text("status").to_owned(), |code| code.to_string());
            Some(format!(
                "$ {}\n[exit {code}] {}",
                cut(hide, text("command")),
                cut(hide, text("aggregated_output").trim_end())
            ))
        }
        "mcp_tool_call" => {
            let error = member(event, "/item/error/message");
            let how = if error.is_empty() {
                text("status").to_owned()
            } else {
                format!("failed: {}", cut(hide, error))
            };
            Some(format!("{}.{} {how}", text("server"), text("tool")))
        }
        "file_change" => {
            let changes = event.pointer("/item/changes").and_then(Value::as_array);
            let paths: Vec<_> = changes.into_iter().flatten().map(|change| member(change, "/path")).collect();
            Some(format!("changed {}", cut(hide, &paths.join(", "))))
        }
        "error" => Some(format!("warning: {}", cut(hide, text("message")))),
        _ => None,
    }
}
