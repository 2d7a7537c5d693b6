//! Sessions: what was last heard of them, and whom claims wait for.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_core::actor::AgentName;
use interlock_core::agent::Runtime;
use interlock_core::command::ObserveSession;
use interlock_core::facts::{Facts, Key, Keys, RowChange};
use interlock_core::id::{SessionId, ThreadId, WorkspaceId};
use interlock_core::limits::{SESSIONS_FORGOTTEN_MAX, SESSIONS_MAX, SESSIONS_OF_AGENT_MAX};
use interlock_core::session::{Observed, Session, SessionKey};
use interlock_core::{Command, Reason, Reply};
use interlock_store::{Step, Store, WriteSet};

use super::probe::{Probe, load, probe};
use crate::story::AGENTS;
use crate::{Database, Sequencer, Story};

impl Story {
    /// Something is seen in a session of an agent, or the agent says that it is there.
    pub(crate) async fn sight(&mut self, thread: ThreadId, who: u8, which: u8) {
        let by = AGENTS[usize::from(who) % AGENTS.len()];
        let observed = Observed::ALL[usize::from(which) % Observed::ALL.len()];
        if who.is_multiple_of(5) {
            drop(self.tell(by, Command::Heartbeat { is_active: which.is_multiple_of(2) }).await);
        } else {
            drop(self.see(by, u128::from(which), observed, vec![thread]).await);
        }
    }

    pub(crate) async fn see(
        &mut self,
        by: &str,
        number: u128,
        observed: Observed,
        threads: Vec<ThreadId>,
    ) -> Option<Reply> {
        let seen = ObserveSession {
            agent: AgentName::parse(by).unwrap(),
            session_id: Some(SessionId::from_u128(number)),
            runtime: Some(Runtime::Codex),
            observed,
            ago_ms: 0,
            wake_id: None,
            threads,
        };
        self.tell(by, Command::ObserveSession(seen)).await
    }
}

async fn begin(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story, WorkspaceId, ThreadId) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let (ws, thread) = (tale.sequencer.workspace_id, tale.open("work").await);
    (store, tale, ws, thread)
}

fn all_of(facts: &Facts) -> BTreeMap<SessionKey, Session> {
    let agents = AGENTS.map(|name| AgentName::parse(name).unwrap());
    let of = |name: &AgentName| facts.sessions_of(name).unwrap().cloned().collect::<Vec<_>>();
    agents.iter().flat_map(of).map(|session| (session.key(), session)).collect()
}

fn terminals(facts: &Facts) -> Vec<SessionKey> {
    facts.terminals().unwrap().map(Session::key).collect()
}

/// Written, changed, forgotten: loads and reads say what was made, and no dump does.
pub async fn sessions_are_what_was_last_heard_of_them(database: Arc<dyn Database>) {
    let (store, mut tale, ws, thread) = begin(&database).await;
    for round in 0..3_u8 {
        for number in 0..12_u8 {
            tale.sequencer.wall = tale.sequencer.wall.plus_ms(7_000);
            tale.sight(thread, number % 4 + round * 4, number).await;
        }
    }
    for number in 0..SESSIONS_OF_AGENT_MAX + 3 {
        tale.see("ann", 100 + number as u128, Observed::Opened, Vec::new()).await.unwrap();
    }
    let agents = AGENTS.map(|name| AgentName::parse(name).unwrap());
    let mut keys: Keys = agents.iter().cloned().map(Key::Sessions).collect();
    keys.extend([Key::Terminals, Key::OldestSessions]);
    let made = &tale.sequencer.mirror.sessions;
    assert!(tale.sequencer.mirror.kinds.contains("unsession"));
    let (facts, _) = load(&store, ws, keys).await;
    assert_eq!(&all_of(&facts), made);
    let open = made.values().filter(|session| session.is_terminal()).map(Session::key);
    assert_eq!(terminals(&facts), open.collect::<Vec<_>>());
    assert_eq!(facts.oldest_sessions().unwrap().count(), 0, "there is room");
    let mut read = store.sessions(ws, agents.to_vec()).await.unwrap();
    read.sort_by_key(Session::key);
    assert_eq!(read, made.values().cloned().collect::<Vec<_>>());
    assert!(store.sessions(ws, Vec::new()).await.unwrap().is_empty());
    assert!(store.dump(ws).await.unwrap().iter().all(|line| !line.starts_with("session ")), "operational");
}

/// Whoever claims knows of every person at work, in its own workspace and no other.
pub async fn a_claim_waits_for_a_person(database: Arc<dyn Database>) {
    let (store, mut tale, ws, thread) = begin(&database).await;
    let mut other = Story::begin(Sequencer::new(store.clone(), 2).await).await;
    let there = other.open("work").await;
    other.post(there, "olga", "go", &["ann"]).await.unwrap();
    tale.post(thread, "olga", "go", &["ann"]).await.unwrap();
    tale.see("ann", 1, Observed::HumanPrompt, Vec::new()).await.unwrap();
    assert!(tale.claim(9).await.is_empty());
    assert_eq!(other.claim(9).await.len(), 1);
    let wake = tale.sequencer.mirror.wakes.values().next().unwrap().clone();
    assert_eq!((wake.reason, wake.attempts), (Some(Reason::HumanActive), 0));
    assert_eq!(store.wake(ws, wake.wake_id).await.unwrap(), Some(wake.clone()));
    // Told by its hooks, and read: nobody has to be started.
    let told = tale.see("ann", 1, Observed::TurnEnded, vec![thread]).await;
    assert_eq!(told, Some(Reply::Observed { is_ours: false, told: vec![thread], is_held: true }));
    let seq = tale.sequencer.mirror.threads[&thread].seq;
    let ack = interlock_core::command::AckRead { thread_id: thread, seq };
    tale.tell("ann", Command::AckRead(ack)).await.unwrap();
    let wake = store.wake(ws, wake.wake_id).await.unwrap().unwrap();
    assert_eq!(wake.result, Some(interlock_core::wake::WakeResult::AlreadyActive));
}

/// Of more than are remembered those come that were silent for longest, so many at once.
pub async fn the_longest_silent_sessions_make_room(database: Arc<dyn Database>) {
    let (store, mut tale, ws, _) = begin(&database).await;
    tale.see("ann", 1, Observed::Opened, Vec::new()).await.unwrap();
    let first = tale.sequencer.mirror.sessions.values().next().unwrap().clone();
    let many = SESSIONS_MAX + SESSIONS_FORGOTTEN_MAX;
    let rows: Vec<RowChange> = (0..many)
        .map(|n| {
            let agent = AgentName::parse(&format!("p{n}")).unwrap();
            let seen_at = first.seen_at.plus_ms(1 + i64::from(n));
            RowChange::Session(Box::new(Session { agent, seen_at, ..first.clone() }))
        })
        .collect();
    let write = Probe::new(Keys::new(), move |head| {
        Step::Write(WriteSet { rows: rows.clone(), last_at: head.last_at, ..WriteSet::default() })
    });
    probe(&store, ws, write).await.1.unwrap();
    let (facts, _) = load(&store, ws, Keys::from([Key::OldestSessions])).await;
    let found: Vec<_> = facts.oldest_sessions().unwrap().map(|session| session.agent.to_string()).collect();
    // Two too many, and one more that makes room: the first of them is beyond what goes at once.
    let beyond = many + 1 - (SESSIONS_MAX - 1);
    let wanted = (0..many).rev().skip(usize::try_from(SESSIONS_MAX - 1).unwrap()).map(|n| format!("p{n}"));
    let wanted: Vec<_> = wanted.take(usize::try_from(SESSIONS_FORGOTTEN_MAX).unwrap()).collect();
    assert_eq!((found.len(), beyond), (wanted.len(), SESSIONS_FORGOTTEN_MAX + 2));
    assert_eq!(found, wanted);
}
