//! Agents that go round in circles: chains of any length and over several threads, and words said again and again.

use interlock_core::id::ThreadId;
use interlock_core::thread::{Status, ThreadRole, event_type as et};
use interlock_core::{Event, Reason};
use serde_json::json;

use crate::world::{Post, World, finding_id, name};

const RING: [&str; 3] = ["ann", "bob", "cem"];

/// Three agents and who opened the thread, with a limit on chains alone.
fn ring(hops_max: u32) -> World {
    let mut w = World::new().calm();
    w.policy.causal_hops_max = hops_max;
    w.policy.turns_without_progress_max = 1_000_000;
    w.person("olga", interlock_core::actor::Role::Operator);
    for agent in RING {
        w.agent(agent).managed();
    }
    open(&mut w);
    w
}

fn open(w: &mut World) -> ThreadId {
    let everybody: Vec<_> = RING.iter().map(|agent| (*agent, ThreadRole::Participant)).collect();
    w.open("olga", &everybody)
}

/// Each wakes the next, so many times in all, beginning with the first.
fn goes_round(w: &mut World, hops: usize) {
    for n in 0..hops {
        let next = RING[(n + 1) % RING.len()];
        w.answers(RING[n % RING.len()], Post::chat(&format!("yours, {n}")).to(&[next]));
    }
}

fn last_hops(w: &World) -> u32 {
    w.rows.messages[&(w.thread_id, w.thread().seq)].0.head.hops
}

/// A circle of three: the sixtieth message may, the sixty-first blocks, and says who woke whom.
#[test]
fn a_circle_of_three_is_seen() {
    assert_eq!(interlock_core::policy::Policy::default().causal_hops_max, 60);
    let mut w = ring(60);
    w.post("olga", Post::chat("begin").to(&["ann"])).unwrap();
    goes_round(&mut w, 60);
    assert_eq!((w.thread().status, last_hops(&w)), (Status::Active, 60));
    w.answers("ann", Post::chat("yours").to(&["bob"]));
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::CausalLoop)));
    assert_eq!(thread.owner, Some(name("olga")));
    let said = &w.rows.messages[&(w.thread_id, thread.seq)].0;
    assert_eq!(said.head.event_type.as_deref(), Some(et::THREAD_ESCALATED));
    assert!(said.text.body.contains("`cem`, then `ann`, then `bob`, then `cem`, then `ann`"), "{said:?}");
    assert!(w.pending_of("bob")[0].held, "its wake is kept for whoever lets the thread go on");
}

#[test]
fn whoever_lets_it_go_on_gives_it_as_many_hops_again() {
    let mut w = ring(6);
    w.post("olga", Post::chat("begin").to(&["ann"])).unwrap();
    goes_round(&mut w, 7);
    assert_eq!(w.thread().reason, Some(Reason::CausalLoop));
    w.status("olga", Status::Active).unwrap();
    for n in 0..5 {
        assert_eq!(w.thread().status, Status::Active, "{n}");
        w.answers(RING[(n + 1) % 3], Post::chat("again").to(&[RING[(n + 2) % 3]]));
    }
    w.answers(RING[0], Post::chat("again").to(&["bob"]));
    assert_eq!(w.thread().reason, Some(Reason::CausalLoop));
}

#[test]
fn progress_and_people_begin_a_chain_anew() {
    let acts: [fn(&mut World); 3] = [
        |w| drop(w.answers("ann", Post::fix("aaaaaaa").to(&["bob"]))),
        |w| {
            w.answers("ann", Post::verified(finding_id(1)).to(&["bob"]));
        },
        // A person who asks the same agent too: from here on it is that person's wake.
        |w| {
            w.post("olga", Post::chat("and this").to(&["ann"])).unwrap();
            w.answers("ann", Post::chat("yes").to(&["bob"]));
        },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let mut w = ring(6);
        w.post("olga", Post::finding(finding_id(1), "a").to(&["ann"])).unwrap();
        goes_round(&mut w, 6);
        assert_eq!(last_hops(&w), 6, "{n}");
        act(&mut w);
        assert_eq!(w.thread().status, Status::Active, "{n}");
        w.answers("bob", Post::chat("yours").to(&["cem"]));
        assert!(last_hops(&w) <= 2, "{n}: {}", last_hops(&w));
    }
}

/// The count goes with the wake: from thread to thread, however many there are.
#[test]
fn a_circle_over_two_threads_is_seen() {
    let mut w = ring(6);
    let first = w.thread_id;
    let second = open(&mut w);
    w.thread_id = first;
    w.post("olga", Post::chat("begin").to(&["ann"])).unwrap();
    for n in 0..6 {
        let (who, next, there) = if n % 2 == 0 { ("ann", "bob", second) } else { ("bob", "ann", first) };
        w.answers(who, Post::chat("over to you").to(&[next]).into_thread(there));
        w.thread_id = there;
        assert_eq!((last_hops(&w), w.thread().status), (n + 1, Status::Active));
    }
    w.answers("ann", Post::chat("over to you").to(&["bob"]).into_thread(second));
    w.thread_id = second;
    assert_eq!(w.thread().reason, Some(Reason::CausalLoop));
    w.thread_id = first;
    assert_eq!(w.thread().status, Status::Active, "the thread that it has reached is blocked");
}

/// Work that gets on in one of the threads is no circle, in whatever order its agent tells of it.
#[test]
fn progress_in_one_thread_counts_for_what_goes_through_it() {
    let mut w = ring(6);
    let first = w.thread_id;
    let second = open(&mut w);
    w.thread_id = first;
    w.post("olga", Post::chat("begin").to(&["ann"])).unwrap();
    for n in 0..20 {
        w.advance_ms(1_000);
        let claim = w.run_one("sup");
        w.acting = Some(claim.wake_id);
        w.post("ann", Post::chat("look at this").to(&["bob"]).into_thread(second)).unwrap();
        w.post("ann", Post::fix(&format!("{:07x}", n + 1)).to(&["olga"])).unwrap();
        w.does_its_turn(&claim);
        w.acting = None;
        w.advance_ms(1_000);
        w.answers("bob", Post::chat("done").to(&["ann"]).into_thread(first));
        for thread in [first, second] {
            assert_eq!(w.rows.threads[&thread].status, Status::Active, "round {n}");
        }
    }
}

/// A wake asked for without a message is a hop like any other.
#[test]
fn triggers_are_hops() {
    let mut w = ring(2);
    w.trigger("olga", "ann").unwrap();
    for (n, (who, next)) in [("ann", "bob"), ("bob", "cem"), ("cem", "ann")].into_iter().enumerate() {
        assert_eq!(w.thread().status, Status::Active, "{n}");
        let claim = w.run_one("sup");
        w.acting = Some(claim.wake_id);
        w.trigger(who, next).unwrap();
        w.acting = None;
        w.exits(&claim, 0);
    }
    assert_eq!(w.thread().reason, Some(Reason::CausalLoop));
}

#[test]
fn a_chain_is_told_in_wakes_and_messages() {
    let mut w = ring(60);
    w.post("olga", Post::chat("begin").to(&["ann"])).unwrap();
    assert_eq!((w.pending_of("ann")[0].chain.clone(), last_hops(&w)), (None, 0));
    goes_round(&mut w, 10);
    let chain = w.pending_of("bob")[0].chain.clone().unwrap();
    assert_eq!(chain.hops, 10);
    let via: Vec<&str> = chain.via.iter().map(interlock_core::actor::AgentName::as_str).collect();
    assert_eq!(via, ["cem", "ann", "bob", "cem", "ann", "bob", "cem", "ann"], "the last eight");
}

/// A guard that looks at failures alone never trips here: wakes that all succeed are a circle all the same.
#[test]
fn two_who_thank_each_other_are_stopped_though_every_wake_succeeds() {
    let mut w = World::pair();
    w.says("olga", "begin");
    let first = w.claim("sup");
    for claim in &first {
        w.started(claim).unwrap();
        w.does_its_turn(claim);
    }
    let mut turns = 0;
    let mut who = ("executor", "reviewer");
    w.post(who.0, Post::chat("thank you, 0").to(&[who.1])).unwrap();
    while w.thread().status == Status::Active {
        turns += 1;
        assert!(turns <= 20, "nothing stops them");
        w.advance_ms(60_000);
        who = (who.1, who.0);
        w.answers(who.0, Post::chat(&format!("thank you, {turns}")).to(&[who.1]));
    }
    assert_eq!(w.thread().reason, Some(Reason::NoProgress));
    assert_eq!(w.thread().guard.turns_total, 20);
}

/// The third "acknowledged" in a row of one agent blocks; letter case and white space are no difference.
#[test]
fn the_third_identical_message_blocks_the_thread() {
    assert_eq!(interlock_core::policy::Policy::default().identical_messages_max, 3);
    let mut w = World::pair();
    for (n, text) in ["Acknowledged.", " acknowledged. ", "ACKNOWLEDGED.\n"].into_iter().enumerate() {
        assert_eq!(w.thread().status, Status::Active, "before {n}");
        w.post("executor", Post::chat(text).to(&["reviewer"])).unwrap();
        // What somebody else says in between is no difference to what this one says.
        if n < 2 {
            w.post("reviewer", Post::chat(&format!("noted {n}")).to(&["olga"])).unwrap();
        }
    }
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::RepeatedMessages)));
    assert_eq!(thread.owner, Some(name("olga")));
    let said = &w.rows.messages[&(w.thread_id, thread.seq)].0.text.body;
    assert!(said.contains("`executor` said the same 3 times"), "{said}");
}

#[test]
fn what_makes_the_same_words_new() {
    let acts: [fn(&mut World); 5] = [
        |w| drop(w.post("executor", Post::chat("something else").to(&["olga"])).unwrap()),
        |w| drop(w.post("reviewer", Post::fix("aaaaaaa").to(&["olga"])).unwrap()),
        |w| drop(w.post("olga", Post::chat("are you done?").to(&["executor"])).unwrap()),
        |w| {
            w.status("olga", Status::Blocked).unwrap();
            w.status("olga", Status::Active).unwrap();
        },
        |w| {
            w.removes("olga", "executor").unwrap();
            w.adds("olga", "executor", ThreadRole::Participant).unwrap();
        },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let mut w = World::pair();
        let done = |w: &mut World| drop(w.post("executor", Post::chat("done").to(&["olga"])).unwrap());
        done(&mut w);
        done(&mut w);
        act(&mut w);
        done(&mut w);
        done(&mut w);
        assert_eq!(w.thread().status, Status::Active, "{n}");
        done(&mut w);
        assert_eq!(w.thread().reason, Some(Reason::RepeatedMessages), "{n}");
    }
}

/// People may say the same as often as they like, and findings and progress have guards of their own.
#[test]
fn what_is_not_counted_as_repeated() {
    let mut w = World::pair();
    w.policy.identical_findings_max = 100;
    for n in 0..10 {
        w.post("olga", Post::chat("go on").to(&["executor"])).unwrap();
        w.post("reviewer", Post::finding(finding_id(1), "a").to(&["olga"])).unwrap();
        let request = Post::event(et::RE_REVIEW_REQUESTED, json!({"commit": format!("{n:07x}")}));
        w.post("executor", request.to(&["olga"])).unwrap();
        w.post("executor", Post::fix(&format!("{n:07x}")).to(&["olga"])).unwrap();
    }
    assert_eq!(w.thread().status, Status::Active);
}

/// The ledger tells only that words are the same, and only to who has the thread's salt.
#[test]
fn repeated_words_stand_nowhere_but_in_the_text() {
    let mut w = World::pair();
    let print = |w: &mut World, who: &str| match &w.says(who, "acknowledged").events[0] {
        Event::MessagePosted { said_print, .. } => *said_print,
        other => panic!("{other:?}"),
    };
    let here = print(&mut w, "executor");
    assert!(here.is_some());
    assert_eq!(print(&mut w, "executor"), here);
    assert_eq!(print(&mut w, "olga"), None, "of people nothing is kept");
    assert!(!serde_json::to_string(&w.thread().members).unwrap().contains("acknowledged"));
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    assert_ne!(print(&mut w, "executor"), here, "each thread has a salt of its own");
}
