//! The person at the keyboard: whom wakes wait for, for how long, and what a person's own session is told.

use interlock_core::actor::Role;
use interlock_core::command::ObserveSession;
use interlock_core::id::SessionId;
use interlock_core::limits::{OBSERVED_AGO_MS_MAX, SESSIONS_MAX, SESSIONS_OF_AGENT_MAX};
use interlock_core::session::{Activity, Observed, Place, Session};
use interlock_core::thread::{MessageKind, Status, ThreadRole, event_type};
use interlock_core::wake::{Evidence, Lane, Outcome, TurnFault, WakeResult, WakeState};
use interlock_core::{Command, Event, Reason, Reply};

use crate::refused;
use crate::world::{Claim, Done, Post, World, name};

const QUIET_MS: i64 = 20_000;
const DEFER_MS: i64 = 60_000;

fn session(number: u128) -> SessionId {
    SessionId::from_u128(number)
}

/// A pair with something for the executor to be woken for.
fn asked() -> World {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    w
}

/// The executor's session in this thread is number 7, and its second wake is due.
fn resumed() -> World {
    let mut w = asked();
    let claim = w.run_one("sup");
    w.in_session(&claim, session(7)).unwrap();
    w.does_its_turn(&claim);
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    w
}

/// A person's prompt, its turn over at once: from here on only the quiet window counts.
fn types(w: &mut World, number: u128) {
    w.sees("executor", number, Observed::HumanPrompt);
    w.sees("executor", number, Observed::TurnEnded);
}

/// What became of the executor's pending wake: its reason, and in how many milliseconds it is due.
fn waits(w: &World) -> (Option<Reason>, i64) {
    let wake = w.pending_of("executor")[0];
    assert_eq!(wake.attempts, 0, "no attempt is consumed");
    (wake.reason, wake.due_at.as_millis() - w.now().as_millis())
}

/// S002-79: 19 s after the person's input it is deferred, at 20 s it goes on.
#[test]
fn the_quiet_window_ends_at_twenty_seconds() {
    for (silent_ms, is_woken) in [(0, false), (19_000, false), (QUIET_MS - 1, false), (QUIET_MS, true)] {
        let mut w = resumed();
        types(&mut w, 7);
        w.advance_ms(silent_ms);
        assert_eq!(!w.claim("sup").is_empty(), is_woken, "{silent_ms}");
        if !is_woken {
            assert_eq!(waits(&w), (Some(Reason::HumanActive), 5_000), "{silent_ms}");
        }
        assert_eq!(w.session("executor"), Some(session(7)), "{silent_ms}: it goes on in its own session");
    }
}

/// S002-17: deferred while the person types, not lost, and delivered after the quiet window.
#[test]
fn what_is_deferred_is_delivered_when_the_person_is_quiet() {
    let mut w = resumed();
    types(&mut w, 7);
    w.advance_ms(3_000);
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(5_000);
    types(&mut w, 7);
    let mut looks = 0;
    while w.claim_in("sup", "life-1", 0).is_empty() && w.claim("sup").is_empty() {
        looks += 1;
        w.advance_ms(5_000);
    }
    // Typed again 5 s after the first look: at 20 s more it is quiet.
    assert_eq!(looks, 4);
    let wake = w.wakes_of("executor").into_iter().find(|wake| wake.state == WakeState::Pending).unwrap();
    assert_eq!((wake.attempts, w.thread().guard.turns), (0, 1), "deferrals are no turns");
}

/// S002-80: looked at again every 5 s, not a millisecond early. S002-81: at 60 s the fallback begins, with its reason,
/// and not in the session that the person holds.
#[test]
fn at_sixty_seconds_it_goes_on_without_the_persons_session() {
    let mut w = resumed();
    for _ in 0..12 {
        types(&mut w, 7);
        assert_eq!(w.claim("sup"), []);
        assert_eq!(waits(&w), (Some(Reason::HumanActive), 5_000));
        w.advance_ms(4_999);
        assert_eq!(w.claim("sup"), [], "not a millisecond early");
        w.advance_ms(1);
    }
    types(&mut w, 7);
    let claim = w.claim_one("sup");
    let last = w.entries.last().unwrap();
    assert!(
        matches!(&last[..], [Event::SessionReleased { reason: Reason::HumanActive, session_id, .. }] if *session_id == session(7)),
        "{last:?}"
    );
    assert_eq!(w.session("executor"), None, "a fresh one");
    w.started(&claim).unwrap();
    w.does_its_turn(&claim);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::FallbackSpawned));
}

/// The limit is the policy's, also where the pauses do not divide it.
#[test]
fn the_limit_is_exact_whatever_the_pauses_are() {
    let mut w = resumed();
    w.policy.session_recheck_ms = 7_000;
    types(&mut w, 7);
    w.sees("executor", 7, Observed::TurnStarted);
    for wanted in [7_000, 7_000, 7_000, 7_000, 7_000, 7_000, 7_000, 7_000, 4_000] {
        assert_eq!(w.claim("sup"), []);
        assert_eq!(waits(&w).1, wanted);
        w.advance_ms(wanted);
    }
    assert_eq!(w.claim("sup").len(), 1);
}

/// A turn that is not ours keeps wakes away, however long ago its prompt was; so does one that waits for approval. One
/// whose end nobody told is not believed for ever.
#[test]
fn a_persons_turn_is_waited_for() {
    for observed in [Observed::TurnStarted, Observed::HumanPrompt, Observed::WaitingApproval] {
        for (ms, is_woken) in [(QUIET_MS, false), (899_999, false), (900_000, true)] {
            let mut w = World::pair();
            w.sees("executor", 7, observed);
            w.advance_ms(ms);
            w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
            assert_eq!(!w.claim("sup").is_empty(), is_woken, "{observed} {ms}");
        }
    }
}

/// Watching is not typing: an open session in which nothing happens is in nobody's way.
#[test]
fn an_open_session_alone_defers_nothing() {
    let mut w = asked();
    w.sees("executor", 7, Observed::Opened);
    assert_eq!(w.claim("sup").len(), 1);
    let mut w = asked();
    types(&mut w, 7);
    w.sees("executor", 7, Observed::Closed);
    assert_eq!(w.claim("sup").len(), 1, "nor one that was closed");
}

/// Somebody at work in another session of the agent is waited for too; then its own session is used, because nobody
/// holds that.
#[test]
fn a_session_that_nobody_holds_is_kept() {
    let mut w = resumed();
    w.sees("executor", 9, Observed::HumanPrompt);
    for _ in 0..12 {
        assert_eq!(w.claim("sup"), []);
        w.advance_ms(5_000);
    }
    let claim = w.claim_one("sup");
    assert_eq!(w.session("executor"), Some(session(7)));
    w.started(&claim).unwrap();
    w.does_its_turn(&claim);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
}

/// Ten minutes of a person at work neither use up attempts nor trip a guard, whatever the number of deferrals.
#[test]
fn deferrals_feed_no_guard() {
    let mut w = resumed();
    w.policy.session_defer_max_ms = 600_000;
    for _ in 0..120 {
        types(&mut w, 7);
        assert_eq!(w.claim("sup"), []);
        w.advance_ms(5_000);
    }
    let thread = w.thread();
    assert_eq!((thread.guard.turns, thread.reason), (1, None));
    assert_eq!(waits(&w).0, Some(Reason::HumanActive));
}

/// After an attempt that was accepted the next deferral has its whole time again.
#[test]
fn each_attempt_is_waited_with_anew() {
    let mut w = resumed();
    types(&mut w, 7);
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(QUIET_MS);
    let claim = w.run_one("sup");
    w.accepted(&claim, Evidence::Output).unwrap();
    w.exits(&claim, 1);
    w.advance_ms(DEFER_MS);
    w.sees("executor", 7, Observed::HumanPrompt);
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(DEFER_MS - 1);
    assert_eq!(w.claim("sup"), []);
}

/// Only waiting for the person counts as waiting for the person: whatever else keeps the wake, its time begins anew.
#[test]
fn what_waits_for_something_else_does_not_wait_for_a_person() {
    let blocked: fn(&mut World) = |w| {
        w.status("olga", Status::Blocked).unwrap();
        w.advance_ms(3_600_000);
        w.status("olga", Status::Active).unwrap();
    };
    let blocked_for_a_moment: fn(&mut World) = |w| {
        w.advance_ms(DEFER_MS - 1);
        w.status("olga", Status::Blocked).unwrap();
        w.status("olga", Status::Active).unwrap();
        w.advance_ms(1);
    };
    let halted: fn(&mut World) = |w| {
        w.give("olga", Command::HaltAgents).unwrap();
        w.advance_ms(3_600_000);
        w.give("olga", Command::ResumeAgents { since: None }).unwrap();
    };
    let away: fn(&mut World) = |w| w.advance_ms(3_600_000);
    let attempt_fails: fn(&mut World) = |w| {
        w.advance_ms(QUIET_MS);
        let claim = w.run_one("sup");
        w.advance_ms(DEFER_MS);
        w.ended(&claim, Outcome::NotAccepted).unwrap();
        w.advance_ms(2_000);
    };
    let out_of_quota: fn(&mut World) = |w| {
        w.advance_ms(QUIET_MS);
        let claim = w.run_one("sup");
        let fault = TurnFault::ModelRateLimited;
        w.ended(&claim, Outcome::TurnFailed { fault, reset_in_ms: Some(3_600_000) }).unwrap();
        w.advance_ms(3_600_000);
    };
    let stopped: fn(&mut World) = |w| {
        w.advance_ms(QUIET_MS);
        let claim = w.run_one("sup");
        w.advance_ms(DEFER_MS);
        w.ended(&claim, Outcome::Halted).unwrap();
    };
    let all = [blocked, blocked_for_a_moment, halted, away, attempt_fails, out_of_quota, stopped];
    for (n, happens) in all.into_iter().enumerate() {
        let mut w = resumed();
        types(&mut w, 7);
        assert_eq!(w.claim("sup"), []);
        happens(&mut w);
        w.sees("executor", 7, Observed::HumanPrompt);
        let began = w.now();
        while w.claim("sup").is_empty() {
            assert_eq!(w.pending_of("executor")[0].reason, Some(Reason::HumanActive), "{n}");
            w.advance_ms(5_000);
        }
        assert_eq!(w.now().ms_since(began), DEFER_MS, "{n}");
    }
}

/// A session that another process has open is waited for as long, and no longer, when that is found out late.
#[test]
fn a_session_that_is_busy_after_the_start_is_given_up_in_time() {
    let mut w = resumed().calm();
    let began = w.now();
    loop {
        let claim = w.run_one("sup");
        w.advance_ms(10);
        w.ended(&claim, Outcome::SessionBusy).unwrap();
        let due_at = w.pending_of("executor")[0].due_at;
        if due_at <= w.now() {
            break;
        }
        w.advance_ms(due_at.ms_since(w.now()));
    }
    assert!((DEFER_MS..DEFER_MS + 10_000).contains(&w.now().ms_since(began)));
    assert_eq!(w.session("executor"), None);
}

/// The prompt of a wake is no person's: by the wake's own token, and by the wake that its prompt names.
#[test]
fn our_own_prompts_are_nobodys_input() {
    let mut w = resumed();
    let claim = w.claim_one("sup");
    let prompt =
        ObserveSession { wake_id: Some(claim.wake_id), ..World::sight("executor", 7, Observed::HumanPrompt) };
    let done = w.observes("executor", &prompt).unwrap();
    assert!(matches!(done.reply, Reply::Observed { is_ours: true, .. }), "{done:?}");
    w.started(&claim).unwrap();
    w.acting = Some(claim.wake_id);
    w.sees("executor", 8, Observed::HumanPrompt);
    w.acting = None;
    for seen in w.rows.sessions.values() {
        assert_eq!((seen.human_at, seen.place, seen.is_our_turn), (None, Place::Ours, true), "{seen:?}");
    }
    w.does_its_turn(&claim);
    // It is over: whoever names it now is a person who has read of it somewhere.
    w.observes("executor", &prompt).unwrap();
    w.post("olga", Post::chat("again").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
}

/// Nobody names another agent's wake to pass for it.
#[test]
fn a_wake_of_somebody_else_makes_nothing_ours() {
    let mut w = asked();
    w.post("olga", Post::chat("look").to(&["reviewer"])).unwrap();
    let claims = w.claim("sup");
    let other = claims.iter().find(|claim| claim.agent == name("reviewer")).unwrap();
    let seen =
        ObserveSession { wake_id: Some(other.wake_id), ..World::sight("executor", 7, Observed::HumanPrompt) };
    let done = w.observes("executor", &seen).unwrap();
    assert!(matches!(done.reply, Reply::Observed { is_ours: false, .. }), "{done:?}");
}

#[test]
fn what_comes_late_says_nothing_about_now() {
    let mut w = World::pair();
    w.sees("executor", 7, Observed::TurnEnded);
    let late = ObserveSession { ago_ms: 3_000, ..World::sight("executor", 7, Observed::HumanPrompt) };
    w.observes("executor", &late).unwrap();
    let seen = w.rows.sessions.values().next().unwrap();
    assert_eq!(seen.activity, Activity::Idle);
    assert_eq!(seen.human_at, Some(w.now().plus_ms(-3_000)), "the person typed all the same");
    let limit = u64::try_from(OBSERVED_AGO_MS_MAX).unwrap();
    let ancient = |ago_ms| ObserveSession { ago_ms, ..World::sight("executor", 7, Observed::Opened) };
    w.observes("executor", &ancient(limit)).unwrap();
    assert_eq!(refused(w.observes("executor", &ancient(limit + 1))), Reason::LimitExceeded);
}

/// Nobody speaks for another but a supervisor, and that for agents that supervisors run.
#[test]
fn who_may_say_what_is_seen() {
    let mut w = asked();
    w.agent("una").unmanaged();
    for by in ["reviewer", "olga"] {
        let seen = World::sight("executor", 7, Observed::HumanPrompt);
        assert_eq!(refused(w.observes(by, &seen)), Reason::RoleMissing, "{by}");
    }
    let mut by_supervisor = |agent: &str| {
        let seen = World::sight(agent, 7, Observed::HumanPrompt);
        w.give_as("sup", Role::Supervisor, Command::ObserveSession(seen))
    };
    assert_eq!(refused(by_supervisor("nobody")), Reason::AgentNotFound);
    assert_eq!(refused(by_supervisor("una")), Reason::RuntimeUnmanaged);
    by_supervisor("executor").unwrap();
    assert_eq!(w.claim("sup"), []);
}

/// S002-96: an operator may, for a reason, which everybody in the thread reads and the ledger knows of.
#[test]
fn an_operator_may_disturb_for_a_reason() {
    let mut w = resumed();
    w.sees("executor", 7, Observed::HumanPrompt);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(refused(w.overrides("reviewer", "executor", "now")), Reason::RoleMissing);
    for why in ["", " \n"] {
        assert_eq!(refused(w.overrides("olga", "executor", why)), Reason::ParameterInvalid);
    }
    assert_eq!(refused(w.overrides("olga", "executor", &"x".repeat(2_001))), Reason::LimitExceeded);
    w.trigger("olga", "executor").unwrap();
    assert_eq!(w.claim("sup"), [], "without a word it waits like any other");
    let done = w.overrides("olga", "executor", "production is down").unwrap();
    assert_eq!(done.kinds(), ["wake.overridden", "thread.message_posted"]);
    let (message, _) = &w.rows.messages[&(w.thread_id, w.thread().seq)];
    assert_eq!(message.text.body, "production is down");
    assert_eq!(message.head.kind, MessageKind::System);
    assert_eq!(message.head.event_type.as_deref(), Some(event_type::WAKE_OVERRIDDEN));
    let ledger = serde_json::to_string(&done.events).unwrap();
    assert!(ledger.contains("\"by\":\"olga\"") && !ledger.contains("production"), "{ledger}");
    let again = w.overrides("olga", "executor", "and the customers call").unwrap();
    assert_eq!(again.kinds(), done.kinds(), "each reason is read by everybody");
    let claim = w.claim_one("sup");
    assert_eq!(w.session("executor"), Some(session(7)), "it enters the session itself");
    w.started(&claim).unwrap();
    assert_eq!(w.overrides("olga", "executor", "still").unwrap().kinds(), done.kinds(), "while it runs, too");
    assert_eq!(w.wakes_of("executor").len(), 2, "and nobody is woken twice");
}

/// What cannot wait now can wait when it was put off for hours: then the person at the keyboard is asked first again.
#[test]
fn an_override_is_for_now() {
    let accepted_and_failed: fn(&mut World) = |w| {
        let claim = w.run_one("sup");
        w.accepted(&claim, Evidence::Output).unwrap();
        w.exits(&claim, 1);
        w.advance_ms(2_000);
    };
    let out_of_quota: fn(&mut World) = |w| {
        let claim = w.run_one("sup");
        let fault = TurnFault::ModelRateLimited;
        w.ended(&claim, Outcome::TurnFailed { fault, reset_in_ms: Some(3_600_000) }).unwrap();
        w.advance_ms(3_600_000);
    };
    let blocked: fn(&mut World) = |w| {
        w.status("olga", Status::Blocked).unwrap();
        w.status("olga", Status::Active).unwrap();
    };
    for (n, happens) in [accepted_and_failed, out_of_quota, blocked].into_iter().enumerate() {
        let mut w = resumed();
        w.overrides("olga", "executor", "production is down").unwrap();
        happens(&mut w);
        w.sees("executor", 7, Observed::HumanPrompt);
        assert_eq!(w.claim("sup"), [], "{n}");
        assert_eq!(w.pending_of("executor")[0].reason, Some(Reason::HumanActive), "{n}");
    }
    // An attempt that was not accepted is the same matter still.
    let mut w = resumed();
    w.sees("executor", 7, Observed::HumanPrompt);
    w.overrides("olga", "executor", "production is down").unwrap();
    let claim = w.run_one("sup");
    w.ended(&claim, Outcome::NotAccepted).unwrap();
    w.advance_ms(2_000);
    assert_eq!(w.claim("sup").len(), 1);
}

/// Without a wake there it makes one; the same key gives the same answer.
#[test]
fn an_override_wakes_whom_nobody_asked_for() {
    let mut w = World::pair();
    w.sees("executor", 7, Observed::HumanPrompt);
    w.key = Some("k".into());
    let done = w.overrides("olga", "executor", "look at once").unwrap();
    assert!(matches!(done.reply, Reply::Wake(_)), "{done:?}");
    w.key = Some("k".into());
    let again = w.overrides("olga", "executor", "look at once").unwrap();
    assert_eq!((again.reply, again.replayed.is_some()), (done.reply, true));
    w.claim_one("sup");
    let posted = w.post("executor", Post::event(event_type::WAKE_OVERRIDDEN, serde_json::json!({})));
    assert_eq!(refused(posted), Reason::EventTypeReserved, "nobody else says so");
}

/// The hooks of the executor's session say this, and can hand over what waits in the thread.
fn hook(w: &mut World, number: u128, observed: Observed) -> Vec<String> {
    let threads = vec![w.thread_id];
    let done =
        w.observes("executor", &ObserveSession { threads, ..World::sight("executor", number, observed) });
    let done = done.unwrap();
    let Reply::Observed { told, .. } = &done.reply else { panic!("{done:?}") };
    assert!(told.iter().all(|id| *id == w.thread_id));
    let mut kinds = done.kinds();
    kinds.insert(0, format!("told {}", told.len()));
    kinds
}

const TOLD: [&str; 2] = ["told 1", "wake.deferred"];

/// The session is told, its agent reads by itself: no process is needed.
#[test]
fn a_session_that_is_told_makes_its_wake_needless() {
    let mut w = asked();
    assert_eq!(hook(&mut w, 7, Observed::HumanPrompt), TOLD);
    let wake = w.pending_of("executor")[0];
    let ladder = &wake.ladder;
    assert_eq!((ladder.told_at, ladder.evidence, ladder.accepted_at), (Some(w.now()), None, None));
    assert_eq!(waits(&w), (Some(Reason::ToldByHook), 120_000));
    assert_eq!(w.claim("sup"), []);
    let wake_id = w.pending_of("executor")[0].wake_id;
    w.advance_ms(2_000);
    w.ack("executor", 1).unwrap();
    let wake = w.wake(wake_id);
    assert_eq!(wake.result, Some(WakeResult::AlreadyActive));
    assert_eq!((wake.ladder.evidence, wake.ladder.accepted_at), (Some(Evidence::Hook), Some(w.now())));
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded), ["told 0"], "nothing is left to tell");
}

/// 120 s for the acknowledgement, not a millisecond less; then the wake is due again, and no session is told of the same
/// messages for its sake again.
#[test]
fn who_is_told_and_does_not_read_is_woken() {
    let mut w = asked();
    hook(&mut w, 7, Observed::TurnEnded);
    let seen = w.rows.sessions.values().next().unwrap();
    assert_eq!(seen.activity, Activity::Busy, "with that the turn goes on");
    w.sees("executor", 7, Observed::TurnEnded);
    w.advance_ms(119_999);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded), ["told 0"], "a turn's end says nothing twice");
    assert_eq!(hook(&mut w, 8, Observed::TurnEnded), ["told 1"], "another session has not heard");
    w.sees("executor", 8, Observed::TurnEnded);
    w.advance_ms(1);
    let claim = w.claim_one("sup");
    w.started(&claim).unwrap();
    assert_eq!(w.wake(claim.wake_id).ladder.told_at, None, "what was told does not prove this attempt");
    assert_eq!(
        hook(&mut w, 7, Observed::HumanPrompt),
        ["told 1"],
        "a person's prompt is a good moment again"
    );
}

/// The answer to the hook was lost, or its program did not listen: the turn that the prompt began ends without a word of it,
/// and then it is said again, once.
#[test]
fn what_was_told_in_vain_is_said_again_when_the_turn_ends() {
    let mut w = asked();
    assert_eq!(hook(&mut w, 7, Observed::HumanPrompt)[0], "told 1");
    assert_eq!(w.pending_of("executor")[0].ladder.accepted_at, None, "nobody knows whether it was heard");
    w.advance_ms(5_000);
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded)[0], "told 1");
    w.advance_ms(5_000);
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded)[0], "told 0", "once");
    assert_eq!(w.pending_of("executor").len(), 1);
}

/// Whoever was told and works on is not overtaken by a fresh session for the same work, however long the wake had waited
/// before; when the turn is over and nothing was acknowledged it goes on.
#[test]
fn a_session_that_is_busy_with_what_it_was_told_is_waited_for() {
    let mut w = resumed();
    w.sees("executor", 7, Observed::HumanPrompt);
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(DEFER_MS - 1_000);
    assert_eq!(waits(&w).0, Some(Reason::HumanActive));
    assert_eq!(hook(&mut w, 7, Observed::HumanPrompt)[0], "told 1");
    for _ in 0..5 {
        w.advance_ms(120_000);
        assert_eq!(w.claim("sup"), [], "its turn goes on");
        assert_eq!(waits(&w), (Some(Reason::ToldByHook), 120_000));
    }
    w.sees("executor", 7, Observed::TurnEnded);
    w.advance_ms(120_000);
    assert_eq!(w.claim("sup").len(), 1);
    assert_eq!(w.session("executor"), Some(session(7)), "nobody is in it any more");
}

/// A turn of which nobody tells the end is not believed in for ever.
#[test]
fn a_turn_that_was_told_and_never_ends_is_passed_over() {
    let mut w = resumed();
    assert_eq!(hook(&mut w, 7, Observed::HumanPrompt)[0], "told 1");
    let began = w.now();
    while w.claim("sup").is_empty() {
        w.advance_ms(1_000);
    }
    assert_eq!(w.now().ms_since(began), w.policy.human_turn_ms_max);
}

/// A message that came after is another one: it does not wait for what was told before.
#[test]
fn a_later_message_is_due_at_once() {
    let mut w = asked();
    hook(&mut w, 7, Observed::TurnEnded);
    w.sees("executor", 7, Observed::TurnEnded);
    w.advance_ms(1_000);
    w.post("olga", Post::chat("and this").to(&["executor"])).unwrap();
    assert_eq!(waits(&w), (Some(Reason::ToldByHook), 0));
    assert_eq!(w.pending_of("executor")[0].ladder.told_at, None);
    let mut told = w.clone();
    assert_eq!(hook(&mut told, 7, Observed::TurnEnded), TOLD, "or the session hears of it first");
    assert_eq!(w.claim("sup").len(), 1);
}

/// The same for an agent's message, and for what Interlock itself says to whoever must act; supervisors hear of both.
#[test]
fn whatever_comes_after_what_was_told_is_due_and_announced_at_once() {
    let comes: [fn(&mut World) -> Done; 2] = [
        |w| w.post("reviewer", Post::chat("and this").to(&["executor"])).unwrap(),
        |w| w.status_for("olga", Status::Blocked, Reason::ByRequest, Some("executor")).unwrap(),
    ];
    for (n, comes) in comes.into_iter().enumerate() {
        let mut w = asked();
        hook(&mut w, 7, Observed::TurnEnded);
        w.sees("executor", 7, Observed::TurnEnded);
        w.advance_ms(1_000);
        let done = comes(&mut w);
        let due_at = w.pending_of("executor")[0].due_at;
        assert_eq!(due_at, w.now(), "{n}");
        assert!(done.events.iter().any(Event::concerns_supervisors), "{n}");
        assert_eq!(w.claim("sup").iter().filter(|claim| claim.agent == name("executor")).count(), 1, "{n}");
    }
}

/// A wake that a supervisor holds, or that is held back, is not handed over twice.
#[test]
fn what_is_on_its_way_is_not_told_for() {
    let mut w = asked();
    let claim = w.claim_one("sup");
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded), ["told 1"]);
    w.started(&claim).unwrap();
    assert_eq!(hook(&mut w, 8, Observed::TurnEnded), ["told 1"]);
    let mut w = asked();
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(hook(&mut w, 7, Observed::TurnEnded), ["told 1"]);
}

/// Only what one takes part in and has not read is told.
#[test]
fn sessions_hear_of_their_own_threads_only() {
    let mut w = World::pair();
    w.agent("outsider").unmanaged();
    w.says("olga", "hello");
    let threads = vec![w.thread_id, interlock_core::id::ThreadId::from_u128(99)];
    let seen = ObserveSession { threads, ..World::sight("outsider", 7, Observed::HumanPrompt) };
    let done = w.observes("outsider", &seen).unwrap();
    assert_eq!(done.reply, Reply::Observed { is_ours: false, told: Vec::new(), is_held: true });
}

/// A heartbeat writes a row when it says something new, and otherwise only now and then.
#[test]
fn heartbeats_are_seldom_written() {
    let mut w = World::pair();
    let beat = |w: &mut World, is_active| {
        let before = w.rows.sessions.clone();
        let done = w.give("executor", Command::Heartbeat { is_active }).unwrap();
        assert_eq!(done.events, [], "outside the ledger");
        before != w.rows.sessions
    };
    assert!(beat(&mut w, true));
    w.advance_ms(4_999);
    assert!(!beat(&mut w, true));
    assert!(beat(&mut w, false), "it says something else");
    w.advance_ms(5_000);
    assert!(beat(&mut w, false));
    let seen = w.rows.sessions.values().next().unwrap();
    assert_eq!((seen.is_active, seen.seen_at, seen.is_terminal()), (Some(false), w.now(), false));
    assert_eq!(w.claim("sup"), []);
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup").len(), 1, "and is in nobody's way");
}

/// Of one agent's sessions those stay that somebody sits at.
#[test]
fn an_agents_sessions_are_forgotten_beyond_their_number() {
    let mut w = World::pair();
    w.sees("executor", 1, Observed::Opened);
    for number in 2..=20 {
        w.advance_ms(1);
        w.sees("executor", number, Observed::Opened);
        w.sees("executor", number, Observed::Closed);
    }
    let kept: Vec<u128> = w.rows.sessions.keys().map(|(_, id)| id.unwrap().as_u128()).collect();
    assert_eq!(kept.len(), SESSIONS_OF_AGENT_MAX);
    assert_eq!(kept, [1, 14, 15, 16, 17, 18, 19, 20]);
}

/// Of all agents' sessions the silent ones make room.
#[test]
fn a_workspaces_sessions_are_forgotten_beyond_their_number() {
    let mut w = World::pair();
    w.give("executor", Command::Heartbeat { is_active: true }).unwrap();
    let (_, first) = w.rows.sessions.pop_first().unwrap();
    for number in 0..SESSIONS_MAX {
        let (agent, seen_at) = (name(&format!("p{number}")), w.now().plus_ms(number.into()));
        let session = Session { agent, seen_at, ..first.clone() };
        w.rows.sessions.insert(session.key(), session);
    }
    w.give("executor", Command::Heartbeat { is_active: true }).unwrap();
    assert_eq!(w.rows.sessions.len(), usize::try_from(SESSIONS_MAX).unwrap());
    let has = |text: &str| w.rows.sessions.contains_key(&(name(text), None));
    assert!(!has("p0") && has("p1") && has("executor"));
}

/// One agent's person is in no other agent's way, and urgent messages wait like others.
#[test]
fn people_are_in_the_way_of_their_own_agent_alone() {
    let mut w = World::pair();
    w.sees("executor", 7, Observed::HumanPrompt);
    w.post("olga", Post::chat("all").urgent()).unwrap();
    let claims: Vec<Claim> = w.claim("sup");
    assert_eq!(claims.iter().map(|claim| claim.agent.clone()).collect::<Vec<_>>(), [name("reviewer")]);
    assert_eq!(w.rows.wakes.values().filter(|wake| wake.lane == Some(Lane::Trigger)).count(), 0);
    assert_eq!(w.thread().members[&name("executor")].role, ThreadRole::Participant);
}
