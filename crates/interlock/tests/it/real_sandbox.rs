//! What an agent's sandbox lets it do, as docs/runtimes.md and the consent screen say: measured with the real programs,
//! started by the command lines that are shown.

use std::io::Write as _;
use std::process::Stdio;

use interlock_core::agent::{Launch, Runtime, Sandbox};
use interlock_testkit::real;
use serde_json::json;

use crate::scripted::Machine;

/// Has the agent's program run a command with its own shell tool; whether that went well.
fn may(machine: &Machine, runtime: Runtime, sandbox: Sandbox, command: &str) -> bool {
    let work = std::fs::canonicalize(machine.site.path("work")).unwrap().to_str().unwrap().to_owned();
    let launch = Launch { sandbox: Some(sandbox), directory: Some(work.clone()), ..Launch::default() };
    let prompt = format!("$ {command}");
    let session = uuid(machine.model.seen().len());
    let own = [("HOME".into(), machine.site.path("person").into())].into();
    let words = interlock_supervisor::describe(runtime, &launch, "http://127.0.0.1:1", &own);
    let said = |word: &String| match word.as_str() {
        "PROMPT" => prompt.clone(),
        "SESSION" => session.clone(),
        // Nobody listens there: our tools are not what this is about.
        "mcp_servers.interlock_wake.required=true" => "mcp_servers.interlock_wake.required=false".to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<String> = words.iter().map(said).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut started = machine.command(words[0], &words[1..]);
    started.env("INTERLOCK_TOKEN", "none").current_dir(&work);
    let mut child =
        started.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    if runtime == Runtime::Claude {
        let message = json!({"role": "user", "content": prompt});
        let line = json!({"type": "user", "session_id": "", "parent_tool_use_id": null, "message": message});
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("It ended with "), "`{command}` was not even tried: {output:?}");
    said.contains("It ended with 0")
}

/// A session's id that no other run of a test has.
fn uuid(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

#[track_caller]
fn all(machine: &Machine, runtime: Runtime, sandbox: Sandbox, cases: &[(&str, bool)]) {
    for (command, wanted) in cases {
        assert_eq!(may(machine, runtime, sandbox, command), *wanted, "{runtime} {sandbox}: {command}");
    }
}

/// A machine with a repository to work in.
fn machine() -> Machine {
    let machine = Machine::new();
    let work = machine.site.path("work");
    let mut git = std::process::Command::new("git");
    assert!(git.args(["init", "--quiet"]).arg(&work).status().unwrap().success());
    std::fs::write(work.join("f"), "f\n").unwrap();
    machine
}

#[test]
fn the_system_holds_codex_back() {
    let Some(codex) = real::codex("codex, sandbox") else { return };
    let machine = machine();
    machine.has_codex(&codex);
    let server = machine.up();
    // Neither its folder, nor the one that TMPDIR names, nor /tmp, in which the checkout itself may be.
    let elsewhere = tempfile::tempdir_in("/var/tmp").unwrap();
    let outside = elsewhere.path().join("outside-of-codex").display().to_string();
    let outside = format!("touch {outside} && rm {outside}");
    let call = format!("bash -c ': < /dev/tcp/{}'", server.address().replace(':', "/"));
    let read_only = [("cat f", true), ("touch t", false), ("touch /tmp/t", false), (&*call, false)];
    all(&machine, Runtime::Codex, Sandbox::ReadOnly, &read_only);
    let write = [("touch t", true), ("touch \"$TMPDIR/t\"", true), (&*outside, false), (&*call, false)];
    all(&machine, Runtime::Codex, Sandbox::WorkspaceWrite, &write);
    // What its person has opened for sessions of their own stays closed.
    let theirs = format!(
        "default_permissions = \":danger-full-access\"\nsandbox_mode = \"danger-full-access\"\n\
         [sandbox_workspace_write]\nnetwork_access = true\nwritable_roots = [\"{}\"]\n",
        elsewhere.path().display()
    );
    machine.site.write("person/.codex/config.toml", &theirs);
    all(&machine, Runtime::Codex, Sandbox::ReadOnly, &read_only);
    all(&machine, Runtime::Codex, Sandbox::WorkspaceWrite, &write);
    all(&machine, Runtime::Codex, Sandbox::DangerFullAccess, &[(&*outside, true), (&*call, true)]);
}

#[test]
fn claude_holds_itself_back_and_knows_some_commands() {
    let Some(claude) = real::claude("claude, sandbox") else { return };
    let machine = machine();
    machine.has_claude(&claude);
    let outside = format!("touch {}/outside", machine.site.path("person").display());
    let commit = "git commit --allow-empty -m x";
    let read_only = [
        ("cat f", true),
        ("git status", true),
        ("touch t", false),
        ("echo x > f", false),
        (commit, false),
        ("cargo --version", false),
    ];
    all(&machine, Runtime::Claude, Sandbox::ReadOnly, &read_only);
    let write =
        [("touch t", true), ("rm t", true), (&*outside, false), (commit, false), ("cargo --version", false)];
    all(&machine, Runtime::Claude, Sandbox::WorkspaceWrite, &write);
    // What its person has allowed it once and for all is allowed to it here as well.
    machine.site.write("person/.claude/settings.json", "{\"permissions\": {\"allow\": [\"Bash(touch:*)\"]}}");
    all(&machine, Runtime::Claude, Sandbox::ReadOnly, &[("touch t", true), ("rm t", false)]);
}

/// Whoever wrote what lies in the folder was never asked whether they may run something here.
#[test]
fn claude_runs_nothing_that_lies_in_its_folder() {
    let Some(claude) = real::claude("claude, hooks of the folder") else { return };
    let machine = machine();
    machine.has_claude(&claude);
    let marked = |name: &str| machine.site.path(name).display().to_string();
    let settings = |mark: &str| {
        let hook = json!([{"hooks": [{"type": "command", "command": format!("touch {}", marked(mark))}]}]);
        let mut settings = json!({"hooks": {"SessionStart": hook}});
        if mark != "own" {
            settings["permissions"] = json!({"allow": ["Bash(cargo:*)"]});
            settings["apiKeyHelper"] = format!("touch {}; echo key", marked("helped")).into();
        }
        settings
    };
    std::fs::create_dir(machine.site.path("work/.claude")).unwrap();
    machine.site.write("work/.claude/settings.json", &settings("project").to_string());
    machine.site.write("work/.claude/settings.local.json", &settings("local").to_string());
    machine.site.write("person/.claude/settings.json", &settings("own").to_string());
    // Handed over as it is: the program would end if it could not read it.
    machine.site.write("work/CLAUDE.md", "Words of the folder.\n");
    let cases = [("touch t", true), ("cargo --version", false)];
    all(&machine, Runtime::Claude, Sandbox::WorkspaceWrite, &cases);
    for mark in ["project", "local", "helped"] {
        assert!(!machine.site.path(mark).exists(), "{mark} was run");
    }
    assert!(machine.site.path("own").exists(), "what its person has configured is still theirs");
}
