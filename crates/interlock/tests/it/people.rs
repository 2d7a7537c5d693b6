//! What people see and do when agents are stuck, on the real program with agents that are shell scripts.

use serde_json::Value;

use crate::by_hand::{add_agent, finished_wakes, script, thread_with};
use crate::site::Site;
use crate::wait::until;

/// An agent that reads, then stays until it is told to end, and leaves a word of how it was told.
const STAYS: &str = "trap 'echo asked > \"$HOME/told\"; exit 3' INT\necho $$ > \"$HOME/pid\"\n\
                     while :; do sleep 0.05; done";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn wakes(site: &Site, words: &[&str]) -> Vec<Value> {
    site.ask(&[&["wake", "list"], words].concat())["wakes"].as_array().unwrap().clone()
}

/// The wake of a thread that runs.
#[track_caller]
pub(crate) fn running(site: &Site, thread: &str) -> String {
    let wake = until("a running wake", || wakes(site, &["--thread", thread, "--state", "running"]).pop());
    text(&wake["wake_id"]).to_owned()
}

/// The kinds of all events of the ledger.
fn kinds(site: &Site) -> Vec<String> {
    let (mut kinds, mut from) = (Vec::new(), 0);
    loop {
        let page = site.ask(&["ledger", "entries", "--from", &from.to_string(), "--limit", "200"]);
        for entry in page["entries"].as_array().unwrap() {
            let events = entry["events"].as_array().unwrap().iter();
            kinds.extend(events.map(|event| text(&event["kind"]).to_owned()));
        }
        if page["has_more"] != true {
            return kinds;
        }
        from = page["next"].as_u64().unwrap();
    }
}

/// One that stays is woken, and its process is there.
fn staying() -> (Site, crate::site::Server, String, String) {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    add_agent(&site, "worker", &script(STAYS));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "stay"]);
    let wake = running(&site, &thread);
    until("the process", || {
        std::fs::read_to_string(site.path("person/pid")).ok().filter(|pid| pid.ends_with('\n'))
    });
    (site, server, thread, wake)
}

/// S002-93: two agents go round in circles, the thread is blocked and has an owner, a person looks, lets it go on, and it
/// goes on; then it is closed over what is open.
#[test]
fn a_loop_is_blocked_an_operator_lets_it_go_on_and_it_goes_on() {
    // Their turns alone are to block it: no pauses, and they may repeat themselves.
    let site = Site::with_instance(
        "turns_without_progress_max = 6\nidentical_messages_max = 1000\nwakes_per_minute_max = 0\nauto_wakes_max = 0",
    );
    let _server = site.up(&[]);
    add_agent(&site, "ping", &script("\"$binary\" thread post \"$INTERLOCK_THREAD\" 'your turn' --to pong"));
    add_agent(&site, "pong", &script("\"$binary\" thread post \"$INTERLOCK_THREAD\" 'no, yours' --to ping"));
    let opened = site.ask(&["thread", "create", "Round", "--with", "ping", "--with", "pong"]);
    let thread = text(&opened["thread_id"]).to_owned();
    site.ask(&["thread", "post", &thread, "begin", "--to", "ping"]);
    let blocked = |least: u64| {
        until("the guard", || {
            let shown = site.ask(&["thread", "show", &thread]);
            (shown["status"] == "blocked" && shown["turns"].as_u64() >= Some(least)).then_some(shown)
        })
    };
    let shown = blocked(6);
    assert_eq!((&shown["reason"], &shown["owner"]), (&"NO_PROGRESS".into(), &"anna".into()));

    // What the one who must act sees.
    let seen = site.ask(&["inspect-thread", "--thread-id", &thread]);
    for part in ["thread", "participants", "messages", "wakes", "escalation"] {
        assert!(!seen[part].is_null(), "{part}: {seen}");
    }
    assert_eq!(seen["escalation"]["owner"], "anna");
    let shown = site.run(&["inspect-thread", "--thread-id", &thread]).ok().out;
    for words in [
        "needs a person",
        "must act",
        "NO_PROGRESS",
        "is not woken while the thread is blocked",
        "3 participants\n",
        " messages of ",
        " wakes\n",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let why = site.run(&["thread", "show", &thread, "--why", "ping"]).ok().out;
    assert!(why.starts_with("ping  participant, woken by Interlock"), "{why}");
    assert!(!why.contains("pong"), "{why}");

    site.ask(&["unblock-thread", "--thread-id", &thread, "--reason", "let them talk"]);
    let shown = blocked(12);
    assert!(shown["turns"].as_u64() >= Some(12), "as many turns again: {shown}");
    site.run(&["unblock-thread", "--thread-id", &thread, "--reason", "again", "--expect", "resolved"])
        .failed(1, "STATUS_DIFFERS");
    site.run(&["override-close-thread", "--thread-id", &thread, "--reason", "enough"])
        .failed(2, "OVERRIDE_REQUIRED");
    let closed =
        site.ask(&["override-close-thread", "--thread-id", &thread, "--reason", "human_override: enough"]);
    assert_eq!((&closed["status"], &closed["reason"]), (&"closed".into(), &"HUMAN_OVERRIDE".into()));
    site.run(&["unblock-thread", "--thread-id", &thread, "--reason", "again"])
        .failed(1, "TRANSITION_INVALID");
    site.run(&["inspect-thread", "--thread-id", "thr_00000000000000000000000001"])
        .failed(1, "THREAD_NOT_FOUND");
    let kinds = kinds(&site);
    let refused = kinds.iter().filter(|kind| *kind == "operator.action_refused/1").count();
    assert!(refused >= 3, "what an operator was refused is in the ledger: {kinds:?}");
}

/// A token of an agent does nothing of this without being told so.
#[test]
fn who_is_no_operator_is_refused_and_a_coordinator_overrides_in_so_many_words() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    for name in ["lead", "member"] {
        site.ask(&["agent", "add", name]);
    }
    let opened = site.ask(&["thread", "create", "Work", "--with", "lead:coordinator", "--with", "member"]);
    let thread = text(&opened["thread_id"]).to_owned();
    let escalated =
        site.ask(&["escalate-thread", "--thread-id", &thread, "--reason", "stuck", "--owner", "lead"]);
    assert_eq!((&escalated["status"], &escalated["owner"]), (&"blocked".into(), &"lead".into()));
    let as_who = |name: &str, words: &[&str]| {
        let token = site.ask(&["token", "issue", "--name", name, "--role", "participant"]);
        let all = [words, &["--thread-id", &thread, "--server", &server.url]].concat();
        crate::world::finish(site.command(&all).env("INTERLOCK_TOKEN", text(&token["token"])), b"")
    };
    as_who("member", &["unblock-thread", "--reason", "go on"]).failed(3, "NOT_COORDINATOR");
    as_who("lead", &["unblock-thread", "--reason", "go on"]).failed(2, "OVERRIDE_REQUIRED");
    let reason = "human_override: mine";
    as_who("lead", &["override-close-thread", "--reason", reason]).failed(3, "ROLE_MISSING");
    as_who("lead", &["escalate-thread", "--reason", reason]).failed(3, "ROLE_MISSING");
    as_who("lead", &["inspect-thread"]).ok();
    as_who("lead", &["unblock-thread", "--reason", "coordinator_override: it was me"]).ok();
    assert_eq!(site.ask(&["thread", "show", &thread])["status"], "active");
    assert_eq!(site.run(&["escalate-thread", "--thread-id", &thread]).code, 2, "a reason is asked for");
    site.run(&["escalate-thread", "--thread-id", &thread, "--reason", " "]).failed(2, "PARAMETER_INVALID");
}

/// The process is asked to end before it is made to, no attempt follows, and the agent is free.
#[test]
fn a_wake_that_runs_is_ended_and_its_process_with_it() {
    let (site, _server, thread, wake) = staying();
    let agents = site.run(&["agent", "list"]).ok().out;
    assert!(agents.contains("active") && agents.contains(&thread), "{agents}");
    let said = site.run(&["wake", "cancel", &wake, "--reason", "not today", "--wait", "50000"]).ok().out;
    assert!(said.starts_with("the wake of worker is ended"), "{said}");
    let over = site.ask(&["wake", "show", &wake]);
    assert_eq!(
        (&over["result"], &over["reason"], &over["attempts"]),
        (&"cancelled".into(), &"WAKE_CANCELLED".into(), &1.into())
    );
    assert_eq!((&over["cancelled"]["by"], &over["cancelled"]["text"]), (&"anna".into(), &"not today".into()));
    assert_eq!(std::fs::read_to_string(site.path("person/told")).unwrap(), "asked\n", "by SIGINT first");
    let pid = std::fs::read_to_string(site.path("person/pid")).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "its process is gone");
    assert_eq!(site.ask(&["thread", "show", &thread])["status"], "active", "nobody has to act");
    let shown = site.run(&["wake", "show", &wake]).ok().out;
    for words in ["ended by", "anna, ", "not today", "ask again with: interlock wake retry", "WAKE_CANCELLED"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // The other door of the race: what is over is not ended.
    site.run(&["wake", "cancel", &wake, "--reason", "again"]).failed(1, "WAKE_WRONG_STATE");

    // A person may think again: another wake, which names the first.
    let again = site.ask(&["wake", "retry", &wake, "--reason", "today after all"]);
    assert_eq!(
        (&again["retries"], &again["retried"]["text"]),
        (&Value::from(wake.as_str()), &"today after all".into())
    );
    let next = running(&site, &thread);
    assert_eq!(again["wake_id"], *next);
    assert_ne!(next, wake);
    site.ask(&["wake", "cancel", &next, "--reason", "enough", "--wait", "50000"]);
    assert_eq!(wakes(&site, &["--result", "cancelled"]).len(), 2);
    assert_eq!(wakes(&site, &["--due"]).len(), 0);
    let why = site.run(&["thread", "show", &thread, "--why"]).ok().out;
    assert!(why.contains("its last wake was ended by `anna`: enough"), "{why}");
}

/// The supervisor is full, so that no claim of it is open: the renewal tells it.
#[test]
fn a_wake_is_ended_whose_process_has_read_everything() {
    let (site, _server, thread, wake) = staying();
    let seq = site.ask(&["thread", "show", &thread])["last_seq"].clone();
    until("the acknowledgement", || {
        let shown = site.ask(&["thread", "show", &thread]);
        shown["participants"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["agent"] == "worker" && one["acked_seq"] == seq)
            .then_some(())
    });
    site.ask(&["thread", "post", &thread, "and this"]);
    site.ask(&["wake", "cancel", &wake, "--reason", "stop", "--wait", "50000"]);
    let next = running(&site, &thread);
    assert_ne!(next, wake, "what was asked for meanwhile is another wake");
    site.ask(&["wake", "cancel", &next, "--reason", "stop", "--wait", "50000"]);
}

#[test]
fn a_wake_that_waits_is_ended_at_once_and_one_that_failed_is_tried_again() {
    let site = Site::with_instance("wake_retries_max = 0");
    let _server = site.up(&[]);
    add_agent(&site, "worker", &script("test -e \"$HOME/mended\""));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "do it"]);
    let failed = finished_wakes(&site, &thread).remove(0);
    assert_eq!(failed["result"], "failed");
    let wake = text(&failed["wake_id"]);
    until("the block", || (site.ask(&["thread", "show", &thread])["status"] == "blocked").then_some(()));
    let said = site.run(&["wake", "retry", wake, "--reason", "it is mended"]).ok().out;
    assert!(said.contains("once its thread is active"), "{said}");
    let held = wakes(&site, &["--thread", &thread, "--state", "pending"]).remove(0);
    site.ask(&["wake", "cancel", text(&held["wake_id"]), "--reason", "not yet"]);
    assert_eq!(wakes(&site, &["--thread", &thread, "--state", "pending"]).len(), 0, "at once");

    std::fs::write(site.path("person/mended"), "").unwrap();
    site.ask(&["unblock-thread", "--thread-id", &thread, "--reason", "mended"]);
    let ran = site.run(&["wake", "retry", wake, "--reason", "it is mended", "--wait", "50000"]).ok();
    assert!(ran.out.contains("was woken again as ") && ran.out.contains(": triggered\n"), "{ran:?}");
    site.run(&["wake", "retry", wake, "--reason", " "]).failed(2, "PARAMETER_INVALID");
    let agents = site.run(&["agent", "list"]).ok().out;
    assert!(agents.contains("dormant"), "{agents}");
    site.ask(&["stop"]);
}

/// Whoever must act is told, woken, and told again.
#[test]
fn an_escalation_is_given_away_and_its_owner_is_woken_and_told_again() {
    let site = Site::with_instance("escalation_reminder_ms = 300\nescalation_reminders_max = 2");
    let _server = site.up(&[]);
    add_agent(&site, "lead", &script(""));
    add_agent(&site, "worker", &script(""));
    let opened = site.ask(&["thread", "create", "Work", "--with", "lead:coordinator", "--with", "worker"]);
    let thread = text(&opened["thread_id"]).to_owned();
    assert_eq!(
        site.run(&["thread", "owner", &thread]).ok().out,
        format!("nobody must act: {thread} is active\n")
    );
    site.run(&["thread", "owner", &thread, "lead", "--reason", "x"]).failed(1, "NOT_BLOCKED");
    site.ask(&["escalate-thread", "--thread-id", &thread, "--reason", "look at it"]);
    let given = site.ask(&["thread", "owner", &thread, "lead", "--reason", "knows best"]);
    assert_eq!(
        (&given["owner"], &given["assigned_by"], &given["text"]),
        (&"lead".into(), &"anna".into(), &"knows best".into())
    );
    until("both reminders", || (site.ask(&["thread", "owner", &thread])["reminders"] == 2).then_some(()));
    let woken = until("the wakes", || {
        let all = finished_wakes(&site, &thread);
        (all.len() >= 2).then_some(all)
    });
    assert!(woken.iter().all(|wake| wake["agent"] == "lead" && wake["result"] == "triggered"), "{woken:?}");
    let shown = site.run(&["thread", "owner", &thread]).ok().out;
    assert!(
        shown.contains("must act") && shown.contains("lead") && shown.contains("reminders  2 so far\n"),
        "{shown}"
    );
    let said = site.ask(&["thread", "read", &thread]).to_string();
    assert!(said.contains("escalation_assigned") && said.contains("escalation_reminder"), "{said}");
}

/// S002-33: work is given, a review is asked for, and verdicts come in.
#[test]
fn a_coordinator_gives_work_asks_for_reviews_and_collects_verdicts() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    for name in ["lead", "ann", "bob"] {
        site.ask(&["agent", "add", name]);
    }
    let opened = site.ask(&[
        "thread",
        "create",
        "Work",
        "--with",
        "lead:coordinator",
        "--with",
        "ann",
        "--with",
        "bob",
    ]);
    let thread = text(&opened["thread_id"]).to_owned();
    let given = site.ask(&[
        "thread",
        "assign",
        &thread,
        "ann",
        "mend the build",
        "--as",
        "lead",
        "--due",
        "2030-01-02T00:00:00Z",
    ]);
    let message = &site.ask(&["thread", "read", &thread])["messages"][0];
    assert_eq!(
        (&message["event_type"], &message["to"][0], &message["data"]["task"]),
        (&"task_assigned".into(), &"ann".into(), &"mend the build".into())
    );
    assert_eq!(message["message_id"], given["message_id"]);
    site.run(&["thread", "verdicts", &thread]).failed(1, "MESSAGE_NOT_FOUND");
    let asked = site.ask(&["thread", "request-review", &thread, "abcdef1", "--to", "ann", "--to", "bob"]);
    let pending = site.ask(&["thread", "verdicts", &thread]);
    assert_eq!((&pending["verdict"], &pending["commit"]), (&"pending".into(), &"abcdef1".into()));
    let message = text(&asked["message_id"]);
    let answer = |name: &str, verdict: &str| {
        let data = format!("{{\"verdict\":\"{verdict}\"}}");
        let words = [
            "thread",
            "post",
            &thread,
            "--event",
            "review_done",
            "--data",
            &data,
            "--in-reply-to",
            message,
            "--as",
            name,
        ];
        site.ask(&words);
    };
    answer("ann", "accepted");
    let shown = site.run(&["thread", "verdicts", &thread]).ok().out;
    assert!(shown.starts_with("pending  the review of abcdef1, asked for in #2\n"), "{shown}");
    let waiting = site.start(&["thread", "verdicts", &thread, "--wait", "50000", "--json"]);
    answer("bob", "rejected");
    let all = waiting.json();
    assert_eq!(all["verdict"], "rejected");
    let each: Vec<_> = all["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["agent"]), text(&one["verdict"])))
        .collect();
    assert_eq!(each, [("ann", "accepted"), ("bob", "rejected")]);
    answer("bob", "accepted");
    assert_eq!(
        site.ask(&["thread", "verdicts", &thread])["verdict"],
        "accepted",
        "one may change one's mind"
    );
}

/// Who must act where nobody else can is a name in the configuration.
#[test]
fn a_person_of_last_resort_is_configured_and_shown() {
    let site = Site::with_instance("escalation_owner = \"zoe\"");
    let _server = site.up(&[]);
    assert_eq!(site.ask(&["policy", "show"])["escalation_owner"], "zoe");
    let shown = site.run(&["policy", "show"]).ok().out;
    let line = shown.lines().find(|line| line.starts_with("escalation_owner ")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("zoe"), "{line}");
    site.ask(&["agent", "add", "worker"]);
    let opened = site.ask(&["thread", "create", "Work", "--with", "worker", "--with", "anna"]);
    let thread = text(&opened["thread_id"]).to_owned();
    site.ask(&["thread", "remove", &thread, "anna"]);
    let blocked = site.ask(&["escalate-thread", "--thread-id", &thread, "--reason", "stuck"]);
    assert_eq!(blocked["owner"], "zoe", "neither its opener nor a coordinator takes part");
    let site = Site::with_instance("escalation_owner = \"No Name\"");
    site.run(&["up"]).failed(2, "CONFIG_INVALID");
}
