//! What people read, word for word.

use interlock_api::v1::message::ReadMessagesResponse;
use interlock_api::v1::thread::{ListThreadsResponse, ThreadView, TimelineItem};
use interlock_api::v1::wake::WakeView;
use interlock_api::v1::workspace::StatusView;
use interlock_core::time::Timestamp;
use serde_json::{Value, json};

use super::style::{Paint, Style};
use super::table::{Cell, table};
use super::{
    View, agent, escalation, explain, job, message, review, safe, status, summary, thread, timeline, wake,
    when,
};

mod room;
mod usage;

const THREAD: &str = "thr_00000000000000000000000001";
const WAKE: &str = "wak_00000000000000000000000002";
const MESSAGE: &str = "msg_00000000000000000000000003";

fn view() -> View {
    View { style: Style::new(false), now: at("2026-01-02T12:00:00.000Z") }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn one_thread() -> Value {
    json!({
        "thread_id": THREAD, "title": "Make it\u{1b}[31m green", "kind": "workflow", "status": "blocked",
        "reason": "PAUSED", "owner": "anna", "created_by": "anna", "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-02T11:58:00Z", "last_seq": 7, "turns_without_progress": 2, "turns": 5,
        "participants": [
            {"agent": "anna", "role": "coordinator", "managed": false, "acked_seq": 7},
            {"agent": "executor", "role": "participant", "managed": true, "acked_seq": 5},
        ],
    })
}

fn one_wake() -> Value {
    json!({
        "wake_id": WAKE, "agent": "executor", "thread_id": THREAD, "seq": 3, "cause": "reviewer",
        "state": "finished", "held": false, "attempts": 1, "lane": "trigger", "result": "triggered",
        "exit_code": 0, "evidence": "call",
        "requested_at": "2026-01-02T11:59:00.000Z", "due_at": "2026-01-02T11:59:00.000Z",
        "dispatched_at": "2026-01-02T11:59:00.012Z", "accepted_at": "2026-01-02T11:59:00.250Z",
        "seen_at": "2026-01-02T11:59:01.500Z", "finished_at": "2026-01-02T12:01:05.012Z",
    })
}

fn one_message(body: &str) -> Value {
    json!({
        "message_id": MESSAGE, "thread_id": THREAD, "seq": 4, "kind": "event", "event_type": "finding_reported",
        "event_version": 1, "schema_version": 1, "from": "reviewer", "to": ["executor"],
        "posted_at": "2026-01-02T11:59:55.000Z", "body": body,
        "data": {"path": "src/lib.rs", "line": 12},
    })
}

#[test]
fn columns_are_as_wide_as_their_widest_field_and_lines_end_without_spaces() {
    let rows: [[Cell; 3]; 2] =
        [["a".into(), "".into(), "".into()], ["日本".into(), "b\n".into(), "c".into()]];
    assert_eq!(table(Style::new(false), ["X", "LONG", "Y"], &rows), "X     LONG  Y\na\n日本  b\\n   c\n");
}

#[test]
fn colours_surround_words_and_do_not_move_columns() {
    let rows = [[Cell::new("ok", Paint::Green), "x".into()]];
    let text = table(Style::new(true), ["RESULT", "Y"], &rows);
    assert_eq!(text, "\u{1b}[2mRESULT\u{1b}[0m  \u{1b}[2mY\u{1b}[0m\n\u{1b}[32mok\u{1b}[0m      x\n");
}

#[test]
fn control_characters_are_shown_and_not_obeyed() {
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}x\r\n\ty\u{0}";
    assert_eq!(safe::line(evil), "\\x1b]0;title\\x07\\x9b2J\\u{202e}x\\r\\n\\ty\\x00");
    assert_eq!(safe::lines(evil), "\\x1b]0;title\\x07\\x9b2J\\u{202e}x\n\ty\\x00");
    assert_eq!(safe::output("\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J\u{1b}["), "red \\x1b[2J\\x1b[");
    assert_eq!(safe::summary("\n  \n first\tline \nsecond", 80), "first\\tline");
    assert_eq!(safe::cut("abcdef", 4), "abc…");
    assert_eq!(safe::cut("日本語", 5), "日本…");
    assert_eq!(safe::cut("abcd", 4), "abcd");
}

#[test]
fn times_are_said_as_people_say_them() {
    let now = at("2026-03-01T00:00:00Z");
    for (text, words) in [
        ("2026-03-01T00:00:00Z", "just now"),
        ("2026-03-01T00:00:30Z", "just now"),
        ("2026-02-28T23:59:30Z", "30s ago"),
        ("2026-02-28T23:50:00Z", "10m ago"),
        ("2026-02-28T20:50:00Z", "3h ago"),
        ("2026-02-20T00:00:00Z", "9d ago"),
        ("2025-02-20T00:00:00Z", "2025-02-20"),
    ] {
        assert_eq!(when::ago(at(text), now), words, "{text}");
    }
    let durations =
        [(-1, "0ms"), (999, "999ms"), (3_456, "3.4s"), (125_000, "2m 05s"), (3_840_000, "1h 04m")];
    for (ms, words) in durations {
        assert_eq!(when::duration(ms), words);
    }
    assert_eq!(when::clock(at("2026-03-01T14:03:22.123Z")), "14:03:22.123");
}

#[test]
fn a_thread_is_shown_with_who_must_act_and_who_has_read() {
    let expected = "\
thread    thr_00000000000000000000000001
title     Make it\\x1b[31m green
kind      workflow
status    blocked
reason    PAUSED: the thread was paused by a person
owner     anna
opened    1d ago by anna
changed   2m ago
messages  7
turns     5 (2 without progress)

PARTICIPANT  PART         RUN                 READ
anna         coordinator  comes by itself     7 of 7
executor     participant  woken by Interlock  5 of 7
";
    assert_eq!(thread::show(view(), &of::<ThreadView>(one_thread())), expected);
}

#[test]
fn threads_are_listed_with_whole_ids_and_the_next_page() {
    let expected = "\
THREAD                          STATUS   MESSAGES  TURNS  CHANGED  TITLE
thr_00000000000000000000000001  blocked  7         5      2m ago   Make it\\x1b[31m green
more with --cursor abc
";
    let answer: ListThreadsResponse = of(json!({"threads": [one_thread()], "next_cursor": "abc"}));
    assert_eq!(thread::list(view(), &answer), expected);
    assert_eq!(thread::list(view(), &of(json!({"threads": []}))), "no threads\n");
}

#[test]
fn a_wake_is_shown_with_its_ladder() {
    let expected = "\
wake       wak_00000000000000000000000002
agent      executor
thread     thr_00000000000000000000000001
state      triggered
exit code  0
tries      1
lane       trigger
for        message #3, asked for by reviewer

STEP        AT                        AFTER    PROOF
requested   2026-01-02T11:59:00.000Z  +0ms
dispatched  2026-01-02T11:59:00.012Z  +12ms
accepted    2026-01-02T11:59:00.250Z  +250ms   by call
seen        2026-01-02T11:59:01.500Z  +1.5s
acted       -
finished    2026-01-02T12:01:05.012Z  +2m 05s
";
    assert_eq!(wake::show(view(), &of::<WakeView>(one_wake())), expected);
    let mut changed = one_wake();
    changed["door"] = "spawn".into();
    let change = |from: &str, to: &str, reason: &str| json!({"from": from, "to": to, "reason": reason, "at": "2026-01-02T11:59:00.000Z"});
    changed["door_changes"] =
        json!([change("live", "resume", "NOT_ACCEPTED"), change("resume", "spawn", "RESUME_FAILED")]);
    let text = wake::show(view(), &of::<WakeView>(changed));
    let words =
        "spawn; resume in the place of live: NOT_ACCEPTED; spawn in the place of resume: RESUME_FAILED";
    assert!(text.contains(&format!("door       {words}\n")), "{text}");
}

/// An agent's last words come last, harmless and with their own lines.
#[test]
fn a_wake_is_shown_with_what_its_agent_said_last() {
    let mut said = one_wake();
    said["last_message"] = "all is done\n\n- and \u{202e}more".into();
    let text = wake::show(view(), &of::<WakeView>(said));
    let (_, words) = text.split_once("\n\nsaid last\n").unwrap_or_else(|| panic!("{text}"));
    assert!(words.starts_with("  all is done\n\n  - and ") && words.ends_with("more\n"), "{words}");
    assert!(!words.contains('\u{202e}'), "{words}");
}

/// A wake that was put off says for what, and until when.
#[test]
fn a_wake_that_waits_says_why() {
    let shown = |due_at: &str| {
        let mut wake = one_wake();
        for name in ["result", "finished_at", "dispatched_at", "exit_code"] {
            wake.as_object_mut().unwrap().remove(name);
        }
        (wake["state"], wake["reason"]) = ("pending".into(), "WAKE_RATE_LIMITED".into());
        wake["due_at"] = due_at.into();
        wake::show(view(), &of::<WakeView>(wake))
    };
    let now = view().now;
    let text = shown(&now.plus_ms(45_000).to_string());
    assert!(text.contains("WAKE_RATE_LIMITED: the agent was woken too often"), "{text}");
    assert!(text.contains("in 45"), "{text}");
    assert!(!shown(&now.to_string()).contains("\ndue"), "what is due is not shown to wait");
}

#[test]
fn wakes_are_listed_with_what_they_used() {
    let expected = "\
WAKE                            AGENT     STATE      TRIES  ASKED   TOOK    USED                           THREAD
wak_00000000000000000000000002  executor  triggered  1      1m ago  2m 05s  12.3k in, 678 out, 0.0123 USD  thr_00000000000000000000000001
wak_00000000000000000000000002  executor  triggered  1      1m ago  2m 05s  1.0M in, 0 out                 thr_00000000000000000000000001
wak_00000000000000000000000002  executor  triggered  1      1m ago  2m 05s                                 thr_00000000000000000000000001
";
    let with = |usage: Value| {
        let mut wake = one_wake();
        wake["usage"] = usage;
        wake
    };
    let told = with(json!({
        "input_tokens": 12_345, "cached_input_tokens": 9, "output_tokens": 678, "cost_micro_usd": 12_345,
    }));
    let free = with(json!({"input_tokens": 1_000_000, "output_tokens": 0}));
    let answer = json!({"wakes": [told, free, one_wake()]});
    assert_eq!(wake::list(view(), &of(answer)), expected);
}

#[test]
fn whoever_is_woken_on_request_is_told_of_in_a_sentence() {
    let said = |change: &dyn Fn(&mut Value)| {
        let mut answer = json!({"wake": one_wake()});
        change(&mut answer);
        wake::triggered(view(), &of(answer)).lines().next().unwrap().to_owned()
    };
    let live = |answer: &mut Value, names: &[&str]| {
        for name in names {
            answer["wake"].as_object_mut().unwrap().remove(*name);
        }
    };
    assert_eq!(
        said(&|answer| live(answer, &["result", "finished_at", "dispatched_at"])),
        "executor is to be woken"
    );
    assert_eq!(said(&|answer| live(answer, &["result", "finished_at"])), "executor is woken");
    assert_eq!(
        said(&|answer| {
            live(answer, &["result", "finished_at"]);
            answer["result"] = "already_active".into();
        }),
        "executor runs already"
    );
    assert_eq!(
        said(&|answer| answer["result"] = "triggered".into()),
        "executor is done after 2m 05s: triggered"
    );
    let all = wake::triggered(view(), &of(json!({"wake": one_wake()})));
    assert!(all.ends_with(&format!("\nmore with: interlock wake show {WAKE}\n")), "{all}");
}

fn one_summary() -> Value {
    json!({
        "thread_id": THREAD, "title": "Make it green", "status": "blocked", "reason": "PAUSED", "owner": "anna",
        "last_seq": 7, "task": "Make the checks pass.\n\nAll\u{1b}[2J of them.\n",
        "open_findings": [
            {"finding_id": "fnd_00000000000000000000000004", "reported_by": "reviewer", "seq": 4, "path": "src/lib.rs",
                "line": 12, "rule": "unused_parens", "severity": "low", "message": "parentheses\nfor nothing",
                "cycles": 2, "is_unresolved": false},
            {"finding_id": "fnd_00000000000000000000000005", "reported_by": "reviewer", "seq": 5, "path": "a.rs",
                "line": 0, "rule": "test", "severity": "high", "message": "it fails", "cycles": 1,
                "is_unresolved": true},
        ],
        "decisions": [{"seq": 6, "at": "2026-01-02T11:58:00Z", "by": "reviewer", "type": "finding_verified",
            "finding_id": "fnd_00000000000000000000000006", "text": "it is mended"}],
        "participants": [
            {"agent": "anna", "role": "coordinator", "acked_seq": 7, "unread": 0},
            {"agent": "executor", "role": "participant", "acked_seq": 3, "unread": 2, "unread_is_minimum": true,
                "last_word": {"seq": 3, "at": "2026-01-02T11:57:00Z", "type": "fix_pushed", "text": "pushed"}},
        ],
        "from_seq": 1,
    })
}

#[test]
fn a_thread_in_short_has_the_task_what_is_open_and_where_everybody_stands() {
    let expected = "\
thread    thr_00000000000000000000000001
title     Make it green
status    blocked
reason    PAUSED: the thread was paused by a person
owner     anna
messages  7

task
    Make the checks pass.

    All\\x1b[2J of them.

2 open findings
AT  STATE       SEVERITY  CYCLES  PLACE          RULE           WHAT
#4  open        low       2       src/lib.rs:12  unused_parens  parentheses
#5  unresolved  high      1       a.rs           test           it fails

1 decision
AT  WHEN    BY        WHAT              IN WORDS
#6  2m ago  reviewer  finding_verified  it is mended

PARTICIPANT  PART         READ    UNREAD FOR IT  LAST WORD
anna         coordinator  7 of 7  0
executor     participant  3 of 7  2+             #3, 3m ago: fix_pushed pushed
";
    assert_eq!(summary::show(view(), &of(one_summary())), expected);
    let mut late = one_summary();
    late["from_seq"] = 41.into();
    let text = summary::show(view(), &of(late));
    assert!(text.ends_with("\nof its messages, those before #41 were not looked at\n"), "{text}");
}

#[test]
fn messages_are_indented_below_who_said_them() {
    let expected = "\
#4 reviewer -> executor  finding_reported  5s ago  msg_00000000000000000000000003
    it fails

    see \\x1b[2J
    line: 12
    path: src/lib.rs

more with --after 4
";
    let answer: ReadMessagesResponse = of(json!({
        "messages": [one_message("it fails\n\nsee \u{1b}[2J")], "next_seq": 4, "has_more": true, "acked_seq": 0,
    }));
    assert_eq!(message::list(view(), &answer), expected);
}

#[test]
fn a_status_begins_with_what_needs_a_person() {
    let expected = "\
ws_00000000000000000000000009  http://127.0.0.1:7070
threads: 1 blocked, 2 resolved
wakes: none
ledger: 42 entries
supervisors: here, there (silent for 2m 00s)

needs a person: 1 thread
THREAD                          REASON  OWNER  SINCE   TITLE
thr_00000000000000000000000001  PAUSED  anna   2m ago  Make it green
why: interlock thread show THREAD --why; go on: interlock thread resume THREAD

1 agent
AGENT     ACTIVITY
executor  dormant
";
    let answer: StatusView = of(json!({
        "workspace_id": "ws_00000000000000000000000009",
        "thread_counts": {"active": 0, "blocked": 1, "resolved": 2}, "wake_counts": {},
        "attention": [{"thread_id": THREAD, "title": "Make it green", "reason": "PAUSED", "owner": "anna",
            "since": "2026-01-02T11:58:00Z"}],
        "agents": [{"name": "executor", "runtime": "command", "activity": "dormant"}],
        "threads": [], "wakes": [],
        "supervisors": [{"name": "here", "silent_ms": 20}, {"name": "there", "silent_ms": 120_000}],
        "is_halted": false, "ledger_size": 42,
    }));
    assert_eq!(status::show(view(), "http://127.0.0.1:7070", &answer), expected);
}

#[test]
fn a_status_says_that_dead_jobs_need_a_person() {
    let answer: StatusView = of(json!({
        "workspace_id": "ws_00000000000000000000000009", "thread_counts": {}, "wake_counts": {},
        "job_counts": {"queued": 3, "dead": 2}, "attention": [], "agents": [], "threads": [], "wakes": [],
        "supervisors": [{"name": "here", "silent_ms": 20}], "is_halted": false, "ledger_size": 42,
    }));
    let shown = status::show(view(), "http://127.0.0.1:7070", &answer);
    assert!(shown.contains("\njobs: 2 dead, 3 queued\n"), "{shown}");
    assert!(
        shown.contains("\ndead jobs need a person: 2 (look: interlock job list --state dead)\n"),
        "{shown}"
    );
    assert!(!shown.contains("nothing needs a person"), "{shown}");
}

#[test]
fn a_status_of_stopped_agents_does_not_say_that_nothing_needs_a_person() {
    let answer: StatusView = of(json!({
        "workspace_id": "ws_00000000000000000000000009", "thread_counts": {}, "wake_counts": {},
        "attention": [], "agents": [], "threads": [], "wakes": [],
        "supervisors": [{"name": "here", "silent_ms": 20}], "is_halted": true, "ledger_size": 42,
    }));
    let shown = status::show(view(), "http://127.0.0.1:7070", &answer);
    assert!(shown.contains("interlock resume") && !shown.contains("nothing needs a person"), "{shown}");
}

const JOB: &str = "job_00000000000000000000000004";

fn one_job() -> Value {
    json!({
        "job_id": JOB, "kind": "mail", "name": "number 7", "state": "queued", "attempts": 1,
        "attempts_max": 10, "run_at": "2026-01-02T12:00:30Z", "error": "it says \u{1b}[31m no",
        "enqueued_at": "2026-01-02T11:58:00Z", "requeues": 1,
        "requeued": {"by": "anna", "at": "2026-01-02T11:59:00Z", "text": "it is\nmended"},
    })
}

#[test]
fn jobs_as_a_list() {
    let expected = "\
JOB                             KIND  STATE   TRIES    ASKED   NEXT      ABOUT     ERROR
job_00000000000000000000000004  mail  queued  1 of 10  2m ago  in 30.0s  number 7  it says \\x1b[31m no
";
    let mut answer = json!({"jobs": [one_job()]});
    assert_eq!(job::list(view(), &of(answer.clone())), expected);
    answer["jobs"][0]["run_at"] = "2026-01-02T11:59:59Z".into();
    assert!(job::list(view(), &of(answer)).contains("  due  "));
    assert_eq!(job::list(view(), &of(json!({"jobs": []}))), "no jobs\n");
}

#[test]
fn one_job_with_what_became_of_it() {
    let expected = "\
job       job_00000000000000000000000004
kind      mail
about     number 7
state     queued
tries     1 of 10
next      2026-01-02T12:00:30.000Z
error     it says \\x1b[31m no
asked     2026-01-02T11:58:00.000Z
requeued  once, the last time by anna at 2026-01-02T11:59:00.000Z: it is\\nmended
";
    assert_eq!(job::show(view(), &of(one_job())), expected);
}

#[test]
fn events_of_jobs_are_told_in_words() {
    let died =
        json!({"kind": "job.died/1", "job_id": JOB, "job": "mail", "attempts": 3, "reason": "JOB_FAILED"});
    assert_eq!(
        live("job.died", &died),
        format!("11:59:55.007  executor     gave up job {JOB} (mail) after attempt 3 (JOB_FAILED)")
    );
    let requeued = json!({"kind": "job.requeued/1", "job_id": JOB, "job": "mail", "by": "anna"});
    assert_eq!(
        live("job.requeued", &requeued),
        format!("11:59:55.007  executor     let job {JOB} (mail) try again")
    );
}

fn live(kind: &str, event: &Value) -> String {
    let mut item = json!({
        "position": "9.0", "index": 9, "at": "2026-01-02T11:59:55.007Z", "actor": "executor", "type": kind,
        "event": event,
    });
    if kind.starts_with("wake.") {
        item["wake_id"] = WAKE.into();
    }
    timeline::line(Style::new(false), &of::<TimelineItem>(item))
}

#[test]
fn live_lines_say_what_happened() {
    let cases = [
        ("thread.created", json!({}), "opened the thread"),
        (
            "thread.status_changed",
            json!({"from": "active", "to": "blocked", "reason": "PAUSED", "owner": "anna"}),
            "thread active -> blocked (PAUSED), anna must act",
        ),
        (
            "wake.requested",
            json!({"seq": 3, "cause": "reviewer", "held": true}),
            "is to be woken for #3 by reviewer, held  wak_00000000000000000000000002",
        ),
        (
            "wake.attempt_failed",
            json!({"attempt": 1, "reason": "NOT_ACCEPTED", "due_at": "2026-01-02T12:00:01.5Z"}),
            "attempt 1 failed (NOT_ACCEPTED), next at 12:00:01.500  wak_00000000000000000000000002",
        ),
        (
            "wake.door_changed",
            json!({"from": "resume", "to": "spawn", "reason": "RESUME_FAILED"}),
            "goes on through spawn in the place of resume (RESUME_FAILED)  wak_00000000000000000000000002",
        ),
        (
            "wake.finished",
            json!({"result": "triggered", "reason": null}),
            "is done: triggered  wak_00000000000000000000000002",
        ),
        ("plan.slice_started", json!({}), "plan.slice_started"),
        ("wake.dispatched", json!(null), "is woken, attempt   wak_00000000000000000000000002"),
    ];
    for (kind, event, words) in cases {
        assert_eq!(live(kind, &event), format!("11:59:55.007  executor     {words}"));
    }
}

#[test]
fn live_lines_of_messages_fit_on_a_line() {
    let item = json!({
        "position": "9.0", "index": 9, "at": "2026-01-02T11:59:55.007Z", "actor": "reviewer", "seq": 4,
        "type": "finding_reported", "message": one_message("two\nlines"),
    });
    assert_eq!(
        timeline::line(Style::new(false), &of::<TimelineItem>(item)),
        "11:59:55.007  #4 reviewer -> executor  finding_reported  two  src/lib.rs:12"
    );
}

#[test]
fn agents_are_shown_with_what_they_do_now() {
    let agent = |name: &str, runtime: &str, now: Value| {
        json!({
            "agent_id": "agt_00000000000000000000000004", "name": name, "role": "participant",
            "runtime": runtime, "command": [], "created_at": "2026-01-01T12:00:00Z", "now": now,
        })
    };
    let answer = json!({"agents": [
        agent("anna", "unmanaged", json!({"state": "dormant"})),
        agent("builder", "command", json!({"state": "active", "since": "2026-01-02T11:59:48Z", "thread_id": THREAD})),
        agent("coder", "codex", json!({"state": "human_active", "since": "2026-01-02T11:59:50Z",
            "until": "2026-01-02T12:00:05Z", "reason": "SESSION_BUSY", "thread_id": THREAD})),
        agent("idle", "command", json!({"state": "dormant", "since": "2026-01-02T09:00:00Z", "thread_id": THREAD})),
        agent("tester", "command", json!({"state": "stopped", "since": "2026-01-02T11:50:00Z", "by": "anna",
            "reason": "HALTED"})),
    ]});
    let expected = "\
NAME     NOW                    SINCE    ROLE         RUNTIME    WHY
anna     comes by itself                 participant  unmanaged
builder  active                 12s ago  participant  command    in thr_00000000000000000000000001
coder    human at the keyboard  10s ago  participant  codex      another process has the agent's session open, looked at again in 5s, in thr_00000000000000000000000001
idle     dormant                3h ago   participant  command
tester   stopped                10m ago  participant  command    by anna
";
    assert_eq!(agent::list(view(), &of(answer)), expected);
}

#[test]
fn why_somebody_is_woken_or_not_is_a_line_for_each_reason() {
    let answer = json!({"thread_id": THREAD, "status": "blocked", "participants": [
        {"agent": "anna", "role": "coordinator", "managed": false, "acked_seq": 3, "unread": 0, "because": [
            {"why": "nothing_unread", "detail": "has read everything that is for it"},
            {"why": "unmanaged", "detail": "is run by nobody here, so nobody wakes it: it reads when it looks"},
        ]},
        {"agent": "executor", "role": "participant", "managed": true, "acked_seq": 1, "unread": 2, "because": [
            {"why": "held", "detail": "is not woken while the thread is blocked, and `anna` must act",
             "reason": "NO_PROGRESS", "wake_id": WAKE, "since": "2026-01-02T11:55:50Z", "hops": 3},
            {"why": "ended", "detail": "could not be woken in 3 attempts", "reason": "NOT_ACKED",
             "wake_id": WAKE, "since": "2026-01-02T11:55:00Z"},
        ]},
        {"agent": "late", "role": "participant", "managed": true, "acked_seq": 1, "unread": 999,
         "unread_is_minimum": true, "because": [
            {"why": "waits", "detail": "is tried again later", "reason": "EXITED_WITH_ERROR", "wake_id": WAKE,
             "since": "2026-01-02T11:59:58Z", "until": "2026-01-02T12:00:03.500Z"},
        ]},
    ]});
    let expected = "\
anna  coordinator, comes by itself, nothing unread
  . has read everything that is for it
  . is run by nobody here, so nobody wakes it: it reads when it looks

executor  participant, woken by Interlock, 2 unread
  ! is not woken while the thread is blocked, and `anna` must act (NO_PROGRESS: too many turns without progress), for 4m 10s, 3 hops from a person  wak_00000000000000000000000002
  . could not be woken in 3 attempts (NOT_ACKED: the agent's process ended well but never acknowledged its messages), 5m ago  wak_00000000000000000000000002

late  participant, woken by Interlock, 999 or more unread
  > is tried again in 4s (EXITED_WITH_ERROR: the agent's process ended with an error), for 2.0s  wak_00000000000000000000000002
";
    assert_eq!(explain::show(view(), &of(answer)), expected);
}

#[test]
fn who_must_act_is_shown_with_what_is_known_of_it() {
    let nobody = json!({"thread_id": THREAD, "status": "active"});
    assert_eq!(escalation::show(view(), &of(nobody)), format!("nobody must act: {THREAD} is active\n"));
    let somebody = json!({
        "thread_id": THREAD, "status": "blocked", "reason": "NO_PROGRESS", "owner": "reviewer",
        "since": "2026-01-02T03:00:00Z", "assigned_by": "anna", "assigned_at": "2026-01-02T07:00:00Z",
        "text": "knows\nbest", "reminders": 1, "next_reminder_at": "2026-01-02T15:00:00Z",
    });
    let expected = "\
must act   reviewer
thread     thr_00000000000000000000000001
status     blocked
reason     NO_PROGRESS: too many turns without progress
blocked    9h ago
named      5h ago by anna: knows best
reminders  1 so far, next in 3h
";
    assert_eq!(escalation::show(view(), &of(somebody)), expected);
}

#[test]
fn verdicts_are_shown_as_a_table_below_that_of_all() {
    let answer = json!({
        "thread_id": THREAD, "message_id": MESSAGE, "seq": 4, "commit": "abcdef1", "verdict": "rejected",
        "verdicts": [
            {"agent": "ann", "verdict": "accepted", "seq": 6, "at": "2026-01-02T11:58:00Z"},
            {"agent": "bob", "verdict": "rejected", "seq": 7, "at": "2026-01-02T11:59:00Z", "open_findings": 2},
            {"agent": "carl", "verdict": "pending"},
        ],
    });
    let expected = "\
rejected  the review of abcdef1, asked for in #4

WHO   VERDICT   SAID IN  WHEN    OPEN FINDINGS
ann   accepted  #6       2m ago
bob   rejected  #7       1m ago  2
carl  pending
";
    assert_eq!(review::show(view(), &of(answer)), expected);
}

#[test]
fn a_wake_is_shown_with_its_attempts_and_what_happens_next() {
    let mut wake = one_wake();
    for gone in ["result", "finished_at", "seen_at", "exit_code"] {
        wake.as_object_mut().unwrap().remove(gone);
    }
    wake["state"] = json!("pending");
    wake["attempts"] = json!(2);
    wake["reason"] = json!("EXITED_WITH_ERROR");
    wake["due_at"] = json!("2026-01-02T12:00:03Z");
    wake["retries"] = json!("wak_00000000000000000000000009");
    wake["retried"] = json!({"by": "anna", "at": "2026-01-02T11:59:00Z", "text": "it is\nmended"});
    wake["history"] = json!([
        {"number": 1, "lane": "trigger", "supervisor": "laptop", "at": "2026-01-02T11:59:00.012Z",
         "ended_at": "2026-01-02T11:59:02Z", "reason": "EXITED_WITH_ERROR", "exit_code": 1},
        {"number": 2, "lane": "poll", "supervisor": "laptop", "at": "2026-01-02T11:59:04Z"},
    ]);
    let expected = "\
wake         wak_00000000000000000000000002
agent        executor
thread       thr_00000000000000000000000001
state        pending
reason       EXITED_WITH_ERROR: the agent's process ended with an error
due          in 3.0s, at 2026-01-02T12:00:03.000Z
tries        2
lane         trigger
for          message #3, asked for by reviewer
asked again  anna, 1m ago: it is mended
in place of  wak_00000000000000000000000009
next         attempt 3 in 3s

STEP        AT                        AFTER   PROOF
requested   2026-01-02T11:59:00.000Z  +0ms
dispatched  2026-01-02T11:59:00.012Z  +12ms
accepted    2026-01-02T11:59:00.250Z  +250ms  by call
seen        -
acted       -
finished    -

ATTEMPT  AT                        TOOK   SUPERVISOR  EXIT  END
1        2026-01-02T11:59:00.012Z  1.9s   laptop      1     EXITED_WITH_ERROR: the agent's process ended with an error
2        2026-01-02T11:59:04.000Z  56.0s  laptop            runs
";
    assert_eq!(wake::show(view(), &of(wake)), expected);
}

#[test]
fn what_is_ahead_is_said_as_people_say_it() {
    let now = at("2026-03-01T00:00:00Z");
    for (text, words) in [
        ("2026-02-28T23:00:00Z", "now"),
        ("2026-03-01T00:00:00.001Z", "in 1s"),
        ("2026-03-01T00:00:59Z", "in 59s"),
        ("2026-03-01T00:05:30Z", "in 5m"),
        ("2026-03-01T03:05:30Z", "in 3h"),
        ("2026-03-03T03:05:30Z", "in 2d"),
    ] {
        assert_eq!(when::ahead(at(text), now), words, "{text}");
    }
}

#[test]
fn a_wake_that_waits_again_is_not_shown_to_run_and_says_what_it_waits_for() {
    let mut waits = one_wake();
    for name in ["result", "finished_at", "exit_code"] {
        waits.as_object_mut().unwrap().remove(name);
    }
    (waits["state"], waits["reason"]) = ("pending".into(), "HALTED".into());
    let table = wake::list(view(), &of(json!({"wakes": [waits.clone()]})));
    assert!(!table.contains("TOOK"), "{table}");
    waits["is_halted"] = true.into();
    let shown = wake::show(view(), &of(waits));
    assert!(shown.contains("next    nothing until agents are let go on: interlock resume\n"), "{shown}");
}
