//! Command lines for every setting, and what the programs' lines mean.

use std::collections::BTreeMap;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::{Launch, Runtime, Sandbox};
use interlock_core::id::SessionId;
use interlock_core::limits::LAST_MESSAGE_BYTES_MAX;
use interlock_core::wake::{TurnFault, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Fault, Heard, Reader, Said, start};
use crate::shim::redact::Redactor;

const SESSION: &str = "01a21b70-d2d6-74d1-814b-ffc953538fbb";

fn claimed(runtime: Runtime, launch: &Value, resume: bool) -> ClaimedWake {
    let id = "00000000000000000000000001";
    let session = SessionId::from_uuid_text(SESSION).unwrap().to_string();
    let mut value = json!({
        "workspace_id": format!("ws_{id}"),
        "wake": {
            "wake_id": format!("wak_{id}"), "agent": "worker", "thread_id": format!("thr_{id}"), "seq": 1,
            "cause": "olga", "state": "pending", "held": false, "attempts": 0,
            "requested_at": "2026-01-02T03:04:05.678Z", "due_at": "2026-01-02T03:04:05.678Z",
        },
        "fence": 3, "lane": "trigger", "runtime": runtime, "session_id": session, "token": "secret-token",
        "deadline": "2026-01-02T03:19:05.678Z", "prompt": "You are woken.", "launch": launch,
        "accept_timeout_ms": 8_000, "run_ms_max": 900_000, "lease_ms": 60_000,
    });
    if resume {
        value["resume"] = session.into();
    }
    serde_json::from_value(value).unwrap()
}

fn words(runtime: Runtime, launch: &Value, resume: bool) -> Vec<String> {
    start(&claimed(runtime, launch, resume), "http://127.0.0.1:7070", &BTreeMap::new()).words
}

#[test]
fn a_status_is_a_number_that_stands_alone() {
    use interlock_core::wake::TurnFault::{ModelRateLimited, ModelUnauthorized, ModelUnavailable};
    for (text, fault) in [
        ("unexpected status 401 Unauthorized: no", ModelUnauthorized),
        ("exceeded retry limit, last status: 403, request id: x", ModelUnauthorized),
        ("last status: 429 Too Many Requests", ModelRateLimited),
        ("error sending request for url (http://127.0.0.1:40142/v1/responses)", ModelUnavailable),
        ("error sending request for url (http://127.0.0.1:42930/v1/responses)", ModelUnavailable),
        ("request failed: status=401", ModelUnauthorized),
        ("request failed [403]", ModelUnauthorized),
        ("{\"status\":429,\"request\":\"x\"}", ModelRateLimited),
        ("status_code:401.", ModelUnauthorized),
        ("connection to 127.0.0.1:401 was refused", ModelUnavailable),
        ("connection to localhost:401 was refused", ModelUnavailable),
        ("request 4290 of 401k failed", ModelUnavailable),
    ] {
        assert_eq!(super::text::model_fault(0, text), fault, "{text}");
    }
}

#[test]
fn codex_gets_everything_by_its_own_settings() {
    let launch = json!({"directory": "/srv/w", "model": "m", "writable": ["/srv/more"]});
    let line = words(Runtime::Codex, &launch, true).join(" ");
    assert_eq!(
        line,
        "codex exec --json --skip-git-repo-check -s workspace-write -C /srv/w -m m -c approval_policy=\"never\" \
         -c mcp_servers.interlock_wake.url=\"http://127.0.0.1:7070/mcp\" \
         -c mcp_servers.interlock_wake.bearer_token_env_var=\"INTERLOCK_TOKEN\" -c mcp_servers.interlock_wake.required=true \
         -c mcp_servers.interlock_wake.default_tools_approval_mode=\"approve\" -c mcp_servers.interlock_wake.tool_timeout_sec=60 \
         -c sandbox_workspace_write.writable_roots=[\"/srv/more\"] \
         -c sandbox_workspace_write.network_access=false \
         resume 01a21b70-d2d6-74d1-814b-ffc953538fbb You are woken."
    );
    let fresh = words(Runtime::Codex, &json!({"command": ["/opt/codex", "-c", "x=1"]}), false);
    assert_eq!(fresh[..4], ["/opt/codex", "-c", "x=1", "exec"]);
    assert!(fresh.contains(&"sandbox_workspace_write.writable_roots=[]".to_owned()), "{fresh:?}");
    assert!(!fresh.contains(&"resume".to_owned()) && fresh.last().unwrap() == "You are woken.");
}

#[test]
fn claude_gets_its_message_on_standard_input_and_a_session_of_our_choice() {
    let claimed = claimed(Runtime::Claude, &json!({"allowed_tools": ["Bash(cargo test:*)"]}), false);
    let begun = start(&claimed, "http://127.0.0.1:7070", &BTreeMap::new());
    let line = begun.words.join(" ");
    assert!(
        line.starts_with("claude -p --input-format stream-json --replay-user-messages --mcp-config {"),
        "{line}"
    );
    let settings = "--strict-mcp-config --setting-sources user --permission-mode acceptEdits --allowedTools mcp__interlock Read Grep Glob Edit Write \
                    Bash(cargo test:*) --session-id 01a21b70-d2d6-74d1-814b-ffc953538fbb";
    assert!(line.contains(settings), "{line}");
    let input: Value = serde_json::from_str(&begun.input.unwrap()).unwrap();
    assert_eq!(input["message"]["content"], "You are woken.");
    // The first claim's message has the wake's id; another claim of the same wake is another message: the program would
    // take a known one for done.
    let uuid_of = |fence: u64| {
        let again = ClaimedWake { fence, ..claimed.clone() };
        let input = start(&again, "http://127.0.0.1:7070", &BTreeMap::new()).input.unwrap();
        serde_json::from_str::<Value>(&input).unwrap()["uuid"].as_str().unwrap().to_owned()
    };
    assert_eq!(uuid_of(1), claimed.wake.wake_id.to_uuid_text());
    let all: std::collections::BTreeSet<String> = (1..=5).map(uuid_of).collect();
    assert_eq!(all.len(), 5);
}

/// What a person has installed for themselves neither breaks a woken run nor speaks in it.
#[test]
fn the_bridge_of_a_person_is_switched_off_in_whatever_way_it_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for made in ["home", "repo/.git", "repo/.codex", "repo/in/.codex", "above/.codex", "above/in"] {
        std::fs::create_dir_all(path(made)).unwrap();
    }
    let (command, url) = ("{command=\"false\",enabled=false}", "{url=\"http://127.0.0.1:1\",enabled=false}");
    let installed = "[mcp_servers.interlock]\ncommand = \"/bin/interlock\"\n";
    for (file, text, directory, wanted) in [
        ("home/config.toml", installed, "repo", Some(command)),
        ("home/config.toml", "mcp_servers = {interlock = {url = \"http://a\"}}", "repo", Some(url)),
        ("home/config.toml", "[mcp_servers.interlock_old]\ncommand = \"x\"\n", "repo", None),
        ("home/config.toml", "[mcp_servers.interlock\n", "repo", None),
        ("repo/.codex/config.toml", installed, "repo/in", Some(command)),
        ("repo/in/.codex/config.toml", installed, "repo/in", Some(command)),
        ("repo/in/.codex/config.toml", installed, "repo", None),
        // Above the root of a work tree, and of a folder in none, Codex looks no further.
        ("above/.codex/config.toml", installed, "above/in", None),
    ] {
        std::fs::write(path(file), text).unwrap();
        let launch = json!({
            "directory": path(directory), "environment": [{"name": "CODEX_HOME", "value": path("home")}],
        });
        let line = words(Runtime::Codex, &launch, false).join(" ");
        let off = wanted.map(|server| format!(" -c mcp_servers.interlock={server}"));
        assert_eq!(line.contains("enabled=false"), off.is_some(), "{file} {text} {line}");
        assert!(off.is_none_or(|off| line.contains(&off)), "{file} {text} {line}");
        std::fs::remove_file(path(file)).unwrap();
    }
}

/// The folder's own words for the model are handed over, and nothing from elsewhere under their name.
#[test]
fn claude_is_given_the_memory_of_its_folder_and_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("w")).unwrap();
    std::fs::write(path("secret"), "a key").unwrap();
    let line = || words(Runtime::Claude, &json!({"directory": path("w")}), true).join(" ");
    assert!(!line().contains("system-prompt"), "there is none");
    std::os::unix::fs::symlink(path("secret"), path("w/CLAUDE.md")).unwrap();
    assert!(!line().contains("system-prompt"), "a link to elsewhere");
    std::fs::remove_file(path("w/CLAUDE.md")).unwrap();
    std::fs::write(path("w/AGENTS.md"), "Be brief.").unwrap();
    std::os::unix::fs::symlink("AGENTS.md", path("w/CLAUDE.md")).unwrap();
    let file = std::fs::canonicalize(path("w/AGENTS.md")).unwrap();
    let option = format!(" --append-system-prompt-file {} ", file.display());
    assert!(line().contains(&option), "{}", line());
}

/// Nothing dangerous but by its name, no secret in what every user of the machine can read, our tools always.
#[test]
fn no_setting_makes_a_program_dangerous_by_itself() {
    for runtime in [Runtime::Codex, Runtime::Claude] {
        for sandbox in
            [None, Some(Sandbox::ReadOnly), Some(Sandbox::WorkspaceWrite), Some(Sandbox::DangerFullAccess)]
        {
            for resume in [false, true] {
                let launch = Launch { sandbox, directory: Some("/srv".into()), ..Launch::default() };
                let line = words(runtime, &serde_json::to_value(&launch).unwrap(), resume).join(" ");
                let is_dangerous =
                    ["danger", "bypass", "yolo", "full-auto"].iter().any(|word| line.contains(word));
                assert_eq!(is_dangerous, sandbox == Some(Sandbox::DangerFullAccess), "{line}");
                let allowed = line.split("--disallowedTools").next().unwrap_or_default();
                let edits = allowed.contains(" Edit") || line.contains("-s workspace-write");
                assert_eq!(
                    edits,
                    sandbox.is_none() || sandbox == Some(Sandbox::WorkspaceWrite) || line.contains("bypass"),
                    "{line}"
                );
                let is_read_only = runtime == Runtime::Claude && sandbox == Some(Sandbox::ReadOnly);
                assert_eq!(
                    line.contains("--disallowedTools Edit Write NotebookEdit"),
                    is_read_only,
                    "{line}"
                );
                assert!(!line.contains("secret-token") && line.contains("INTERLOCK_TOKEN"), "{line}");
                assert!(line.contains("127.0.0.1:7070/mcp"), "{line}");
                assert_eq!(line.contains("resume"), resume, "{line}");
            }
        }
    }
}

/// An agent that works in a repository may commit; from a linked work tree it cannot reach hooks and configuration.
#[test]
fn a_work_tree_can_be_committed_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(folder.path().join("repo/.git/worktrees/w")).unwrap();
    std::fs::create_dir(folder.path().join("w")).unwrap();
    std::fs::write(folder.path().join("w/.git"), format!("gitdir: {}\n", path("repo/.git/worktrees/w")))
        .unwrap();
    let launch = json!({"directory": path("w"), "repository": path("repo")});
    let line = words(Runtime::Codex, &launch, false).join(" ");
    let opened = ["objects", "refs", "logs", "worktrees/w"].map(|part| path(&format!("repo/.git/{part}")));
    let roots = format!("writable_roots={}", json!(opened));
    assert!(line.contains(&roots), "{line}");
    let main = json!({"directory": path("repo"), "repository": path("repo")});
    let roots = format!("writable_roots={}", json!([path("repo/.git")]));
    assert!(
        words(Runtime::Codex, &main, false).join(" ").contains(&roots),
        "a main work tree opens all of it"
    );
    assert!(!words(Runtime::Claude, &launch, false).join(" ").contains("--add-dir"));
    let read_only = json!({"directory": path("w"), "repository": path("repo"), "sandbox": "read-only"});
    assert!(!words(Runtime::Codex, &read_only, false).join(" ").contains("writable_roots"));
}

fn nothing() -> Redactor {
    Redactor::new([])
}

/// Reads these lines; gives what they meant at once, and by the end.
fn read(runtime: Runtime, lines: &[&str]) -> (Vec<Said>, Heard) {
    let mut reader = Reader::of(runtime).unwrap();
    let said = lines.iter().filter_map(|line| reader.line(line, &nothing()).said).collect();
    (said, reader.heard())
}

fn began() -> Said {
    Said::Began(SessionId::from_uuid_text(SESSION).unwrap())
}

#[test]
fn a_turn_of_codex() {
    let (said, heard) = read(
        Runtime::Codex,
        &[
            &json!({"type": "thread.started", "thread_id": SESSION}).to_string(),
            r#"{"type":"turn.started"}"#,
            r#"{"type":"item.completed","item":{"id":"i","type":"agent_message","text":"hello"}}"#,
            r#"{"type":"turn.completed","usage":{"input_tokens":100,"cached_input_tokens":10,"output_tokens":5}}"#,
        ],
    );
    assert_eq!(said, [began()], "not before the turn itself begins");
    let usage = Usage { input_tokens: 100, cached_input_tokens: 10, output_tokens: 5, cost_micro_usd: None };
    let last_message = Some("hello".to_owned());
    assert_eq!(
        heard,
        Heard { usage: Some(usage), is_session_total: true, is_done: true, last_message, ..Heard::default() }
    );
}

/// Whatever comes after it, the last thing that the agent itself said, without secrets.
#[test]
fn the_last_words_of_a_turn_are_kept() {
    let codex = |kind: &str, text: &str| {
        json!({"type": "item.completed", "item": {"type": kind, "text": text, "message": text}}).to_string()
    };
    let claude = |parent: Value, text: &str| {
        let content =
            json!([{"type": "text", "text": text}, {"type": "tool_use", "name": "Read", "input": {}}]);
        json!({"type": "assistant", "parent_tool_use_id": parent, "message": {"content": content}})
            .to_string()
    };
    let result = |is_error: bool, text: &str| {
        json!({"type": "result", "is_error": is_error, "subtype": "success", "result": text}).to_string()
    };
    let long = "é".repeat(LAST_MESSAGE_BYTES_MAX);
    let cut = "é".repeat(LAST_MESSAGE_BYTES_MAX / 2);
    let none = || Value::Null;
    for (runtime, lines, want) in [
        (Runtime::Codex, vec![codex("agent_message", "one"), codex("agent_message", "two")], Some("two")),
        (
            Runtime::Codex,
            vec![codex("agent_message", "one"), codex("reasoning", "x"), codex("error", "y")],
            Some("one"),
        ),
        (Runtime::Codex, vec![codex("agent_message", "one"), codex("agent_message", " \n")], Some("one")),
        (
            Runtime::Codex,
            vec![codex("agent_message", " a\u{0}b\u{1b}[1m\n\tsesame! ")],
            Some("ab\n\t[redacted]"),
        ),
        (Runtime::Codex, vec![codex("agent_message", &long)], Some(cut.as_str())),
        (Runtime::Codex, vec!["no event".into(), codex("reasoning", "x")], None),
        (Runtime::Claude, vec![claude(none(), "one"), result(false, "sesame! two")], Some("[redacted] two")),
        (Runtime::Claude, vec![claude(none(), "one"), result(false, "")], Some("one")),
        (Runtime::Claude, vec![claude(none(), "one"), claude("t".into(), "its own")], Some("one")),
        (Runtime::Claude, vec![claude(none(), "one"), result(true, "API Error")], Some("one")),
        (Runtime::Claude, vec![result(true, "API Error")], None),
    ] {
        let hide = Redactor::new([b"sesame!".to_vec()]);
        let mut reader = Reader::of(runtime).unwrap();
        for line in &lines {
            reader.line(line, &hide);
        }
        assert_eq!(reader.heard().last_message.as_deref(), want, "{lines:?}");
    }
}

#[test]
fn how_codex_fails() {
    for (line, fault) in [
        ("Error: thread/resume failed: no rollout found for thread id X (code -32600)", Fault::SessionGone),
        ("thread X already has an active writer (code -32600)", Fault::SessionBusy),
        (
            "Error: required MCP servers failed to initialize: interlock",
            Fault::Turn(TurnFault::ToolsUnavailable),
        ),
        (
            r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized: no"}}"#,
            Fault::Turn(TurnFault::ModelUnauthorized),
        ),
        (
            r#"{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests"}}"#,
            Fault::Turn(TurnFault::ModelRateLimited),
        ),
        (
            r#"{"type":"turn.failed","error":{"message":"We're currently experiencing high demand"}}"#,
            Fault::Turn(TurnFault::ModelUnavailable),
        ),
        (
            r#"{"type":"turn.failed","error":{"message":"stream disconnected before completion"}}"#,
            Fault::Turn(TurnFault::ModelUnavailable),
        ),
    ] {
        let (said, heard) = read(Runtime::Codex, &[line]);
        assert_eq!((said, heard.fault, heard.is_done), (Vec::new(), Some(fault), false), "{line}");
    }
}

#[test]
fn a_turn_of_claude() {
    let init = json!({
        "type": "system", "subtype": "init", "session_id": SESSION,
        "mcp_servers": [{"name": "interlock", "status": "connected"}],
    });
    let result = json!({
        "type": "result", "subtype": "success", "is_error": false, "result": "done", "total_cost_usd": 0.0123,
        "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 4,
        },
        "modelUsage": {
            "large": {"inputTokens": 100, "cacheCreationInputTokens": 200, "cacheReadInputTokens": 300, "outputTokens": 40},
            "small": {"inputTokens": 1, "cacheCreationInputTokens": 2, "cacheReadInputTokens": 3, "outputTokens": 4},
        },
    });
    let replay = json!({"type": "user", "isReplay": true, "session_id": SESSION, "uuid": SESSION});
    let (said, heard) = read(Runtime::Claude, &[&init.to_string(), &replay.to_string(), &result.to_string()]);
    assert_eq!(said, [began()], "once");
    let usage = Usage {
        input_tokens: 606,
        cached_input_tokens: 303,
        output_tokens: 44,
        cost_micro_usd: Some(12_300),
    };
    let last_message = Some("done".to_owned());
    assert_eq!(
        heard,
        Heard { usage: Some(usage), is_session_total: true, is_done: true, last_message, ..Heard::default() }
    );
    let mut unnamed = result;
    unnamed["modelUsage"] = json!({});
    let (_, heard) = read(Runtime::Claude, &[&unnamed.to_string()]);
    let usage = Usage { input_tokens: 60, cached_input_tokens: 30, output_tokens: 4, cost_micro_usd: None };
    assert_eq!((heard.usage, heard.is_session_total), (Some(usage), false), "of this turn alone");
}

#[test]
fn how_claude_fails() {
    let result = |status: Value, text: &str| {
        let result = json!({
            "type": "result", "subtype": "success", "is_error": true, "api_error_status": status, "result": text,
        });
        result.to_string()
    };
    for (line, fault) in [
        ("No conversation found with session ID: X".to_owned(), Fault::SessionGone),
        (result(401.into(), "x"), Fault::Turn(TurnFault::ModelUnauthorized)),
        (
            result(Value::Null, "Invalid API key · Please run /login"),
            Fault::Turn(TurnFault::ModelUnauthorized),
        ),
        (result(429.into(), "x"), Fault::Turn(TurnFault::ModelRateLimited)),
        (result(529.into(), "x"), Fault::Turn(TurnFault::ModelUnavailable)),
        (result(Value::Null, "Connection error"), Fault::Turn(TurnFault::ModelUnavailable)),
    ] {
        let (_, heard) = read(Runtime::Claude, &[&line]);
        assert_eq!((heard.fault, heard.is_done), (Some(fault), false), "{line}");
    }
    for status in ["failed", "needs-auth"] {
        let server = json!([{"name": "interlock", "status": status}]);
        let init = json!({"type": "system", "subtype": "init", "session_id": SESSION, "mcp_servers": server});
        let (said, _) = read(Runtime::Claude, &[&init.to_string()]);
        assert_eq!(said, [Said::Hopeless(TurnFault::ToolsUnavailable)], "{status}");
    }
}

/// A secret that lies across the end of what is shown, or that JSON writes otherwise, is not in the log in part either.
#[test]
fn secrets_are_taken_out_before_anything_is_cut_or_written_as_json() {
    let secret = "first \"quoted\"\nsecond";
    let hide = Redactor::new([secret.as_bytes().to_vec()]);
    let at_end = format!("{}{secret} and more", "x".repeat(1_990));
    let nested = json!({"inner": secret}).to_string();
    for (runtime, event) in [
        (
            Runtime::Codex,
            json!({"type": "item.completed", "item": {"type": "agent_message", "text": at_end}}),
        ),
        (Runtime::Codex, json!({"type": "turn.failed", "error": {"message": at_end}})),
        (
            Runtime::Codex,
            json!({"type": "item.completed", "item": {
                "type": "command_execution", "command": at_end, "aggregated_output": nested, "exit_code": 0,
            }}),
        ),
        (
            Runtime::Claude,
            json!({"type": "assistant", "message": {"content": [{"type": "text", "text": at_end}]}}),
        ),
        (Runtime::Claude, json!({"type": "result", "is_error": true, "result": at_end})),
        (
            Runtime::Claude,
            json!({"type": "assistant", "message": {"content": [
                {"type": "tool_use", "name": "Bash", "input": {"command": [secret, nested], secret: at_end}},
            ]}}),
        ),
        (
            Runtime::Claude,
            json!({"type": "user", "message": {"content": [
                {"type": "tool_result", "is_error": true, "content": [{"type": "text", "text": nested}, {"text": at_end}]},
            ]}}),
        ),
    ] {
        let mut reader = Reader::of(runtime).unwrap();
        let text = reader.line(&event.to_string(), &hide).text.unwrap();
        assert!(text.contains("[redacted]"), "{text}");
        assert!(["first", "quoted", "second"].iter().all(|part| !text.contains(part)), "{text}");
    }
}

proptest! {
    /// Whatever a program prints, reading it goes on.
    #[test]
    fn any_line_is_read(text in ".{0,400}", kind in "(system|user|assistant|result|turn\\.failed|item\\.completed|x)", value in any::<i64>()) {
        for runtime in [Runtime::Codex, Runtime::Claude] {
            let mut reader = Reader::of(runtime).unwrap();
            reader.line(&text, &nothing());
            let odd = json!({
                "type": kind, "usage": value, "item": text, "message": {"content": [value, {"type": text}]},
                "mcp_servers": [value, {"name": "interlock", "status": value}], "total_cost_usd": value,
                "session_id": text, "is_error": value,
            });
            reader.line(&odd.to_string(), &nothing());
            let line = reader.line(&format!("{{\"type\":\"{kind}\",\"result\":{text:?}}}"), &nothing());
            prop_assert!(line.text.is_none_or(|text| text.len() < 20_000));
        }
    }
}

/// As Claude Code tells those who have a subscription: by the wall clock, and only what is refused is waited for.
#[test]
fn when_claude_says_that_a_quota_is_given_again() {
    let event = |status: &str, at: Value| {
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": status, "resetsAt": at}}).to_string()
    };
    let result =
        json!({"type": "result", "is_error": true, "api_error_status": 429, "result": "resets 5:43am (UTC)"});
    for (lines, wanted) in [
        (vec![event("rejected", 77.into())], Some(77)),
        (vec![event("rejected", 77.into()), event("allowed", 99.into())], None),
        (vec![event("allowed_warning", 77.into())], None),
        (vec![event("rejected", "soon".into())], None),
        (vec![], None),
    ] {
        let lines: Vec<String> = lines.into_iter().chain([result.to_string()]).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (_, heard) = read(Runtime::Claude, &lines);
        assert!(heard.is_out_of_quota());
        assert_eq!((heard.resets_at_s, heard.reset_in_ms), (wanted, None), "{lines:?}");
    }
}

#[test]
fn when_a_models_service_says_that_it_takes_requests_again() {
    for (text, ms) in [
        ("Rate limit reached for tokens per min. Please try again in 20s. Visit the site", Some(20_000)),
        ("please try again in 1.898s.", Some(1_898)),
        ("Try again in 6m0s", Some(360_000)),
        ("try again in 250ms", Some(250)),
        ("You've hit your usage limit. Try again in 2 days 3 hours 5 minutes.", Some(183_900_000)),
        ("try again in 1 hour and 1 second", Some(3_601_000)),
        ("try again in 99999999999999999999999 weeks", Some(u64::MAX)),
        ("try again in a while", None),
        ("try again in 5", None),
        ("try again at 3:45 PM", None),
        ("429 Too Many Requests", None),
    ] {
        assert_eq!(super::text::reset_in_ms(text), ms, "{text}");
    }
}
