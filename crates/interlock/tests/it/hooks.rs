//! `interlock hook`: what a person's program is told by it, and that it stands in nobody's way.

use std::fs;
use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::site::{Server, Site};
use crate::wait::until;
use crate::world::{Ran, World, finish};

const SESSION: &str = "0198c0de-0000-7000-8000-000000000007";

/// A server, and a participant `me` whom somebody has written to.
pub(crate) struct Desk {
    pub(crate) site: Site,
    server: Server,
    thread: String,
}

impl Desk {
    pub(crate) fn new(policy: &str, agent: &[&str]) -> Self {
        let site = Site::with_instance(policy);
        let server = site.up(&[]);
        site.ask(&[&["agent", "add", "me"], agent].concat());
        let thread = site.ask(&["thread", "create", "A job", "--with", "me"])["thread_id"].clone();
        Self { site, server, thread: thread.as_str().unwrap().to_owned() }
    }

    pub(crate) fn posts(&self, text: &str) {
        self.site.ask(&["thread", "post", &self.thread, text, "--to", "me"]);
    }

    /// What the hook of an event says, as JSON; nothing when it says nothing.
    pub(crate) fn hook(&self, event: &str, more: &Value) -> Value {
        let mut input =
            json!({"session_id": SESSION, "hook_event_name": event, "cwd": "/", "prompt": "a secret"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        let words = ["hook", "claude", event, "--as", "me"];
        let ran = finish(&mut self.site.command(&words), input.to_string().as_bytes());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        if ran.out.is_empty() { Value::Null } else { ran.json() }
    }

    /// The words that wake `me`.
    fn trigger<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["thread", "trigger", self.thread.as_str(), "me"], more].concat()
    }

    pub(crate) fn wake(&self, number: usize) -> Value {
        self.site.ask(&["wake", "list"])["wakes"][number].clone()
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        let status = self.site.ask(&["status"]);
        let agents = status["agents"].as_array().unwrap();
        let me = agents.iter().find(|agent| agent["name"] == "me").unwrap();
        me["sessions"].as_array().cloned().unwrap_or_default()
    }
}

/// Neither what it is given nor what it finds is a reason to say a word, and the exit code is always 0: another one would
/// keep a person's prompt from their model.
#[test]
fn a_hook_says_nothing_whatever_is_wrong() {
    let world = World::with_instance();
    let good = json!({"session_id": SESSION, "prompt": "hi"}).to_string();
    let inputs: [&[u8]; 6] = [b"", b"no JSON", b"[]", b"{\"session_id\": 7}", b"\xff\xfe", good.as_bytes()];
    let silent = |ran: Ran, case: &str| {
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{case}");
    };
    for input in inputs {
        for event in ["UserPromptSubmit", "Stop", "SessionEnd", "NoSuchEvent", ""] {
            let ran = world.run_with(&["hook", "claude", event, "--as", "me"], input);
            silent(ran, event);
        }
    }
    silent(world.run_with(&["hook", "vim", "Stop"], good.as_bytes()), "another program");
    let nowhere = ["hook", "codex", "Stop", "--server", "http://127.0.0.1:1"];
    silent(world.run_with(&nowhere, good.as_bytes()), "no token");
    let mut command = world.command(&nowhere);
    silent(finish(command.env("INTERLOCK_TOKEN", "x"), good.as_bytes()), "nobody there");
    fs::remove_dir_all(world.path(".interlock")).unwrap();
    silent(world.run_with(&["hook", "claude", "Stop", "--as", "me"], good.as_bytes()), "no instance");
}

/// A prompt brings along what waits, by ids and numbers; a turn that ends goes on with it, once.
#[test]
fn a_session_is_told_what_waits() {
    let desk = Desk::new("", &[]);
    for event in ["SessionStart", "UserPromptSubmit", "Stop"] {
        assert_eq!(desk.hook(event, &json!({})), Value::Null, "nothing waits: {event}");
    }
    desk.posts("the words of a message");
    desk.posts("and more");
    let text = format!("[interlock] 2 unread in thread {}: call read_messages then ack_read", desk.thread);
    let told =
        json!({"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": text}});
    assert_eq!(desk.hook("UserPromptSubmit", &json!({})), told);
    let again = desk.hook("Stop", &json!({}));
    assert!(
        again["reason"].as_str().unwrap().starts_with("[interlock] 2 unread"),
        "whether it was heard nobody knows: {again}"
    );
    assert_eq!(desk.hook("Stop", &json!({})), Value::Null, "it was told just now");
    desk.posts("one more");
    assert_eq!(desk.hook("Stop", &json!({"stop_hook_active": true})), Value::Null, "never round and round");
    let blocked = desk.hook("Stop", &json!({"stop_hook_active": false}));
    assert_eq!(blocked["decision"], "block");
    assert!(
        blocked["reason"].as_str().unwrap().starts_with("[interlock] 3 unread in thread thr_"),
        "{blocked}"
    );
    assert_eq!(desk.hook("Stop", &json!({})), Value::Null);
    for event in ["PermissionRequest", "SessionEnd", "Interrupt"] {
        assert_eq!(desk.hook(event, &json!({})), Value::Null, "{event} answers nothing");
    }
    // Nothing of what was typed went anywhere.
    let export = desk.site.path("ledger.tar");
    desk.site.run(&["ledger", "export", export.to_str().unwrap()]).ok();
    let ledger = String::from_utf8_lossy(&fs::read(export).unwrap()).into_owned();
    assert!(!ledger.contains("a secret"));
    let database = fs::read(desk.site.path(".interlock/interlock.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains("a secret"));
}

/// What is said here arrives at the server, and what the server answers is lost on its way.
fn loses_answers(server: &str) -> String {
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, server) =
        (format!("http://{}", relay.local_addr().unwrap()), server.trim_start_matches("http://").to_owned());
    std::thread::spawn(move || {
        let near = relay.accept().unwrap().0;
        let mut far = TcpStream::connect(server).unwrap();
        let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        // An answer says that everything is done.
        far.read_exact(&mut [0]).unwrap();
        near.shutdown(Shutdown::Both).unwrap();
    });
    url
}

/// The server has written down that the session is told, and the session was not: nobody says that it has accepted, and the
/// end of the turn says it again.
#[test]
fn an_answer_that_is_lost_proves_nothing_and_is_given_again() {
    let policy = "human_quiet_ms = 600000\nsession_recheck_ms = 50\nsession_defer_max_ms = 86000000";
    let desk = Desk::new(policy, &[&AGENT[..], &["exit 3"]].concat());
    desk.hook("UserPromptSubmit", &json!({}));
    desk.posts("look");
    let token = desk.site.ask(&["token", "issue", "--name", "me", "--role", "participant"])["token"].clone();
    let url = loses_answers(&desk.server.url);
    let mut command = desk.site.command(&["hook", "claude", "UserPromptSubmit", "--server", &url]);
    let input = json!({"session_id": SESSION, "prompt": "go on"}).to_string();
    let ran = finish(command.env("INTERLOCK_TOKEN", token.as_str().unwrap()), input.as_bytes());
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "the hook says nothing");
    let wake = desk.wake(0);
    assert_eq!((&wake["reason"], &wake["state"]), (&"TOLD_BY_HOOK".into(), &"pending".into()), "{wake}");
    assert!(wake["told_at"].is_string() && wake["accepted_at"].is_null(), "{wake}");
    assert_eq!(desk.hook("Stop", &json!({}))["decision"], "block");
    assert_eq!(desk.hook("Stop", &json!({})), Value::Null, "once");
}

/// What hooks tell is there after a restart, in the database and not in a process.
#[test]
fn sessions_outlive_the_server() {
    let mut desk = Desk::new("", &[]);
    desk.hook("UserPromptSubmit", &json!({}));
    let before = desk.sessions();
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(
        (&before[0]["activity"], &before[0]["place"], &before[0]["is_held"]),
        (&"busy".into(), &"terminal".into(), &true.into())
    );
    desk.server.running.kill();
    desk.server = desk.site.up(&[]);
    let after = desk.sessions();
    assert_eq!((&after[0]["session_id"], &after[0]["activity"]), (&before[0]["session_id"], &"busy".into()));
    desk.hook("SessionEnd", &json!({}));
    assert_eq!(desk.sessions()[0]["is_open"], false);
}

/// An agent that anybody can wake: its command acknowledges nothing, and says so by its exit code.
const AGENT: [&str; 5] = ["--runtime", "command", "--", "sh", "-c"];

/// S002-17, S002-96: a person at work is waited for; an operator may have it otherwise, for a reason, and nobody else.
#[test]
fn a_person_at_work_is_waited_for_unless_an_operator_says_why_not() {
    let policy = "human_quiet_ms = 600000\nsession_recheck_ms = 50\nsession_defer_max_ms = 86000000\nwake_retries_max = 0";
    let desk = Desk::new(policy, &[&AGENT[..], &["exit 3"]].concat());
    desk.hook("UserPromptSubmit", &json!({}));
    desk.posts("look");
    let waits =
        until("the wake to wait", || Some(desk.wake(0)).filter(|wake| wake["reason"] == "HUMAN_ACTIVE"));
    assert_eq!((&waits["state"], &waits["attempts"]), (&"pending".into(), &0.into()));
    desk.site.run(&desk.trigger(&["--override"])).failed(2, "USAGE_INVALID");
    desk.site.run(&desk.trigger(&["--reason", "why"])).failed(2, "USAGE_INVALID");
    desk.site.run(&desk.trigger(&["--override", "--reason", " "])).failed(2, "PARAMETER_INVALID");
    let token = desk.site.ask(&["token", "issue", "--name", "me", "--role", "participant"])["token"].clone();
    let mut command =
        desk.site.command(&desk.trigger(&["--override", "--reason", "mine", "--server", &desk.server.url]));
    finish(command.env("INTERLOCK_TOKEN", token.as_str().unwrap()), b"").failed(3, "ROLE_MISSING");
    assert_eq!(desk.wake(0)["attempts"], 0, "nothing was started meanwhile");
    desk.site.ask(&desk.trigger(&["--override", "--reason", "production is down"]));
    let over = until("the end of the wake", || Some(desk.wake(0)).filter(|wake| wake["state"] == "finished"));
    assert_eq!(over["reason"], "EXITED_WITH_ERROR", "its process ran: {over}");
    let page = desk.site.ask(&["thread", "read", &desk.thread]);
    let said = page["messages"].as_array().unwrap().iter().find(|one| one["event_type"] == "wake_overridden");
    assert_eq!(said.unwrap()["body"], "production is down");
    let entries = desk.site.ask(&["ledger", "entries", "--limit", "200"]).to_string();
    assert!(
        entries.contains("wake.overridden/1") && entries.contains("operator.action_refused/1"),
        "{entries}"
    );
}

/// A hook in a woken agent's own process is no person's.
#[test]
fn a_woken_agents_hooks_are_silent() {
    let interlock = env!("CARGO_BIN_EXE_interlock");
    let script = format!(
        "echo '{{\"session_id\":\"{SESSION}\",\"prompt\":\"x\"}}' | '{interlock}' hook claude UserPromptSubmit >told 2>&1; exit 3"
    );
    let desk = Desk::new("wake_retries_max = 0", &[&AGENT[..], &[script.as_str()]].concat());
    desk.posts("look");
    until("the end of the wake", || Some(desk.wake(0)).filter(|wake| wake["state"] == "finished"));
    assert_eq!(desk.sessions(), Vec::<Value>::new());
    assert_eq!(fs::read_to_string(desk.site.path("told")).unwrap(), "");
}
