//! Agents that nobody looks after: what they cannot undo, and that whatever they do they come to rest.

use std::collections::BTreeSet;

use interlock_core::actor::Role;
use interlock_core::command::ThreadAction;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::thread::{Status, ThreadRole, event_type as et};
use interlock_core::wake::{Outcome, Usage, Why};
use interlock_core::{Command, Event, Reason, Refusal};
use serde_json::json;

use crate::explaining::explained;
use crate::refused;
use crate::simulation::dice::Dice;
use crate::world::{Done, Post, World, finding_id, name};

/// What an agent that leads says to override a block.
const OVERRIDE: &str = "coordinator_override: it is fine";

/// Two agents in a thread that the first of them opened, and nobody else in it; `olga` is not far.
fn alone() -> World {
    let mut w = World::new().calm();
    w.agent("lead").role(Role::Coordinator).managed();
    w.agent("hand").managed();
    w.person("olga", Role::Operator);
    w.open("lead", &[("hand", ThreadRole::Participant)]);
    w
}

/// The lead's and then the hand's turn, each for a word of the other.
fn both_do_a_turn(w: &mut World, n: u32) {
    for (from, to) in [("hand", "lead"), ("lead", "hand")] {
        w.advance_ms(1_000);
        w.post(from, Post::chat(&format!("{from} says {n}")).to(&[to])).unwrap();
        let claim = w.run_one("sup");
        w.does_its_turn(&claim);
    }
}

/// What makes a guard block the thread.
type Trip = fn(&mut World);

const TRIPS: [(Reason, Trip); 7] = [
    (Reason::NoProgress, |w| {
        w.policy.turns_without_progress_max = 2;
        both_do_a_turn(w, 1);
    }),
    (Reason::IdenticalFindings, |w| {
        for n in 1..=3 {
            w.post("hand", Post::finding(finding_id(n), "a").to(&["lead"])).unwrap();
        }
    }),
    (Reason::RepeatedMessages, |w| {
        w.policy.identical_messages_max = 3;
        (0..3).for_each(|_| drop(w.post("hand", Post::chat("done").to(&["lead"])).unwrap()));
    }),
    (Reason::CausalLoop, |w| {
        w.policy.causal_hops_max = 1;
        w.post("olga", Post::chat("begin").to(&["lead"])).unwrap();
        w.answers("lead", Post::chat("you").to(&["hand"]));
        w.answers("hand", Post::chat("no, you").to(&["lead"]));
    }),
    (Reason::BudgetSpent, |w| {
        w.policy.thread_tokens_max = 10;
        w.post("lead", Post::chat("go").to(&["hand"])).unwrap();
        let claim = w.run_one("sup");
        let seq = w.thread().seq;
        w.ack("hand", seq).unwrap();
        w.ended_with(&claim, Outcome::Exited { code: 0 }, Usage { input_tokens: 10, ..Usage::NONE }).unwrap();
    }),
    (Reason::WakeFailed, |w| {
        w.policy.wake_retries_max = 0;
        w.post("lead", Post::chat("go").to(&["hand"])).unwrap();
        let claim = w.run_one("sup");
        w.exits(&claim, 1);
    }),
    (Reason::WakeInDoubt, |w| {
        w.post("lead", Post::chat("go").to(&["hand"])).unwrap();
        let claim = w.run_one("sup");
        w.ended(&claim, Outcome::InDoubt).unwrap();
    }),
];

/// A thread that a guard has blocked for this reason.
fn guarded((reason, trip): (Reason, Trip)) -> World {
    let mut w = alone();
    trip(&mut w);
    assert_eq!((w.thread().status, w.thread().reason), (Status::Blocked, Some(reason)));
    w
}

/// Both ways to let a blocked thread go on.
fn ways(w: &World, who: &str) -> [Result<Done, Refusal>; 2] {
    [w.clone().status(who, Status::Active), w.clone().operates(who, ThreadAction::Unblock, OVERRIDE, None)]
}

/// Whatever blocked it and whatever the agent says; a person who leads, and an operator, may.
#[test]
fn an_agent_that_leads_cannot_let_a_guarded_thread_go_on() {
    for trip in TRIPS {
        let mut w = guarded(trip);
        w.person("carl", Role::Coordinator);
        w.agent("chief").role(Role::Coordinator).managed();
        w.agent("ops").role(Role::Operator).managed();
        for agent in ["lead", "chief", "ops"] {
            for done in ways(&w, agent) {
                assert_eq!(refused(done), Reason::PersonRequired, "{agent} {}", trip.0);
            }
        }
        for person in ["carl", "olga"] {
            for done in ways(&w, person) {
                assert!(done.is_ok(), "{person} {}: {done:?}", trip.0);
            }
        }
    }
}

/// Both ways to close a blocked thread.
fn ends(w: &World, who: &str) -> [Result<Done, Refusal>; 2] {
    let close = |text| w.clone().operates(who, ThreadAction::Close, text, None);
    [w.clone().status(who, Status::Closed), close("human_override: it is fine")]
}

/// Else it would close the thread and go on in another, and nobody would have looked.
#[test]
fn an_agent_cannot_end_a_guarded_thread() {
    for trip in TRIPS {
        let mut w = guarded(trip);
        w.person("carl", Role::Coordinator);
        w.agent("ops").role(Role::Operator).managed();
        let [by_lead, _] = ends(&w, "lead");
        assert_eq!(refused(by_lead), Reason::PersonRequired, "{}", trip.0);
        for done in ends(&w, "ops") {
            assert_eq!(refused(done), Reason::PersonRequired, "{}", trip.0);
        }
        let [by_carl, _] = ends(&w, "carl");
        assert!(by_carl.is_ok(), "{}: {by_carl:?}", trip.0);
        for done in ends(&w, "olga") {
            assert!(done.is_ok(), "{}: {done:?}", trip.0);
        }
        w.assigns("olga", "lead").unwrap();
        let [entrusted, _] = ends(&w, "lead");
        assert!(entrusted.is_ok(), "{}: {entrusted:?}", trip.0);
    }
}

/// What is not blocked, and what it blocked itself, an agent that leads ends as ever.
#[test]
fn an_agent_ends_what_it_may_go_on_with() {
    let mut w = alone();
    assert!(w.clone().status("lead", Status::Closed).is_ok());
    w.status_for("lead", Status::Blocked, Reason::Paused, None).unwrap();
    assert!(w.clone().status("lead", Status::Closed).is_ok());
    let mut w = alone();
    w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
    assert_eq!(refused(w.status("lead", Status::Closed)), Reason::PersonRequired);
    let mut w = alone();
    w.status_for("olga", Status::Resolved, Reason::Paused, None).unwrap();
    assert!(w.status("lead", Status::Closed).is_ok(), "nothing is blocked");
}

/// Agents may stop everything, and only a person lets them go on; whatever stands in the row.
#[test]
fn an_agent_cannot_let_stopped_agents_go_on() {
    let resume = || Command::ResumeAgents { since: None };
    let mut w = alone();
    w.agent("ops").role(Role::Operator).managed();
    assert_eq!(refused(w.give("ops", resume())), Reason::PersonRequired, "a halt may be on its way");
    w.give("ops", Command::HaltAgents).unwrap();
    assert_eq!(refused(w.give("ops", resume())), Reason::PersonRequired, "not even its own");
    let mut run = w.clone();
    run.acting = Some(WakeId::from_u128(1));
    assert_eq!(refused(run.give("olga", resume())), Reason::PersonRequired, "in the run of a wake");
    assert_eq!(w.give("olga", resume()).unwrap().events, [Event::WorkspaceResumed { by: name("olga") }]);
}

/// In the run of a wake nobody is a person, whatever the name on the token.
#[test]
fn a_process_that_a_supervisor_runs_is_no_person() {
    let mut w = guarded(TRIPS[0]);
    w.person("carl", Role::Coordinator);
    let claim = w.run_one("sup");
    w.acting = Some(claim.wake_id);
    for done in ways(&w, "carl") {
        assert_eq!(refused(done), Reason::PersonRequired);
    }
}

/// A person who names an agent to act has looked, and entrusts it with this; the next time a person is asked again.
#[test]
fn an_agent_goes_on_where_a_person_entrusted_it() {
    for trip in TRIPS {
        let mut w = guarded(trip);
        w.agent("chief").role(Role::Coordinator).managed();
        w.assigns("olga", "lead").unwrap();
        assert_eq!(w.assigns("olga", "lead").unwrap().events, [], "once is enough");
        for done in ways(&w, "lead") {
            assert!(done.is_ok(), "{}: {done:?}", trip.0);
        }
        for done in ways(&w, "chief") {
            assert_eq!(refused(done), Reason::PersonRequired, "{}: the other one was named", trip.0);
        }
    }
    let mut w = guarded(TRIPS[1]);
    w.assigns("olga", "lead").unwrap();
    w.status("lead", Status::Active).unwrap();
    w.post("hand", Post::finding(finding_id(4), "a").to(&["lead"])).unwrap();
    assert_eq!(refused(w.status("lead", Status::Active)), Reason::PersonRequired, "once is not for ever");
}

/// Who has left is replaced by the rule, and the rule entrusts nobody.
#[test]
fn the_rule_entrusts_nobody() {
    let mut w = alone();
    w.agent("carl").unmanaged();
    w.adds("olga", "carl", ThreadRole::Coordinator).unwrap();
    TRIPS[0].1(&mut w);
    assert_eq!(w.thread().owner, Some(name("carl")));
    w.removes("carl", "carl").unwrap();
    w.advance_ms(w.policy.escalation_reminder_ms);
    w.reminds();
    assert_eq!(w.thread().owner, Some(name("lead")));
    assert_eq!(refused(w.status("lead", Status::Active)), Reason::PersonRequired);
}

#[test]
fn what_an_agent_may_let_go_on() {
    for reason in [Reason::ByRequest, Reason::FindingUnresolved, Reason::OpenFindings, Reason::NotConverged] {
        let mut w = alone();
        w.status_for("lead", Status::Blocked, reason, None).unwrap();
        for done in ways(&w, "lead") {
            assert!(done.is_ok(), "{reason}: {done:?}");
        }
    }
}

/// What a person stopped waits for a person; what an agent itself stopped it may take up again.
#[test]
fn a_pause_is_its_own() {
    for reason in [Reason::Paused, Reason::LeashReached] {
        let mut w = alone();
        w.status_for("olga", Status::Blocked, reason, None).unwrap();
        for done in ways(&w, "lead") {
            assert_eq!(refused(done), Reason::PersonRequired, "{reason}");
        }
        assert_eq!(refused(w.assigns("lead", "hand")), Reason::PersonRequired, "{reason}");
        let mut w = alone();
        w.status_for("lead", Status::Blocked, reason, None).unwrap();
        for done in ways(&w, "lead") {
            assert!(done.is_ok(), "{reason}");
        }
    }
}

/// Else two of them would only have to block and unblock a thread in turn.
#[test]
fn an_agents_change_of_status_is_no_progress() {
    let mut w = alone();
    for n in 1..=10 {
        assert_eq!(w.thread().status, Status::Active, "after {} turns", w.thread().guard.turns);
        w.status("lead", Status::Blocked).unwrap();
        w.status("lead", Status::Active).unwrap();
        both_do_a_turn(&mut w, n);
    }
    assert_eq!((w.thread().reason, w.thread().guard.turns_total), (Some(Reason::NoProgress), 20));
    let mut w = alone();
    w.agent("chief").role(Role::Coordinator).managed();
    both_do_a_turn(&mut w, 1);
    w.status("chief", Status::Blocked).unwrap();
    w.status("chief", Status::Active).unwrap();
    assert_eq!(w.thread().guard.turns, 2, "an agent that takes no part is an agent all the same");
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(w.thread().guard.turns, 0);
}

/// Whoever must act is a person where there is one, although an agent opened the thread.
#[test]
fn people_are_asked_before_agents() {
    let blocks = |w: &mut World| {
        TRIPS[0].1(w);
        w.thread().owner.as_ref().unwrap().as_str().to_owned()
    };
    let mut w = alone();
    assert_eq!(blocks(&mut w), "lead", "there is nobody else");
    let mut w = alone();
    w.policy.escalation_owner = Some(name("zoe"));
    assert_eq!(blocks(&mut w), "zoe", "named by the configuration");
    w = alone();
    w.policy.escalation_owner = Some(name("zoe"));
    w.agent("carl").unmanaged();
    w.adds("olga", "carl", ThreadRole::Coordinator).unwrap();
    assert_eq!(blocks(&mut w), "carl", "leads this very thread");
}

/// An agent that must act and cannot hands it on to a person; from agent to agent it would go for ever.
#[test]
fn an_agent_hands_a_guarded_thread_to_people_only() {
    for trip in TRIPS {
        let mut w = guarded(trip);
        w.agent("carl").unmanaged();
        w.adds("olga", "carl", ThreadRole::Participant).unwrap();
        assert_eq!(refused(w.assigns("lead", "hand")), Reason::PersonRequired, "{}", trip.0);
        w.assigns("lead", "carl").unwrap();
        assert_eq!(w.thread().owner, Some(name("carl")));
        w.assigns("olga", "hand").unwrap();
        assert_eq!(w.thread().owner, Some(name("hand")), "a person may");
    }
}

/// Two threads, each blocked and each with the other agent as its owner.
fn two_blocked() -> (World, [ThreadId; 2]) {
    let mut w = World::new();
    for agent in ["ann", "bob"] {
        w.agent(agent).role(Role::Coordinator).managed();
    }
    w.person("olga", Role::Operator);
    let threads = ["ann", "bob"].map(|agent| {
        let other = if agent == "ann" { "bob" } else { "ann" };
        w.open(agent, &[(other, ThreadRole::Participant)]);
        w.status("olga", Status::Blocked).unwrap();
        w.thread_id
    });
    (w, threads)
}

/// Whoever must act in a blocked thread is woken by people and by Interlock: agents' words there are kept until it goes on.
#[test]
fn two_blocked_threads_are_no_loop() {
    let (mut w, [of_ann, of_bob]) = two_blocked();
    let mut turns = 0;
    for n in 0..200 {
        for claim in w.claim("sup") {
            turns += 1;
            w.started(&claim).unwrap();
            w.acting = Some(claim.wake_id);
            let (to, there) = if claim.agent == name("ann") { ("bob", of_bob) } else { ("ann", of_ann) };
            w.post(claim.agent.as_str(), Post::chat(&format!("yours, {n}")).to(&[to]).into_thread(there))
                .unwrap();
            w.acting = None;
            w.thread_id = w.wake(claim.wake_id).thread_id;
            w.does_its_turn(&claim);
        }
        w.advance_ms(60_000);
    }
    assert_eq!(turns, 2, "each for the escalation of its own thread, and no more");
    w.post("bob", Post::chat("and this").to(&["ann"]).into_thread(of_ann)).unwrap();
    w.post("ann", Post::chat("and this").to(&["bob"]).into_thread(of_bob)).unwrap();
    assert_eq!(w.claim("sup"), []);
    assert!(w.pending_of("ann")[0].held && w.pending_of("bob")[0].held, "nothing is lost");
    w.thread_id = of_ann;
    w.post("olga", Post::chat("look at it").to(&["ann"])).unwrap();
    assert_eq!(w.claim_one("sup").agent, name("ann"), "a person asks too");
    w.thread_id = of_bob;
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim_one("sup").agent, name("bob"));
}

/// What waits for whoever must act, and was put off or held as agents' doing, is let go by what Interlock tells it.
#[test]
fn an_escalation_lets_go_what_waits_for_whoever_must_act() {
    let (mut w, [of_ann, _]) = two_blocked();
    for claim in w.claim("sup") {
        w.thread_id = w.wake(claim.wake_id).thread_id;
        w.started(&claim).unwrap();
        w.does_its_turn(&claim);
    }
    w.thread_id = of_ann;
    w.post("bob", Post::chat("anything new?").to(&["ann"])).unwrap();
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(w.policy.escalation_reminder_ms);
    w.reminds();
    assert_eq!(w.claim_one("sup").agent, name("ann"));
}

/// Whoever asks why is told.
#[test]
fn what_is_held_for_agents_words_alone_says_so() {
    let (mut w, [of_ann, _]) = two_blocked();
    w.thread_id = of_ann;
    let claim = w.claim("sup").into_iter().find(|claim| claim.agent == name("ann")).unwrap();
    w.started(&claim).unwrap();
    w.does_its_turn(&claim);
    w.post("bob", Post::chat("anything new?").to(&["ann"])).unwrap();
    let because = &explained(&w, "ann", 1)[0];
    assert_eq!((because.why, because.reason), (Why::Held, Some(Reason::ByRequest)));
    assert!(
        because.detail.starts_with("must act, and is not woken for what agents alone say"),
        "{because:?}"
    );
}

/// Retrying a wake is an agent's word like any other.
#[test]
fn an_agent_wakes_nobody_in_a_blocked_thread() {
    let mut w = guarded(TRIPS[5]);
    let failed = w.wakes_of("hand")[0].wake_id;
    let claim = w.run_one("sup");
    assert_eq!(claim.agent, name("lead"), "it must act");
    w.assigns("olga", "hand").unwrap();
    w.does_its_turn(&claim);
    let told = w.claim_one("sup");
    w.started(&told).unwrap();
    w.exits(&told, 1);
    w.retries("lead", failed).unwrap();
    assert_eq!(w.claim("sup"), []);
    w.retries("olga", failed).unwrap();
    assert_eq!(w.claim_one("sup").agent, name("hand"));
}

fn verifies(w: &mut World, n: u128, commit: &str) {
    let verified = Post::event(et::FINDING_VERIFIED, json!({"finding_id": finding_id(n), "commit": commit}));
    w.post("lead", verified.to(&["hand"])).unwrap();
}

/// What was verified is not verified again, and not by reporting it anew and looking at the same commit.
#[test]
fn a_finding_is_verified_once() {
    let again: [fn(&mut World); 4] = [
        |w| verifies(w, 1, "aaaaaaa"),
        |w| verifies(w, 1, "bbbbbbb"),
        |w| {
            w.post("hand", Post::finding(finding_id(1), "a").to(&["lead"])).unwrap();
            verifies(w, 1, "aaaaaaa");
        },
        |w| {
            w.post("hand", Post::finding(finding_id(2), "a").to(&["lead"])).unwrap();
            verifies(w, 2, "aaaaaaa");
        },
    ];
    for (n, again) in again.into_iter().enumerate() {
        let mut w = alone();
        w.post("hand", Post::finding(finding_id(1), "a").to(&["lead"])).unwrap();
        both_do_a_turn_for_findings(&mut w);
        verifies(&mut w, 1, "aaaaaaa");
        assert_eq!(w.thread().guard.turns, 0, "the first time");
        both_do_a_turn_for_findings(&mut w);
        assert_eq!(w.thread().guard.turns, 2);
        again(&mut w);
        assert_eq!(w.thread().guard.turns, 2, "{n}");
    }
    let mut w = alone();
    w.post("hand", Post::finding(finding_id(1), "a").to(&["lead"])).unwrap();
    verifies(&mut w, 1, "aaaaaaa");
    both_do_a_turn_for_findings(&mut w);
    w.post("hand", Post::finding(finding_id(2), "a").to(&["lead"])).unwrap();
    verifies(&mut w, 2, "bbbbbbb");
    assert_eq!(w.thread().guard.turns, 0, "it came back, and is mended by another commit");
}

/// Both read what waits.
fn both_do_a_turn_for_findings(w: &mut World) {
    w.post("hand", Post::chat("well").to(&["lead"])).unwrap();
    w.post("lead", Post::chat("well").to(&["hand"])).unwrap();
    for claim in w.claim("sup") {
        w.started(&claim).unwrap();
        w.does_its_turn(&claim);
    }
}

/// Everybody does what comes to mind, in any thread; one person has said one thing, and looks away.
struct Crowd {
    w: World,
    dice: Dice,
    threads: Vec<ThreadId>,
    said: u32,
    turns: u32,
}

const CROWD: [&str; 3] = ["ann", "bob", "cem"];

impl Crowd {
    fn new(seed: u64) -> Self {
        let mut w = World::new();
        w.policy.causal_hops_max = 6;
        w.policy.turns_without_progress_max = 5;
        for agent in CROWD {
            w.agent(agent).role(Role::Coordinator).managed();
        }
        w.person("olga", Role::Operator);
        let mut crowd = Self { w, dice: Dice::new(seed), threads: Vec::new(), said: 0, turns: 0 };
        for by in ["olga", "ann", "bob"] {
            crowd.opens(by);
        }
        crowd.w.says("olga", "begin");
        crowd
    }

    fn opens(&mut self, by: &str) {
        let others: Vec<_> = CROWD.into_iter().filter(|agent| *agent != by).collect();
        let with: Vec<_> = others.iter().map(|agent| (*agent, ThreadRole::Coordinator)).collect();
        self.threads.push(self.w.open(by, &with));
    }

    /// One of the things that an agent may try; most are refused now and then.
    fn acts(&mut self, who: &str) {
        let other = self.dice.one(&CROWD);
        let id = finding_id(u128::try_from(self.dice.below(3)).unwrap());
        self.w.thread_id = self.threads[self.dice.below(self.threads.len())];
        self.said += 1;
        let words = format!("word {}", self.said);
        let done = match self.dice.below(16) {
            0..=5 => self.w.post(who, Post::chat(&words).to(&[other])),
            6 => self.w.post(who, Post::chat(&words).urgent()),
            7 => self.w.status_for(who, Status::Blocked, Reason::ByRequest, Some(other)),
            8 if self.dice.chance(10) => self.w.status(who, Status::Closed),
            8 => self.w.status(who, Status::Active),
            9 => self.w.operates(who, ThreadAction::Unblock, OVERRIDE, None),
            10 => self.w.assigns(who, other),
            11 => self.w.trigger(who, other),
            12 => self.w.post(who, Post::finding(id, "a").to(&[other])),
            13 => self.w.post(who, Post::verified(id).to(&[other])),
            14 => {
                let finished = self.w.wakes_of(other).into_iter().find(|wake| wake.result.is_some());
                match finished.map(|wake| wake.wake_id) {
                    Some(wake) => self.w.retries(who, wake),
                    None => return,
                }
            }
            _ if self.threads.len() < 12 => return self.opens(who),
            _ => return,
        };
        drop(done);
    }

    /// Everybody who is woken acts, reads some of what there is, and ends well or not.
    fn goes_on(&mut self) -> bool {
        let claims = self.w.claim("sup");
        for claim in &claims {
            // Its thread may have been blocked by another one's act meanwhile.
            if self.w.started(claim).is_err() {
                continue;
            }
            self.turns += 1;
            self.w.acting = Some(claim.wake_id);
            for _ in 0..self.dice.below(4) {
                self.acts(claim.agent.as_str());
            }
            self.w.acting = None;
            let thread = self.w.wake(claim.wake_id).thread_id;
            self.w.thread_id = thread;
            let seq = self.w.thread().seq;
            drop(self.w.ack(claim.agent.as_str(), seq));
            self.w.exits(claim, i32::from(self.dice.chance(5)));
        }
        !claims.is_empty()
    }
}

/// Guards hold over all threads together, also where no person takes part in any: nobody is woken for ever for what one
/// person said once, and each thread is left quiet, or blocked with somebody who must act.
#[test]
fn agents_left_alone_come_to_rest() {
    let mut reasons = BTreeSet::new();
    for seed in 0..300 {
        let mut crowd = Crowd::new(seed);
        let mut quiet = 0;
        while quiet < 12 {
            quiet = if crowd.goes_on() { 0 } else { quiet + 1 };
            crowd.w.advance_ms(60_000);
            assert!(crowd.turns < 2_000, "seed {seed}: they go on for ever");
        }
        for thread in crowd.w.rows.threads.values() {
            assert_eq!(thread.status == Status::Blocked, thread.owner.is_some(), "seed {seed}");
            reasons.extend(thread.reason);
        }
        for wake in crowd.w.rows.live() {
            assert!(wake.held, "seed {seed}: {wake:?} waits for nothing");
        }
    }
    for reason in [Reason::NoProgress, Reason::CausalLoop, Reason::IdenticalFindings, Reason::ByRequest] {
        assert!(reasons.contains(&reason), "no run came to {reason}");
    }
}
