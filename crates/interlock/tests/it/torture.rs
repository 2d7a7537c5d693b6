//! kill -9 of the server again and again while several callers post and acknowledge: what was acknowledged is there
//! exactly once, numbers have no gaps, and no cursor goes back.
//!
//! INTERLOCK_TORTURE_CYCLES says how often; `cargo xtask torture` sets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interlock_testkit::postgres::TestDatabase;
use tokio::sync::watch;

use crate::caller::{Caller, is_gap_free, open_thread};
use crate::postgres_nodes::keep_in;
use crate::site::{Running, Server, Site};
use crate::wait::PATIENCE;

/// Kills in a run of the tests, on each store.
const CYCLES: u64 = 200;
const CALLERS: usize = 4;
/// After how many kills everything is read; and in the end.
const CHECK_EVERY: u64 = 500;
/// Answers between two kills at most.
const ANSWERS_MAX: u64 = 30;
/// How far a start may come at most before it is killed.
const START_MS_MAX: u64 = 80;
/// How long a caller waits for a sign of life before it asks again.
const LISTEN: Duration = Duration::from_millis(20);

/// What callers were told.
#[derive(Debug, Default)]
struct Told {
    /// The `seq` of each text.
    posted: BTreeMap<String, u64>,
    /// The highest cursor of each caller.
    cursors: BTreeMap<String, u64>,
}

/// What callers and the one who kills share.
#[derive(Clone)]
struct Stage {
    told: Arc<Mutex<Told>>,
    /// Answers so far.
    answers: watch::Sender<u64>,
    /// Starts so far, which ends a caller's wait.
    starts: watch::Sender<u64>,
    stop: watch::Sender<bool>,
}

impl Stage {
    fn new() -> Self {
        let (answers, starts, stop) =
            (watch::Sender::new(0), watch::Sender::new(0), watch::Sender::new(false));
        Self { told: Arc::default(), answers, starts, stop }
    }

    /// Until it is done: the same request with the same key, whatever becomes of the server.
    async fn insist<T, F: Future<Output = Result<T, interlock_api::Problem>>>(
        &self,
        call: impl Fn() -> F,
    ) -> T {
        let mut starts = self.starts.subscribe();
        loop {
            match call().await {
                Ok(done) => {
                    self.answers.send_modify(|answers| *answers += 1);
                    return done;
                }
                Err(problem) => assert!(problem.retryable, "{problem}"),
            }
            // Whether it comes back or not: asking again tells.
            let _back = tokio::time::timeout(LISTEN, starts.changed()).await;
        }
    }

    /// One caller: posts, and now and then acknowledges what it knows of.
    async fn talk(self, caller: Caller) {
        let (mut last, mut cursor) = (0, 0);
        for n in 0_u64.. {
            if *self.stop.borrow() {
                return;
            }
            let key = format!("{}-{n}", caller.name);
            let seq = self.insist(|| caller.post(&key)).await;
            assert!(seq > last, "`{key}` is {seq} after {last}");
            last = seq;
            let before = self.told.lock().unwrap().posted.insert(key.clone(), seq);
            assert_eq!(before, None);
            if n % 3 == 0 {
                let ack = format!("ack-{key}");
                let acked = self.insist(|| caller.ack(seq, &ack)).await;
                assert!(
                    acked >= cursor.max(seq),
                    "the cursor was {cursor} and is {acked}, acknowledged was {seq}"
                );
                cursor = acked;
                self.told.lock().unwrap().cursors.insert(caller.name.clone(), cursor);
            }
        }
    }

    /// Wait until so many more answers have come.
    async fn hears(&self, more: u64) {
        let wanted = *self.answers.borrow() + more;
        let mut answers = self.answers.subscribe();
        let heard = tokio::time::timeout(PATIENCE, answers.wait_for(|answers| *answers >= wanted)).await;
        assert!(heard.is_ok(), "nothing was answered any more");
    }
}

/// What was found in the thread so far.
#[derive(Debug, Default)]
struct Found {
    last: u64,
    texts: BTreeMap<String, u64>,
}

impl Found {
    /// Read what has come since, and compare it with what was told before.
    async fn check(&mut self, stage: &Stage, reader: &Caller) {
        let (posted, cursors) = {
            let told = stage.told.lock().unwrap();
            (told.posted.clone(), told.cursors.clone())
        };
        let messages = reader.read_after(self.last).await;
        is_gap_free(&messages, self.last);
        for (seq, text) in messages {
            self.last = seq;
            let before = self.texts.insert(text.clone(), seq);
            assert_eq!(before, None, "`{text}` is there twice");
        }
        for (text, seq) in &posted {
            assert_eq!(self.texts.get(text), Some(seq), "`{text}` was acknowledged as {seq}");
        }
        let now: BTreeMap<_, _> = reader.cursors().await.into_iter().collect();
        for (name, cursor) in &cursors {
            assert!(now.get(name).is_some_and(|now| now >= cursor), "{name} was at {cursor}: {now:?}");
        }
    }
}

/// Numbers that are the same at every run.
struct Dice(u64);

impl Dice {
    /// One below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn up(site: &Site, address: &str) -> Server {
    site.up(&["--server-only", "--listen", address])
}

/// Start one that is killed before it is ready, most of the time.
fn stillborn(site: &Site, address: &str, after: Duration) {
    let mut starting: Running = site.start(&["up", "--json", "--server-only", "--listen", address]);
    starting.line_within(after);
    starting.kill();
}

#[test]
fn a_server_killed_at_any_moment_keeps_what_it_acknowledged() {
    killed_again_and_again(&Site::with_instance(""), cycles());
}

fn cycles() -> u64 {
    std::env::var("INTERLOCK_TORTURE_CYCLES").map_or(CYCLES, |text| text.parse().unwrap())
}

/// The same with everything in PostgreSQL, whose sessions of the dead server are still about to end when the next begins.
#[test]
fn a_server_on_postgresql_killed_at_any_moment_keeps_what_it_acknowledged() {
    let test = "a_server_on_postgresql_killed_at_any_moment_keeps_what_it_acknowledged";
    let Some(database) = TestDatabase::make(test) else { return };
    let site = Site::with_instance("");
    keep_in(&site, database.url());
    killed_again_and_again(&site, cycles());
}

fn killed_again_and_again(site: &Site, cycles: u64) {
    let mut server = up(site, "127.0.0.1:0");
    let address = server.address().to_owned();
    let thread = open_thread(site);
    let callers: Vec<_> =
        (0..CALLERS).map(|n| Caller::new(site, &server.url, &format!("caller{n}"), &thread)).collect();
    let reader = callers[0].clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, mut found, mut dice) = (Stage::new(), Found::default(), Dice(cycles));
    let talking: Vec<_> =
        callers.into_iter().map(|caller| runtime.spawn(stage.clone().talk(caller))).collect();
    for cycle in 1..=cycles {
        runtime.block_on(stage.hears(dice.roll(ANSWERS_MAX)));
        server.running.kill();
        if dice.roll(6) == 0 {
            stillborn(site, &address, Duration::from_millis(dice.roll(START_MS_MAX)));
        }
        server = up(site, &address);
        stage.starts.send_modify(|starts| *starts += 1);
        if cycle % CHECK_EVERY == 0 {
            runtime.block_on(found.check(&stage, &reader));
            eprintln!("{cycle} kills, {} messages", found.last);
        }
    }
    stage.stop.send_replace(true);
    for talk in talking {
        runtime.block_on(talk).unwrap();
    }
    runtime.block_on(found.check(&stage, &reader));
    let told = stage.told.lock().unwrap().posted.len();
    assert_eq!(found.texts.len(), told, "everything was insisted on until it was acknowledged");
    assert!(told as u64 > cycles, "only {told} messages");
    site.ask(&["ledger", "export", "ledger.tar"]);
    assert_eq!(site.ask(&["verify", "ledger.tar"])["verified"], true);
    eprintln!("{cycles} kills, {told} messages");
}
