//! How Codex has its own models call tools: with `exec`, which runs JavaScript in which all others are functions. Those
//! of MCP servers are named nowhere, until a script asks for them.

use serde_json::Value;

use super::text_of;
use crate::conversation::{Call, ToolResult};

/// The tool that runs a script.
pub(super) const EXEC: &str = "exec";
/// The script that asks which tools there are.
pub(super) const ASK: &str = "text(ALL_TOOLS.map(tool => tool.name))";
/// The first line of every other script: it waits longer than any of its calls, and hides nothing of their results.
const SETTINGS: &str = "// @exec: {\"yield_time_ms\": 60000, \"max_output_tokens\": 40000}\n";
/// The tool that takes a text and no object.
const PATCH: &str = "apply_patch";
const BEFORE: &str = "text(await tools.";
const AFTER: &str = "))";

/// Whether tools are to be called from scripts: it says so by the one tool that runs them.
pub(super) fn are_spoken(request: &Value) -> bool {
    let items = request.get("input").and_then(Value::as_array).into_iter().flatten();
    items.chain([request]).any(|item| item.get("tools").is_some_and(has_exec))
}

fn has_exec(tools: &Value) -> bool {
    tools.as_array().into_iter().flatten().any(|tool| {
        let text = |name: &str| tool.get(name).and_then(Value::as_str);
        (text("type"), text("name")) == (Some("custom"), Some(EXEC))
            || tool.get("tools").is_some_and(has_exec)
    })
}

/// The script that makes one call.
pub(super) fn script(call: &Call) -> String {
    // A patch is a text of its own here.
    let patch = call.arguments.get("input").filter(|_| call.name == PATCH);
    let arguments = patch.unwrap_or(&call.arguments);
    format!("{SETTINGS}{BEFORE}{}({arguments}{AFTER}", call.name)
}

/// The call that a script makes.
pub(super) fn call(script: &str) -> Option<Call> {
    let (_, rest) = script.split_once(BEFORE)?;
    let (name, rest) = rest.split_once('(')?;
    let arguments = serde_json::from_str(rest.strip_suffix(AFTER)?).ok()?;
    Some(Call { name: name.to_owned(), arguments })
}

/// The names that the script which asks for them has brought.
pub(super) fn names(output: &Value) -> Vec<String> {
    let said = result(output).text;
    serde_json::from_str(said.trim()).unwrap_or_default()
}

/// What came of the call: how the script went is told first, and then what it said.
pub(super) fn result(output: &Value) -> ToolResult {
    let blocks = output.as_array().map_or(&[][..], Vec::as_slice);
    match blocks.split_first() {
        Some((head, said)) if text_of(&Value::from(vec![head.clone()])).starts_with("Script completed") => {
            let text = text_of(&Value::from(said.to_vec()));
            ToolResult { text: shell(&text).unwrap_or(text), is_error: false }
        }
        _ => ToolResult { text: text_of(output), is_error: true },
    }
}

/// What came of a command, in the words in which it is told outside of scripts.
fn shell(text: &str) -> Option<String> {
    let told: Value = serde_json::from_str(text).ok()?;
    let (printed, _) = (told.get("output")?.as_str()?, told.get("wall_time_seconds")?);
    let number = |name: &str| told.get(name).and_then(Value::as_i64);
    let how = match (number("exit_code"), number("session_id")) {
        (Some(code), _) => format!("Process exited with code {code}"),
        (None, Some(session)) => format!("Process running with session ID {session}"),
        (None, None) => return None,
    };
    Some(format!("{how}\nOutput:\n{printed}"))
}
