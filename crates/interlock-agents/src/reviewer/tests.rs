use interlock_core::Reason;
use interlock_core::thread::Status;
use serde_json::{Value, json};

use super::{Judgement, judge, plan};
use crate::check::{Finding, Report, Severity};
use crate::conversation::Conversation;
use crate::mailbox::Thread;
use crate::stage::{name, say, thread, thread_id};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn finding(rule: &str, message: &str) -> Finding {
    Finding {
        path: "src/a.rs".into(),
        line: 3,
        rule: rule.into(),
        severity: Severity::High,
        message: message.into(),
    }
}

fn report(findings: &[Finding]) -> Report {
    Report { command: "cargo test".into(), findings: findings.to_vec(), ..Report::default() }
}

/// A thread with a task, these findings reported in a first round, and a second request.
fn told(known: &[Finding]) -> Thread {
    let mut thread = thread();
    say(&mut thread, "person", "executor", "", &json!({"branch": "b"}));
    ask(&mut thread);
    for (index, one) in known.iter().enumerate() {
        let data = json!({"finding_id": format!("fnd_{index}"), "path": one.path, "line": 1, "rule": one.rule,
            "severity": "high", "message": one.message});
        say(&mut thread, "reviewer", "executor", "finding_reported", &data);
    }
    thread
}

fn ask(thread: &mut Thread) {
    say(thread, "executor", "reviewer", "re_review_requested", &json!({"commit": COMMIT}));
}

fn about(thread: &mut Thread, from: &str, event_type: &str, id: &str) {
    say(thread, from, "executor", event_type, &json!({"finding_id": id, "commit": COMMIT, "message": "why"}));
}

fn judged(thread: &Thread, found: &[Finding]) -> Judgement {
    let talk = Conversation::of(thread, &name("reviewer"));
    let review = plan(&talk, 0, thread_id()).unwrap();
    judge(&talk, &review, &[report(found)])
}

/// What is posted (type, finding) and where the thread goes.
fn check(thread: &Thread, found: &[Finding], posts: &[(&str, &str)], status: Option<(Status, Reason)>) {
    let judgement = judged(thread, found);
    let id = |data: &serde_json::Map<String, Value>| {
        let id = data.get("finding_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if id.len() > 10 { "new".to_owned() } else { id }
    };
    let got: Vec<_> =
        judgement.posts.iter().map(|post| (post.event_type.unwrap_or_default(), id(&post.data))).collect();
    let got: Vec<_> = got.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
    assert_eq!(got, posts);
    assert_eq!(judgement.close.map(|close| (close.status, close.reason)), status);
}

#[test]
fn what_is_new_is_reported_what_stays_is_rejected_what_is_gone_is_verified() {
    let (a, b) = (finding("a", "m"), finding("b", "m"));
    let resolved = Some((Status::Resolved, Reason::ByRequest));
    check(&told(&[]), &[], &[], resolved);
    check(&told(&[]), std::slice::from_ref(&a), &[("finding_reported", "new")], None);
    // Said in answer to this very request: a run that was killed does not say it again.
    check(&told(std::slice::from_ref(&a)), std::slice::from_ref(&a), &[], None);
    let mut again = told(&[a.clone(), b.clone()]);
    ask(&mut again);
    check(
        &again,
        std::slice::from_ref(&b),
        &[("finding_verified", "fnd_0"), ("finding_rejected", "fnd_1")],
        None,
    );
    check(&again, &[], &[("finding_verified", "fnd_0"), ("finding_verified", "fnd_1")], resolved);
    about(&mut again, "reviewer", "finding_verified", "fnd_0");
    check(&again, &[a], &[("finding_verified", "fnd_1"), ("finding_reported", "new")], None);
}

#[test]
fn a_test_that_fails_in_other_words_is_not_mended() {
    let mut thread = told(&[finding("test:t", "left: 1"), finding("lint", "x")]);
    ask(&mut thread);
    let found = [finding("test:t", "left: 2"), finding("lint", "y")];
    let posts = [("finding_rejected", "fnd_0"), ("finding_verified", "fnd_1"), ("finding_reported", "new")];
    check(&thread, &found, &posts, None);
}

#[test]
fn what_nobody_can_mend_blocks_only_when_nothing_else_is_left() {
    let (a, b) = (finding("a", "m"), finding("b", "m"));
    let mut thread = told(&[a.clone(), b.clone()]);
    about(&mut thread, "executor", "finding_unresolved", "fnd_0");
    ask(&mut thread);
    let blocked = Some((Status::Blocked, Reason::FindingUnresolved));
    check(&thread, &[a.clone(), b.clone()], &[("finding_rejected", "fnd_1")], None);
    check(&thread, std::slice::from_ref(&a), &[("finding_verified", "fnd_1")], blocked);
    let close = judged(&thread, &[a]).close.unwrap();
    assert_eq!(close.owner, Some(name("person")));
    assert!(close.text.contains("fnd_0") && close.text.contains("why"), "{}", close.text);
}

#[test]
fn the_same_request_mints_the_same_id_and_another_one_another() {
    let mut thread = told(&[]);
    let found = [finding("a", "m")];
    let first = judged(&thread, &found).posts;
    assert_eq!(first, judged(&thread, &found).posts);
    assert!(first[0].data["finding_id"].as_str().unwrap().parse::<interlock_core::id::FindingId>().is_ok());
    assert_eq!(first[0].to, [name("executor")]);
    ask(&mut thread);
    assert_ne!(first[0].key, judged(&thread, &found).posts[0].key);
}

#[test]
fn a_wake_without_a_question_is_left_alone() {
    let review = |thread: &Thread, acked: u64| {
        plan(&Conversation::of(thread, &name("reviewer")), acked, thread_id())
            .map(|review| review.review_only)
    };
    assert_eq!(review(&thread(), 0), None);
    let asked = told(&[]);
    assert_eq!(review(&asked, 0), Some(false));
    assert_eq!(review(&asked, asked.last_seq()), None);
    let mut only = thread();
    say(&mut only, "person", "reviewer", "", &json!({"review_only": true}));
    assert_eq!(review(&only, 0), Some(true));
    let mut fixed = thread();
    say(&mut fixed, "person", "executor", "", &json!({"branch": "b"}));
    say(&mut fixed, "executor", "reviewer", "fix_pushed", &json!({"commit": COMMIT, "branch": "b"}));
    assert_eq!(review(&fixed, 0), None);
}
