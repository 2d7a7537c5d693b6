//! The one write verb.

use std::sync::Arc;

use futures_util::future::join_all;
use interlock_core::facts::{Key, Keys, Position, RowChange};
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::thread::Status;
use interlock_core::{Hybrid, Reason, Timestamp};
use interlock_ledger::{LogSource, TileAt, Tree, leaf_hash, open_checkpoint, verify_export, write_export};
use interlock_store::{
    EntryRow, NewEntry, Page, Step, Store, StoreError, ThreadFilter, WakeFilter, Workspace, WriteSet,
};

use super::probe::{Probe, check_facts, everything, load, probe};
use crate::story::chat;
use crate::{Database, Sequencer, Story};

/// The same workspace again is no change, and it keeps what it holds.
pub async fn a_workspace_is_made_once(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    tale.open("work").await;
    let ws = tale.sequencer.workspace_id;
    let before = everything(&store, ws).await;
    let workspace = Workspace { workspace_id: ws, origin: "another".into() };
    store.create_workspace(workspace).await.unwrap();
    assert_eq!(everything(&store, ws).await, before);
    assert_eq!(store.workspace(ws).await.unwrap().unwrap().origin, tale.sequencer.origin);
    store.ping().await.unwrap();
}

/// Nothing can be read from or written to what is not there.
pub async fn workspaces_that_nobody_made(database: Arc<dyn Database>) {
    let store = database.open().await;
    let ws = WorkspaceId::from_u128(77);
    assert_eq!(store.workspace(ws).await.unwrap(), None);
    assert_eq!(store.dump(ws).await, Err(StoreError::NoWorkspace));
    assert_eq!(store.ledger_head(ws).await, Err(StoreError::NoWorkspace));
    assert_eq!(store.counts(ws).await, Err(StoreError::NoWorkspace));
    assert_eq!(store.thread(ws, ThreadId::from_u128(1)).await, Err(StoreError::NoWorkspace));
    let work = Probe::new(Keys::new(), |_| Step::Write(WriteSet::default()));
    assert_eq!(probe(&store, ws, work).await.1, Err(StoreError::NoWorkspace));
}

/// What `Ok` was said to is there, now and after opening anew.
pub async fn what_is_committed_is_read_and_survives_reopening(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let thread = tale.open("work").await;
    for n in 0..5 {
        tale.post(thread, "ann", &format!("number {n}"), &[]).await.unwrap();
        let last = store.messages(ws, thread, n, 10).await.unwrap();
        assert_eq!(last.len(), 1, "read at once");
        assert_eq!(last[0].message.text.body, format!("number {n}"));
    }
    let before = everything(&store, ws).await;
    let Story { sequencer, told } = tale;
    let mirror = sequencer.mirror.clone();
    drop(store);
    let Sequencer { store, .. } = sequencer;
    drop(store);
    let store = database.open().await;
    assert_eq!(everything(&store, ws).await, before);
    check_facts(&store, ws, &mirror).await;
    let mut sequencer = Sequencer::new(store.clone(), 1).await;
    sequencer.mirror = mirror;
    let mut tale = Story { sequencer, told };
    tale.post(thread, "ann", "and it goes on", &[]).await.unwrap();
    assert_eq!(store.messages(ws, thread, 5, 10).await.unwrap().len(), 1);
}

/// Rules that say no leave no trace, also next to commands that do something.
pub async fn a_refused_command_writes_nothing(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let thread = tale.open("work").await;
    let before = everything(&store, ws).await;
    let refused = tale.envelope("ann", chat(thread, "", &[]));
    let outcome = tale.sequencer.give(refused).await;
    assert_eq!(outcome.unwrap_err().reason, Reason::ParameterInvalid);
    assert_eq!(everything(&store, ws).await, before);

    let batch = ["one", "", "three"].map(|body| tale.envelope("ann", chat(thread, body, &["una"])));
    let (outcomes, committed) = tale.sequencer.run(batch.to_vec()).await;
    assert_eq!(committed.unwrap().size, before.1.size + 2);
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(store.messages(ws, thread, 0, 10).await.unwrap().len(), 2);
}

/// An abort is corruption by its word, and leaves nothing behind.
pub async fn an_aborted_batch_writes_nothing(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    tale.open("work").await;
    let ws = tale.sequencer.workspace_id;
    let before = everything(&store, ws).await;
    let work = Probe::new(Keys::new(), |_| Step::Abort("rows contradict".into()));
    let (_, result) = probe(&store, ws, work).await;
    assert!(matches!(result, Err(StoreError::Corrupt(why)) if why.contains("rows contradict")));
    assert_eq!(everything(&store, ws).await, before);
}

/// Whatever fails in the middle takes everything before it along: entries, tiles, checkpoint and rows.
pub async fn a_failing_statement_leaves_nothing_behind(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let thread = tale.open("work").await;
    tale.post(thread, "ann", "one", &[]).await.unwrap();
    let before = everything(&store, ws).await;
    let mirror = tale.sequencer.mirror.clone();
    let stored = mirror.messages[&(thread, 1)].clone();
    let position = Position { index: 900, n: 0, at: Hybrid::default() };
    let (id, at, event) = mirror.timeline[0].clone();
    let twice: Vec<RowChange> = vec![
        RowChange::Message(stored.message.clone(), position),
        RowChange::Timeline(id, at, event),
        RowChange::Idempotency(
            *mirror.used.keys().next().unwrap(),
            interlock_core::text::Digest::default(),
            0,
        ),
    ];
    let mut changed = mirror.threads[&thread].clone();
    changed.status = Status::Closed;
    for (n, bad) in twice.into_iter().enumerate() {
        let rows = vec![RowChange::Thread(changed.clone()), bad];
        let work = Probe::new(Keys::new(), move |head| {
            let set = WriteSet { rows: rows.clone(), ..one_entry(head.size) };
            Step::Write(set)
        });
        assert!(probe(&store, ws, work).await.1.is_err(), "case {n}");
        assert_eq!(everything(&store, ws).await, before, "case {n}");
    }
    let rows = vec![RowChange::Thread(changed)];
    let work = Probe::new(Keys::new(), move |head| {
        Step::Write(WriteSet { rows: rows.clone(), ..one_entry(head.size - 1) })
    });
    assert!(probe(&store, ws, work).await.1.is_err(), "an index is used once");
    assert_eq!(everything(&store, ws).await, before);
    tale.post(thread, "ann", "and it goes on", &[]).await.unwrap();
    check_facts(&store, ws, &tale.sequencer.mirror).await;
}

fn one_entry(index: u64) -> WriteSet {
    let envelope = b"{}".to_vec();
    WriteSet {
        entries: vec![NewEntry { index, leaf: leaf_hash(&envelope), envelope }],
        checkpoint: Some("note".into()),
        batch_id: [9; 16],
        ..WriteSet::default()
    }
}

/// Nothing to write is nothing written, and no error.
pub async fn an_empty_write_set_is_rolled_back(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    tale.open("work").await;
    let ws = tale.sequencer.workspace_id;
    let before = everything(&store, ws).await;
    let work =
        Probe::new(Keys::new(), |_| Step::Write(WriteSet { batch_id: [5; 16], ..WriteSet::default() }));
    assert_eq!(probe(&store, ws, work).await.1.unwrap().size, before.1.size);
    assert_eq!(everything(&store, ws).await, before);
}

/// One further round of facts is allowed, and it comes on top of the first.
pub async fn facts_are_loaded_once_more_and_not_twice(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let (one, two) = (tale.open("one").await, tale.open("two").await);
    let mut steps = vec![Step::Write(WriteSet::default()), Step::Load(Keys::from([Key::Thread(two)]))];
    let work = Probe::new(Keys::from([Key::Thread(one)]), move |_| steps.pop().unwrap());
    let (work, result) = probe(&store, ws, work).await;
    result.unwrap();
    let facts = work.facts.unwrap();
    assert!(facts.thread(one).unwrap().is_some() && facts.thread(two).unwrap().is_some());

    let work = Probe::new(Keys::new(), move |_| Step::Load(Keys::from([Key::Thread(one)])));
    assert!(matches!(probe(&store, ws, work).await.1, Err(StoreError::Corrupt(_))));
}

/// A writer that knows nothing goes on from the stored edge, at every size and over a tile's end.
pub async fn the_tree_goes_on_at_any_size(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    tale.sequencer.is_forgetful = true;
    let thread = tale.open("work").await;
    let mut whole = Tree::empty();
    let mut leaves = 0;
    for n in 0..60_u64 {
        let count = if n < 20 { 1 } else { 7 };
        let batch: Vec<_> = (0..count).map(|_| tale.envelope("ann", chat(thread, "x", &["una"]))).collect();
        tale.sequencer.run(batch).await.1.unwrap();
        for row in store.entries(ws, leaves, u32::MAX).await.unwrap() {
            assert_eq!(row.index, leaves);
            whole.append(leaf_hash(&row.envelope));
            leaves += 1;
        }
        let head = store.ledger_head(ws).await.unwrap();
        let vkey = Sequencer::key().vkey(&tale.sequencer.origin).unwrap();
        let checkpoint = open_checkpoint(&head.checkpoint.unwrap(), &vkey).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (leaves, whole.root()), "at {leaves}");
        let (_, inside) = load(&store, ws, Keys::new()).await;
        let resumed = Tree::resume(head.size, &inside.edge.unwrap()).unwrap();
        assert_eq!(resumed.root(), whole.root(), "at {leaves}");
    }
    assert!(leaves > 256, "a tile was filled");
    // A stored tile has grown since: it serves narrower ones by its first hashes.
    let full = store.tile(ws, TileAt { level: 0, index: 0, width: 256 }).await.unwrap().unwrap();
    for width in [1, 17, 255, 256] {
        let cut = store.tile(ws, TileAt { level: 0, index: 0, width }).await.unwrap().unwrap();
        assert_eq!(cut, full[..usize::from(width) * 32]);
    }
    for at in [(0, 9, 1), (3, 0, 1), (0, 1, 256), (0, u64::MAX, 1)] {
        let (level, index, width) = at;
        assert_eq!(store.tile(ws, TileAt { level, index, width }).await.unwrap(), None, "{at:?}");
    }
}

/// A ledger read from the store.
struct Stored {
    store: Arc<dyn Store>,
    ws: WorkspaceId,
}

/// What an export reads, collected first because its reader does not wait.
struct Collected {
    checkpoint: String,
    tiles: std::collections::BTreeMap<(u8, u64), Vec<u8>>,
    entries: Vec<EntryRow>,
}

impl Stored {
    async fn collect(&self, size: u64) -> Collected {
        let mut tiles = std::collections::BTreeMap::new();
        let edge = Tree::edge(size).into_iter();
        let full = (0..size / 256).map(|index| TileAt { level: 0, index, width: 256 });
        for at in edge.chain(full) {
            let bytes = self.store.tile(self.ws, at).await.unwrap().unwrap();
            tiles.insert((at.level, at.index), bytes);
        }
        Collected {
            checkpoint: self.store.ledger_head(self.ws).await.unwrap().checkpoint.unwrap(),
            tiles,
            entries: self.store.entries(self.ws, 0, u32::MAX).await.unwrap(),
        }
    }
}

impl LogSource for Collected {
    type Error = std::convert::Infallible;

    fn checkpoint(&mut self) -> Result<String, Self::Error> {
        Ok(self.checkpoint.clone())
    }

    fn tile(&mut self, at: TileAt) -> Result<Vec<u8>, Self::Error> {
        Ok(self.tiles[&(at.level, at.index)][..at.bytes()].to_vec())
    }

    fn entries(&mut self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, Self::Error> {
        let first = usize::try_from(first).unwrap();
        let rows = self.entries.iter().skip(first).take(usize::try_from(count).unwrap());
        Ok(rows.map(|row| row.envelope.clone()).collect())
    }
}

/// Somebody with the public key alone finds nothing to object to.
pub async fn the_stored_ledger_verifies(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let thread = tale.open("work").await;
    for _ in 0..30 {
        let batch: Vec<_> = (0..10).map(|_| tale.envelope("ann", chat(thread, "x", &["bob"]))).collect();
        tale.sequencer.run(batch).await.1.unwrap();
    }
    let ws = tale.sequencer.workspace_id;
    let size = store.ledger_head(ws).await.unwrap().size;
    let mut source = Stored { store: store.clone(), ws }.collect(size).await;
    let vkey = Sequencer::key().vkey(&tale.sequencer.origin).unwrap();
    let mut file = Vec::new();
    write_export(&mut source, &vkey, &mut file).unwrap();
    let report = verify_export(&file[..], Some(&vkey)).unwrap();
    assert_eq!(report.size, size);
}

/// The key's row comes back with its entry's events, also in another process.
pub async fn a_retry_is_known_after_reopening(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let thread = tale.open("work").await;
    let envelope = tale.envelope("ann", chat(thread, "once", &["bob"]));
    let twice = vec![envelope.clone(), envelope.clone()];
    let (outcomes, committed) = tale.sequencer.run(twice).await;
    committed.unwrap();
    let [first, second] = [0, 1].map(|n| outcomes[n].clone().unwrap());
    assert_eq!((&second.reply, second.index), (&first.reply, first.index), "in the same batch");
    assert_eq!(second.events, []);
    drop(store);
    let Story { sequencer, .. } = tale;
    let Sequencer { store, workspace_id, .. } = sequencer;
    drop(store);
    let store = database.open().await;
    let mut sequencer = Sequencer::new(store.clone(), 1).await;
    let third = sequencer.give(envelope.clone()).await.unwrap();
    assert_eq!((third.reply, third.index), (first.reply, first.index), "after opening anew");
    assert_eq!(store.messages(workspace_id, thread, 0, 10).await.unwrap().len(), 1);
    let mut other = envelope;
    other.fingerprint = interlock_core::text::Digest::default();
    assert_eq!(sequencer.give(other).await.unwrap_err().reason, Reason::KeyReused);
}

/// Many writers at once: each workspace has its own order, whoever shares a sync with it.
pub async fn batches_of_several_workspaces_share_a_store(database: Arc<dyn Database>) {
    let store = database.open().await;
    let writers = (1..=8).map(|number| {
        let store = store.clone();
        async move {
            let mut tale = Story::begin(Sequencer::new(store, number).await).await;
            let thread = tale.open("work").await;
            for n in 0..10 {
                tale.post(thread, "ann", &format!("{number}.{n}"), &[]).await.unwrap();
            }
            (tale.sequencer.workspace_id, thread, tale.sequencer.mirror, number)
        }
    });
    for (ws, thread, mirror, number) in join_all(writers).await {
        check_facts(&store, ws, &mirror).await;
        let messages = store.messages(ws, thread, 0, 100).await.unwrap();
        let bodies: Vec<_> = messages.iter().map(|m| m.message.text.body.clone()).collect();
        assert_eq!(bodies, (0..10).map(|n| format!("{number}.{n}")).collect::<Vec<_>>());
        assert_eq!(store.ledger_head(ws).await.unwrap().size, 15);
    }
}

/// What fails beside others fails alone.
pub async fn a_batch_that_fails_leaves_its_neighbours_alone(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut stories = Vec::new();
    for number in 1..=6 {
        let mut tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
        let thread = tale.open("work").await;
        stories.push((tale, thread));
    }
    for round in 0..10 {
        let good = stories.iter_mut().map(|(tale, thread)| async {
            tale.post(*thread, "ann", &format!("round {round}"), &[]).await.unwrap();
        });
        let bad = (1..=6).map(|number| {
            let store = store.clone();
            async move {
                let work: Box<Probe> = match number % 3 {
                    0 => Probe::new(Keys::new(), |_| Step::Abort("no".into())),
                    1 => Probe::new(Keys::new(), |_| Step::Write(one_entry(0))),
                    _ => Probe::new(Keys::new(), |_| Step::Load(Keys::new())),
                };
                assert!(probe(&store, WorkspaceId::from_u128(number), work).await.1.is_err());
            }
        });
        futures_util::future::join(join_all(good), join_all(bad)).await;
    }
    for (tale, thread) in &stories {
        let ws = tale.sequencer.workspace_id;
        assert_eq!(store.messages(ws, *thread, 0, 100).await.unwrap().len(), 10);
        check_facts(&store, ws, &tale.sequencer.mirror).await;
    }
}

/// The same ids in two workspaces are two things, in every read.
pub async fn two_workspaces_are_isolated(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let empty = Sequencer::new(store.clone(), 2).await.workspace_id;
    let thread = tale.open("work").await;
    tale.post(thread, "olga", "secret", &[]).await.unwrap();
    for step in [(4, 0, 0), (8, 0, 2), (9, 0, 0)] {
        tale.step(step).await;
    }
    let mirror = tale.sequencer.mirror.clone();
    let bob = interlock_core::actor::AgentName::parse("bob").unwrap();
    let wake = *mirror.wakes.keys().next().unwrap();
    assert_eq!(store.thread(empty, thread).await.unwrap(), None);
    assert_eq!(store.threads(empty, ThreadFilter::default(), first_page()).await.unwrap(), []);
    let of_bob = ThreadFilter { status: None, member: Some(bob.clone()) };
    assert_eq!(store.threads(empty, of_bob, first_page()).await.unwrap(), []);
    assert_eq!(store.findings(empty, thread).await.unwrap(), []);
    assert_eq!(store.messages(empty, thread, 0, 10).await.unwrap(), []);
    assert_eq!(store.timeline(empty, thread, None, 10).await.unwrap(), []);
    assert_eq!(store.inbox(empty, bob.clone()).await.unwrap(), []);
    assert_eq!(store.agent(empty, bob.clone()).await.unwrap(), None);
    assert_eq!(store.agents(empty, first_page()).await.unwrap(), []);
    assert_eq!(store.wake(empty, wake).await.unwrap(), None);
    assert_eq!(store.wakes(empty, WakeFilter::default(), first_page()).await.unwrap(), []);
    assert_eq!(store.next_due(empty, Timestamp::default()).await.unwrap(), None);
    assert!(store.counts(empty).await.unwrap().threads.is_empty());
    let head = store.ledger_head(empty).await.unwrap();
    assert_eq!((head.size, head.checkpoint), (0, None));
    assert_eq!(store.entries(empty, 0, 10).await.unwrap(), []);
    assert_eq!(store.tile(empty, TileAt { level: 0, index: 0, width: 1 }).await.unwrap(), None);
    assert_eq!(store.dump(empty).await.unwrap(), Vec::<String>::new());
    let message = mirror.messages[&(thread, 1)].message.head.message_id;
    let keys = [
        Key::Agent(bob.clone()),
        Key::Thread(thread),
        Key::ThreadWakes(thread),
        Key::Findings(thread),
        Key::Message(thread, message),
        Key::Wake(wake),
        Key::LiveWakes,
        Key::Idempotency(*mirror.used.keys().next().unwrap()),
    ];
    let (facts, _) = load(&store, empty, Keys::from(keys)).await;
    assert_eq!(facts.agent(&bob).unwrap(), None);
    assert_eq!(facts.thread(thread).unwrap(), None);
    assert_eq!(facts.thread_wakes(thread).unwrap().count(), 0);
    assert_eq!(facts.findings(thread).unwrap(), []);
    assert_eq!(facts.message(thread, message).unwrap(), None);
    assert_eq!((facts.wake(wake).unwrap(), facts.lease(wake)), (None, None));
    assert_eq!(facts.live_wakes().unwrap().count(), 0);
    assert_eq!(facts.used(mirror.used.keys().next().unwrap()).unwrap(), None);
}

fn first_page<K>() -> Page<K> {
    Page { after: None, limit: 100 }
}
