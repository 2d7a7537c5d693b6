//! Who is woken by what, and what reading does to wakes.

use interlock_core::actor::Role;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Evidence, Outcome, WakeResult, WakeState};
use interlock_core::{Command, Reason};

use crate::refused;
use crate::world::{Post, World, name};

/// Three managed agents and two who are not, one of each leading.
fn five() -> World {
    let mut w = World::new();
    for text in ["ann", "bob", "cem"] {
        w.agent(text).managed();
    }
    w.agent("una").unmanaged();
    w.agent("uwe").unmanaged();
    w.person("olga", Role::Operator);
    w.open(
        "olga",
        &[
            ("ann", ThreadRole::Participant),
            ("bob", ThreadRole::Participant),
            ("cem", ThreadRole::Coordinator),
            ("una", ThreadRole::Participant),
            ("uwe", ThreadRole::Coordinator),
        ],
    );
    w
}

/// S002-91: directed, by role, both, broadcast; never the sender, never whom nobody can wake.
#[test]
fn addressing_wakes_the_managed_addressees() {
    let broadcast = || Post::chat("x");
    let participants = || Post::chat("x").for_role(ThreadRole::Participant);
    let coordinators = || Post::chat("x").for_role(ThreadRole::Coordinator);
    let cases: [(&str, Post, &[&str]); 10] = [
        ("olga", broadcast(), &["ann", "bob", "cem"]),
        ("ann", broadcast(), &["bob", "cem"]),
        ("una", broadcast(), &["ann", "bob", "cem"]),
        ("olga", Post::chat("x").to(&["bob"]), &["bob"]),
        ("olga", Post::chat("x").to(&["bob", "bob", "una"]), &["bob"]),
        ("ann", Post::chat("x").to(&["ann"]), &[]),
        ("olga", participants(), &["ann", "bob"]),
        ("ann", participants(), &["bob"]),
        ("cem", coordinators(), &[]),
        ("olga", coordinators().to(&["ann"]), &["ann", "cem"]),
    ];
    for (n, (from, post, wanted)) in cases.into_iter().enumerate() {
        let mut w = five();
        w.post(from, post).unwrap();
        let woken: Vec<_> = w.rows.wakes.values().map(|wake| wake.agent.as_str().to_owned()).collect();
        let mut sorted = woken.clone();
        sorted.sort();
        assert_eq!(sorted, wanted, "case {n}");
        assert!(w.rows.wakes.values().all(|wake| wake.cause == name(from) && wake.due_at == w.now()));
    }
}

#[test]
fn later_messages_join_the_wake_that_waits() {
    let mut w = World::pair();
    assert!(w.says("reviewer", "one").kinds().contains(&"wake.requested".to_owned()));
    assert_eq!(w.says("reviewer", "two").kinds(), ["thread.message_posted", "wake.joined"]);
    assert_eq!(w.says("olga", "three").kinds()[1..], ["wake.joined", "wake.requested"]);
    let waiting = w.pending_of("executor");
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].seq, waiting[0].cause.as_str()), (3, "reviewer"));
}

#[test]
fn one_agent_waits_in_each_thread_for_itself() {
    let mut w = World::pair();
    w.says("reviewer", "one");
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.says("olga", "two");
    assert_eq!(w.pending_of("executor").len(), 2);
}

#[test]
fn a_message_to_a_running_agent_waits_in_a_second_wake() {
    let mut w = World::pair();
    w.says("olga", "one");
    let claims = w.claim("sup");
    let claim = claims.iter().find(|claim| claim.agent == name("executor")).unwrap();
    w.started(claim).unwrap();
    w.post("olga", Post::chat("two").to(&["executor"])).unwrap();
    w.post("olga", Post::chat("three").to(&["executor"])).unwrap();
    let states: Vec<_> = w.wakes_of("executor").iter().map(|wake| (wake.state, wake.seq)).collect();
    assert_eq!(states, [(WakeState::Running, 1), (WakeState::Pending, 3)]);
    assert_eq!(w.claim("sup"), [], "one agent never runs twice");
    w.ack("executor", 1).unwrap();
    w.exits(claim, 0);
    assert_eq!(w.claim_one("sup").agent, name("executor"));
}

#[test]
fn a_blocked_thread_holds_its_wakes_until_it_is_active_again() {
    let mut w = World::pair();
    w.says("reviewer", "before");
    w.status("olga", Status::Blocked).unwrap();
    assert!(w.pending_of("executor")[0].held);
    w.post("executor", Post::chat("while blocked").to(&["reviewer"])).unwrap();
    assert!(w.pending_of("reviewer")[0].held);
    w.advance_ms(3_600_000);
    assert_eq!(w.claim("sup"), []);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim("sup").len(), 2);
}

#[test]
fn the_end_of_a_thread_supersedes_what_waits() {
    for end in [Status::Resolved, Status::Closed] {
        let mut w = World::pair();
        w.says("olga", "go");
        let claim = w.claim("sup").into_iter().find(|claim| claim.agent == name("executor")).unwrap();
        w.started(&claim).unwrap();
        w.status("olga", end).unwrap();
        let [reviewer] = w.wakes_of("reviewer")[..] else { panic!() };
        assert_eq!((reviewer.state, reviewer.result), (WakeState::Finished, Some(WakeResult::Superseded)));
        assert_eq!(reviewer.reason, Some(Reason::ThreadEnded));
        assert_eq!(w.wake(claim.wake_id).state, WakeState::Running, "what runs may finish");
        w.ack("executor", 1).unwrap();
        w.exits(&claim, 0);
        assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
    }
}

/// Nobody is woken again for a thread that has ended while its agent ran.
#[test]
fn an_attempt_that_fails_after_the_end_is_the_last() {
    for end in [Status::Resolved, Status::Closed] {
        for outcome in [Outcome::Exited { code: 1 }, Outcome::NotAccepted, Outcome::Halted] {
            let mut w = World::pair();
            w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
            let claim = w.run_one("sup");
            w.status("olga", end).unwrap();
            w.ended(&claim, outcome).unwrap();
            let wake = w.wake(claim.wake_id);
            assert_eq!((wake.state, wake.result), (WakeState::Finished, Some(WakeResult::Superseded)));
            assert_eq!(w.rows.leases.len(), 0);
        }
        let mut w = World::pair();
        w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        let claim = w.run_one("sup");
        w.status("olga", end).unwrap();
        w.advance_ms(w.policy.lease_ms);
        assert_eq!(w.claim("other"), []);
        assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Superseded));
        assert_eq!(w.rows.leases.len(), 0);
    }
}

// Reading.

#[test]
fn cursors_go_forward_only() {
    let mut w = World::pair();
    for body in ["one", "two", "three"] {
        w.says("reviewer", body);
    }
    assert_eq!(w.ack("executor", 2).unwrap().kinds()[0], "thread.cursor_moved");
    for seq in [0, 1, 2] {
        assert_eq!(w.ack("executor", seq).unwrap().events, []);
        assert_eq!(w.cursor("executor"), 2);
    }
    for seq in [4, u64::MAX] {
        assert_eq!(refused(w.ack("executor", seq)), Reason::CursorAhead);
    }
    w.ack("executor", 3).unwrap();
    assert_eq!(w.cursor("executor"), 3);
}

#[test]
fn only_participants_have_cursors() {
    let mut w = World::pair();
    w.person("sees-all", Role::Auditor);
    w.person("stranger", Role::Participant);
    assert_eq!(refused(w.ack("sees-all", 0)), Reason::ParticipantMissing);
    assert_eq!(refused(w.ack("stranger", 0)), Reason::ThreadNotFound);
}

#[test]
fn reading_before_the_dispatch_finishes_the_wake() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    assert_eq!(w.ack("executor", 1).unwrap().kinds(), ["thread.cursor_moved", "wake.finished"]);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::AlreadyActive), Some(Reason::AlreadySeen)));
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost);
    assert_eq!(w.thread().guard.turns, 0, "nothing ran: no turn");
}

#[test]
fn a_process_that_reads_before_its_start_is_reported_goes_on() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    w.acting = Some(claim.wake_id);
    assert_eq!(w.ack("executor", 1).unwrap().kinds(), ["thread.cursor_moved", "wake.seen"]);
    w.acting = None;
    w.started(&claim).unwrap();
    w.exits(&claim, 0);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Triggered), None));
}

#[test]
fn reading_less_than_the_wake_is_for_proves_nothing() {
    let mut w = World::pair();
    w.says("reviewer", "one");
    w.says("reviewer", "two");
    assert_eq!(w.ack("executor", 1).unwrap().kinds(), ["thread.cursor_moved"]);
    assert_eq!(w.pending_of("executor").len(), 1);
}

#[test]
fn reading_while_running_is_seen_once() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    assert_eq!(w.ack("executor", 1).unwrap().kinds(), ["thread.cursor_moved", "wake.seen"]);
    let seen_at = w.wake(claim.wake_id).ladder.seen_at;
    assert_eq!(seen_at, Some(w.now()));
    w.advance_ms(5);
    w.says("reviewer", "more");
    assert_eq!(w.ack("executor", 2).unwrap().kinds(), ["thread.cursor_moved", "wake.finished"]);
    assert_eq!(w.wake(claim.wake_id).ladder.seen_at, seen_at);
}

#[test]
fn somebody_elses_reading_is_not_the_agents() {
    let mut w = World::pair();
    w.post("olga", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ack("reviewer", 1).unwrap();
    assert_eq!(w.wake(claim.wake_id).ladder.seen_at, None);
}

#[test]
fn a_post_in_the_wakes_own_run_is_the_act() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.says("executor", "not with the wake's token");
    assert_eq!(w.wake(claim.wake_id).ladder.acted_at, None);
    w.acting = Some(claim.wake_id);
    let done = w.says("executor", "in the run");
    assert!(done.kinds().contains(&"wake.acted".to_owned()));
    let acted_at = w.wake(claim.wake_id).ladder.acted_at;
    assert_eq!(acted_at, Some(w.now()));
    w.advance_ms(5);
    assert!(!w.says("executor", "again").kinds().contains(&"wake.acted".to_owned()));
    assert_eq!(w.wake(claim.wake_id).ladder.acted_at, acted_at);
}

#[test]
fn a_call_with_the_wakes_token_is_acceptance_once() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    let call = Command::NoteCall { wake_id: claim.wake_id };
    w.started(&claim).unwrap();
    assert_eq!(w.give("executor", call.clone()).unwrap().kinds(), ["wake.accepted"]);
    assert_eq!(w.give("executor", call.clone()).unwrap().events, []);
    w.ack("executor", 1).unwrap();
    w.exits(&claim, 0);
    assert_eq!(w.give("executor", call).unwrap().events, []);
}

/// The agent may be quicker than its supervisor's report; what it proved counts for this attempt and no other.
#[test]
fn a_call_before_the_report_of_the_start_counts() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    let call = Command::NoteCall { wake_id: claim.wake_id };
    for _ in 0..2 {
        assert_eq!(w.give("executor", call.clone()).unwrap().events, [], "nothing to see while it waits");
    }
    assert_eq!(w.renew(&claim), [(claim.wake_id, false)]);
    assert_eq!(w.started(&claim).unwrap().kinds(), ["wake.dispatched", "wake.accepted"]);
    assert_eq!(w.wake(claim.wake_id).ladder.evidence, Some(Evidence::Call));
    assert_eq!(w.renew(&claim), [(claim.wake_id, true)]);
    assert_eq!(w.give("executor", call).unwrap().events, []);
    w.exits(&claim, 1);
    w.advance_ms(2_000);
    let again = w.claim_one("sup");
    assert_eq!(w.started(&again).unwrap().kinds(), ["wake.dispatched"]);
}

#[test]
fn an_early_call_counts_for_its_own_claim_only() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    w.give("executor", Command::NoteCall { wake_id: claim.wake_id }).unwrap();
    w.ended(&claim, Outcome::Halted).unwrap();
    let again = w.claim_one("sup");
    assert_eq!(w.started(&again).unwrap().kinds(), ["wake.dispatched"]);
}

#[test]
fn reading_with_the_wakes_own_token_never_ends_it() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("x").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    w.acting = Some(claim.wake_id);
    assert_eq!(w.ack("executor", 1).unwrap().kinds(), ["thread.cursor_moved", "wake.seen"]);
    w.acting = None;
    w.started(&claim).unwrap();
    assert!(w.wake(claim.wake_id).ladder.seen_at.is_some());
    w.exits(&claim, 0);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
}

#[test]
fn a_message_that_joins_is_unread_again() {
    let mut w = World::pair();
    w.post("reviewer", Post::chat("one").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ack("executor", 1).unwrap();
    w.exits(&claim, 1);
    assert_eq!(w.post("reviewer", Post::chat("two").to(&["executor"])).unwrap().kinds()[1], "wake.joined");
    w.advance_ms(2_000);
    let claim = w.run_one("sup");
    w.exits(&claim, 0);
    assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::NotAcked), "the second was never read");
}

/// The hybrid clock only orders: what is due is due by the wall clock, also after that was set back.
#[test]
fn a_clock_set_back_delays_no_wake() {
    let mut w = World::pair();
    w.says("reviewer", "one");
    w.advance_ms(-3_600_000);
    w.says("executor", "two");
    assert_eq!(w.pending_of("reviewer")[0].due_at, w.now());
    assert_eq!(w.claim("sup").iter().filter(|claim| claim.agent == name("reviewer")).count(), 1);
}

/// Woken for what the thread holds, also when all of it is read: then there is nothing left to acknowledge.
#[test]
fn a_participant_is_woken_on_request() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    let done = w.trigger("olga", "executor").unwrap();
    assert_eq!(done.kinds(), ["wake.requested", "wake.seen"]);
    let again = w.trigger("olga", "executor").unwrap();
    assert_eq!(
        (again.events.len(), &again.reply),
        (0, &done.reply),
        "one live wake for an agent and a thread"
    );
    let claim = w.run_one("sup");
    assert_eq!(w.trigger("olga", "executor").unwrap().events, []);
    assert_eq!(w.exits(&claim, 0).kinds(), ["wake.accepted", "wake.finished"]);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered), "without a word to acknowledge");
}

#[test]
fn a_trigger_for_unread_messages_waits_for_their_acknowledgement() {
    let mut w = World::pair();
    w.status("olga", Status::Blocked).unwrap();
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.trigger("olga", "executor").unwrap().kinds(), ["wake.requested"]);
}

/// The executor's wake for a message fails for good, which blocks the thread.
fn cannot_wake(w: &mut World, post: Post) {
    w.post("olga", post.to(&["executor"])).unwrap();
    for _ in 0..3 {
        let claim = w.run_one("sup");
        w.exits(&claim, 1);
        w.advance_ms(10_000);
    }
    assert_eq!(w.thread().status, Status::Blocked);
}

#[test]
fn who_could_not_be_woken_is_woken_when_the_thread_goes_on() {
    let mut w = World::pair();
    cannot_wake(&mut w, Post::chat("go"));
    let done = w.status("olga", Status::Active).unwrap();
    assert_eq!(done.kinds(), ["thread.status_changed", "thread.message_posted", "wake.requested"]);
    let claim = w.run_one("sup");
    assert_eq!(
        (w.wake(claim.wake_id).seq, w.wake(claim.wake_id).attempts),
        (1, 1),
        "with all its attempts again"
    );
    w.does_its_turn(&claim);
    w.status("olga", Status::Blocked).unwrap();
    let done = w.status("olga", Status::Active).unwrap();
    assert_eq!(done.kinds(), ["thread.status_changed", "thread.message_posted"], "once is enough");
}

#[test]
fn who_was_to_be_woken_when_a_thread_ended_is_when_it_is_reopened() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    w.status("olga", Status::Resolved).unwrap();
    assert_eq!(w.claim("sup"), []);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim_one("sup").agent.as_str(), "executor");
}

#[test]
fn nobody_is_woken_again_for_what_was_read_or_is_over() {
    let mut w = World::pair();
    cannot_wake(&mut w, Post::chat("go"));
    w.ack("executor", 1).unwrap();
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim("sup"), [], "it has read by itself");

    let mut w = World::pair();
    cannot_wake(&mut w, Post::chat("go").expires_in(60_000));
    w.advance_ms(60_000);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim("sup"), [], "the order is over");

    let mut w = World::pair();
    cannot_wake(&mut w, Post::chat("go"));
    w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.pending_of("executor").len(), 1, "one wake covers both");
}

#[test]
fn whom_a_trigger_cannot_wake() {
    let mut w = World::pair();
    assert_eq!(refused(w.trigger("olga", "olga")), Reason::RuntimeUnmanaged);
    assert_eq!(refused(w.trigger("olga", "nobody")), Reason::ParticipantMissing);
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(refused(w.trigger("olga", "executor")), Reason::ThreadWrongStatus);
    w.agent("stranger").unmanaged();
    assert_eq!(refused(w.trigger("stranger", "executor")), Reason::ThreadNotFound);
}
