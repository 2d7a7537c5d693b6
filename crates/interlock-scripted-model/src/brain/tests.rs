//! What is said next, in conversations put together by hand.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::next;
use crate::conversation::{Call, Conversation, Reply, Step, ToolResult};

const PROMPT: &str = "You are `executor` in thread thr_01M8DQJAVAFSM93P9TDQP2QRRQ. Messages up to seq 1 wait for you \
                      (wake wak_01M8DQNZNWEJ39QG96G3P5462N). Read them.";

/// A conversation with these tools, whose calls are answered by `world` as they come.
fn play(tools: &[&str], prompt: &str, world: impl Fn(&Call) -> (String, bool)) -> (Vec<Call>, String) {
    let mut talk = Conversation {
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        asked: vec![prompt.to_owned()],
        ..Conversation::default()
    };
    for _ in 0..200 {
        match next(&talk) {
            Reply::Say(text) => return (talk.steps.into_iter().map(|step| step.call).collect(), text),
            Reply::Call(_, call) => {
                let (text, is_error) = world(&call);
                talk.steps.push(Step { call, result: ToolResult { text, is_error } });
            }
        }
    }
    panic!("it does not end");
}

const CLAUDE: [&str; 9] = [
    "Bash",
    "Read",
    "Edit",
    "mcp__interlock__get_thread",
    "mcp__interlock__read_messages",
    "mcp__interlock__post_message",
    "mcp__interlock__ack_read",
    "mcp__interlock__update_thread_status",
    "mcp__interlock__inbox",
];

fn thread(role: &str) -> String {
    let other = if role == "coordinator" { "participant" } else { "coordinator" };
    json!({"status": "active", "participants": [
        {"agent": "executor", "role": role, "managed": true}, {"agent": "reviewer", "role": other, "managed": true},
        {"agent": "root", "role": "coordinator", "managed": false},
    ]})
    .to_string()
}

fn messages(more: &[Value]) -> String {
    let mut all = vec![json!({
        "seq": 1, "from": "root", "to": ["executor"], "body": "make it pass",
        "data": {"branch": "b", "base": "a".repeat(40), "commit": "a".repeat(40)},
    })];
    all.extend(more.iter().cloned());
    json!({"messages": all, "acked_seq": 0, "has_more": false}).to_string()
}

fn finding(rule: &str) -> Value {
    json!({"seq": 2, "from": "reviewer", "event_type": "finding_reported", "data": {
        "finding_id": "fnd_1", "path": "src/lib.rs", "line": 2, "rule": rule, "message": "is wrong",
    }})
}

/// The events posted, in order.
fn posted(calls: &[Call]) -> Vec<&str> {
    let posts = calls.iter().filter(|call| call.name.ends_with("post_message"));
    posts.map(|call| call.arguments["event_type"].as_str().unwrap_or("chat")).collect()
}

/// A part of a suggestion: from a line and column to a line and column, another text.
fn replaced(from: (u64, u64), to: (u64, u64), text: &str) -> Value {
    json!({
        "file_name": "src/lib.rs", "line_start": from.0, "line_end": to.0, "column_start": from.1, "column_end": to.1,
        "suggested_replacement": text, "suggestion_applicability": "MachineApplicable",
    })
}

/// The calls of a turn in which the compiler suggests this, for a file that `sed` shows like this.
fn mended(rule: &'static str, spans: &[Value], shown: &'static str) -> (Vec<Call>, String) {
    let suggestion = json!({"reason": "compiler-message", "message": {
        "message": "is wrong", "level": "warning", "code": {"code": rule},
        "spans": [{"file_name": "src/lib.rs", "line_start": 2, "is_primary": true}],
        "children": [{"spans": spans}],
    }});
    play(&CLAUDE, PROMPT, |call| {
        let command = call.arguments["command"].as_str().unwrap_or_default();
        let text = match call.name.as_str() {
            "mcp__interlock__get_thread" => thread("participant"),
            "mcp__interlock__read_messages" => {
                messages(&[json!({"seq": 2, "from": "executor", "body": "hm"}), finding(rule)])
            }
            "Bash" if command.contains("show-toplevel") => "noise\n/srv/w\n".into(),
            "Bash" if command.contains("message-format") => suggestion.to_string(),
            "Bash" if command.starts_with("sed") => shown.into(),
            "Bash" if command.contains("status") => " M src/lib.rs\n".into(),
            "Bash" if command.contains("rev-parse HEAD") => format!("noise\n{}\n", "b".repeat(40)),
            _ => "{}".into(),
        };
        (text, false)
    })
}

#[test]
fn a_suggestion_of_the_compiler_becomes_an_edit_of_that_very_text() {
    let spans = [replaced((2, 7), (2, 8), ""), replaced((2, 11), (2, 12), "")];
    let (calls, said) = mended("unused_parens", &spans, "1\nfn f() {\n2\n  x = (a+b);\n3\n}\n");
    let edit = calls.iter().find(|call| call.name == "Edit").expect("an edit");
    assert_eq!(edit.arguments["file_path"], "/srv/w/src/lib.rs");
    assert_eq!(edit.arguments["old_string"], "fn f() {\n  x = (a+b);\n}");
    assert_eq!(edit.arguments["new_string"], "fn f() {\n  x = a+b;\n}");
    assert_eq!(posted(&calls), ["fix_pushed", "re_review_requested"], "{said}");
    assert!(calls.last().unwrap().name.ends_with("ack_read"));
    let keys: std::collections::BTreeSet<_> =
        calls.iter().filter_map(|call| call.arguments["idempotency_key"].as_str()).collect();
    assert_eq!(keys.len(), 3, "every change has a key of its own");
}

/// A line that is not needed goes as a whole, with its end.
#[test]
fn a_suggestion_may_reach_over_the_end_of_a_line() {
    let spans = [replaced((2, 1), (3, 1), "")];
    let (calls, _) = mended("unused_imports", &spans, "1\n//! é\n2\nuse a::B;\n3\n\n4\nfn f() {}\n");
    let show = calls.iter().filter_map(|call| call.arguments["command"].as_str());
    assert_eq!(
        show.filter(|command| command.starts_with("sed")).collect::<Vec<_>>(),
        ["sed -n -e '1,4{=;p}' src/lib.rs"]
    );
    let edit = calls.iter().find(|call| call.name == "Edit").expect("an edit");
    assert_eq!(edit.arguments["old_string"], "//! é\nuse a::B;\n\nfn f() {}");
    assert_eq!(edit.arguments["new_string"], "//! é\n\nfn f() {}");
    // A place that the file does not have: it is not what the compiler read.
    let (calls, _) = mended("unused_imports", &[replaced((2, 50), (3, 1), "")], "1\na\n2\nb\n3\n\n4\n\n");
    assert_eq!(posted(&calls), ["finding_unresolved", "re_review_requested"]);
}

/// What it reports, verifies and rejects follows from what the checks print.
#[test]
fn the_reviewer_says_what_the_checks_say() {
    let failing = "running 1 test\ntest t::works ... FAILED\n\n---- t::works stdout ----\n\nthread 't::works' panicked at \
                   src/lib.rs:9:5:\nassertion failed: x\n\ntest result: FAILED. 0 passed; 1 failed\n";
    let asked = json!({"seq": 2, "from": "executor", "event_type": "re_review_requested", "data": {"commit": "c".repeat(40)}});
    let review = |known: Vec<Value>, tests: &'static str| {
        let mut all = vec![asked.clone()];
        all.extend(known);
        let said = messages(&all);
        play(&CLAUDE, PROMPT, move |call| {
            let command = call.arguments["command"].as_str().unwrap_or_default();
            let text = match call.name.as_str() {
                "mcp__interlock__get_thread" => thread("coordinator"),
                "mcp__interlock__read_messages" => said.clone(),
                "Bash" if command.contains("show-toplevel") => "/srv/w\n".into(),
                "Bash" if command.contains("cargo test") => tests.into(),
                _ => "{}".into(),
            };
            (text, command.contains("cargo test") && !tests.is_empty())
        })
        .0
    };
    let calls = review(Vec::new(), failing);
    assert_eq!(posted(&calls), ["finding_reported"]);
    let data = &calls.iter().find(|call| call.name.ends_with("post_message")).unwrap().arguments["data"];
    assert_eq!(
        (&data["path"], &data["line"], &data["rule"]),
        (&"src/lib.rs".into(), &9.into(), &"test:t::works".into())
    );
    assert_eq!(data["finding_id"].as_str().unwrap().len(), 30);
    let mut known = finding("test:t::works");
    known["data"]["message"] = "assertion failed: x".into();
    assert_eq!(posted(&review(vec![known.clone()], failing)), ["finding_rejected"]);
    let calls = review(vec![known], "");
    assert_eq!(posted(&calls), ["finding_verified"]);
    let change = calls.last().unwrap();
    assert_eq!(
        (change.name.as_str(), &change.arguments["status"]),
        ("mcp__interlock__update_thread_status", &"resolved".into())
    );
}

/// A check that cannot even be run has not passed, and nobody pretends to mend it.
#[test]
fn a_check_that_fails_without_words_is_a_finding_that_cannot_be_mended() {
    let asked = json!({"seq": 2, "from": "executor", "event_type": "re_review_requested", "data": {"commit": "c".repeat(40)}});
    let turn = |role: &'static str, more: Value| {
        let said = messages(&[json!({"seq": 2, "from": "executor", "body": "hm"}), more]);
        play(&CLAUDE, PROMPT, move |call| {
            let command = call.arguments["command"].as_str().unwrap_or_default();
            match call.name.as_str() {
                "mcp__interlock__get_thread" => (thread(role), false),
                "mcp__interlock__read_messages" => (said.clone(), false),
                "Bash" if command.contains("show-toplevel") => ("/srv/w\n".into(), false),
                "Bash" if command.starts_with("cargo") => {
                    ("Exit code 127\ncargo: command not found".into(), true)
                }
                _ => ("{}".into(), false),
            }
        })
        .0
    };
    let calls = turn("coordinator", asked);
    assert_eq!(posted(&calls), ["finding_reported"]);
    let data = &calls.iter().find(|call| call.name.ends_with("post_message")).unwrap().arguments["data"];
    assert_eq!(
        (&data["rule"], &data["message"]),
        (&"check:cargo fmt --all --check".into(), &"cargo: command not found".into())
    );
    let calls = turn("participant", finding("check:cargo fmt --all --check"));
    assert_eq!(posted(&calls), ["finding_unresolved", "re_review_requested"]);
}

#[test]
fn a_refusal_is_told_and_nothing_is_made_up() {
    let (calls, said) = play(&CLAUDE, PROMPT, |_| {
        (json!({"code": "NOT_FOUND", "reason": "THREAD_NOT_FOUND", "request_id": "1"}).to_string(), true)
    });
    assert_eq!(calls.len(), 1);
    assert!(said.contains("THREAD_NOT_FOUND"), "{said}");
}

#[test]
fn talk_shows_how_much_is_remembered() {
    let talk = Conversation { asked: vec!["one".into(), "two".into()], ..Conversation::default() };
    assert_eq!(next(&talk), Reply::Say("This is turn 2 of our conversation. You said: two".into()));
    let (calls, said) = play(&["exec_command"], "please\n$ echo hi", |_| {
        ("Process exited with code 3\nOutput:\nhi\n".into(), false)
    });
    assert_eq!((calls[0].arguments["cmd"].as_str(), said.as_str()), (Some("echo hi"), "It ended with 3: hi"));
}

proptest! {
    /// Whatever tools answer, a turn goes on or ends; it never fails.
    #[test]
    fn any_results_are_dealt_with(results in proptest::collection::vec((".{0,200}", any::<bool>()), 0..30), which in 0..3_usize) {
        let tools: &[&str] = [&CLAUDE[..], &["exec_command", "write_stdin", "mcp__interlock__get_thread", "mcp__interlock__read_messages"], &[]][which];
        let mut talk = Conversation { tools: tools.iter().map(|tool| (*tool).to_owned()).collect(), asked: vec![PROMPT.into()], ..Conversation::default() };
        for (text, is_error) in results {
            let Reply::Call(_, call) = next(&talk) else { break };
            let text = match call.name.as_str() {
                "mcp__interlock__get_thread" => thread("participant"),
                "mcp__interlock__read_messages" => messages(&[finding(&text)]),
                _ => text,
            };
            talk.steps.push(Step { call, result: ToolResult { text, is_error } });
        }
    }
}

/// Whoever is new in a thread is told so, and reads what was decided before it reads on.
#[test]
fn a_fresh_session_reads_the_summary_first() {
    let tools = [&CLAUDE[..], &["mcp__interlock__summarize_thread"]].concat();
    let names = |prompt: &str| {
        let (calls, _) = play(&tools, prompt, |call| {
            let over = json!({"status": "resolved", "participants": []}).to_string();
            let text = match call.name.trim_start_matches("mcp__interlock__") {
                "get_thread" => over,
                "read_messages" => messages(&[]),
                _ => "{}".to_owned(),
            };
            (text, false)
        });
        calls
            .iter()
            .map(|call| call.name.trim_start_matches("mcp__interlock__").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(PROMPT), ["get_thread", "read_messages", "ack_read"]);
    let fresh = format!("{PROMPT} This is a fresh session: read the summary first, with summarize_thread.");
    assert_eq!(names(&fresh), ["summarize_thread", "get_thread", "read_messages", "ack_read"]);
}
