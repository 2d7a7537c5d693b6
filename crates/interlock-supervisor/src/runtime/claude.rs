//! Claude Code: `claude -p` with messages as JSON lines in both directions, resumed by the session's id.
//!
//! Measured with 2.1.329. A fresh session gets an id of our choice. The turn has begun when our own message comes
//! back, or with the first message of the session; it is complete with a `result` that is no error: its `subtype` says
//! `success` also when the model could not be reached, and an interrupt ends with exit code 0.

use interlock_core::agent::Sandbox;
use interlock_core::id::SessionId;
use interlock_core::wake::{TurnFault, Usage};
use serde_json::{Value, json};

use super::text::{count, cut, cut_value, member, model_fault, reset_in_ms, speaks_of};
use super::{Fault, Heard, Line, Said, Start, Turn, program};
use crate::shim::redact::Redactor;

/// What may be used without asking, whatever the sandbox.
const READING: [&str; 4] = ["mcp__interlock", "Read", "Grep", "Glob"];
/// What else may be used where files may be changed.
const WRITING: [&str; 2] = ["Edit", "Write"];
/// What may not be used where nothing may be changed, whatever the user's own settings allow.
const FORBIDDEN: [&str; 3] = ["Edit", "Write", "NotebookEdit"];

/// The command line of one turn, and its message.
pub(super) fn start(turn: &Turn<'_>) -> Start {
    let launch = turn.launch;
    let sandbox = launch.sandbox.unwrap_or(Sandbox::WorkspaceWrite);
    let mut words = program(launch, "claude");
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    let server = json!({
        // Our tools are few and needed at once: not to be searched for.
        "type": "http", "url": turn.mcp_url, "alwaysLoad": true, "headers": {"Authorization": "Bearer ${INTERLOCK_TOKEN}"},
    });
    let config = json!({"mcpServers": {"interlock": server}}).to_string();
    add(&["-p", "--input-format", "stream-json", "--replay-user-messages"]);
    add(&["--mcp-config", &config, "--strict-mcp-config"]);
    // Without anybody to be asked it takes a folder for trusted, and would run the hooks and the key helper that lie there.
    add(&["--setting-sources", "user"]);
    if let Some(memory) = launch.directory.as_deref().and_then(memory) {
        add(&["--append-system-prompt-file", &memory]);
    }
    let (mode, writing): (&str, &[&str]) = match sandbox {
        Sandbox::ReadOnly => ("default", &[]),
        Sandbox::WorkspaceWrite => ("acceptEdits", &WRITING),
        Sandbox::DangerFullAccess => ("bypassPermissions", &WRITING),
    };
    add(&["--permission-mode", mode, "--allowedTools"]);
    add(&READING);
    add(writing);
    for rule in &launch.allowed_tools {
        add(&[rule]);
    }
    if sandbox == Sandbox::ReadOnly {
        add(&["--disallowedTools"]);
        add(&FORBIDDEN);
    }
    if sandbox == Sandbox::WorkspaceWrite && !turn.writable.is_empty() {
        add(&["--add-dir"]);
        for folder in &turn.writable {
            add(&[folder]);
        }
    }
    if let Some(model) = &launch.model {
        add(&["--model", model]);
    }
    match turn.resume {
        Some(session) => add(&["--resume", &session.to_uuid_text()]),
        None => add(&["--session-id", &turn.fresh.to_uuid_text()]),
    }
    add(&["--output-format", "stream-json", "--verbose"]);
    let message = json!({
        "type": "user", "uuid": turn.message.to_uuid_text(), "session_id": "", "parent_tool_use_id": null,
        "message": {"role": "user", "content": turn.prompt},
    });
    let set = &[("DISABLE_AUTOUPDATER", "1")];
    Start { words, input: Some(format!("{message}\n")), passed: &["CLAUDE_CONFIG_DIR"], set }
}

/// What the folder's people have written down for the model: left out together with the folder's settings, and handed over
/// as the text that it is. A link to elsewhere is not theirs to give.
fn memory(directory: &str) -> Option<String> {
    let folder = std::fs::canonicalize(directory).ok()?;
    let file = std::fs::canonicalize(folder.join("CLAUDE.md")).ok()?;
    let is_theirs = file.is_file() && file.starts_with(&folder);
    file.to_str().filter(|_| is_theirs).map(str::to_owned)
}

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    has_begun: bool,
    pub(super) heard: Heard,
}

impl Reader {
    /// One event.
    pub(super) fn event(&mut self, event: &Value, hide: &Redactor) -> Line {
        match member(event, "/type") {
            "system" if member(event, "/subtype") == "init" => self.began(event),
            "user" if event.get("isReplay") == Some(&Value::Bool(true)) => self.began(event),
            "assistant" => {
                self.said(event, hide);
                Line { said: None, text: assistant(event, hide) }
            }
            "user" => Line { said: None, text: refused_tools(event, hide) },
            "rate_limit_event" => {
                let is_spent = member(event, "/rate_limit_info/status") == "rejected";
                let at = event.pointer("/rate_limit_info/resetsAt").and_then(Value::as_u64);
                self.heard.resets_at_s = at.filter(|_| is_spent);
                Line::default()
            }
            "result" => self.result(event, hide),
            _ => Line::default(),
        }
    }

    fn began(&mut self, event: &Value) -> Line {
        let servers = event.get("mcp_servers").and_then(Value::as_array);
        let ours = servers.into_iter().flatten().find(|server| member(server, "/name") == "interlock");
        if let Some(status) =
            ours.map(|server| member(server, "/status")).filter(|s| ["failed", "needs-auth"].contains(s))
        {
            let fault = TurnFault::ToolsUnavailable;
            self.heard.fault.get_or_insert(Fault::Turn(fault));
            return Line {
                said: Some(Said::Hopeless(fault)),
                text: Some(format!("the MCP server `interlock` could not be used: {status}")),
            };
        }
        let session = SessionId::from_uuid_text(member(event, "/session_id")).filter(|_| !self.has_begun);
        self.has_begun |= session.is_some();
        Line { said: session.map(Said::Began), text: None }
    }

    /// What the agent says, and not what one says that it has started.
    fn said(&mut self, event: &Value, hide: &Redactor) {
        if member(event, "/parent_tool_use_id").is_empty() {
            for block in blocks(event).filter(|block| member(block, "/type") == "text") {
                self.heard.said(hide, member(block, "/text"));
            }
        }
    }

    fn result(&mut self, event: &Value, hide: &Redactor) -> Line {
        let total = session_total(event);
        self.heard.is_session_total = total.is_some();
        self.heard.usage = total.or_else(|| Some(turn(event)));
        let text = member(event, "/result");
        if event.get("is_error") == Some(&Value::Bool(false)) {
            self.heard.is_done = true;
            self.heard.said(hide, text);
            return Line::default();
        }
        if member(event, "/subtype") == "error_during_execution" && text.is_empty() {
            // What it was stands beside it, in words.
            return Line { said: None, text: Some("the turn failed".into()) };
        }
        let fault = model_fault(count(event, "/api_error_status"), text);
        self.heard.fault.get_or_insert(Fault::Turn(fault));
        self.heard.reset_in_ms = reset_in_ms(text);
        Line { said: None, text: Some(format!("the turn failed: {}", cut(hide, text))) }
    }

    /// A line that is no event: most likely a word of the program itself on why it gives up.
    pub(super) fn words(&mut self, text: &str) -> Line {
        // What is quoted in the middle of a turn is no word of the program.
        if self.has_begun {
            return Line { said: None, text: Some(text.to_owned()) };
        }
        if text.contains("No conversation found with session ID") {
            self.heard.fault.get_or_insert(Fault::SessionGone);
        } else if speaks_of(text, &["invalid api key", "please run /login"]) {
            self.heard.fault.get_or_insert(Fault::Turn(TurnFault::ModelUnauthorized));
        }
        Line { said: None, text: Some(text.to_owned()) }
    }
}

/// What every model used, and what that cost, since the session began. Measured: a resumed session goes on counting, also
/// when others ran in between.
fn session_total(event: &Value) -> Option<Usage> {
    let models = event.get("modelUsage").and_then(Value::as_object).filter(|models| !models.is_empty())?;
    let tokens = models.values().map(|model| {
        let read = count(model, "/cacheReadInputTokens");
        let written = count(model, "/cacheCreationInputTokens");
        Usage {
            input_tokens: count(model, "/inputTokens").saturating_add(read).saturating_add(written),
            cached_input_tokens: read,
            output_tokens: count(model, "/outputTokens"),
            cost_micro_usd: None,
        }
    });
    let cost_micro_usd = event.get("total_cost_usd").and_then(Value::as_f64).map(micro);
    Some(Usage { cost_micro_usd, ..tokens.fold(Usage::NONE, Usage::plus) })
}

/// What this turn used, where no models are named: what it cost is not known then, because the only sum is the session's.
fn turn(event: &Value) -> Usage {
    let read = count(event, "/usage/cache_read_input_tokens");
    let written = count(event, "/usage/cache_creation_input_tokens");
    Usage {
        input_tokens: count(event, "/usage/input_tokens").saturating_add(read).saturating_add(written),
        cached_input_tokens: read,
        output_tokens: count(event, "/usage/output_tokens"),
        cost_micro_usd: None,
    }
}

/// US dollars in millionths.
fn micro(dollars: f64) -> u64 {
    let micro = (dollars * 1_000_000.0).round();
    // Through text, which has no casts that cut: a price is small and not negative, or it is none.
    format!("{micro:.0}").parse().unwrap_or_default()
}

fn blocks(event: &Value) -> impl Iterator<Item = &Value> {
    event.pointer("/message/content").and_then(Value::as_array).into_iter().flatten()
}

fn assistant(event: &Value, hide: &Redactor) -> Option<String> {
    let line = |block: &Value| match member(block, "/type") {
        "text" => Some(cut(hide, member(block, "/text"))),
        "tool_use" => {
            let input = block.get("input").map(|input| cut_value(hide, input)).unwrap_or_default();
            Some(format!("{} {input}", member(block, "/name")))
        }
        _ => None,
    };
    let lines: Vec<_> = blocks(event).filter_map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn refused_tools(event: &Value, hide: &Redactor) -> Option<String> {
    let failed = blocks(event).filter(|block| block.get("is_error") == Some(&Value::Bool(true)));
    let lines: Vec<_> = failed
        .map(|block| {
            let content = block.get("content").cloned().unwrap_or_default();
            let text = content.as_str().map_or_else(|| cut_value(hide, &content), |text| cut(hide, text));
            format!("tool failed: {text}")
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
