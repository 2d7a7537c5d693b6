//! Requests of each service, as its programs send them.

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

/// With its own models Codex has all tools called from scripts, and names those of servers only to a script that asks.
#[test]
fn what_codex_sends_to_its_own_models_is_understood_and_answered() {
    let said = |text: &str| json!({"type": "input_text", "text": text});
    let done = || said("Script completed\nWall time 0.1 seconds\nOutput:\n");
    let output = |id: &str, blocks: Vec<Value>| json!({"type": "custom_tool_call_output", "call_id": id, "output": blocks});
    let mut input = vec![
        json!({"type": "additional_tools", "role": "developer", "tools": [
            {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}, {"type": "function", "name": "wait"}]},
        ]}),
        json!({"type": "message", "role": "user", "content": [said("first")]}),
    ];
    let read = |input: &[Value]| Wire::Responses.read(&json!({"stream": true, "input": input}));
    // What is called is what the next request shows as having been called.
    let answers = |input: &[Value], reply: &Reply| {
        let text = Wire::Responses.stream(&read(input), reply).concat();
        let done = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut items = done.map(|data| serde_json::from_str::<Value>(data).unwrap()["item"].clone());
        items.rfind(|item| item["type"] == "custom_tool_call").unwrap_or_else(|| panic!("{text}"))
    };
    let asks = answers(&input, &Reply::Say("I have no tools".into()));
    assert!(asks["input"].as_str().unwrap().contains("ALL_TOOLS"), "{asks}");
    input.extend([
        asks.clone(),
        output(
            asks["call_id"].as_str().unwrap(),
            vec![done(), said("[\"exec_command\",\"mcp__interlock__inbox\"]")],
        ),
    ]);
    assert_eq!(read(&input).tools, ["exec_command", "mcp__interlock__inbox"]);
    for (call, result, text, is_error) in [
        (
            call(),
            vec![done(), said("{\"structuredContent\":{\"threads\":[]}}")],
            "{\"structuredContent\":{\"threads\":[]}}",
            false,
        ),
        (
            Reply::Call(
                "why".into(),
                Call { name: "exec_command".into(), arguments: json!({"cmd": "echo '))'"}) },
            ),
            vec![done(), said("{\"wall_time_seconds\":0.1,\"exit_code\":3,\"output\":\"))\\n\"}")],
            "Process exited with code 3\nOutput:\n))\n",
            false,
        ),
        (
            Reply::Call(
                "why".into(),
                Call { name: "exec_command".into(), arguments: json!({"cmd": "sleep 99"}) },
            ),
            vec![done(), said("{\"wall_time_seconds\":30,\"session_id\":7,\"output\":\"\"}")],
            "Process running with session ID 7\nOutput:\n",
            false,
        ),
        (
            call(),
            vec![said("Script failed\nOutput:\nno such tool")],
            "Script failed\nOutput:\nno such tool",
            true,
        ),
    ] {
        let item = answers(&input, &call);
        input.extend([item.clone(), output(item["call_id"].as_str().unwrap(), result)]);
        let step = read(&input).steps.pop().unwrap();
        assert_eq!(Reply::Call("why".into(), step.call), call);
        assert_eq!((step.result.text.as_str(), step.result.is_error), (text, is_error));
    }
    input.push(json!({"type": "message", "role": "user", "content": [said("second")]}));
    let talk = read(&input);
    assert_eq!(
        (talk.asked.len(), talk.steps.len(), talk.tools.len()),
        (2, 0, 2),
        "what was asked once is known"
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

#[test]
fn what_gemini_sends_is_understood_and_answered() {
    let request = json!({"tools": [{"functionDeclarations": [{"name": "glob"}, {"name": "mcp_interlock_inbox"}]}], "contents": [
        {"role": "user", "parts": [{"text": "<session_context>\nThis is a Linux."}]},
        {"role": "user", "parts": [{"text": "first"}]},
        {"role": "model", "parts": [{"text": "why"}, {"functionCall": {"id": "1", "name": "glob", "args": {"pattern": "*"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "glob", "response": {"output": "gone"}}}]},
        {"role": "user", "parts": [{"text": "second"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "glob", "args": {"n": 1}}}, {"functionCall": {"name": "glob", "args": {"n": 2}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "glob", "response": {"output": "one"}}},
            {"functionResponse": {"name": "glob", "response": {"error": "two"}}},
            {"functionResponse": {"id": "9", "name": "glob", "response": {"output": "nobody asked"}}},
        ]},
    ]});
    let talk = Wire::Gemini.read(&request);
    assert_eq!(talk.tools, ["glob", "mcp_interlock_inbox"]);
    assert_eq!(talk.asked, ["first", "second"]);
    let steps: Vec<_> = talk
        .steps
        .iter()
        .map(|step| (step.call.arguments["n"].as_i64(), step.result.text.as_str()))
        .collect();
    assert_eq!(steps, [(Some(1), "one"), (Some(2), "two")], "what was done since it was asked last");
    assert!(!talk.steps[0].result.is_error && talk.steps[1].result.is_error);
    let pieces = Wire::GeminiStream.stream(&talk, &call());
    assert!(pieces.iter().all(|piece| piece.starts_with("data: {")), "events have no names");
    assert!(
        pieces[1].contains("\"functionCall\"") && pieces[1].contains("\"args\":{\"thread_id\":\"thr_1\"}")
    );
    let ends: Vec<bool> = pieces.iter().map(|piece| piece.contains("\"finishReason\":\"STOP\"")).collect();
    assert_eq!(ends, [false, false, true], "only the last piece ends it");
    let whole = Wire::Gemini.whole(&talk, &Reply::Say("hi".into()));
    assert_eq!(whole["candidates"][0]["content"]["parts"], json!([{"text": "hi"}]));
    assert_eq!(Wire::Gemini.error(429, "later")["error"]["status"], "RESOURCE_EXHAUSTED");
}

#[test]
fn what_opencode_sends_is_understood_and_answered() {
    let asks = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "interlock_inbox", "arguments": arguments}});
    let request = json!({"stream": true, "tools": [{"type": "function", "function": {"name": "interlock_inbox"}}], "messages": [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": null, "tool_calls": [asks("old", "{}")]},
        {"role": "tool", "tool_call_id": "old", "content": "gone"},
        {"role": "user", "content": [{"type": "text", "text": "second"}]},
        {"role": "assistant", "content": "why", "tool_calls": [asks("a", "{\"a\":1}"), asks("b", "no json")]},
        {"role": "tool", "tool_call_id": "b", "content": "of b"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "of a"}]},
        {"role": "user", "content": "<system-reminder>x</system-reminder>"},
    ]});
    let talk = Wire::Chat.read(&request);
    assert_eq!((talk.tools.as_slice(), talk.asked.len()), (&["interlock_inbox".to_owned()][..], 2));
    assert_eq!(talk.asked[1], "second");
    let steps: Vec<_> =
        talk.steps.iter().map(|step| (&step.call.arguments, step.result.text.as_str())).collect();
    assert_eq!(steps, [(&Value::Null, "of b"), (&json!({"a": 1}), "of a")]);
    let text = Wire::Chat.stream(&talk, &call()).concat();
    assert!(
        text.contains("\"arguments\":\"{\\\"thread_id\\\":\\\"thr_1\\\"}\""),
        "arguments are a text: {text}"
    );
    assert!(
        text.contains("\"finish_reason\":\"tool_calls\"") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    let whole = Wire::Chat.whole(&talk, &Reply::Say("hi".into()));
    assert_eq!(
        (&whole["choices"][0]["message"]["content"], &whole["choices"][0]["finish_reason"]),
        (&"hi".into(), &"stop".into())
    );
    assert_eq!(Wire::Chat.whole(&talk, &call())["choices"][0]["message"]["tool_calls"][0]["id"], "call_2_2");
}

#[test]
fn each_format_is_at_its_path_and_streams_when_it_is_asked_to() {
    let gemini = "/v1beta/models/gemini-3-pro:streamGenerateContent";
    assert_eq!(Wire::at(gemini, Some("alt=sse")), Some(Wire::GeminiStream));
    assert_eq!(Wire::at(gemini, None), None, "an array in pieces is not spoken");
    assert_eq!(Wire::at("/v1beta/models/gemini-3-pro:generateContent", None), Some(Wire::Gemini));
    assert_eq!(Wire::at("/v1/chat/completions", None), Some(Wire::Chat));
    for path in ["/v1/models", "/v1beta/models/x:countTokens", "/v1beta/models/x", "/"] {
        assert_eq!(Wire::at(path, None), None, "{path}");
    }
    let (asks, silent) = (json!({"stream": true}), json!({}));
    for wire in [Wire::Responses, Wire::Messages, Wire::Chat] {
        assert!(wire.wants_stream(&asks) && !wire.wants_stream(&silent), "{wire:?}");
    }
    assert!(Wire::GeminiStream.wants_stream(&silent) && !Wire::Gemini.wants_stream(&asks));
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = "(type|role|user|message|content|text|tools|name|input|messages|function_call|function_call_output|call_id|custom_tool_call|custom_tool_call_output|additional_tools|custom|exec|tool_use|tool_result|id|output|namespace|contents|parts|model|functionDeclarations|functionCall|functionResponse|args|response|error|assistant|tool|tool_calls|tool_call_id|function|arguments|x)";
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
        for wire in [Wire::Responses, Wire::Messages, Wire::Chat, Wire::Gemini] {
            let talk = wire.read(&request);
            let reply = crate::brain::next(&talk);
            prop_assert!(!wire.stream(&talk, &reply).is_empty());
            prop_assert!(wire.whole(&talk, &reply).is_object());
        }
    }
}
