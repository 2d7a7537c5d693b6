//! Gemini's `generateContent`, as Gemini CLI speaks it.

use serde_json::{Value, json};

use super::{data, text_of, tokens, tokens_of, with};
use crate::conversation::{Call, Conversation, Reply, Step, ToolResult};

pub(super) fn read(request: &Value) -> Conversation {
    let mut conversation = Conversation { tools: tools(request), ..Conversation::default() };
    let mut calls: Vec<(String, Call)> = Vec::new();
    for content in request.get("contents").and_then(Value::as_array).into_iter().flatten() {
        let is_user = content.get("role").and_then(Value::as_str) == Some("user");
        for part in content.get("parts").and_then(Value::as_array).into_iter().flatten() {
            take(&mut conversation, &mut calls, part, is_user);
        }
    }
    conversation
}

fn tools(request: &Value) -> Vec<String> {
    let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    let lists = tools.filter_map(|tool| tool.get("functionDeclarations").and_then(Value::as_array));
    lists.flatten().filter_map(|one| one.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
}

fn take(conversation: &mut Conversation, calls: &mut Vec<(String, Call)>, part: &Value, is_user: bool) {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(call) = part.get("functionCall") {
        let arguments = call.get("args").cloned().unwrap_or_default();
        calls.push((text(call, "id"), Call { name: text(call, "name"), arguments }));
    } else if let Some(answer) = part.get("functionResponse") {
        let (id, name) = (text(answer, "id"), text(answer, "name"));
        // Ids may be left out; answers then come in the order of their calls.
        let is_it = |(of, call): &(String, Call)| call.name == name && (id.is_empty() || *of == id);
        if let Some(at) = calls.iter().position(is_it) {
            let (_, call) = calls.remove(at);
            let result = result(answer.get("response").unwrap_or(&Value::Null));
            conversation.steps.push(Step { call, result });
        }
    } else if is_user {
        let said = text(part, "text");
        // What the program says of the place it runs in stands in tags.
        if !said.is_empty() && !said.trim_start().starts_with('<') {
            conversation.asked.push(said);
            conversation.steps.clear();
        }
    }
}

/// The program puts what came of it under `output`, and a failure under `error`.
fn result(response: &Value) -> ToolResult {
    match response.get("error") {
        Some(error) => ToolResult { text: text_of(error), is_error: true },
        None => ToolResult { text: text_of(response.get("output").unwrap_or(response)), is_error: false },
    }
}

fn parts(conversation: &Conversation, reply: &Reply) -> Vec<Value> {
    let text = |text: &str| json!({"text": text});
    match reply {
        Reply::Say(said) => vec![text(said)],
        Reply::Call(said, call) => {
            let id = format!("call_{}_{}", conversation.asked.len(), conversation.steps.len());
            let call = json!({"functionCall": {"id": id, "name": call.name, "args": call.arguments}});
            let said = (!said.is_empty()).then(|| text(said));
            said.into_iter().chain([call]).collect()
        }
    }
}

/// An answer, or a piece of one: the last piece says that it is the last, and what was used.
fn answer(conversation: &Conversation, reply: &Reply, parts: &[Value], is_last: bool) -> Value {
    let candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    let id = format!("resp_{}_{}", conversation.asked.len(), conversation.steps.len());
    let answer =
        |candidate: Value| json!({"responseId": id, "modelVersion": "scripted", "candidates": [candidate]});
    if !is_last {
        return answer(candidate);
    }
    let (input, output) = (tokens(conversation.bytes), tokens_of(reply));
    let usage = json!({
        "promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": input + output,
    });
    with(answer(with(candidate, "finishReason", "STOP".into())), "usageMetadata", usage)
}

pub(super) fn stream(conversation: &Conversation, reply: &Reply) -> Vec<String> {
    let parts = parts(conversation, reply);
    let pieces = parts.iter().map(|part| answer(conversation, reply, std::slice::from_ref(part), false));
    let last = answer(conversation, reply, &[json!({"text": ""})], true);
    pieces.chain([last]).map(|piece| data(&piece)).collect()
}

pub(super) fn whole(conversation: &Conversation, reply: &Reply) -> Value {
    answer(conversation, reply, &parts(conversation, reply), true)
}

/// The name that the service has for a status.
pub(super) const fn status_name(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        413 | 429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
