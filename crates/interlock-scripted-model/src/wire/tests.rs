//! Requests of both services, as their programs send them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Wire;
use crate::conversation::{Call, Reply};

fn call() -> Reply {
    let arguments = json!({"thread_id": "thr_1"});
    Reply::Call("why".into(), Call { name: "mcp__interlock__inbox".into(), arguments })
}

#[test]
fn what_codex_sends_is_understood_and_answered() {
    let request = json!({"stream": true, "tools": [
        {"type": "function", "name": "exec_command"},
        {"type": "namespace", "name": "mcp__interlock", "tools": [{"name": "inbox"}]},
    ], "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "first"}]},
        {"type": "function_call", "name": "exec_command", "arguments": "{}", "call_id": "old"},
        {"type": "function_call_output", "call_id": "old", "output": "gone"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "second"}]},
        {"type": "function_call", "namespace": "mcp__interlock", "name": "inbox", "arguments": "{\"a\":1}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "{}"}]},
    ]});
    let talk = Wire::Responses.read(&request);
    assert_eq!(talk.tools, ["exec_command", "mcp__interlock__inbox"]);
    assert_eq!(talk.asked, ["first", "second"]);
    assert_eq!(talk.steps.len(), 1, "what was done since it was asked last");
    assert_eq!(talk.steps[0].call.arguments, json!({"a": 1}));
    let text = Wire::Responses.stream(&talk, &call()).concat();
    let wanted = "\"namespace\":\"mcp__interlock\"";
    assert!(
        text.contains(wanted) && text.contains("\"name\":\"inbox\"") && text.contains("response.completed"),
        "{text}"
    );
}

#[test]
fn what_claude_sends_is_understood_and_answered() {
    let request = json!({"tools": [{"name": "Bash"}], "messages": [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "Exit code 2"}]},
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}]},
    ]});
    let talk = Wire::Messages.read(&request);
    assert_eq!((talk.asked.len(), talk.steps.len()), (1, 1));
    assert!(talk.steps[0].result.is_error && talk.steps[0].call.name == "Bash");
    let text = Wire::Messages.stream(&talk, &call()).concat();
    assert!(text.contains("input_json_delta") && text.contains("\"stop_reason\":\"tool_use\""), "{text}");
    assert_eq!(Wire::Messages.whole(&talk, &Reply::Say("hi".into()))["content"][0]["text"], "hi");
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = "(type|role|user|message|content|text|tools|name|input|messages|function_call|function_call_output|call_id|tool_use|tool_result|id|output|namespace|x)";
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((word, inner), 0..6)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_request_is_read_and_answered(request in any_json()) {
        for wire in [Wire::Responses, Wire::Messages] {
            let talk = wire.read(&request);
            let reply = crate::brain::next(&talk);
            prop_assert!(!wire.stream(&talk, &reply).is_empty());
            prop_assert!(wire.whole(&talk, &reply).is_object());
        }
    }
}
