//! OpenAI Responses, as Codex CLI speaks it: with functions to models that it does not know, with scripts to its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{event, scripts, text_of, tokens, tokens_of, with};
use crate::conversation::{Call, Conversation, Reply, Scripts, Step, ToolResult};

pub(super) fn read(request: &Value) -> Conversation {
    let mut conversation = Conversation { tools: tools(request), ..Conversation::default() };
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    if scripts::are_spoken(request) {
        conversation.scripts = Scripts::Unasked;
    }
    for item in request.get("input").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("type").as_str() {
            "message" if text("role") == "user" => {
                let said = text_of(item.get("content").unwrap_or(&Value::Null));
                // What the program says of the machine it runs on is no word of its user.
                if said.trim_start().starts_with('<') {
                    conversation.asides.push(said);
                } else {
                    conversation.asked.push(said);
                    conversation.steps.clear();
                }
            }
            "message" if text("role") == "developer" => {
                conversation.asides.push(text_of(item.get("content").unwrap_or(&Value::Null)));
            }
            "function_call" => {
                let name = match text("namespace") {
                    space if space.is_empty() => text("name"),
                    space => format!("{space}__{}", text("name")),
                };
                let arguments = serde_json::from_str(&text("arguments")).unwrap_or_default();
                calls.insert(text("call_id"), Call { name, arguments });
            }
            "function_call_output" => {
                if let Some(call) = calls.remove(&text("call_id")) {
                    let result = result(item.get("output").unwrap_or(&Value::Null));
                    conversation.steps.push(Step { call, result });
                }
            }
            "custom_tool_call" if text("name") == scripts::EXEC => {
                if let Some(call) = scripts::call(&text("input")) {
                    calls.insert(text("call_id"), call);
                }
            }
            "custom_tool_call_output" => {
                let output = item.get("output").unwrap_or(&Value::Null);
                if let Some(call) = calls.remove(&text("call_id")) {
                    conversation.steps.push(Step { call, result: scripts::result(output) });
                } else if text("call_id").starts_with(ASKED) {
                    conversation.tools = scripts::names(output);
                    conversation.scripts = Scripts::Known;
                }
            }
            _ => {}
        }
    }
    conversation
}

/// How the call begins that asks which tools there are.
const ASKED: &str = "asked_";

fn tools(request: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for tool in request.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
        match tool.get("tools").and_then(Value::as_array) {
            Some(inner) => {
                let inner = inner.iter().filter_map(|tool| tool.get("name").and_then(Value::as_str));
                names.extend(inner.map(|tool| format!("{name}__{tool}")));
            }
            None => names.push(name.to_owned()),
        }
    }
    names
}

/// A text, a list of blocks, or an object that says whether it went well.
fn result(output: &Value) -> ToolResult {
    let content = output.get("content").unwrap_or(output);
    let is_error = output.get("success") == Some(&Value::Bool(false));
    ToolResult { text: text_of(content), is_error }
}

/// A tool's name as it is called: those of a namespace apart from it.
fn split(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once("__") {
        Some((space, tool)) if space.starts_with("mcp__") => (Some(space), tool),
        _ => (None, name),
    }
}

/// A script to be run.
fn exec(id: &str, script: &str) -> Value {
    json!({
        "type": "custom_tool_call", "id": format!("ctc_{id}"), "call_id": id, "name": scripts::EXEC, "input": script,
        "status": "completed",
    })
}

fn items(conversation: &Conversation, reply: &Reply) -> Vec<Value> {
    if conversation.scripts == Scripts::Unasked {
        return vec![exec(&format!("{ASKED}{}", conversation.asked.len()), scripts::ASK)];
    }
    let number = conversation.steps.len();
    let turn = conversation.asked.len();
    let message = |text: &str| {
        json!({
            "type": "message", "id": format!("msg_{turn}_{number}"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        })
    };
    match reply {
        Reply::Say(text) => vec![message(text)],
        Reply::Call(text, call) => {
            let id = format!("call_{turn}_{number}");
            let item = if conversation.scripts == Scripts::Known {
                exec(&id, &scripts::script(call))
            } else {
                function(&id, call)
            };
            let said = (!text.is_empty()).then(|| message(text));
            said.into_iter().chain([item]).collect()
        }
    }
}

/// A function to be called.
fn function(id: &str, call: &Call) -> Value {
    let (space, name) = split(&call.name);
    let item = json!({
        "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
        "arguments": call.arguments.to_string(), "status": "completed",
    });
    match space {
        Some(space) => with(item, "namespace", space.into()),
        None => item,
    }
}

fn usage(conversation: &Conversation, reply: &Reply) -> Value {
    let (input, output) = (tokens(conversation.bytes), tokens_of(reply));
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output,
    })
}

pub(super) fn stream(conversation: &Conversation, reply: &Reply) -> Vec<String> {
    let id = format!("resp_{}_{}", conversation.asked.len(), conversation.steps.len());
    let mut all =
        vec![event("response.created", &json!({"type": "response.created", "response": {"id": id}}))];
    for (index, item) in items(conversation, reply).iter().enumerate() {
        for kind in ["response.output_item.added", "response.output_item.done"] {
            all.push(event(kind, &json!({"type": kind, "output_index": index, "item": item})));
        }
    }
    let response = json!({"id": id, "usage": usage(conversation, reply)});
    all.push(event("response.completed", &json!({"type": "response.completed", "response": response})));
    all
}

pub(super) fn whole(conversation: &Conversation, reply: &Reply) -> Value {
    json!({
        "id": format!("resp_{}_{}", conversation.asked.len(), conversation.steps.len()), "object": "response",
        "status": "completed", "output": items(conversation, reply), "usage": usage(conversation, reply),
    })
}
