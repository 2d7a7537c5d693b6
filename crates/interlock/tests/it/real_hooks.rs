//! A person at work in their own Codex and Claude Code, with the hooks that `agent install` writes: wakes wait for the person,
//! and the session is told what waits. The programs are the real ones, their model is ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use interlock_testkit::real;
use serde_json::{Value, json};

use crate::doctor_runtimes::check;
use crate::scripted::Machine;
use crate::site::Server;
use crate::wait::until;

/// A machine with one of the programs, on which `me` is an agent that Interlock wakes, and a person's own session too.
struct Desk {
    machine: Machine,
    _server: Server,
    program: &'static str,
    thread: String,
}

impl Desk {
    fn open(program: &'static str, test: &str) -> Option<Self> {
        let machine = Machine::new();
        if program == "codex" {
            machine.has_codex(&real::codex(test)?);
        } else {
            machine.has_claude(&real::claude(test)?);
        }
        // Long enough that only what a test does ends a wait.
        machine
            .site
            .set_policy("human_quiet_ms = 60000\nsession_recheck_ms = 50\nsession_defer_max_ms = 600000");
        machine.site.write("person/.claude/settings.json", "{\"enabledMcpjsonServers\": [\"interlock\"]}");
        let server = machine.up();
        let work = machine.site.path("person").display().to_string();
        machine.site.ask(&["agent", "add", "me", "--yes", "--runtime", program, "--cwd", &work]);
        let thread = machine.site.ask(&["thread", "create", "A job", "--with", "me"])["thread_id"].clone();
        let thread = thread.as_str().unwrap().to_owned();
        let desk = Self { machine, _server: server, program, thread };
        let installed =
            desk.command("interlock", &["agent", "install", program, "me", "--write"]).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        Some(desk)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(program, arguments);
        command.env("ENABLE_TOOL_SEARCH", "false");
        command
    }

    fn posts(&self, text: &str) {
        self.machine.site.ask(&["thread", "post", &self.thread, text, "--to", "me"]);
    }

    /// The newest wake, once it is as wanted.
    fn wake(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || {
            self.machine.site.ask(&["wake", "list"])["wakes"].get(0).filter(|wake| wanted(wake)).cloned()
        })
    }

    /// The sessions of `me`, as the server last heard of them.
    fn sessions(&self) -> Vec<Value> {
        let status = self.machine.site.ask(&["status"]);
        let agents = status["agents"].as_array().unwrap();
        let me = agents.iter().find(|agent| agent["name"] == "me").unwrap();
        me["sessions"].as_array().cloned().unwrap_or_default()
    }

    fn session(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.sessions().into_iter().find(&wanted))
    }

    /// What the model was told besides its user's words, or asked, that names this.
    fn was_told(&self, text: &str) -> usize {
        let seen = self.machine.model.seen();
        let all =
            seen.iter().flat_map(|seen| seen.conversation.asides.iter().chain(&seen.conversation.asked));
        all.filter(|said| said.contains(text)).count()
    }

    /// A request whose turn lasts until the file `go` is there.
    fn until_go(&self) -> String {
        format!("$ until [ -e '{}' ]; do sleep 0.05; done", self.machine.site.path("go").display())
    }

    fn nudge(&self) -> String {
        format!("[interlock] 1 unread in thread {}: call read_messages then ack_read", self.thread)
    }

    fn hooks(&self) -> Value {
        let output = self.command("interlock", &["doctor", "runtimes", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        check(&report, &format!("{} hooks", self.program)).clone()
    }
}

/// A session of Claude Code that stays open: prompts go in one after the other, as from a person's own program.
struct Talk {
    child: Child,
    input: ChildStdin,
    output: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Talk {
    fn begin(desk: &Desk) -> Self {
        let words = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
        let mut command = desk.command("claude", &words);
        command.args(["--allowedTools", "mcp__interlock", "Bash"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    fn says(&mut self, text: &str) {
        let message = json!({"type": "user", "session_id": "", "parent_tool_use_id": null,
            "message": {"role": "user", "content": text}});
        writeln!(self.input, "{message}").unwrap();
    }

    /// The end of the turn.
    fn ends(&mut self) -> Value {
        let lines = self.output.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        lines.into_iter().find(|event| event["type"] == "result").expect("the turn has an end")
    }

    fn closes(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

/// Somebody talks to Claude Code. A message that comes meanwhile wakes nobody; the session itself is told, its agent reads,
/// and no process is started for it.
#[test]
fn a_person_at_work_in_claude_is_waited_for_and_told() {
    let Some(desk) = Desk::open("claude", "claude with a person") else { return };
    assert_eq!(desk.hooks()["verdict"], "ok");
    let mut talk = Talk::begin(&desk);
    talk.says("hello");
    talk.ends();
    let mine = desk.session("the session to be heard of", |session| session["activity"] == "idle");
    assert_eq!(
        (&mine["place"], &mine["runtime"], &mine["is_held"]),
        (&"terminal".into(), &"claude".into(), &true.into())
    );
    assert!(mine["human_ago_ms"].is_u64(), "{mine}");
    desk.posts("good morning");
    let wake = desk.wake("the wake to wait", |wake| wake["reason"] == "HUMAN_ACTIVE");
    assert_eq!((&wake["state"], &wake["attempts"]), (&"pending".into(), &0.into()));
    // The next prompt brings it along; what it says names what is read, so that the model reads it.
    talk.says(&format!("You are `me`. Look into thread {}, for wak_{:026}.", desk.thread, 7));
    talk.ends();
    assert!(desk.was_told(&desk.nudge()) > 0, "{:?}", desk.machine.model.seen().last());
    assert_eq!(desk.was_told("good morning\\\"}}"), 0, "no word of a message is in what a hook says");
    let over = desk.wake("the end of the wake", |wake| wake["state"] == "finished");
    assert_eq!(
        (&over["result"], &over["evidence"], &over["attempts"]),
        (&"already_active".into(), &"hook".into(), &0.into())
    );
    talk.closes();
    desk.session("the session to be closed", |session| {
        session["is_open"] == false && session["session_id"] == mine["session_id"]
    });
}

/// A turn that ends while something waits goes on with it, once; then it ends.
#[test]
fn a_turn_of_claude_goes_on_with_what_waits_and_ends() {
    let Some(desk) = Desk::open("claude", "claude goes on") else { return };
    let mut talk = Talk::begin(&desk);
    talk.says("hello");
    talk.ends();
    talk.says(&desk.until_go());
    desk.session("the turn to run", |session| session["activity"] == "busy");
    desk.posts("something new");
    desk.machine.site.write("go", "");
    talk.ends();
    assert_eq!(desk.was_told(&desk.nudge()).min(1), 1, "{:?}", desk.machine.model.seen().last());
    let wake = desk.wake("the wake to be told of", |wake| wake["reason"] == "TOLD_BY_HOOK");
    assert_eq!((wake["told_at"].is_string(), &wake["state"]), (true, &"pending".into()), "{wake}");
    desk.session("the turn to end", |session| session["activity"] == "idle");
    talk.closes();
}

/// A woken run has the same hooks in its settings, and none of them takes it for a person.
#[test]
fn woken_runs_are_no_persons() {
    for program in ["claude", "codex"] {
        let Some(desk) = Desk::open(program, "woken with hooks") else { return };
        if program == "claude" {
            // Where they would be read by a woken run too.
            let text =
                std::fs::read_to_string(desk.machine.site.path(".claude/settings.local.json")).unwrap();
            desk.machine.site.write("person/.claude/settings.json", &text);
        } else {
            trust(&desk);
        }
        desk.posts("good morning");
        let over = desk.wake("the end of the wake", |wake| wake["state"] == "finished");
        assert_eq!(
            (&over["result"], &over["attempts"]),
            (&"triggered".into(), &1.into()),
            "{program}: {over}"
        );
        assert_eq!(desk.sessions(), Vec::<Value>::new(), "{program}: nobody was seen");
    }
}

/// A person looks at the hooks and agrees: what `/hooks` writes down, in a CODEX_HOME of the test's own.
fn trust(desk: &Desk) {
    let mut child = desk
        .command("codex", &["app-server"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let client = json!({"name": "test", "title": "test", "version": "1"});
    for message in [
        json!({"id": 1, "method": "initialize", "params": {"clientInfo": client, "capabilities": {"experimentalApi": true}}}),
        json!({"method": "initialized"}),
        json!({"id": 2, "method": "hooks/list", "params": {"cwds": [desk.machine.site.path(".")]}}),
    ] {
        writeln!(input, "{message}").unwrap();
    }
    let answers = lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let answer = answers.into_iter().find(|answer| answer["id"] == 2).unwrap();
    drop(input);
    child.wait().unwrap();
    let hooks = answer["result"]["data"][0]["hooks"].as_array().unwrap().clone();
    assert_eq!(hooks.len(), 6, "{answer}");
    let file = "person/.codex/config.toml";
    let mut config = std::fs::read_to_string(desk.machine.site.path(file)).unwrap();
    for hook in hooks {
        assert_eq!(hook["trustStatus"], "untrusted", "nothing is trusted for its person");
        let lines = [
            String::new(),
            format!("[hooks.state.{}]", hook["key"]),
            format!("trusted_hash = {}\n", hook["currentHash"]),
        ];
        config += &lines.join("\n");
    }
    desk.machine.site.write(file, &config);
}

/// Codex leaves out what its person has not looked at; then its hooks tell, and its model is told.
#[test]
fn a_person_at_work_in_codex_is_waited_for_and_told() {
    let Some(desk) = Desk::open("codex", "codex with a person") else { return };
    let before = desk.hooks();
    assert!(before["detail"].as_str().unwrap().contains("6 of ours are not trusted"), "{before}");
    let talk = |text: &str| {
        let words = ["exec", "--json", "--skip-git-repo-check", text];
        let output = desk.command("codex", &words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    talk("hello");
    assert_eq!(desk.sessions(), Vec::<Value>::new(), "nobody has looked at the hooks");
    trust(&desk);
    assert_eq!(desk.hooks()["verdict"], "ok", "{}", desk.hooks());
    let request = desk.until_go();
    let words = ["exec", "--json", "--skip-git-repo-check", &request];
    let mut turn = desk.command("codex", &words).stdout(Stdio::null()).spawn().unwrap();
    let mine = desk.session("the turn to run", |session| session["activity"] == "busy");
    assert_eq!(
        (&mine["place"], &mine["runtime"], &mine["is_held"]),
        (&"terminal".into(), &"codex".into(), &true.into())
    );
    desk.posts("good morning");
    desk.machine.site.write("go", "");
    assert!(turn.wait().unwrap().success());
    // The turn went on with it when it would have ended.
    assert!(desk.was_told(&desk.nudge()) > 0, "{:?}", desk.machine.model.seen().last());
    let wake = desk.wake("the wake to be told of", |wake| wake["reason"] == "TOLD_BY_HOOK");
    assert_eq!((wake["told_at"].is_string(), &wake["attempts"]), (true, &0.into()), "{wake}");
    let told = desk.was_told(&desk.nudge());
    // A prompt brings it along again, and now it is read.
    talk(&format!("You are `me`. Look into thread {}, for wak_{:026}.", desk.thread, 7));
    assert!(desk.was_told(&desk.nudge()) > told, "{:?}", desk.machine.model.seen().last());
    let over = desk.wake("the end of the wake", |wake| wake["state"] == "finished");
    assert_eq!((&over["result"], &over["evidence"]), (&"already_active".into(), &"hook".into()), "{over}");
}
