//! `doctor runtimes`: what it finds of Codex and Claude Code on a machine.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::site::Site;
use crate::stub::{Reply, Stub};
use crate::world::{Ran, World, finish};

/// A machine with nothing on it but what a test puts there.
struct Machine {
    world: World,
}

impl Machine {
    fn new() -> Self {
        let world = World::with_instance();
        fs::create_dir(world.path("bin")).unwrap();
        Self { world }
    }

    /// A program of this name that says this when it is asked for its version.
    fn has(&self, name: &str, script: &str) -> PathBuf {
        let file = self.world.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn doctor(&self, more: &[&str]) -> Ran {
        let mut command = self.world.command(&[&["doctor", "runtimes"], more].concat());
        finish(command.env("PATH", self.world.path("bin")).env("HOME", self.world.path("home")), b"")
    }

    fn report(&self) -> Value {
        let ran = self.doctor(&["--json"]);
        let report = ran.only_json();
        assert_eq!(report["schema"], "doctor/1");
        assert_eq!(ran.code, i32::from(report["verdict"] == "fail"), "{report}");
        report
    }
}

/// One check of a report, which is there once.
#[track_caller]
pub(crate) fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    let all = report["checks"].as_array().unwrap();
    let mut found = all.iter().filter(|check| check["name"] == name);
    let check = found.next().unwrap_or_else(|| panic!("{name}: {report}"));
    assert!(found.next().is_none(), "{name} is there twice: {report}");
    assert_eq!(check["hint"].is_null(), check["verdict"] == "ok", "what is not well has a hint: {check}");
    check
}

#[track_caller]
fn is(report: &Value, name: &str, verdict: &str, part: &str) {
    let check = check(report, name);
    assert_eq!(check["verdict"], verdict, "{check}");
    assert!(check["detail"].as_str().unwrap().contains(part), "`{part}`: {check}");
}

#[test]
fn a_machine_without_them_is_told_how_to_get_them() {
    let machine = Machine::new();
    let report = machine.report();
    for (name, package) in [("codex", "@openai/codex"), ("claude", "@anthropic-ai/claude-code")] {
        is(&report, name, "warn", "not found in PATH");
        assert!(check(&report, name)["hint"].as_str().unwrap().contains(package), "{report}");
    }
    is(&report, "mcp", "warn", "no server runs");
    let names: Vec<&Value> =
        report["checks"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert_eq!(
        (&report["verdict"], names.len()),
        (&json!("warn"), 3),
        "nothing is said of what is not there"
    );
    let text = machine.doctor(&[]).ok().out;
    assert!(text.contains("WHAT TO DO") && text.contains("npm package @openai/codex"), "{text}");
}

#[test]
fn versions_are_read_and_compared_with_the_measured_ones() {
    let machine = Machine::new();
    let codex = machine.has("codex", "echo codex-cli 0.169.0");
    machine.has("claude", "echo '9.9.9 (Claude Code)'");
    let report = machine.report();
    is(&report, "codex", "ok", &format!("{} 0.169.0", codex.display()));
    is(&report, "claude", "warn", "9.9.9");
    assert!(check(&report, "claude")["hint"].as_str().unwrap().contains("measured with 2.1.329"), "{report}");
    // Nobody has logged in yet.
    for name in ["codex login", "claude login"] {
        is(&report, name, "warn", "has no folder of its own yet");
    }
}

#[test]
fn programs_that_do_not_start_are_failures() {
    let machine = Machine::new();
    machine.has("codex", "exit 3");
    let broken = machine.has("claude", "");
    fs::write(&broken, "no program").unwrap();
    let report = machine.report();
    is(&report, "codex", "fail", "exit status: 3");
    is(&report, "claude", "fail", "cannot be started");
    assert_eq!(report["verdict"], "fail");
}

/// A lock that is held is a session that is open; a lock file alone is what a killed process left behind.
#[test]
fn sessions_that_are_open_elsewhere_are_counted_and_stale_marks_told_apart() {
    let machine = Machine::new();
    machine.has("codex", "echo codex-cli 0.169.0");
    machine.has("claude", "echo '2.1.329 (Claude Code)'");
    let folder = machine.world.path("home/.codex/thread-writer-locks");
    fs::create_dir_all(&folder).unwrap();
    let held = File::create(folder.join("01a21b70-d2d6-74d1-814b-ffc953538fbb.lock")).unwrap();
    File::create(folder.join("01a21b70-d2d6-74d1-814b-ffc953538fbc.lock")).unwrap();
    // By which Codex takes the others: it is no session.
    File::create(folder.join(".coordination.lock")).unwrap();
    let folder = machine.world.path("home/.claude/sessions");
    fs::create_dir_all(&folder).unwrap();
    let gone = json!({"pid": 4_194_304_000_u64, "sessionId": "a", "status": "idle"});
    fs::write(folder.join("1.json"), gone.to_string()).unwrap();
    let report = machine.report();
    is(&report, "codex sessions", "ok", "0 open now, 2 left behind");
    is(&report, "claude sessions", "ok", "0 open now, 1 left behind");

    held.lock().unwrap();
    let me = json!({"pid": std::process::id(), "sessionId": "b", "status": "busy"});
    fs::write(folder.join("2.json"), me.to_string()).unwrap();
    let report = machine.report();
    for (name, part) in [("codex sessions", "1 open now, 1 left"), ("claude sessions", "1 open now, 1 left")]
    {
        is(&report, name, "warn", part);
        assert!(
            check(&report, name)["hint"].as_str().unwrap().contains("goes on in a fresh one"),
            "{report}"
        );
    }
    held.unlock().unwrap();
    is(&machine.report(), "codex sessions", "ok", "0 open now, 2 left behind");
}

/// What a person has set for themselves: shown, and pointed out where it stands in the way.
#[test]
fn a_persons_own_settings_of_approval_are_read() {
    let machine = Machine::new();
    machine.has("codex", "echo codex-cli 0.169.0");
    machine.has("claude", "echo '2.1.329 (Claude Code)'");
    for folder in ["home/.codex", "home/.claude"] {
        fs::create_dir_all(machine.world.path(folder)).unwrap();
    }
    let settings = |allow: Value, deny: Value, ask: Value| {
        json!({"permissions": {"defaultMode": "plan", "allow": allow, "deny": deny, "ask": ask}}).to_string()
    };
    let ours = "\n[mcp_servers.interlock]\ncommand = \"x\"\n";
    let (prompt, off) = ("default_tools_approval_mode = \"prompt\"\n", "enabled = false\n");
    let codex = [
        (String::new(), "ok", "approval_policy=codex's own choice"),
        (
            "approval_policy = \"never\"\nsandbox_mode = \"read-only\"".to_owned(),
            "ok",
            "approval_policy=never, sandbox_mode=read-only",
        ),
        ("approval_policy = { granular = { rules = true } }".to_owned(), "ok", "approval_policy=granular"),
        (ours.to_owned(), "ok", "our tools auto"),
        (format!("{ours}{prompt}"), "ok", "our tools prompt"),
        (format!("approval_policy = \"never\"{ours}{prompt}"), "warn", "our tools prompt"),
        (format!("{ours}{off}"), "warn", "switched off"),
        ("approval_policy = ".to_owned(), "fail", "config.toml cannot be understood"),
    ];
    for (text, verdict, part) in codex {
        machine.world.write("home/.codex/config.toml", &text);
        is(&machine.report(), "codex approval", verdict, part);
    }
    let none = json!([]);
    let claude = [
        ("{}".to_owned(), "ok", "defaultMode=default"),
        (settings(json!(["Bash(make:*)"]), none.clone(), none.clone()), "ok", "here too: Bash(make:*)"),
        (settings(json!(["Bash"]), none.clone(), none.clone()), "warn", "defaultMode=plan"),
        (
            settings(none.clone(), json!(["mcp__interlock"]), none.clone()),
            "fail",
            "refuses our tools: mcp__interlock",
        ),
        (
            settings(none.clone(), none.clone(), json!(["mcp__interlock__post_message"])),
            "fail",
            "refuses our tools",
        ),
        (settings(none.clone(), json!(["mcp__interlocked"]), none.clone()), "ok", "defaultMode=plan"),
        (settings(none.clone(), json!(["Edit"]), none.clone()), "warn", "refuses Edit"),
        (settings(none.clone(), json!(["Edit(/etc/**)"]), none.clone()), "ok", "defaultMode=plan"),
        ("{".to_owned(), "fail", "settings.json cannot be understood"),
    ];
    for (text, verdict, part) in claude {
        machine.world.write("home/.claude/settings.json", &text);
        is(&machine.report(), "claude approval", verdict, part);
    }
    fs::remove_file(machine.world.path("home/.claude/settings.json")).unwrap();
    fs::create_dir(machine.world.path("home/.claude/settings.json")).unwrap();
    is(&machine.report(), "claude approval", "warn", "cannot be read");
}

#[test]
fn a_background_server_of_codex_is_pointed_out() {
    let machine = Machine::new();
    machine.has("codex", "echo codex-cli 0.169.0");
    let folder = machine.world.path("home/.codex/app-server-control");
    fs::create_dir_all(&folder).unwrap();
    is(&machine.report(), "codex sessions", "ok", "left behind by processes that are gone");
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("app-server-control.sock")).unwrap();
    is(&machine.report(), "codex sessions", "ok", "its background server has a socket");
}

#[test]
fn the_server_shakes_hands_or_does_not() {
    let site = Site::with_instance("");
    let server = site.up(&["--server-only"]);
    // Of a person's own programs and folders nothing is looked at.
    let look =
        |mut command: Command| finish(command.env("PATH", "/nonexistent").env("HOME", "/nonexistent"), b"");
    let words = ["doctor", "runtimes", "--json"];
    let report = look(site.command(&words)).ok().only_json();
    is(&report, "mcp", "ok", &format!("{}/mcp shakes hands", server.url));
    // A stranger on its port.
    let stub = Stub::always(404, json!({}));
    let world = World::with_server(&stub.url);
    let ran = look(world.command(&words));
    is(&ran.only_json(), "mcp", "fail", "answered 404");
    assert_eq!((ran.code, stub.asked()[0].target.as_str()), (1, "/mcp"));
    // And nobody there at all.
    let url = stub.url.clone();
    drop(stub);
    world.says_server(std::process::id(), &url);
    let ran = look(world.command(&words));
    is(&ran.only_json(), "mcp", "fail", "does not answer");
    assert_eq!(ran.code, 1);
}

/// A session lasts for an hour where nobody ends it. What the environment names as a proxy is no part of the way there.
#[test]
fn the_handshake_leaves_no_session_and_meets_no_proxy() {
    let stub = Stub::new(|asked| match asked.body["method"].as_str() {
        Some("initialize") => Reply::InSession(
            "one",
            json!({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-06-18"}}),
        ),
        _ => Reply::Json(200, json!({})),
    });
    let proxy = Stub::always(502, json!({}));
    let world = World::with_server(&stub.url);
    let mut command = world.command(&["doctor", "runtimes", "--json"]);
    command.env("PATH", "/nonexistent").env("HOME", "/nonexistent").envs(proxy.as_proxy());
    is(&finish(&mut command, b"").ok().only_json(), "mcp", "ok", "shakes hands");
    let of_mcp = stub.asked().into_iter().filter(|asked| asked.target == "/mcp");
    let asked: Vec<_> = of_mcp.map(|asked| (asked.method, asked.session)).collect();
    assert_eq!(asked, [("POST".to_owned(), None), ("DELETE".to_owned(), Some("one".to_owned()))]);
    assert!(proxy.asked().is_empty(), "a proxy was told: {:?}", proxy.asked());
}

/// Whoever answers and agrees to nothing has not shaken hands.
#[test]
fn a_refused_handshake_is_a_failure() {
    let error = json!({"code": -32_602, "message": "no such revision"});
    let stub = Stub::always(200, json!({"jsonrpc": "2.0", "id": 1, "error": error}));
    let world = World::with_server(&stub.url);
    let mut command = world.command(&["doctor", "runtimes", "--json"]);
    command.env("PATH", "/nonexistent").env("HOME", "/nonexistent");
    is(&finish(&mut command, b"").only_json(), "mcp", "fail", "refuses the handshake");
}

/// Whether a person's own sessions take part, and tell when their person is at work.
#[test]
fn tools_and_hooks_of_a_persons_own_are_looked_at() {
    let machine = Machine::new();
    machine.has("codex", "echo codex-cli 0.169.0");
    machine.has("claude", "echo '2.1.329 (Claude Code)'");
    let config = machine.world.write("home/.codex/config.toml", "");
    machine.world.write("home/.claude/settings.json", "{}");
    let report = machine.report();
    is(&report, "codex tools", "ok", "take no part");
    is(&report, "claude tools", "ok", "take no part");
    let install = |program: &str, more: &str| {
        let words = ["agent", "install", program, "anna", "--write", more];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        finish(machine.world.command(&words).env("HOME", machine.world.path("home")), b"").ok();
    };
    for program in ["codex", "claude"] {
        install(program, "--no-hooks");
    }
    let report = machine.report();
    is(&report, "codex tools", "warn", "not `required`");
    assert!(check(&report, "codex tools")["hint"].as_str().unwrap().contains("required = true"), "{report}");
    for name in ["codex hooks", "claude hooks"] {
        is(&report, name, "warn", "none of ours");
        assert!(
            check(&report, name)["hint"].as_str().unwrap().contains("interlock agent install c"),
            "{report}"
        );
    }
    for program in ["codex", "claude"] {
        install(program, "");
    }
    let report = machine.report();
    is(&report, "claude hooks", "ok", "there");
    is(&report, "codex hooks", "warn", "does not say whether they are trusted");
    // As the program itself answers, with and without its person's word.
    for (status, verdict, part) in
        [("untrusted", "warn", "1 of ours are not trusted"), ("trusted", "ok", "trusted")]
    {
        let hook = json!({"command": "interlock hook codex Stop --as anna || true", "trustStatus": status});
        let other = json!({"command": "say done", "trustStatus": "untrusted"});
        let answer = json!({"id": 2, "result": {"data": [{"hooks": [hook, other]}]}});
        machine.has(
            "codex",
            // Nothing is in its PATH: what the shell itself can do must do.
            &format!(
                "[ \"$1\" = app-server ] || {{ echo codex-cli 0.169.0; exit; }}\n\
                 read -r a; read -r b; read -r c; printf '%s\\n' '{answer}'"
            ),
        );
        is(&machine.report(), "codex hooks", verdict, part);
    }
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("[mcp_servers.interlock]\n", "[mcp_servers.interlock]\nrequired = true\n");
    fs::write(&config, text).unwrap();
    is(&machine.report(), "codex tools", "ok", "do not start without");
    machine.world.write(".claude/settings.json", "{\"disableAllHooks\": true}");
    is(&machine.report(), "claude hooks", "warn", "switch all hooks off");
}

/// What killed processes left behind is named, with how to remove it; and what of our own lives without a supervisor.
#[test]
fn leftovers_are_named_with_what_to_do() {
    let machine = Machine::new();
    machine.has("codex", "echo codex-cli 0.169.0");
    machine.has("claude", "echo '2.1.329 (Claude Code)'");
    fs::create_dir_all(machine.world.path("home/.codex/app-server-control")).unwrap();
    fs::create_dir_all(machine.world.path("home/.claude/sessions")).unwrap();
    let report = machine.report();
    for name in ["codex leftovers", "claude leftovers"] {
        is(&report, name, "ok", "nothing");
    }
    let lock = "home/.codex/thread-writer-locks/01a21b70-d2d6-74d1-814b-ffc953538fbb.lock";
    let lock = machine.world.write(lock, "");
    let socket = machine.world.path("home/.codex/app-server-control/app-server-control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let gone = json!({"pid": 4_194_304_000_u64, "sessionId": "a", "status": "idle"}).to_string();
    machine.world.write("home/.claude/sessions/1.json", &gone);
    let report = machine.report();
    is(&report, "codex leftovers", "warn", "1 marks of sessions");
    assert!(
        !check(&report, "codex leftovers")["detail"].as_str().unwrap().contains("socket"),
        "somebody answers"
    );
    let hint = check(&report, "codex leftovers")["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("rm '{}'", lock.display())), "{hint}");
    is(&report, "claude leftovers", "warn", "1 marks of sessions");
    drop(listener);
    is(&machine.report(), "codex leftovers", "warn", "a control socket that nobody answers");
    // An agent's lock that somebody holds.
    let agent = machine.world.write(".interlock/state/agents/writer.lock", "");
    let held = File::open(&agent).unwrap();
    held.lock().unwrap();
    is(&machine.report(), "agents' processes", "warn", "1 run: writer, and no supervisor runs here");
    let supervisor = File::create(machine.world.path(".interlock/state/supervisor.lock")).unwrap();
    supervisor.lock().unwrap();
    is(&machine.report(), "agents' processes", "ok", "1 run: writer");
}
