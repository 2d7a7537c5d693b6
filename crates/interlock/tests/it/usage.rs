//! Words that are no command.

use crate::world::World;

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // The rest of a text that takes two lines stands further in.
    let first = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    first.filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn the_first_steps_are_commands() {
    let help = World::new().run(&["--help"]).ok().out;
    let steps = help.lines().skip_while(|line| *line != "First steps:").skip(1);
    let steps: Vec<_> = steps.take_while(|line| line.starts_with("  ")).collect();
    assert_eq!(steps.len(), 4, "{help}");
    for step in steps {
        let word = step.split_whitespace().nth(1).unwrap();
        assert!(listed(&help).contains(&word), "{step}");
    }
}

#[test]
fn help_lists_exactly_the_commands_there_are() {
    let help = World::new().run(&["--help"]).ok().out;
    let expected = [
        "pilot",
        "init",
        "up",
        "stop",
        "resume",
        "status",
        "agent",
        "thread",
        "wake",
        "inspect-thread",
        "escalate-thread",
        "unblock-thread",
        "override-close-thread",
        "job",
        "snapshot",
        "denial",
        "webhook",
        "policy",
        "events",
        "log",
        "mcp",
        "hook",
        "ledger",
        "verify",
        "token",
        "migrate",
        "doctor",
        "supervise",
        "bench",
        "help",
    ];
    assert_eq!(listed(&help), expected);
}

const THREAD_VERBS: [&str; 22] = [
    "create",
    "list",
    "show",
    "summary",
    "post",
    "cancel",
    "delivery",
    "search",
    "read",
    "ack",
    "status",
    "pause",
    "resume",
    "add",
    "remove",
    "trigger",
    "owner",
    "assign",
    "request-review",
    "verdicts",
    "tail",
    "help",
];

#[test]
fn help_of_threads_lists_exactly_their_verbs() {
    assert_eq!(listed(&World::new().run(&["thread", "--help"]).ok().out), THREAD_VERBS);
}

#[test]
fn every_command_and_verb_has_help() {
    let world = World::new();
    let verbs: [(&str, &[&str]); 24] = [
        ("policy", &["show"]),
        ("migrate", &[]),
        ("pilot", &[]),
        ("up", &[]),
        ("stop", &[]),
        ("resume", &[]),
        ("supervise", &[]),
        ("init", &[]),
        ("status", &[]),
        ("agent", &["add", "list", "install"]),
        ("thread", &THREAD_VERBS),
        ("wake", &["list", "show", "retry", "cancel"]),
        ("inspect-thread", &[]),
        ("escalate-thread", &[]),
        ("unblock-thread", &[]),
        ("override-close-thread", &[]),
        ("events", &[]),
        ("log", &[]),
        ("mcp", &[]),
        ("ledger", &["entries", "export"]),
        ("verify", &[]),
        ("snapshot", &["take", "list", "show", "compare"]),
        ("token", &["issue"]),
        ("doctor", &[]),
    ];
    for (noun, verbs) in verbs {
        assert!(world.run(&[noun, "--help"]).ok().out.contains("Usage: interlock"));
        for verb in verbs.iter().filter(|verb| **verb != "help") {
            assert!(world.run(&[noun, *verb, "--help"]).ok().out.contains("Usage: interlock"));
        }
    }
}

#[test]
fn wrong_words_are_usage_errors_for_people_and_machines() {
    let world = World::with_instance();
    let thread = "thr_00000000000000000000000001";
    let cases: &[&[&str]] = &[
        &[],
        &["nope"],
        &["--nope"],
        &["thread"],
        &["thread", "list", "--nope"],
        &["thread", "list", "--status", "happy"],
        &["thread", "list", "--limit", "0"],
        &["thread", "list", "--limit", "201"],
        &["thread", "show"],
        &["thread", "show", "thr_1"],
        &["thread", "show", "wak_00000000000000000000000001"],
        &["thread", "show", thread, "more"],
        &["thread", "summary"],
        &["thread", "trigger", thread],
        &["thread", "trigger", thread, "Not A Name"],
        &["thread", "trigger", thread, "a", "--wait", "50001"],
        &["thread", "post", thread],
        &["thread", "post", thread, "x", "--data", "{}"],
        &["thread", "post", thread, "x", "--event", "e", "--data", "[1]"],
        &["thread", "post", thread, "x", "--to", "Not A Name"],
        &["thread", "post", thread, "x", "--key", ""],
        &["thread", "read", thread, "--wait", "50001"],
        &["thread", "ack", thread, "-1"],
        &["thread", "ack", thread, "18446744073709551616"],
        &["thread", "create", "t", "--with", "anna:boss"],
        &["agent", "add", "a", "--runtime", "command"],
        &["agent", "add", "a", "--runtime", "unmanaged", "--", "cmd"],
        &["agent", "add", "a", "--cwd", "."],
        &["agent", "add", "a", "--runtime", "borrowed", "--", "x"],
        &["agent", "install", "emacs", "a"],
        &["agent", "install", "codex", "a", "--write", "--remove"],
        &["agent", "add", "a", "--env", "1X=2", "--", "cmd"],
        &["agent", "add", "a", "cmd"],
        &["token", "issue", "--name", "a", "--role", "auditor", "--ttl", "5"],
        &["token", "issue", "--name", "a", "--role", "auditor", "--ttl", "91d"],
        &["status", "--as", "UPPER"],
        &["status", "--server", "http://127.0.0.1:1", "--as", "anna"],
        &["status", "--server", "http://127.0.0.1:1", "--instance", "."],
        &["ledger", "export", "-", "--json"],
    ];
    for words in cases {
        let ran = world.run(words).failed(2, "USAGE_INVALID");
        let is_json = words.contains(&"--json");
        assert_eq!(ran.out.is_empty(), !is_json, "{words:?}: {ran:?}");
        let mut words: Vec<&str> = words.to_vec();
        words.insert(0, "--json");
        words.dedup();
        if words.last() == Some(&"--json") && words.len() > 1 {
            words.pop();
        }
        let problem = world.run(&words).failed(2, "USAGE_INVALID").only_json();
        assert_eq!(problem["reason"], "USAGE_INVALID", "{words:?}");
        assert_eq!(problem["code"], "INVALID_ARGUMENT");
        assert_eq!(problem["type"], "docs/errors/USAGE_INVALID.md");
    }
}

#[test]
fn arguments_that_are_no_text_are_a_usage_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::with_instance();
    let broken = std::ffi::OsStr::from_bytes(b"\xFF\x1b[2J");
    for words in [
        vec![std::ffi::OsStr::new("thread"), "create".as_ref(), broken],
        vec!["agent".as_ref(), "add".as_ref(), "a".as_ref(), "--".as_ref(), broken],
        vec![broken],
    ] {
        let ran = world.run(&words).failed(2, "USAGE_INVALID");
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn version_and_help_are_json_when_machines_ask() {
    let world = World::new();
    assert_eq!(world.run(&["--version", "--json"]).ok().only_json()["version"], env!("CARGO_PKG_VERSION"));
    let help = world.run(&["thread", "--json", "--help"]).ok().only_json();
    assert!(help["help"].as_str().unwrap().contains("tail"));
}
