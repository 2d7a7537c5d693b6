//! What stops agents that go round in circles.

use interlock_core::thread::{Status, ThreadRole, event_type as et};
use interlock_core::{Event, Reason};
use serde_json::json;

use crate::world::{Post, World, finding_id, name};

/// What happens, in words and in deed.
type Happening = (&'static str, fn(&mut World));

/// So many turns between two agents who get nowhere.
fn turns(w: &mut World, count: u32) {
    for _ in 0..count {
        w.turn("olga", "executor");
    }
}

/// S002-82: turn 20 blocks the thread, turn 19 does not.
#[test]
fn twenty_turns_without_progress_block_the_thread() {
    let mut w = World::pair();
    turns(&mut w, 19);
    assert_eq!((w.thread().status, w.thread().guard.turns), (Status::Active, 19));
    turns(&mut w, 1);
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::NoProgress)));
    assert_eq!(thread.owner, Some(name("olga")));
    assert_eq!((thread.guard.turns, thread.guard.turns_total), (0, 20));
    let (last, _) = &w.rows.messages[&(w.thread_id, thread.seq)];
    assert_eq!(last.head.event_type.as_deref(), Some(et::THREAD_ESCALATED));
}

#[test]
fn a_thread_taken_up_again_has_as_many_turns_as_before() {
    let mut w = World::pair();
    turns(&mut w, 20);
    w.status("olga", Status::Active).unwrap();
    turns(&mut w, 19);
    assert_eq!(w.thread().status, Status::Active);
    turns(&mut w, 1);
    assert_eq!(w.thread().status, Status::Blocked);
}

#[test]
fn progress_begins_the_count_anew() {
    let progress: [Happening; 3] = [
        ("a new commit", |w| drop(w.post("executor", Post::fix("bbbbbbb").to(&["olga"])).unwrap())),
        ("a verified finding", |w| {
            drop(w.post("reviewer", Post::verified(finding_id(1)).to(&["olga"])).unwrap());
        }),
        ("a change of status", |w| {
            w.status("olga", Status::Blocked).unwrap();
            w.status("olga", Status::Active).unwrap();
        }),
    ];
    for (what, make) in progress {
        let mut w = World::pair();
        w.post("executor", Post::fix("aaaaaaa").to(&["olga"])).unwrap();
        w.post("reviewer", Post::finding(finding_id(1), "a").to(&["olga"])).unwrap();
        turns(&mut w, 19);
        make(&mut w);
        assert_eq!(w.thread().guard.turns, 0, "{what}");
        turns(&mut w, 19);
        assert_eq!(w.thread().status, Status::Active, "{what}");
        turns(&mut w, 1);
        assert_eq!(w.thread().status, Status::Blocked, "{what}");
    }
}

#[test]
fn talk_is_no_progress() {
    let not_progress: [Happening; 4] = [
        ("a commit announced before", |w| {
            drop(w.post("executor", Post::fix("aaaaaaa").to(&["olga"])).unwrap());
        }),
        ("a finding", |w| drop(w.post("reviewer", Post::finding(finding_id(2), "b").to(&["olga"])).unwrap())),
        ("a request", |w| {
            let request = Post::event(et::RE_REVIEW_REQUESTED, json!({"commit": "ccccccc"}));
            drop(w.post("executor", request.to(&["olga"])).unwrap());
        }),
        ("chat", |w| drop(w.post("executor", Post::chat("nearly done").to(&["olga"])).unwrap())),
    ];
    for (what, say) in not_progress {
        let mut w = World::pair();
        w.post("executor", Post::fix("aaaaaaa").to(&["olga"])).unwrap();
        turns(&mut w, 19);
        say(&mut w);
        turns(&mut w, 1);
        assert_eq!(w.thread().status, Status::Blocked, "{what}");
    }
}

/// Nobody looks whether a commit is there: agents that announce ever new ones are stopped all the same, and go on when
/// something else shows that they get on.
#[test]
fn commits_alone_are_no_progress_for_ever() {
    let fix = |w: &mut World, n: u32| {
        drop(w.post("executor", Post::fix(&format!("{n:07x}")).to(&["olga"])).unwrap());
        w.turn("reviewer", "executor");
    };
    let mut w = World::pair();
    // What else would stop them is none of this test's business.
    (w.policy.identical_messages_max, w.policy.auto_wakes_max) = (1_000, 0);
    for n in 1..=w.policy.commits_as_progress_max {
        fix(&mut w, n);
        assert_eq!(w.thread().guard.turns, 1, "commit {n} is progress");
    }
    let mut heard = w.clone();
    let more = 1_000..1_000 + w.policy.turns_without_progress_max - 1;
    more.clone().for_each(|n| fix(&mut w, n));
    assert_eq!((w.thread().status, w.thread().reason), (Status::Blocked, Some(Reason::NoProgress)));
    heard.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    more.for_each(|n| fix(&mut heard, n));
    assert_eq!(heard.thread().status, Status::Active);
}

#[test]
fn failed_turns_count_and_reading_in_time_does_not() {
    let mut w = World::pair();
    for n in 0..3 {
        w.says("reviewer", "x");
        let seq = w.thread().seq;
        w.ack("executor", seq).unwrap();
        assert_eq!(w.thread().guard.turns_total, 0, "after {n}");
    }
}

/// S002-83: the third identical finding blocks; the line does not matter, another message or path does.
#[test]
fn the_third_identical_finding_blocks_the_thread() {
    let mut w = World::pair();
    for n in 1..=3 {
        assert_eq!(w.thread().status, Status::Active, "before {n}");
        let mut post = Post::finding(finding_id(n), "src/a.rs");
        post.0.data.as_mut().unwrap()["line"] = json!(u64::try_from(n).unwrap());
        w.post("reviewer", post).unwrap();
        w.post("reviewer", Post::finding(finding_id(100 + n), &format!("src/other-{n}.rs"))).unwrap();
        if n == 2 {
            assert_eq!(w.thread().status, Status::Active);
        }
    }
    assert_eq!((w.thread().status, w.thread().reason), (Status::Blocked, Some(Reason::IdenticalFindings)));
    assert_eq!(w.thread().owner, Some(name("olga")));
}

/// S002-83: each finding has a count of its own. Another one in between begins its own and leaves the first where it is: a
/// review that finds the same two things three times over has come back three times, and so has work that goes to and fro
/// between two findings.
#[test]
fn findings_that_take_turns_are_each_counted() {
    for others in [1_u128, 4] {
        let mut w = World::pair();
        for round in 0..3_u128 {
            assert_eq!(w.thread().status, Status::Active, "before round {round}");
            for finding in 0..=others {
                let id = finding_id(100 * round + finding);
                w.post("reviewer", Post::finding(id, &format!("src/{finding}.rs"))).unwrap();
                if w.thread().status == Status::Blocked {
                    break;
                }
            }
        }
        assert_eq!((w.thread().reason, w.thread().guard.turns), (Some(Reason::IdenticalFindings), 0));
        let last = w.findings().iter().map(|finding| finding.cycles).max();
        assert_eq!(last, Some(3));
        w.status("olga", Status::Active).unwrap();
        w.post("reviewer", Post::finding(finding_id(999), "src/new.rs")).unwrap();
        assert_eq!(w.thread().status, Status::Active, "another finding begins at one");
    }
}

/// So many announced commits are remembered; with one more the first is forgotten.
#[test]
fn commits_are_remembered_up_to_their_limit() {
    use interlock_core::limits::COMMITS_REMEMBERED_MAX;
    for (others, is_progress) in [(COMMITS_REMEMBERED_MAX - 1, false), (COMMITS_REMEMBERED_MAX, true)] {
        let mut w = World::pair();
        w.policy.commits_as_progress_max = u32::MAX;
        for n in 0..=others {
            w.post("executor", Post::fix(&format!("{n:07x}")).to(&["olga"])).unwrap();
        }
        turns(&mut w, 1);
        w.post("executor", Post::fix("0000000").to(&["olga"])).unwrap();
        assert_eq!(w.thread().guard.turns == 0, is_progress, "{others}");
        assert!(w.thread().guard.commits.len() <= COMMITS_REMEMBERED_MAX);
    }
}

#[test]
fn each_part_of_a_finding_tells_it_from_others() {
    for field in ["path", "rule", "message"] {
        let mut w = World::pair();
        for n in 0..5_u128 {
            let mut post = Post::finding(finding_id(n), "src/a.rs");
            post.0.data.as_mut().unwrap()[field] = json!(format!("other {n}"));
            w.post("reviewer", post).unwrap();
        }
        assert_eq!(w.thread().status, Status::Active, "{field}");
    }
    let mut w = World::pair();
    for n in 0..3_u128 {
        let mut post = Post::finding(finding_id(n), "src/a.rs");
        post.0.data.as_mut().unwrap()["severity"] = json!(format!("other {n}"));
        w.post("reviewer", post).unwrap();
    }
    assert_eq!(w.thread().status, Status::Blocked, "severity is no part of it");
}

/// The ledger keeps a finding's identity: without the thread's salt nobody confirms a guess at it.
#[test]
fn a_findings_identity_is_its_threads_own() {
    let mut w = World::pair();
    let prints: Vec<_> = (0..2)
        .map(|n| {
            w.post("reviewer", Post::finding(finding_id(n), "src/lib.rs")).unwrap();
            let print = w.findings()[0].print;
            w.open("olga", &[("reviewer", ThreadRole::Coordinator)]);
            print
        })
        .collect();
    assert_ne!(prints[0], prints[1]);
}

#[test]
fn a_rejected_repair_is_the_same_finding_again() {
    let mut w = World::pair();
    let id = finding_id(1);
    let rejected = || {
        Post::event(et::FINDING_REJECTED, json!({"finding_id": id, "commit": "aaaaaaa", "message": "still"}))
    };
    w.post("reviewer", Post::finding(id, "a")).unwrap();
    w.post("reviewer", rejected()).unwrap();
    assert_eq!(w.thread().status, Status::Active);
    w.post("reviewer", rejected()).unwrap();
    assert_eq!(w.thread().reason, Some(Reason::IdenticalFindings));
}

#[test]
fn a_verified_finding_begins_anew() {
    let mut w = World::pair();
    for n in 1..=2 {
        w.post("reviewer", Post::finding(finding_id(n), "a")).unwrap();
    }
    w.post("reviewer", Post::verified(finding_id(1))).unwrap();
    w.post("reviewer", Post::verified(finding_id(2))).unwrap();
    for n in 3..=4 {
        w.post("reviewer", Post::finding(finding_id(n), "a")).unwrap();
    }
    assert_eq!(w.thread().status, Status::Active);
    w.post("reviewer", Post::finding(finding_id(5), "a")).unwrap();
    assert_eq!(w.thread().status, Status::Blocked);
}

/// Old and new ids of one finding are counted together, whichever comes.
#[test]
fn ids_that_take_turns_are_counted_together() {
    let mut w = World::pair();
    w.policy.identical_findings_max = 6;
    for n in 1..=6_u128 {
        assert_eq!(w.thread().status, Status::Active, "before {n}");
        w.post("reviewer", Post::finding(finding_id(n % 2), "a")).unwrap();
    }
    assert_eq!(w.thread().reason, Some(Reason::IdenticalFindings));
}

#[test]
fn a_guard_blocks_after_the_message_that_tripped_it() {
    let mut w = World::pair();
    for n in 1..=2 {
        w.post("reviewer", Post::finding(finding_id(n), "a").to(&["olga"])).unwrap();
    }
    let done = w.post("reviewer", Post::finding(finding_id(3), "a").to(&["executor"])).unwrap();
    assert_eq!(
        done.kinds(),
        ["thread.message_posted", "wake.requested", "thread.status_changed", "thread.message_posted"]
    );
    assert_eq!(done.seq(), 3, "the answer is about what was posted");
    assert!(w.pending_of("executor")[0].held);
    let Event::MessagePosted { message, .. } = &done.events[3] else { panic!() };
    assert_eq!(message.seq, 4);
}
