//! A commit whose answer is lost is looked up: the truth is told, also when others have written since, and also of a batch
//! that takes one round trip and reaches the server only after it was looked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interlock_core::Envelope;
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_store::{Store, StoreError};
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::{Sequencer, Story};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream, tcp};
use tokio::sync::{Mutex, Notify};

use crate::made::{Made, block_on};
use crate::trips::{settle, trips};
use crate::wire::{next_word, texts};

/// What happens to a connection when the batch passes that is meant.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    /// It is passed on, and its answer never comes.
    AfterIt,
    /// It is not passed on.
    BeforeIt,
    /// It is passed on when it has been looked for and not been found.
    TooLate,
}

/// How the batch is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// It is over with COMMIT.
    TwoTrips,
    /// It is one statement.
    OneTrip,
}

/// What the proxy is to do, and what it says of it.
struct Plan {
    cut: Cut,
    way: Way,
    /// Whether the next batch is meant.
    is_armed: AtomicBool,
    /// What was held back may go.
    may_go: Notify,
    /// The connection was cut, and the server has done with it what it was given.
    is_over: Notify,
}

impl Plan {
    /// The statements of this connection that are whole batches are remembered by their names.
    fn is_meant(&self, word: &[u8], whole: &mut BTreeSet<Vec<u8>>) -> bool {
        let mut said = texts(word);
        match (word.first(), self.way) {
            (Some(b'P'), Way::OneTrip) => {
                let (name, sql) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
                if sql.starts_with(b"WITH moved AS") {
                    whole.insert(name.to_vec());
                }
                false
            }
            // The name comes after the portal's, which has none.
            (Some(b'B'), Way::OneTrip) => {
                said.nth(1).is_some_and(|name| whole.contains(name))
                    && self.is_armed.swap(false, Ordering::SeqCst)
            }
            (Some(b'Q'), Way::TwoTrips) => {
                said.next() == Some(b"COMMIT") && self.is_armed.swap(false, Ordering::SeqCst)
            }
            _ => false,
        }
    }
}

/// Stands before the server.
async fn proxy(listener: TcpListener, socket: String, plan: Arc<Plan>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&socket).await.unwrap();
        tokio::spawn(pass(client, server, Arc::clone(&plan)));
    }
}

/// What the client hears by; nothing once it is cut off.
type Ear = Arc<Mutex<Option<tcp::OwnedWriteHalf>>>;

async fn pass(client: TcpStream, server: UnixStream, plan: Arc<Plan>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let ear: Ear = Arc::new(Mutex::new(Some(to_client)));
    let hearing = tokio::spawn(pass_back(from_server, Arc::clone(&ear)));
    let (mut is_first, mut whole) = (true, BTreeSet::new());
    while let Ok(mut word) = next_word(&mut from_client, std::mem::take(&mut is_first)).await {
        if !plan.is_meant(&word, &mut whole) {
            if to_server.write_all(&word).await.is_err() {
                return;
            }
            continue;
        }
        while word.first() != Some(&b'Q') && !word.ends_with(b"S\0\0\0\x04") {
            word.extend(next_word(&mut from_client, false).await.unwrap());
        }
        // A single trip that is passed on is done before the client notices anything: looked for earlier it would not be there.
        // Of two, the first has taken the lock that whoever looks waits for.
        let is_noticed_later = (plan.cut, plan.way) == (Cut::AfterIt, Way::OneTrip);
        let _to_client = ear.lock().await.take().filter(|_| is_noticed_later);
        if plan.cut == Cut::TooLate {
            plan.may_go.notified().await;
        }
        if plan.cut != Cut::BeforeIt {
            to_server.write_all(&word).await.unwrap();
            // Then it may end, once it has done that.
            to_server.write_all(b"X\0\0\0\x04").await.unwrap();
            hearing.await.unwrap();
        }
        return plan.is_over.notify_one();
    }
}

/// Passes answers on until the cut. Then the client hears nothing more, but the server is read to its end: one that
/// cannot send an answer may end before it commits.
async fn pass_back(mut from_server: OwnedReadHalf, ear: Ear) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
        let said = bytes.get(..read).unwrap_or_default();
        let mut ear = ear.lock().await;
        if let Some(client) = ear.as_mut()
            && client.write_all(said).await.is_err()
        {
            *ear = None;
        }
    }
}

/// Two servers, one of them behind the proxy, and a thread.
struct Rig {
    store: Arc<dyn Store>,
    plan: Arc<Plan>,
    tale: Story,
    other: Story,
    thread: ThreadId,
    ws: WorkspaceId,
}

impl Rig {
    async fn new(made: &Made, socket: String, name: &str, cut: Cut, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan {
            cut,
            way,
            is_armed: AtomicBool::new(false),
            may_go: Notify::new(),
            is_over: Notify::new(),
        });
        tokio::spawn(proxy(listener, socket, Arc::clone(&plan)));
        let url = format!("postgresql://interlock@127.0.0.1:{port}/{name}");
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&Options::at(url)).await.unwrap());
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
        let (thread, ws) = (tale.open("work").await, tale.sequencer.workspace_id);
        let other = Sequencer::new(Arc::new(made.try_open().await.unwrap()), 1).await;
        let other = Story { sequencer: other, told: 1_000_000 };
        Self { store, plan, tale, other, thread, ws }
    }

    /// Give this and lose its answer, while others write.
    async fn lose(&mut self, envelope: Envelope) -> Result<(), StoreError> {
        self.plan.is_armed.store(true, Ordering::SeqCst);
        // Another node writes all the time: in two trips before the commit, and between it and the look for it; in one only
        // then, since it would not be tried otherwise.
        let theirs = async {
            if self.plan.way == Way::OneTrip {
                self.plan.is_over.notified().await;
            }
            for _ in 0..10 {
                let envelope = self.other.say(self.thread, "bob", "from elsewhere");
                self.other.sequencer.run(vec![envelope]).await.1.unwrap();
            }
        };
        let ((_, result), ()) = tokio::join!(self.tale.sequencer.run(vec![envelope]), theirs);
        assert!(!self.plan.is_armed.load(Ordering::SeqCst), "no connection was cut");
        result.map(|_| ())
    }

    async fn bodies(&self) -> Vec<String> {
        let messages = self.store.messages(self.ws, self.thread, 0, u32::MAX).await.unwrap();
        assert!((1..).zip(&messages).all(|(seq, stored)| stored.message.head.seq == seq), "without gaps");
        messages.into_iter().map(|stored| stored.message.text.body).collect()
    }
}

fn check(test: &str, cut: Cut, way: Way) {
    let Some(made) = Made::new(test) else { return };
    let Some((socket, name)) = made.socket() else {
        eprintln!("SKIP {test}: the server is not ours");
        return;
    };
    block_on(async {
        let mut rig = Rig::new(&made, socket, &name, cut, way).await;
        for n in 0..20 {
            if way == Way::OneTrip {
                alone_again(&mut rig).await;
            }
            let body = format!("number {n}");
            let envelope = rig.tale.say(rig.thread, "ann", &body);
            let two = trips(&rig.store).two;
            let result = rig.lose(envelope).await;
            if way == Way::OneTrip {
                assert_eq!(trips(&rig.store).two, two, "it was not written in two trips");
            }
            let times = rig.bodies().await.iter().filter(|text| **text == body).count();
            assert_eq!(times, usize::from(result.is_ok()), "{cut:?}: {result:?}");
            assert_eq!(result.is_ok(), cut == Cut::AfterIt, "{result:?}");
            if result.is_err() {
                rig.tale.sequencer = rig.tale.sequencer.reopened(rig.store.clone());
            }
        }
        let ours = if cut == Cut::AfterIt { 20 } else { 0 };
        assert_eq!(rig.bodies().await.len(), 200 + ours, "each once");
    });
}

/// Until our writer relies on what it keeps.
async fn alone_again(rig: &mut Rig) {
    for _ in 0..3 {
        settle(&mut rig.tale).await;
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_there() {
    check("a_commit_whose_answer_is_lost_is_there", Cut::AfterIt, Way::TwoTrips);
}

#[test]
fn a_commit_that_never_arrived_is_not_there() {
    check("a_commit_that_never_arrived_is_not_there", Cut::BeforeIt, Way::TwoTrips);
}

#[test]
fn a_single_trip_whose_answer_is_lost_is_there() {
    check("a_single_trip_whose_answer_is_lost_is_there", Cut::AfterIt, Way::OneTrip);
}

#[test]
fn a_single_trip_that_never_arrived_is_not_there() {
    check("a_single_trip_that_never_arrived_is_not_there", Cut::BeforeIt, Way::OneTrip);
}

/// Its caller was told that it is not there: it must not come later. Nobody else writes meanwhile, so that the head is
/// where the batch expects it.
#[test]
fn a_single_trip_that_arrives_after_it_was_looked_for_writes_nothing() {
    let test = "a_single_trip_that_arrives_after_it_was_looked_for_writes_nothing";
    let Some(made) = Made::new(test) else { return };
    let Some((socket, name)) = made.socket() else {
        eprintln!("SKIP {test}: the server is not ours");
        return;
    };
    block_on(async {
        let mut rig = Rig::new(&made, socket, &name, Cut::TooLate, Way::OneTrip).await;
        alone_again(&mut rig).await;
        let envelope = rig.tale.say(rig.thread, "ann", "late");
        rig.plan.is_armed.store(true, Ordering::SeqCst);
        let result = rig.tale.sequencer.run(vec![envelope.clone()]).await.1;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        let size = rig.store.ledger_head(rig.ws).await.unwrap().size;
        rig.plan.may_go.notify_one();
        rig.plan.is_over.notified().await;
        assert_eq!(rig.bodies().await, Vec::<String>::new());
        assert_eq!(rig.store.ledger_head(rig.ws).await.unwrap().size, size);
        // And it goes on, with the same command too.
        rig.tale.sequencer = rig.tale.sequencer.reopened(rig.store.clone());
        rig.tale.sequencer.give(envelope).await.unwrap();
        assert_eq!(rig.bodies().await, ["late"]);
    });
}
