//! A conversation as the brain sees it, whatever the wire format.

use serde_json::Value;

/// What was said, up to the point where the model is to go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// The names of the tools on offer, as the program calls them.
    pub tools: Vec<String>,
    /// Whether they are called from scripts.
    pub scripts: Scripts,
    /// What its user said, in order; the last one is what the model is asked now.
    pub asked: Vec<String>,
    /// What the program told its model besides, in order: of its machine, or what a hook of its user's adds.
    pub asides: Vec<String>,
    /// What was done since then, in order.
    pub steps: Vec<Step>,
    /// Bytes of the request, from which usage is counted.
    pub bytes: usize,
}

impl Conversation {
    /// What the model is asked now.
    pub fn prompt(&self) -> &str {
        self.asked.last().map_or("", String::as_str)
    }

    /// The offered tool that does this, by the end of its name: each program has its own way to put the server's before it.
    pub fn tool(&self, name: &str) -> Option<&str> {
        let is_it = |tool: &&String| {
            tool.as_str() == name || tool.strip_suffix(name).is_some_and(|before| before.ends_with('_'))
        };
        self.tools.iter().find(is_it).map(String::as_str)
    }
}

/// Whether tools are called from scripts, as Codex has its own models do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scripts {
    /// They are not.
    #[default]
    None,
    /// They are, and a script has to ask first which tools there are.
    Unasked,
    /// They are.
    Known,
}

/// One tool call with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The call.
    pub call: Call,
    /// Its result.
    pub result: ToolResult,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The tool's name, as the program calls it.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// The text.
    pub text: String,
    /// Whether the program says that it failed.
    pub is_error: bool,
}

/// What the model says next.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The end of its turn.
    Say(String),
    /// A call, with a word on why.
    Call(String, Call),
}
