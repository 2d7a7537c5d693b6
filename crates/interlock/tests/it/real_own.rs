//! A person's own Codex and Claude Code: the lines that `agent install` writes work in the real programs, and
//! `doctor runtimes` knows these.

use std::process::Output;

use interlock_testkit::real;
use serde_json::Value;

use crate::doctor_runtimes::check;
use crate::scripted::Machine;
use crate::site::Server;

/// A machine with both programs, a server, and somebody who takes part from a terminal.
struct Desk {
    machine: Machine,
    server: Server,
    thread: String,
}

/// What `agent install` is to write the lines for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The instance on this machine.
    Instance,
    /// A server by its address.
    Address,
}

impl Desk {
    /// `None` where a program is missing.
    fn open(test: &str) -> Option<Self> {
        let (codex, claude) = (real::codex(test)?, real::claude(test)?);
        let machine = Machine::new();
        machine.has_codex(&codex);
        machine.has_claude(&claude);
        // A folder's servers wait for their person's approval; this is what that leaves behind.
        machine.site.write("person/.claude/settings.json", "{\"enabledMcpjsonServers\": [\"interlock\"]}");
        let server = machine.up();
        machine.site.ask(&["agent", "add", "me"]);
        let thread = machine.site.ask(&["thread", "create", "A job", "--with", "me"])["thread_id"].clone();
        let thread = thread.as_str().unwrap().to_owned();
        machine.site.ask(&["thread", "post", &thread, "good morning"]);
        Some(Self { machine, server, thread })
    }

    /// Run a program as its person does, with the token of the participant at hand where that is needed.
    fn run(&self, way: Way, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.machine.command(program, arguments);
        // Claude Code lets its model look for tools when it wants them; ours only knows those that it is shown.
        command.env("ENABLE_TOOL_SEARCH", "false");
        if way == Way::Address {
            let issued = self.machine.site.ask(&["token", "issue", "--name", "me", "--role", "participant"]);
            command.env("INTERLOCK_TOKEN", issued["token"].as_str().unwrap());
        }
        command.output().unwrap()
    }

    /// The same, successfully; gives what it printed.
    #[track_caller]
    fn says(&self, way: Way, program: &str, arguments: &[&str]) -> String {
        let output = self.run(way, program, arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}: {out}\n{err}");
        out.into_owned()
    }

    fn install(&self, way: Way, program: &str, option: &str) {
        let mut words = vec!["agent", "install", program, "me", option];
        if way == Way::Address {
            words.extend(["--server", &self.server.url]);
        }
        self.says(way, "interlock", &words);
    }

    /// What a person asks their program to do, in words that the model understands.
    fn request(&self) -> String {
        format!("You are `me`. Look into thread {}, for wak_{:026}.", self.thread, 7)
    }

    /// What was said in the thread, by whom.
    fn said(&self) -> Vec<(String, String)> {
        let page = self.machine.site.ask(&["thread", "read", &self.thread]);
        let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
        page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (text(one, "from"), text(one, "body")))
            .collect()
    }

    /// The program took part in the thread under its participant's name.
    fn took_part(&self) {
        let said = self.said();
        let (from, body) = said.last().unwrap();
        assert_eq!(
            (from.as_str(), body.as_str()),
            ("me", "I have read everything up to #1. (My turn 1 here.)"),
            "{said:?}"
        );
    }
}

fn codex_takes_part(test: &str, way: Way) {
    let Some(desk) = Desk::open(test) else { return };
    desk.install(way, "codex", "--write");
    let listed: Value = serde_json::from_str(&desk.says(way, "codex", &["mcp", "list", "--json"])).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["enabled"]), (&"interlock".into(), &true.into()), "{listed}");
    assert_eq!(listed[0]["transport"]["command"], env!("CARGO_BIN_EXE_interlock"));
    let request = desk.request();
    let events = desk.says(way, "codex", &["exec", "--json", "--skip-git-repo-check", &request]);
    assert!(events.contains("\"tool\":\"post_message\""), "{events}");
    desk.took_part();
    desk.install(way, "codex", "--remove");
    assert_eq!(desk.says(way, "codex", &["mcp", "list", "--json"]).trim(), "[]");
}

#[test]
fn codex_takes_part_by_the_lines_that_were_written() {
    codex_takes_part("codex installed", Way::Instance);
}

/// A person who takes part with their own Codex has agents as well: these run on the same configuration, and speak with
/// our tools for themselves alone.
#[test]
fn codex_is_woken_beside_the_lines_that_were_written() {
    let Some(desk) = Desk::open("codex installed, then woken") else { return };
    let work = desk.machine.site.path("person").display().to_string();
    let file = "person/.codex/config.toml";
    for (name, by_hand) in [("bridged", None), ("addressed", Some(format!("{}/mcp", desk.server.url)))] {
        match by_hand {
            None => desk.install(Way::Instance, "codex", "--write"),
            Some(url) => {
                let lines = format!("[mcp_servers.interlock]\nurl = \"{url}\"\nrequired = true\n");
                desk.machine.site.write(file, &lines);
            }
        }
        let before = std::fs::read(desk.machine.site.path(file)).unwrap();
        desk.machine.site.ask(&["agent", "add", name, "--yes", "--runtime", "codex", "--cwd", &work]);
        let thread = desk.machine.site.ask(&["thread", "create", "A job", "--with", name]);
        let thread = thread["thread_id"].as_str().unwrap();
        let told = desk.machine.model.seen().len();
        desk.machine.site.ask(&["thread", "post", thread, "good morning"]);
        let wake = crate::wait::until("the end of a wake", || {
            let wakes = desk.machine.site.ask(&["wake", "list", "--thread", thread])["wakes"].clone();
            wakes.as_array().unwrap().iter().find(|wake| wake["state"] == "finished").cloned()
        });
        let log = desk.machine.site.run(&["log", wake["wake_id"].as_str().unwrap()]);
        assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{name}: {log:?}");
        let seen = desk.machine.model.seen().split_off(told);
        let tools: Vec<_> = seen.iter().flat_map(|seen| &seen.conversation.tools).collect();
        assert!(tools.iter().any(|tool| tool.contains("interlock_wake")), "{tools:?}");
        assert!(
            !tools.iter().any(|tool| tool.contains("interlock__")),
            "{name}: somebody else's tools: {tools:?}"
        );
        assert_eq!(
            std::fs::read(desk.machine.site.path(file)).unwrap(),
            before,
            "no file of theirs is changed"
        );
    }
}

#[test]
fn codex_takes_part_on_a_server_by_its_address() {
    codex_takes_part("codex installed, by address", Way::Address);
}

fn claude_takes_part(test: &str, way: Way) {
    let Some(desk) = Desk::open(test) else { return };
    desk.install(way, "claude", "--write");
    // It starts the server and shakes hands with it.
    for words in [["mcp", "list"].as_slice(), &["mcp", "get", "interlock"]] {
        let listed = desk.says(way, "claude", words);
        assert!(listed.contains("interlock:") && listed.contains("Connected"), "{listed}");
    }
    let request = desk.request();
    desk.says(way, "claude", &["-p", &request, "--allowedTools", "mcp__interlock"]);
    desk.took_part();
    // Our prompts are commands of its own, whose words its model gets.
    for (command, words) in [
        ("/mcp__interlock__inbox".to_owned(), "Work through my Interlock inbox"),
        (format!("/mcp__interlock__thread {}", desk.thread), "Go on with this thread of Interlock"),
    ] {
        desk.says(way, "claude", &["-p", &command]);
        let seen = desk.machine.model.seen();
        let asked = seen.iter().any(|seen| seen.conversation.prompt().contains(words));
        assert!(asked, "{command}: {:?}", seen.last());
    }
    desk.install(way, "claude", "--remove");
    assert!(!desk.says(way, "claude", &["mcp", "list"]).contains("interlock"));
}

#[test]
fn claude_takes_part_by_the_lines_that_were_written() {
    claude_takes_part("claude installed", Way::Instance);
}

#[test]
fn claude_takes_part_on_a_server_by_its_address() {
    claude_takes_part("claude installed, by address", Way::Address);
}

/// A look at both, before and while a session is open in another process.
#[test]
fn doctor_knows_both_and_sees_a_session_that_is_open() {
    let Some(desk) = Desk::open("doctor with the real programs") else { return };
    let report = || -> Value {
        let text = desk.says(Way::Instance, "interlock", &["doctor", "runtimes", "--json"]);
        serde_json::from_str(&text).unwrap()
    };
    let first = report();
    for (name, version) in [("codex", "0.169.0"), ("claude", "2.1.329")] {
        let check = check(&first, name);
        assert!(check["verdict"] == "ok" && check["detail"].as_str().unwrap().contains(version), "{check}");
    }
    assert_eq!(check(&first, "mcp")["verdict"], "ok", "{first}");
    for name in ["codex sessions", "claude sessions"] {
        let check = check(&first, name);
        assert!(check["detail"].as_str().unwrap().starts_with("0 open now"), "{check}");
    }
    // Each in the middle of a turn, as if somebody sat in front of it.
    desk.machine
        .model
        .faults()
        .always(Some(interlock_scripted_model::Fault::Delay(std::time::Duration::from_mins(10))));
    let mut codex =
        desk.machine.command("codex", &["exec", "--skip-git-repo-check", "hello"]).spawn().unwrap();
    let mut claude = desk.machine.command("claude", &["-p", "hello"]).spawn().unwrap();
    crate::wait::until("both sessions to be seen", || {
        let report = report();
        let is_open = |name| {
            let check = check(&report, name);
            check["verdict"] == "warn" && check["detail"].as_str().unwrap().starts_with("1 open now")
        };
        (is_open("codex sessions") && is_open("claude sessions")).then_some(())
    });
    for child in [&mut codex, &mut claude] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // What was killed leaves marks, and they are told from sessions that are open.
    let last = report();
    for name in ["codex sessions", "claude sessions"] {
        let check = check(&last, name);
        assert!(check["detail"].as_str().unwrap().starts_with("0 open now, 1 left behind"), "{check}");
    }
}
