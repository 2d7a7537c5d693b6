//! The tools as the brain uses them, whatever the program calls them, and the replay of a turn.

use serde_json::{Value, json};

use crate::conversation::{Call, Conversation, ToolResult};

/// How long a command may run until the program is to say something, in milliseconds.
const YIELD_MS: u64 = 30_000;
/// How often a command that still runs is waited for.
const WAITS_MAX: usize = 60;

/// Why a turn does not go on by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pause {
    /// A tool has to be called, for this reason.
    Call(String, Call),
    /// There is no way on; this is the last word.
    GiveUp(String),
}

/// A part of a turn.
pub(super) type Turn<T> = Result<T, Pause>;

/// What a wake's prompt says: ids, and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) agent: String,
    pub(super) thread: String,
    pub(super) id: String,
}

impl Wake {
    /// The ids of a prompt that has them.
    pub(super) fn read(prompt: &str) -> Option<Self> {
        let id = |prefix: &str| {
            let from = prompt.get(prompt.find(prefix)?..)?;
            let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
            from.get(..end).filter(|id| id.len() == prefix.len() + 26).map(str::to_owned)
        };
        let agent = prompt.split('`').nth(1)?.to_owned();
        Some(Self { agent, thread: id("thr_")?, id: id("wak_")? })
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) code: i64,
    pub(super) text: String,
}

impl Ran {
    pub(super) const fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// The tools, and how far the turn was replayed.
pub(super) struct Hand<'c> {
    pub(super) talk: &'c Conversation,
    at: usize,
    /// Changes asked for in this turn: their keys are told apart by it.
    changes: usize,
}

impl<'c> Hand<'c> {
    pub(super) const fn new(talk: &'c Conversation) -> Self {
        Self { talk, at: 0, changes: 0 }
    }

    /// Call a tool; its result, when the conversation has it.
    pub(super) fn call(&mut self, why: &str, tool: &str, arguments: Value) -> Turn<ToolResult> {
        let Some(name) = self.talk.tool(tool) else {
            return Err(Pause::GiveUp(format!("I would need a tool `{tool}`, and have none.")));
        };
        let Some(step) = self.talk.steps.get(self.at) else {
            let call = Call { name: name.to_owned(), arguments };
            return Err(Pause::Call(why.to_owned(), call));
        };
        if step.call.name != name {
            let text = format!("I lost the thread: `{}` was called where I expect `{name}`.", step.call.name);
            return Err(Pause::GiveUp(text));
        }
        self.at += 1;
        Ok(step.result.clone())
    }

    /// Run a command with the program's shell tool.
    pub(super) fn shell(&mut self, why: &str, command: &str) -> Turn<Ran> {
        if self.talk.tool("Bash").is_some() {
            let result = self.call(why, "Bash", json!({"command": command, "timeout": 600_000}))?;
            return Ok(bash(result));
        }
        let arguments = json!({"cmd": command, "yield_time_ms": YIELD_MS, "max_output_tokens": 40_000});
        let mut result = self.call(why, "exec_command", arguments)?;
        let mut text = output(&result.text).to_owned();
        for _ in 0..WAITS_MAX {
            let Some(session) = running(&result.text) else { break };
            let arguments = json!({
                "session_id": session, "chars": "", "yield_time_ms": YIELD_MS, "max_output_tokens": 40_000,
            });
            result = self.call("It still runs.", "write_stdin", arguments)?;
            text.push_str(output(&result.text));
        }
        let failed = i64::from(result.is_error);
        Ok(Ran { code: number_after(&result.text, "exited with code ").unwrap_or(failed), text })
    }

    /// The top of the work tree we are in.
    pub(super) fn root(&mut self) -> Turn<String> {
        let ran = self.shell("Where am I?", "git rev-parse --show-toplevel")?;
        let root = ran.text.lines().map(str::trim).rfind(|line| line.starts_with('/'));
        root.map(str::to_owned).ok_or_else(|| Pause::GiveUp("I am in no git repository.".into()))
    }

    /// Read something of Interlock.
    pub(super) fn ask(&mut self, why: &str, tool: &str, arguments: Value) -> Turn<Value> {
        let result = self.call(why, tool, arguments)?;
        let value = json_in(&result.text);
        if result.is_error || value.get("reason").is_some() && value.get("request_id").is_some() {
            let text: String = result.text.chars().take(500).collect();
            return Err(Pause::GiveUp(format!("`{tool}` was refused: {text}")));
        }
        Ok(value)
    }

    /// Change something of Interlock, once, however often this turn is repeated.
    pub(super) fn change(&mut self, why: &str, wake: &Wake, tool: &str, mut arguments: Value) -> Turn<Value> {
        self.changes += 1;
        if let Some(fields) = arguments.as_object_mut() {
            fields.insert("idempotency_key".into(), format!("{}-{}", wake.id, self.changes).into());
        }
        self.ask(why, tool, arguments)
    }

    /// Acknowledge everything up to here.
    pub(super) fn ack(&mut self, wake: &Wake, seq: u64) -> Turn<()> {
        let arguments = json!({"thread_id": wake.thread, "seq": seq});
        self.change("I have dealt with everything up to here.", wake, "ack_read", arguments).map(|_| ())
    }
}

/// Claude Code's shell: a failure begins with its code.
fn bash(result: ToolResult) -> Ran {
    let code = number_after(&result.text, "Exit code ").unwrap_or(1);
    Ran { code: if result.is_error { code } else { 0 }, text: result.text }
}

/// Codex's shell: what stands after `Output:` is what was printed.
fn output(text: &str) -> &str {
    text.split_once("Output:\n").map_or(text, |(_, output)| output)
}

/// The session of a command that still runs.
fn running(text: &str) -> Option<i64> {
    let head = text.split_once("Output:\n").map_or(text, |(head, _)| head);
    number_after(head, "running with session ID ")
}

fn number_after(text: &str, words: &str) -> Option<i64> {
    let (_, rest) = text.split_once(words)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The first JSON object in a text.
fn json_in(text: &str) -> Value {
    let from = text.find('{').and_then(|at| text.get(at..)).unwrap_or_default();
    let first = serde_json::Deserializer::from_str(from).into_iter::<Value>().next();
    let value = first.and_then(Result::ok).unwrap_or_default();
    // Some programs show the whole result of a tool, some what is structured in it.
    value.get("structuredContent").or_else(|| value.get("structured_content")).cloned().unwrap_or(value)
}
