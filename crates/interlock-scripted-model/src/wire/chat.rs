//! OpenAI Chat Completions, as opencode and most other programs speak it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{data, text_of, tokens, tokens_of, with};
use crate::conversation::{Call, Conversation, Reply, Step, ToolResult};

pub(super) fn read(request: &Value) -> Conversation {
    let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    let names = tools.filter_map(|tool| tool.pointer("/function/name").and_then(Value::as_str));
    let mut conversation =
        Conversation { tools: names.map(str::to_owned).collect(), ..Conversation::default() };
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for message in request.get("messages").and_then(Value::as_array).into_iter().flatten() {
        take(&mut conversation, &mut calls, message);
    }
    conversation
}

fn take(conversation: &mut Conversation, calls: &mut BTreeMap<String, Call>, message: &Value) {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let content = message.get("content").unwrap_or(&Value::Null);
    match text("/role") {
        "user" => {
            let said = text_of(content);
            // What the program adds to its user's words stands in tags.
            if !said.trim_start().starts_with('<') {
                conversation.asked.push(said);
                conversation.steps.clear();
            }
        }
        "assistant" => {
            for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let arguments = serde_json::from_str(text("/function/arguments")).unwrap_or_default();
                let name = text("/function/name").to_owned();
                calls.insert(text("/id").to_owned(), Call { name, arguments });
            }
        }
        // Whether it went well has no place of its own here: the text says it.
        "tool" => {
            if let Some(call) = calls.remove(text("/tool_call_id")) {
                let result = ToolResult { text: text_of(content), is_error: false };
                conversation.steps.push(Step { call, result });
            }
        }
        _ => {}
    }
}

/// What is said, and the calls with it.
fn said(conversation: &Conversation, reply: &Reply) -> (String, Option<Value>) {
    match reply {
        Reply::Say(text) => (text.clone(), None),
        Reply::Call(text, call) => {
            let id = format!("call_{}_{}", conversation.asked.len(), conversation.steps.len());
            let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
            (text.clone(), Some(json!({"index": 0, "id": id, "type": "function", "function": function})))
        }
    }
}

const fn finish(reply: &Reply) -> &'static str {
    match reply {
        Reply::Say(_) => "stop",
        Reply::Call(..) => "tool_calls",
    }
}

fn usage(conversation: &Conversation, reply: &Reply) -> Value {
    let (input, output) = (tokens(conversation.bytes), tokens_of(reply));
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

fn head(conversation: &Conversation, object: &str, choices: &Value) -> Value {
    let id = format!("chatcmpl_{}_{}", conversation.asked.len(), conversation.steps.len());
    json!({"id": id, "object": object, "created": 0, "model": "scripted", "choices": choices})
}

pub(super) fn stream(conversation: &Conversation, reply: &Reply) -> Vec<String> {
    let piece = |choices: &Value| head(conversation, "chat.completion.chunk", choices);
    let choice = |delta: &Value, finish: Option<&str>| {
        piece(&json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
    };
    let (text, call) = said(conversation, reply);
    let mut all = vec![choice(&json!({"role": "assistant", "content": text}), None)];
    all.extend(call.map(|call| choice(&json!({"tool_calls": [call]}), None)));
    all.push(choice(&json!({}), Some(finish(reply))));
    all.push(with(piece(&json!([])), "usage", usage(conversation, reply)));
    all.iter().map(data).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

pub(super) fn whole(conversation: &Conversation, reply: &Reply) -> Value {
    let (text, call) = said(conversation, reply);
    let said = json!({"role": "assistant", "content": text});
    let message = match call {
        Some(call) => with(said, "tool_calls", json!([call])),
        None => said,
    };
    let choices = json!([{"index": 0, "message": message, "finish_reason": finish(reply)}]);
    with(head(conversation, "chat.completion", &choices), "usage", usage(conversation, reply))
}
