//! Random steps played on a store and on the model; after every few of them everything is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, WakeId};
use interlock_core::search::TextQuery;
use interlock_core::thread::{MessageState, is_for};
use interlock_core::{Envelope, Event, Reply, Timestamp};
use interlock_store::{Page, Search, Store, WakeFilter, fill_index, search};

use super::op::{Claim, Do, Op, WORDS, resolved};
use super::wakes::Wake;
use super::{Model, OLGA, Outcome, PEOPLE, Thread};
use crate::sequencer::Done;
use crate::{Sequencer, Story};

/// Commands of one batch at most, and batches between two looks at everything.
const BATCH_MAX: usize = 4;
const LOOK_EVERY: usize = 6;

/// What is played with.
struct Play {
    tale: Story,
    store: Arc<dyn Store>,
    model: Model,
    claims: Vec<Claim>,
    /// Requests that led to an entry, with their answers.
    told: Vec<(Envelope, Done)>,
    finished: BTreeSet<WakeId>,
    entries: u64,
}

fn name(who: usize) -> AgentName {
    AgentName::parse(PEOPLE[who]).unwrap()
}

/// Play these steps in workspace number `number` of a store.
pub(crate) async fn play(store: Arc<dyn Store>, number: u128, steps: &[Op]) {
    let tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
    let entries = tale.told;
    let mut play = Play {
        tale,
        store,
        model: Model::default(),
        claims: Vec::new(),
        told: Vec::new(),
        finished: BTreeSet::new(),
        entries,
    };
    play.model.now = play.tale.sequencer.wall.as_millis();
    play.batch(vec![resolved(&play.model, &[], &Op::Open(0)).unwrap()]).await;
    let mut rest = steps;
    let mut batches = 0;
    while let Some(first) = rest.first() {
        let taken = play.step(first, rest).await;
        rest = &rest[taken..];
        batches += 1;
        if batches % LOOK_EVERY == 0 {
            play.look().await;
        }
    }
    play.look().await;
    assert!(!fill_index(play.store.as_ref(), play.tale.sequencer.workspace_id).await.unwrap());
    play.searches().await;
    play.counts().await;
}

impl Play {
    /// One step, or several in one batch; gives how many.
    async fn step(&mut self, first: &Op, steps: &[Op]) -> usize {
        match *first {
            Op::Wait(ms) => {
                self.model.now += ms;
                self.tale.sequencer.wall = Timestamp::from_millis(self.model.now);
                return 1;
            }
            Op::Again(number) => {
                self.again(number).await;
                return 1;
            }
            _ => {}
        }
        let mut batch: Vec<Do> = Vec::new();
        let mut taken = 0;
        for op in steps.iter().take(BATCH_MAX).take_while(|op| !matches!(op, Op::Wait(_) | Op::Again(_))) {
            let Some(what) = resolved(&self.model, &self.claims, op) else {
                taken += 1;
                continue;
            };
            if what.is_supervision() && !batch.is_empty() {
                break;
            }
            taken += 1;
            let is_alone = what.is_supervision();
            batch.push(what);
            if is_alone {
                break;
            }
        }
        self.batch(batch).await;
        taken.max(1)
    }

    /// A snapshot counts what the model knows.
    async fn counts(&mut self) {
        let content = self.tale.snap("end").await.content;
        let Model { threads, wakes, .. } = &self.model;
        assert_eq!(content.ledger_size, self.entries);
        assert_eq!(content.messages, threads.iter().map(Thread::last).sum::<u64>());
        for (status, count) in &content.threads {
            let of_status = threads.iter().filter(|thread| thread.status.as_str() == status);
            assert_eq!(of_status.count() as u64, *count, "{status}");
        }
        for (name, count) in &content.wakes {
            let is_named = |wake: &&Wake| {
                wake.result.map_or(wake.state.as_str(), interlock_core::wake::WakeResult::as_str) == name
            };
            assert_eq!(wakes.iter().filter(is_named).count() as u64, *count, "{name}");
        }
        assert_eq!(content.wakes.values().sum::<u64>(), wakes.len() as u64);
    }

    /// A caller that did not hear the answer asks again.
    async fn again(&mut self, number: usize) {
        let Some((envelope, done)) = self.told.iter().rev().nth(number).cloned() else { return };
        let again = self.tale.sequencer.give(envelope).await.unwrap();
        assert_eq!((again.reply, again.index), (done.reply, done.index));
    }

    async fn batch(&mut self, batch: Vec<Do>) {
        let mut known = Vec::new();
        for what in batch {
            if let Some(command) = what.command(&self.model) {
                known.push((what.clone(), self.tale.envelope(what.by(), command)));
            }
        }
        if known.is_empty() {
            return;
        }
        let envelopes: Vec<Envelope> = known.iter().map(|(_, envelope)| envelope.clone()).collect();
        let (outcomes, committed) = self.tale.sequencer.run(envelopes).await;
        committed.unwrap();
        for ((what, envelope), outcome) in known.into_iter().zip(outcomes) {
            let said = self.model.does(&what);
            match (said, outcome) {
                (Err(reason), Err(refusal)) => assert_eq!(refusal.reason, reason, "{what:?}: {refusal}"),
                (Ok(said), Ok(done)) => self.done(&what, said, envelope, done),
                (said, outcome) => panic!("{what:?}: the model says {said:?}, the rules {outcome:?}"),
            }
        }
    }

    fn done(&mut self, what: &Do, said: Outcome, envelope: Envelope, done: Done) {
        assert_eq!(!done.events.is_empty(), said == Outcome::Entry, "{what:?}: {done:?}");
        self.learn(&done.events);
        if said == Outcome::Entry {
            assert_eq!(done.index, Some(self.entries), "{what:?}");
            self.entries += 1;
        }
        match (what, &done.reply) {
            (Do::Say(say), Reply::Message(_, _, seq, _)) => {
                let last = self.model.threads[say.thread].last();
                assert_eq!(*seq, last, "{what:?}");
            }
            (Do::Ack { seq, .. }, Reply::Cursor(_, cursor)) => assert_eq!(cursor, seq),
            (Do::Claim { life, .. }, Reply::Claimed(claimed)) => {
                let claimed: BTreeSet<_> =
                    claimed.iter().map(|(w, lease)| (w.wake_id, lease.fence)).collect();
                let mut fresh = self.model.held_by(*life);
                fresh.retain(|claim| !self.claims.contains(claim));
                let said: BTreeSet<_> =
                    fresh.iter().map(|c| (self.model.wakes[c.wake].id.unwrap(), c.fence)).collect();
                assert_eq!(claimed, said, "{what:?}: {done:?}");
                self.claims.extend(fresh);
            }
            _ => {}
        }
        if said == Outcome::Entry && !matches!(what, Do::Claim { .. }) {
            self.told.push((envelope, done));
        }
    }

    /// The ids of what was made, in the order in which it was.
    fn learn(&mut self, events: &[Event]) {
        let mut wakes = self.model.wakes.iter_mut().filter(|wake| wake.id.is_none());
        for event in events {
            match event {
                Event::ThreadCreated { thread_id, .. } => {
                    self.model.threads.last_mut().unwrap().id = Some(*thread_id);
                }
                Event::MessagePosted { thread_id, message, .. } => {
                    let thread = self.model.threads.iter_mut().find(|t| t.id == Some(*thread_id)).unwrap();
                    let said = thread.said.get_mut(usize::try_from(message.seq - 1).unwrap());
                    let said = said.unwrap_or_else(|| panic!("nobody said {message:?}"));
                    assert_eq!(said.id.replace(message.message_id), None);
                }
                Event::WakeRequested { wake_id, agent, .. } => {
                    let wake = wakes.next().unwrap_or_else(|| panic!("nobody is to be woken: {event:?}"));
                    assert_eq!(PEOPLE[wake.agent], agent.as_str());
                    wake.id = Some(*wake_id);
                }
                Event::WakeFinished { wake_id, .. } => {
                    assert!(self.finished.insert(*wake_id), "{wake_id} ends twice");
                }
                _ => {}
            }
        }
        assert!(wakes.next().is_none(), "somebody is not woken: {events:?}");
    }

    /// Everything that can be read is what the model says.
    async fn look(&self) {
        self.threads().await;
        self.wakes().await;
        self.searches().await;
        let ws = self.tale.sequencer.workspace_id;
        assert_eq!(self.store.ledger_head(ws).await.unwrap().size, self.entries);
        assert_eq!(self.store.halt(ws).await.unwrap().is_some(), self.model.is_halted);
    }

    async fn threads(&self) {
        let (ws, now) = (self.tale.sequencer.workspace_id, Timestamp::from_millis(self.model.now));
        let mut inboxes: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
        for thread in &self.model.threads {
            let id = thread.id.unwrap();
            let stored = self.store.thread(ws, id).await.unwrap().unwrap();
            assert_eq!((stored.status, stored.seq), (thread.status, thread.last()));
            let parts: BTreeMap<_, _> = stored
                .members
                .iter()
                .map(|(name, m)| {
                    (name.to_string(), (m.role.as_str() == "coordinator", m.cursor, m.since_seq))
                })
                .collect();
            let said = thread
                .parts
                .iter()
                .map(|(who, part)| (PEOPLE[*who].to_owned(), (part.leads, part.cursor, part.since)));
            assert_eq!(parts, said.collect());
            let messages = self.store.messages(ws, id, 0, 1_000).await.unwrap();
            assert_eq!(messages.len(), thread.said.len());
            for ((seq, message), said) in (1..).zip(&messages).zip(&thread.said) {
                let (head, body) = (&message.message.head, &message.message.text.body);
                assert_eq!(
                    (head.seq, Some(head.message_id), head.from.as_str()),
                    (seq, said.id, PEOPLE[said.from])
                );
                assert_eq!(message.message.state(now), said.state(self.model.now), "{said:?}");
                assert!(said.is_system || *body == said.words.join(" "), "{body}: {said:?}");
                self.answers(id, head.message_id, thread.answers(seq)).await;
            }
            for (who, part) in &thread.parts {
                let reads = |m: &&interlock_store::StoredMessage| {
                    m.message.head.seq > part.cursor
                        && is_for(&stored, &m.message.head, &name(*who))
                        && m.message.state(now) == MessageState::Live
                };
                let unread: Vec<u64> = messages.iter().filter(reads).map(|m| m.message.head.seq).collect();
                assert_eq!(unread, thread.unread(*who, self.model.now), "unread for {}", PEOPLE[*who]);
                if part.cursor < thread.last() {
                    inboxes.entry(*who).or_default().insert((id, part.cursor));
                }
            }
        }
        for (who, person) in PEOPLE.iter().enumerate() {
            let rows = self.store.inbox(ws, name(who)).await.unwrap();
            let found: BTreeSet<_> = rows.iter().map(|row| (row.thread.thread_id, row.cursor)).collect();
            assert_eq!(found, inboxes.remove(&who).unwrap_or_default(), "the inbox of {person}");
        }
    }

    async fn answers(&self, thread: interlock_core::id::ThreadId, id: MessageId, said: BTreeMap<usize, u64>) {
        let all = (0..PEOPLE.len()).map(name).collect();
        let ws = self.tale.sequencer.workspace_id;
        let found = self.store.answers(ws, thread, id, all).await.unwrap();
        let found: BTreeMap<_, _> =
            found.iter().map(|answer| (answer.agent.to_string(), answer.seq)).collect();
        assert_eq!(found, said.into_iter().map(|(who, seq)| (PEOPLE[who].to_owned(), seq)).collect());
    }

    async fn wakes(&self) {
        let ws = self.tale.sequencer.workspace_id;
        let page = Page { after: None, limit: 10_000 };
        let stored = self.store.wakes(ws, WakeFilter::default(), page).await.unwrap();
        let stored: BTreeMap<WakeId, _> = stored.into_iter().map(|wake| (wake.wake_id, wake)).collect();
        assert_eq!(stored.len(), self.model.wakes.len());
        for said in &self.model.wakes {
            let wake = &stored[&said.id.unwrap()];
            let thread = self.model.threads[said.thread].id.unwrap();
            assert_eq!((wake.agent.as_str(), wake.thread_id), (PEOPLE[said.agent], thread));
            assert_eq!((wake.state, wake.result), (said.state, said.result), "{said:?} {wake:?}");
            let facts = (wake.seq, wake.due_at.as_millis(), wake.held, wake.is_urgent, wake.attempts);
            assert_eq!(
                facts,
                (said.seq, said.due, said.held, said.urgent, said.attempts),
                "{said:?} {wake:?}"
            );
        }
    }

    /// Each word, as each reader: newest first what was said with it where the reader takes part.
    async fn searches(&self) {
        let ws = self.tale.sequencer.workspace_id;
        for (n, word) in WORDS.iter().enumerate() {
            let reader = n % PEOPLE.len();
            let state = MessageState::ALL.get(n).copied();
            let ask = Search {
                text: Some(TextQuery::parse(word).unwrap()),
                reader: (reader != OLGA).then(|| name(reader)),
                state,
                now: Timestamp::from_millis(self.model.now),
                limit: 1_000,
                ..Search::default()
            };
            let found = search(self.store.as_ref(), ws, &ask).await.unwrap();
            assert_eq!(found.next, None);
            let mut said: Vec<_> = self
                .model
                .threads
                .iter()
                .filter(|thread| reader == OLGA || thread.parts.contains_key(&reader))
                .flat_map(|thread| &thread.said)
                .filter(|said| said.words.contains(word))
                .filter(|said| state.is_none_or(|state| said.state(self.model.now) == state))
                .collect();
            said.sort_by_key(|said| std::cmp::Reverse(said.place));
            let found: Vec<_> = found.messages.iter().map(|m| Some(m.message.head.message_id)).collect();
            assert_eq!(found, said.iter().map(|said| said.id).collect::<Vec<_>>(), "`{word}`");
        }
    }
}
