//! Batches in one round trip: taken where everything is kept and nobody else has written, given up where not, and the
//! same in what comes of them.

use std::collections::VecDeque;
use std::sync::Arc;

use interlock_core::Command;
use interlock_core::Reason;
use interlock_core::command::{AckRead, ChangeStatus};
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;
use interlock_ledger::Tree;
use interlock_store::{Store, Trips};
use interlock_testkit::{Sequencer, Story};

use crate::made::{Made, block_on};

/// What a store's batches have cost so far.
pub(crate) fn trips(store: &Arc<dyn Store>) -> Trips {
    store.trips().unwrap()
}

/// Let a writer find that nobody else writes, and load what posting takes; changes nothing.
pub(crate) async fn settle(tale: &mut Story) {
    let thread_id = *tale.sequencer.mirror.threads.keys().next().unwrap();
    for _ in 0..3 {
        tale.tell("olga", Command::AckRead(AckRead { thread_id, seq: 0 })).await.unwrap();
    }
}

async fn opened(made: &Made) -> Arc<dyn Store> {
    Arc::new(made.try_open().await.unwrap())
}

/// A story with a thread, and a writer at another server that has told nothing yet.
async fn two_servers(made: &Made) -> (Story, Story, ThreadId) {
    let mut tale = Story::begin(Sequencer::new(opened(made).await, 1).await).await;
    let thread = tale.open("work").await;
    settle(&mut tale).await;
    let other = Sequencer::new(opened(made).await, 1).await;
    (tale, Story { sequencer: other, told: 1_000_000 }, thread)
}

fn becomes(thread_id: ThreadId, status: Status) -> Command {
    let (reason, text) = (Reason::ByRequest, "because".to_owned());
    Command::ChangeStatus(ChangeStatus { thread_id, status, reason, text, owner: None })
}

/// What posting this costs a story's store, and whether it was taken.
async fn cost(tale: &mut Story, thread: ThreadId) -> (Trips, bool) {
    let before = trips(&tale.sequencer.store);
    let is_done = tale.post(thread, "olga", "some words", &["una"]).await.is_some();
    let after = trips(&tale.sequencer.store);
    let (one, two, moved) = (after.one - before.one, after.two - before.two, after.moved - before.moved);
    (Trips { one, two, moved }, is_done)
}

const ONE: Trips = Trips { one: 1, two: 0, moved: 0 };
const TWO: Trips = Trips { one: 0, two: 1, moved: 0 };
const MOVED: Trips = Trips { one: 0, two: 1, moved: 1 };

#[test]
fn whoever_writes_alone_takes_one_trip_and_whoever_does_not_gives_it_up() {
    let Some(made) = Made::new("whoever_writes_alone_takes_one_trip_and_whoever_does_not_gives_it_up") else {
        return;
    };
    block_on(async {
        let (mut tale, mut other, thread) = two_servers(&made).await;
        for _ in 0..5 {
            assert_eq!(cost(&mut tale, thread).await, (ONE, true));
        }
        // The other one has seen nothing so far; then it must have found its own head twice.
        assert_eq!(cost(&mut other, thread).await, (TWO, true));
        assert_eq!(cost(&mut other, thread).await, (TWO, true));
        assert_eq!(cost(&mut other, thread).await, (ONE, true));
        // One attempt fails. Then the head must be found unmoved more often than before.
        assert_eq!(cost(&mut tale, thread).await, (MOVED, true));
        assert_eq!(cost(&mut tale, thread).await, (TWO, true));
        assert_eq!(cost(&mut tale, thread).await, (TWO, true));
        assert_eq!(cost(&mut tale, thread).await, (ONE, true));
        for _ in 0..20 {
            // While both write in turns, nobody tries any more.
            let (cost, _) = cost(&mut other, thread).await;
            assert_eq!(cost.one, 0);
            tale.post(thread, "ann", "meanwhile", &["una"]).await.unwrap();
        }
        let failed = trips(&tale.sequencer.store).moved + trips(&other.sequencer.store).moved;
        assert!(failed <= 3, "{failed} attempts failed");
    });
}

/// A thread that another server closed or opened again is seen as it is, whatever was kept of it.
#[test]
fn what_another_server_changed_is_seen() {
    let Some(made) = Made::new("what_another_server_changed_is_seen") else { return };
    block_on(async {
        let (mut tale, mut other, thread) = two_servers(&made).await;
        assert_eq!(cost(&mut tale, thread).await, (ONE, true));
        other.tell("olga", becomes(thread, Status::Resolved)).await.unwrap();
        assert_eq!(cost(&mut tale, thread).await, (MOVED, false));
        settle(&mut tale).await;
        // A refusal is no entry: it is always decided on what is loaded.
        assert_eq!(cost(&mut tale, thread).await, (TWO, false));
        other.tell("olga", becomes(thread, Status::Active)).await.unwrap();
        assert_eq!(cost(&mut tale, thread).await, (TWO, true));
    });
}

/// Keys count as new until the database says otherwise, also those of commands that write nothing.
#[test]
fn a_key_that_was_used_gets_its_first_answer() {
    let Some(made) = Made::new("a_key_that_was_used_gets_its_first_answer") else { return };
    block_on(async {
        let (mut tale, _, thread) = two_servers(&made).await;
        let (first, store) = (tale.say(thread, "olga", "once"), tale.sequencer.store.clone());
        let done = tale.sequencer.give(first.clone()).await.unwrap();
        let before = trips(&store);
        let again = tale.sequencer.give(first.clone()).await.unwrap();
        assert_eq!((again.reply, again.index), (done.reply.clone(), done.index));
        assert_eq!(trips(&store), Trips { two: before.two + 1, ..before }, "and nobody else has written");

        let elsewhere = tale.open("elsewhere").await;
        tale.tell("olga", becomes(thread, Status::Resolved)).await.unwrap();
        settle(&mut tale).await;
        tale.post(elsewhere, "olga", "hello", &["una"]).await.unwrap();
        let before = trips(&store);
        assert_eq!(cost(&mut tale, elsewhere).await, (ONE, true));
        // Decided as new it would be refused: the thread takes no messages any more.
        let fresh = tale.say(elsewhere, "olga", "twice");
        let (outcomes, committed) = tale.sequencer.run(vec![first, fresh]).await;
        committed.unwrap();
        let [Ok(again), Ok(fresh)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((&again.reply, again.index), (&done.reply, done.index));
        assert!(fresh.index > done.index);
        let after = trips(&store);
        assert_eq!((after.two, after.moved), (before.two + 1, before.moved + 1), "it was tried in one");
    });
}

/// A node decides by what it takes the database's clock for only as long as that is about right.
#[test]
fn a_database_whose_clock_was_put_forward_is_asked_again() {
    let test = "a_database_whose_clock_was_put_forward_is_asked_again";
    let Some(made) = Made::new(test) else { return };
    let ahead = |by: &str| {
        made.0.sql(&format!(
            "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '{by}' $$"
        ));
    };
    made.0.alter("SET search_path = public, pg_catalog");
    ahead("0");
    block_on(async {
        let (mut tale, _, thread) = two_servers(&made).await;
        assert_eq!(cost(&mut tale, thread).await, (ONE, true));
        ahead("1 hour");
        assert_eq!(cost(&mut tale, thread).await, (MOVED, true));
        let ahead_ms = tale.sequencer.store.ahead_ms();
        assert!((3_590_000..=3_610_000).contains(&ahead_ms), "{ahead_ms}");
        settle(&mut tale).await;
        assert_eq!(cost(&mut tale, thread).await, (ONE, true));
    });
}

/// A linear congruence: any numbers will do, as long as they are the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_le_bytes()
    }
}

const STEPS: usize = 250;

/// The same story, told to these stores in turns; each has a tree of its own, as servers have. One alone knows nothing from
/// batch to batch, so that it loads everything.
async fn told_to(stores: &[Arc<dyn Store>], number: u128, seed: u64) -> Story {
    let (mut steps, mut turns) = (Numbers(seed), Numbers(seed ^ 0xFFFF));
    let first = stores.first().unwrap().clone();
    let mut tale = Story::begin(Sequencer::new(first, number).await).await;
    tale.sequencer.is_forgetful = stores.len() == 1;
    // Whose turn it is not, with the trees as they left them; the next one is at the front.
    let mut waiting: VecDeque<(Arc<dyn Store>, Option<Tree>)> =
        stores.iter().skip(1).map(|store| (store.clone(), None)).collect();
    for _ in 0..STEPS {
        let [_, _, _, _, is_turn, ..] = turns.next();
        if is_turn < 24
            && let Some((store, tree)) = waiting.pop_front()
        {
            let former = tale.sequencer.store.clone();
            let tree = tale.sequencer.turn_to(store, tree);
            waiting.push_back((former, tree));
        }
        let [_, _, what, who, which, how, ..] = steps.next();
        match (how % 2, tale.sequencer.mirror.threads.keys().next().copied()) {
            // What is mostly said, and several at once.
            (1, Some(thread)) => {
                let by = if who.is_multiple_of(2) { "ann" } else { "olga" };
                let several = (0..=what % 3).map(|_| tale.say(thread, by, "so")).collect();
                tale.sequencer.run(several).await.1.unwrap();
            }
            _ => tale.step((what, who, which)).await,
        }
    }
    tale
}

#[test]
fn two_servers_in_random_turns_are_as_good_as_one() {
    let Some(made) = Made::new("two_servers_in_random_turns_are_as_good_as_one") else { return };
    block_on(async {
        let servers = [opened(&made).await, opened(&made).await];
        let alone = opened(&made).await;
        for (number, seed) in (1..).zip([7, 42, 1_000_003]) {
            let together = told_to(&servers, 2 * number, seed).await;
            let one = told_to(std::slice::from_ref(&alone), 2 * number + 1, seed).await;
            let here = alone.dump(together.sequencer.workspace_id).await.unwrap();
            let there = alone.dump(one.sequencer.workspace_id).await.unwrap();
            assert!(here.len() > STEPS, "{} lines", here.len());
            assert_eq!(here, there, "seed {seed}");
            for thread in together.sequencer.mirror.threads.keys() {
                let messages =
                    alone.messages(together.sequencer.workspace_id, *thread, 0, u32::MAX).await.unwrap();
                assert!((1..).zip(&messages).all(|(seq, stored)| stored.message.head.seq == seq), "gaps");
            }
        }
        let [one, two] = [trips(&servers[0]), trips(&servers[1])];
        assert_eq!(trips(&alone).one, 0);
        assert!(one.one.min(two.one) > 20 && one.moved.min(two.moved) > 0, "{one:?} {two:?}");
    });
}

/// Three servers write one thread at the same time, now and then with nobody beside them.
#[test]
fn servers_that_write_at_once_leave_no_gap_and_lose_nothing() {
    let test = "servers_that_write_at_once_leave_no_gap_and_lose_nothing";
    let Some(made) = Made::new(test) else { return };
    block_on(async {
        const POSTS: usize = 150;
        let (mut tale, _, thread) = two_servers(&made).await;
        let ws = tale.sequencer.workspace_id;
        let mut writers = Vec::new();
        for number in 1..=3_u64 {
            let sequencer = Sequencer::new(opened(&made).await, 1).await;
            writers.push(Story { sequencer, told: number * 1_000_000 });
        }
        let stores: Vec<_> = writers.iter().map(|tale| tale.sequencer.store.clone()).collect();
        let write = async |tale: &mut Story, n: usize| {
            let body = format!("{} {n}", tale.told);
            let envelope = tale.say(thread, "olga", &body);
            let outcomes = tale.sequencer.run(vec![envelope]).await;
            assert!(outcomes.1.is_ok() && outcomes.0[0].is_ok(), "{outcomes:?}");
        };
        let work = writers.iter_mut().zip(1_u64..).map(async |(tale, number)| {
            let mut numbers = Numbers(number);
            for n in 0..POSTS {
                write(tale, n).await;
                // Others go on meanwhile, for a while.
                for _ in 0..numbers.next()[5] % 4 {
                    tokio::task::yield_now().await;
                }
            }
        });
        futures_util::future::join_all(work).await;
        let messages = stores[0].messages(ws, thread, 0, u32::MAX).await.unwrap();
        assert_eq!(messages.len(), 3 * POSTS);
        assert!((1..).zip(&messages).all(|(seq, stored)| stored.message.head.seq == seq), "gaps");
        let all: Vec<_> = stores.iter().map(trips).collect();
        let (tries, moved) =
            all.iter().fold((0, 0), |(all, moved), t| (all + t.one + t.two, moved + t.moved));
        assert!(moved * 5 <= tries, "{moved} of {tries} were tried in vain: {all:?}");
        // Whoever is left alone has one trip again.
        let before = trips(&tale.sequencer.store);
        for _ in 0..200 {
            tale.post(thread, "olga", "alone", &["una"]).await.unwrap();
        }
        assert!(trips(&tale.sequencer.store).one - before.one > 100, "{:?}", trips(&tale.sequencer.store));
    });
}
