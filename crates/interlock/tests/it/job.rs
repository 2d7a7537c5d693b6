//! The sample's job by hand: two built-in agents, a thread, and what must hold whatever was killed on the way.

use std::collections::BTreeSet;
use std::path::PathBuf;

use interlock_agents::sample::{Sample, generate};
use rustix::process::Signal;
use serde_json::Value;

use crate::repository::git;
use crate::site::{Running, Server, Site};
use crate::wait::until;

/// Runs a command with a lock that it and everything it starts holds: two live processes of one agent cannot hide.
const GUARD: &str = r#"#!/bin/sh
exec 9>>"$1.held"
flock -n 9 || { echo "$1 lives twice" >>"$1.violated"; exit 1; }
echo started >>"$1.starts"
shift
exec "$@"
"#;

/// Tried again soon, and often enough for every kill; so many attempts in a minute are not to be put off.
const POLICY: &str = "retry_backoff_ms = 50\nwake_retries_max = 20\nwakes_per_minute_max = 0";

/// The branch that the executor works on.
const BRANCH: &str = "work";

/// A job that waits to be begun, or goes on.
pub(crate) struct Job {
    pub(crate) site: Site,
    address: String,
    sample: Sample,
    thread: String,
}

impl Job {
    /// An instance, the sample of a seed and work trees.
    pub(crate) fn new(seed: u64) -> Self {
        let site = Site::with_instance(POLICY);
        let sample = generate(&site.path("repo"), seed).unwrap();
        let folder = |name: &str| site.path(name).to_str().unwrap().to_owned();
        git(&sample.dir, &["worktree", "add", "--quiet", "-b", BRANCH, &folder("executor")]);
        git(&sample.dir, &["worktree", "add", "--quiet", "--detach", &folder("reviewer")]);
        site.write("guard", GUARD);
        Self { site, address: free_address(), sample, thread: String::new() }
    }

    /// A server, always on the same address.
    pub(crate) fn up(&self, more: &[&str]) -> Server {
        self.site.up(&[&["--listen", &self.address], more].concat())
    }

    /// Register the agents and post the task: from here on nobody has to do anything. Gives the timeline as it grows.
    pub(crate) fn begin(&mut self) -> Running {
        for name in ["executor", "reviewer"] {
            let mark = self.mark(name, "");
            let words = ["agent", "add", name, "--runtime", "command", "--cwd", name, "--repo", "repo", "--"];
            let guard =
                ["sh".to_owned(), self.path("guard"), mark, env!("CARGO_BIN_EXE_interlock").to_owned()];
            let mut all: Vec<&str> = words.to_vec();
            all.extend(guard.iter().map(String::as_str));
            all.extend(["__agent", name]);
            self.site.ask(&all);
        }
        let title = ["thread", "create", "Mend", "--with", "executor", "--with", "reviewer:coordinator"];
        self.site.ask(&title)["thread_id"].as_str().unwrap().clone_into(&mut self.thread);
        let tail = self.site.start(&["thread", "tail", &self.thread, "--json", "--until-done"]);
        self.site.ask(&["thread", "post", &self.thread, "Please mend", "--to", "executor", "--key", "task"]);
        tail
    }

    /// The live process of an agent.
    pub(crate) fn agent(&self, name: &str) -> Option<i32> {
        let is_agent = |words: &[String]| words.len() == 3 && words[1] == "__agent" && words[2] == name;
        self.site.ours().into_iter().find(|process| is_agent(&process.words)).map(|process| process.id)
    }

    /// The same for one with a supervisor of its own.
    pub(crate) fn is_done_with(&self, timeline: &[Value], supervisor: &mut Running) {
        self.is_right(timeline);
        supervisor.signal(Signal::TERM);
        assert!(supervisor.wait().success(), "{}", supervisor.errors());
        self.site.ask(&["stop"]);
        self.site.until_quiet();
    }

    /// What holds at the end of every job, with the timeline that was followed.
    pub(crate) fn is_done(&self, timeline: &[Value]) {
        self.is_right(timeline);
        self.site.ask(&["stop"]);
        self.site.until_quiet();
    }

    fn is_right(&self, timeline: &[Value]) {
        until("the end of every wake", || {
            let wakes = self.site.ask(&["wake", "list"]);
            wakes["wakes"].as_array().unwrap().iter().all(|wake| wake["state"] == "finished").then_some(())
        });
        let thread = self.site.ask(&["thread", "show", &self.thread]);
        assert_eq!(thread["status"], "resolved", "{thread}");
        let findings = thread["findings"].as_array().unwrap();
        assert!(!findings.is_empty(), "{thread}");
        assert!(findings.iter().all(|finding| finding["state"] == "verified"), "{thread}");
        let messages = self.messages();
        everything_is_said_once(&messages);
        the_timeline_is_whole(timeline, &messages);
        self.every_commit_is_announced_once(&messages);
        self.nobody_lived_twice();
        self.site.ask(&["ledger", "export", "ledger.tar"]);
        let report = self.site.ask(&["verify", "ledger.tar"]);
        assert_eq!((&report["verified"], &report["key"]), (&true.into(), &"instance".into()));
    }

    fn messages(&self) -> Vec<Value> {
        let page = self.site.ask(&["thread", "read", &self.thread, "--limit", "200"]);
        assert_eq!(page["has_more"], false, "{page}");
        page["messages"].as_array().unwrap().clone()
    }

    fn every_commit_is_announced_once(&self, messages: &[Value]) {
        let range = format!("{}..{BRANCH}", self.sample.head);
        let made = git(&self.sample.dir, &["rev-list", &range]);
        let announced = values(messages, "fix_pushed", |message| message["data"]["commit"].clone());
        let mut announced: Vec<&str> = announced.iter().map(|commit| commit.as_str().unwrap()).collect();
        let mut made: Vec<&str> = made.lines().collect();
        announced.sort_unstable();
        made.sort_unstable();
        assert_eq!(announced, made);
        assert_eq!(git(&self.sample.dir, &["rev-parse", &self.sample.branch]), self.sample.head);
    }

    fn nobody_lived_twice(&self) {
        for name in ["executor", "reviewer"] {
            assert!(!PathBuf::from(self.mark(name, ".violated")).exists(), "{name} lived twice");
            assert!(PathBuf::from(self.mark(name, ".starts")).exists(), "{name} never started");
        }
    }

    fn mark(&self, name: &str, ending: &str) -> String {
        self.path(&format!("mark-{name}{ending}"))
    }

    fn path(&self, name: &str) -> String {
        self.site.path(name).to_str().unwrap().to_owned()
    }
}

/// No message twice: neither a commit, nor a finding, nor a request of one round.
fn everything_is_said_once(messages: &[Value]) {
    let seqs: Vec<u64> = messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    let field = |name: &'static str| move |message: &Value| message["data"][name].clone();
    let fingerprint = |message: &Value| {
        let data = &message["data"];
        Value::from(vec![data["path"].clone(), data["rule"].clone(), data["message"].clone()])
    };
    let whole = |message: &Value| Value::from(format!("{} {}", message["body"], message["data"]));
    unique("fix_pushed", &values(messages, "fix_pushed", field("commit")));
    unique("finding_reported", &values(messages, "finding_reported", fingerprint));
    unique("finding_verified", &values(messages, "finding_verified", field("finding_id")));
    unique("re_review_requested", &values(messages, "re_review_requested", whole));
    assert_eq!(values(messages, "thread_resolved", whole).len(), 1);
}

fn values(messages: &[Value], kind: &str, of: impl Fn(&Value) -> Value) -> Vec<Value> {
    messages.iter().filter(|message| message["event_type"] == kind).map(of).collect()
}

fn unique(kind: &str, values: &[Value]) {
    let different: BTreeSet<String> = values.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), values.len(), "{kind}: {values:#?}");
}

/// The tail showed every message, nothing twice, in the ledger's order.
fn the_timeline_is_whole(timeline: &[Value], messages: &[Value]) {
    let shown: Vec<&Value> = timeline.iter().map(|item| &item["message"]).filter(|m| !m.is_null()).collect();
    assert_eq!(shown, messages.iter().collect::<Vec<_>>());
    let place = |item: &Value| {
        let position = item["position"].as_str().unwrap().split_once('.').unwrap();
        (position.0.parse::<u64>().unwrap(), position.1.parse::<u64>().unwrap())
    };
    assert!(timeline.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])), "{timeline:#?}");
}

/// An address that is free now and that no outgoing connection is given meanwhile.
fn free_address() -> String {
    let first = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap();
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    format!("127.0.0.1:{}", (first..32_000).find(is_free).expect("some port is free"))
}
