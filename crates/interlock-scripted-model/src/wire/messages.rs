//! Anthropic Messages, as Claude Code speaks it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{event, text_of, tokens, tokens_of};
use crate::conversation::{Call, Conversation, Reply, Step, ToolResult};

pub(super) fn read(request: &Value) -> Conversation {
    let names = request.get("tools").and_then(Value::as_array).into_iter().flatten();
    let names = names.filter_map(|tool| tool.get("name").and_then(Value::as_str));
    let mut conversation =
        Conversation { tools: names.map(str::to_owned).collect(), ..Conversation::default() };
    let mut calls: BTreeMap<String, Call> = BTreeMap::new();
    for message in request.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        for block in blocks(message.get("content").unwrap_or(&Value::Null)) {
            take(&mut conversation, &mut calls, &block, role);
        }
    }
    conversation
}

fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn take(conversation: &mut Conversation, calls: &mut BTreeMap<String, Call>, block: &Value, role: &str) {
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("type").as_str() {
        // What the program adds to its user's words stands in tags.
        "text" if role == "user" && !text("text").trim_start().starts_with('<') => {
            conversation.asked.push(text("text"));
            conversation.steps.clear();
        }
        "text" if role != "assistant" => conversation.asides.push(text("text")),
        "tool_use" => {
            let arguments = block.get("input").cloned().unwrap_or_default();
            calls.insert(text("id"), Call { name: text("name"), arguments });
        }
        "tool_result" => {
            if let Some(call) = calls.remove(&text("tool_use_id")) {
                let is_error = block.get("is_error") == Some(&Value::Bool(true));
                let text = text_of(block.get("content").unwrap_or(&Value::Null));
                conversation.steps.push(Step { call, result: ToolResult { text, is_error } });
            }
        }
        _ => {}
    }
}

fn content(conversation: &Conversation, reply: &Reply) -> (Vec<Value>, &'static str) {
    let text = |text: &str| json!({"type": "text", "text": text});
    match reply {
        Reply::Say(said) => (vec![text(said)], "end_turn"),
        Reply::Call(said, call) => {
            let id = format!("toolu_{}_{}", conversation.asked.len(), conversation.steps.len());
            let call = json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments});
            let said = (!said.is_empty()).then(|| text(said));
            (said.into_iter().chain([call]).collect(), "tool_use")
        }
    }
}

fn head(conversation: &Conversation) -> Value {
    json!({
        "id": format!("msg_{}_{}", conversation.asked.len(), conversation.steps.len()), "type": "message",
        "role": "assistant", "model": "scripted", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": tokens(conversation.bytes), "output_tokens": 1},
    })
}

pub(super) fn stream(conversation: &Conversation, reply: &Reply) -> Vec<String> {
    let (blocks, stop) = content(conversation, reply);
    let mut all =
        vec![event("message_start", &json!({"type": "message_start", "message": head(conversation)}))];
    for (index, block) in blocks.iter().enumerate() {
        let (empty, delta) = if block.get("type").and_then(Value::as_str) == Some("tool_use") {
            let mut empty = block.clone();
            let input = block.get("input").map(Value::to_string).unwrap_or_default();
            if let Some(fields) = empty.as_object_mut() {
                fields.insert("input".into(), json!({}));
            }
            (empty, json!({"type": "input_json_delta", "partial_json": input}))
        } else {
            let text = block.get("text").cloned().unwrap_or_default();
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}))
        };
        let start = json!({"type": "content_block_start", "index": index, "content_block": empty});
        all.push(event("content_block_start", &start));
        all.push(event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": index, "delta": delta}),
        ));
        all.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": index})));
    }
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    let usage = json!({"output_tokens": tokens_of(reply)});
    all.push(event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage})));
    all.push(event("message_stop", &json!({"type": "message_stop"})));
    all
}

pub(super) fn whole(conversation: &Conversation, reply: &Reply) -> Value {
    let (blocks, stop) = content(conversation, reply);
    let mut message = head(conversation);
    if let Some(fields) = message.as_object_mut() {
        fields.insert("content".into(), Value::Array(blocks));
        fields.insert("stop_reason".into(), stop.into());
        let usage = json!({"input_tokens": tokens(conversation.bytes), "output_tokens": tokens_of(reply)});
        fields.insert("usage".into(), usage);
    }
    message
}
