//! Plain reads: rows, filters, pages, timelines, inboxes.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_core::actor::AgentName;
use interlock_core::command::{AckRead, ChangeStatus};
use interlock_core::facts::{Key, Keys, RowChange};
use interlock_core::id::{ThreadId, WakeId, WorkspaceId};
use interlock_core::limits::LIVE_WAKES_MAX;
use interlock_core::thread::{Status, Thread};
use interlock_core::wake::{AsksKey, Lease, Wake, WakeResult, WakeState};
use interlock_core::{Command, Reason, Timestamp};
use interlock_store::{
    AgentWakes, InboxRow, Page, Step, Store, ThreadFilter, TimelineRow, WakeFilter, WriteSet,
};

use super::probe::{Probe, check_facts, load, probe};
use crate::mirror::KINDS;
use crate::story::{AGENTS, chat, create};
use crate::{Database, Sequencer, Story};

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

/// A few threads with everything in them.
async fn busy(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    for n in 0..9_u8 {
        let thread = tale.open(&format!("thread {n}")).await;
        tale.sequencer.wall = tale.sequencer.wall.plus_ms(3);
        let to = [AGENTS[usize::from(n % 4)]];
        tale.post(thread, "olga", "to one", if n % 2 == 0 { &to } else { &[] }).await.unwrap();
        // Findings, claims, starts, ends and acknowledgements, here and there.
        for (what, who) in [(4, n), (8, n), (9, n), (5, n), (3, n), (13, n), (14, n), (11, n), (12, n)] {
            tale.step((what, who, n)).await;
        }
        if n == 4 {
            // Stopped, and let go on.
            tale.step((16, 0, n)).await;
            tale.step((16, 1, n)).await;
        }
        if let Some(status) = Status::ALL.get(usize::from(n % 5)) {
            tale.tell("olga", become_(thread, *status)).await;
        }
    }
    // More sessions of one agent than are remembered.
    let thread = *tale.sequencer.mirror.threads.keys().next().unwrap();
    for which in 0..12 {
        tale.sight(thread, 1, which).await;
    }
    tale.calls("sup", &["gpu"]).await;
    // Asked for, done, and forgotten when they are old.
    for (who, which) in [(0, 0), (1, 1), (0, 2), (2, 8), (0, 1)] {
        tale.work(who, which).await;
    }
    // Made, told of something, changed, and deleted.
    for (who, which) in [(0, 0), (0, 1), (1, 0), (2, 0), (3, 1), (4, 0), (5, 0), (5, 1)] {
        tale.hook(who, which).await;
    }
    tale.hook(0, 1).await;
    tale.snap("busy").await;
    (store, tale)
}

pub(super) fn become_(thread_id: ThreadId, status: Status) -> Command {
    let text = "because".into();
    Command::ChangeStatus(ChangeStatus { thread_id, status, reason: Reason::ByRequest, text, owner: None })
}

/// Every kind of row goes in and comes out the same, through facts and through plain reads.
pub async fn every_kind_of_row_comes_back(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    assert_eq!(mirror.kinds.len(), KINDS, "the story makes only {:?}", mirror.kinds);
    check_facts(&store, ws, mirror).await;
    for (name, agent) in &mirror.agents {
        assert_eq!(store.agent(ws, name.clone()).await.unwrap().as_ref(), Some(agent));
    }
    for (id, thread) in &mirror.threads {
        assert_eq!(store.thread(ws, *id).await.unwrap().as_ref(), Some(thread));
        let findings = mirror.findings.get(id).cloned().unwrap_or_default();
        assert_eq!(store.findings(ws, *id).await.unwrap(), findings);
        let messages: Vec<_> =
            mirror.messages.range((*id, 0)..=(*id, u64::MAX)).map(|(_, m)| m.clone()).collect();
        assert_eq!(store.messages(ws, *id, 0, 1_000).await.unwrap(), messages);
    }
    for (id, job) in &mirror.jobs {
        assert_eq!(store.job(ws, *id).await.unwrap().as_ref(), Some(job));
    }
    for (id, wake) in &mirror.wakes {
        assert_eq!(store.wake(ws, *id).await.unwrap().as_ref(), Some(wake));
    }
    assert_eq!(store.agent(ws, name("nobody")).await.unwrap(), None);
    assert_eq!(store.thread(ws, ThreadId::from_u128(1)).await.unwrap(), None);
    let stranger = load(&store, ws, Keys::from([Key::Agent(name("nobody"))])).await.0;
    assert_eq!(stranger.agent(&name("nobody")).unwrap(), None, "looked for and not there");
}

/// Newest first, by status and by who takes part; pages of any size give the whole list.
pub async fn pages_of_threads(database: Arc<dyn Database>) {
    let (store, mut tale) = busy(&database).await;
    let ws = tale.sequencer.workspace_id;
    // One that `una` takes no part in.
    let Command::CreateThread(mut fewer) = create("without una") else { unreachable!() };
    fewer.participants.truncate(2);
    tale.tell("olga", Command::CreateThread(fewer)).await.unwrap();
    let mirror = &tale.sequencer.mirror;
    let members = [None, Some("una"), Some("bob"), Some("olga"), Some("nobody")];
    for status in [None].into_iter().chain(Status::ALL.iter().copied().map(Some)) {
        for member in members.map(|member| member.map(name)) {
            let fits = |thread: &&Thread| {
                status.is_none_or(|status| thread.status == status)
                    && member.as_ref().is_none_or(|member| thread.members.contains_key(member))
            };
            let wanted: Vec<Thread> = mirror.threads.values().rev().filter(fits).cloned().collect();
            let filter = ThreadFilter { status, member: member.clone() };
            for limit in [1, 3, 100] {
                let mut found: Vec<Thread> = Vec::new();
                loop {
                    let page = Page { after: found.last().map(|thread| thread.thread_id), limit };
                    let rows = store.threads(ws, filter.clone(), page).await.unwrap();
                    assert!(rows.len() <= usize::try_from(limit).unwrap());
                    if rows.is_empty() {
                        break;
                    }
                    found.extend(rows);
                }
                assert_eq!(found, wanted, "{filter:?} by {limit}");
            }
        }
    }
}

/// Newest first, by thread, agent, state and whether they live.
pub async fn pages_of_wakes(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    let states: Vec<_> = mirror.wakes.values().map(|wake| wake.state).collect();
    assert!(WakeState::ALL.iter().all(|state| states.contains(state)), "the story lacks a state");
    let threads = [None, mirror.threads.keys().next().copied(), Some(ThreadId::from_u128(1))];
    let agents = [None, Some(name("ann")), Some(name("una"))];
    for thread in threads {
        for agent in &agents {
            for state in [None].into_iter().chain(WakeState::ALL.iter().copied().map(Some)) {
                for is_live in [false, true] {
                    let agent = agent.clone();
                    let filter = WakeFilter { thread, agent, state, is_live, ..WakeFilter::default() };
                    check_wakes(&store, &tale, filter).await;
                }
            }
        }
    }
    let results: Vec<_> = mirror.wakes.values().filter_map(|wake| wake.result).collect();
    assert!(results.len() > 1 && !WakeResult::ALL.iter().all(|result| results.contains(result)));
    for result in WakeResult::ALL {
        check_wakes(&store, &tale, WakeFilter { result: Some(*result), ..WakeFilter::default() }).await;
    }
    let waits = |wake: &&Wake| wake.state == WakeState::Pending;
    let mut times: Vec<_> = mirror.wakes.values().filter(waits).map(|wake| wake.due_at).collect();
    times.extend(times.clone().iter().map(|at| at.plus_ms(-1)));
    for due_by in times {
        check_wakes(&store, &tale, WakeFilter { due_by: Some(due_by), ..WakeFilter::default() }).await;
    }
    assert!(store.wakes(ws, WakeFilter::default(), Page { after: None, limit: 0 }).await.unwrap().is_empty());
}

/// What says what agents do now, in the order they are named; nothing of somebody who was never woken.
pub async fn wakes_of_agents(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let mirror = &tale.sequencer.mirror;
    let mut names: Vec<_> = mirror.wakes.values().map(|wake| wake.agent.clone()).collect();
    names.sort();
    names.dedup();
    names.insert(1, name("nobody"));
    let found = store.agent_wakes(tale.sequencer.workspace_id, names.clone()).await.unwrap();
    let wanted = names.iter().map(|agent| {
        let mine = || mirror.wakes.values().filter(|wake| wake.agent == *agent);
        let live = mine().filter(|wake| wake.state != WakeState::Finished);
        let place = |wake: &&Wake| (wake.state != WakeState::Running, wake.held, wake.due_at, wake.wake_id);
        let last = mine().rfind(|wake| wake.state == WakeState::Finished);
        AgentWakes { agent: agent.clone(), live: live.min_by_key(place).cloned(), last: last.cloned() }
    });
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(found, wanted);
    assert!(wanted.iter().any(|one| one.live.is_some() && one.last.is_some()), "the story lacks an agent");
    assert_eq!(store.agent_wakes(tale.sequencer.workspace_id, Vec::new()).await.unwrap(), []);
}

async fn check_wakes(store: &Arc<dyn Store>, tale: &Story, filter: WakeFilter) {
    let fits = |wake: &&Wake| {
        filter.thread.is_none_or(|thread| wake.thread_id == thread)
            && filter.agent.as_ref().is_none_or(|agent| wake.agent == *agent)
            && filter.state.is_none_or(|state| wake.state == state)
            && (!filter.is_live || wake.state != WakeState::Finished)
            && filter.result.is_none_or(|result| wake.result == Some(result))
            && filter
                .due_by
                .is_none_or(|by| wake.state == WakeState::Pending && !wake.held && wake.due_at <= by)
    };
    let wanted: Vec<Wake> = tale.sequencer.mirror.wakes.values().rev().filter(fits).cloned().collect();
    for limit in [2, 100] {
        let mut found: Vec<Wake> = Vec::new();
        loop {
            let page = Page { after: found.last().map(|wake| wake.wake_id), limit };
            let rows = store.wakes(tale.sequencer.workspace_id, filter.clone(), page).await.unwrap();
            if rows.is_empty() {
                break;
            }
            found.extend(rows);
        }
        assert_eq!(found, wanted, "{filter:?} by {limit}");
    }
}

/// By name.
pub async fn pages_of_agents(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let ws = tale.sequencer.workspace_id;
    let wanted: Vec<_> = tale.sequencer.mirror.agents.values().cloned().collect();
    for limit in [1, 3, 100] {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|agent: &interlock_core::agent::Agent| agent.name.clone());
            let rows = store.agents(ws, Page { after, limit }).await.unwrap();
            if rows.is_empty() {
                break;
            }
            found.extend(rows);
        }
        assert_eq!(found, wanted, "by {limit}");
    }
}

/// A thread with many messages and other events between them.
async fn long(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story, ThreadId) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let thread = tale.open("long").await;
    let other = tale.open("other").await;
    for n in 0..25_u8 {
        let quiet: Vec<_> = (0..3).map(|_| tale.envelope("una", chat(thread, "quiet", &["una"]))).collect();
        tale.sequencer.run(quiet).await.1.unwrap();
        tale.post(other, "olga", "elsewhere", &[]).await.unwrap();
        tale.post(thread, "olga", "loud", &[]).await.unwrap();
        let change = if n % 2 == 0 { Status::Blocked } else { Status::Active };
        tale.tell("olga", become_(thread, change)).await.unwrap();
    }
    (store, tale, thread)
}

/// In order, from any number on, also far beyond the last.
pub async fn messages_after_a_number(database: Arc<dyn Database>) {
    let (store, tale, thread) = long(&database).await;
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    let last = mirror.threads[&thread].seq;
    for after in (0..=last + 1).chain([u64::MAX]) {
        for limit in [0, 1, 7, 1_000] {
            let wanted: Vec<_> = mirror
                .messages
                .range((thread, after.saturating_add(1))..=(thread, u64::MAX))
                .filter(|((_, seq), _)| *seq > after)
                .take(limit)
                .map(|(_, stored)| stored.clone())
                .collect();
            let limit = u32::try_from(limit).unwrap();
            assert_eq!(store.messages(ws, thread, after, limit).await.unwrap(), wanted, "{after} {limit}");
        }
    }
}

/// Messages and other events in the ledger's order, from every position, those between and those beyond.
pub async fn timelines_after_any_position(database: Arc<dyn Database>) {
    let (store, tale, thread) = long(&database).await;
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    let all = mirror.timeline_of(thread);
    let is_message = |row: &&TimelineRow| matches!(row, TimelineRow::Message(_));
    assert!(all.iter().filter(is_message).count() >= 100 && all.len() > 150);
    let mut places: Vec<Option<(u64, u32)>> = vec![None, Some((0, 0)), Some((u64::MAX, u32::MAX))];
    for row in &all {
        let (index, n) = row.position();
        places.extend([Some((index, n)), Some((index, n + 1)), Some((index, u32::MAX))]);
    }
    for after in places {
        let wanted: Vec<_> =
            all.iter().filter(|row| after.is_none_or(|after| row.position() > after)).cloned().collect();
        for limit in [1, 5, 1_000] {
            let found = store.timeline(ws, thread, after, u32::try_from(limit).unwrap()).await.unwrap();
            assert_eq!(found, wanted[..limit.min(wanted.len())], "after {after:?}, {limit} rows");
        }
    }
    // Walking page by page gives everything once.
    let mut found: Vec<TimelineRow> = Vec::new();
    loop {
        let rows = store.timeline(ws, thread, found.last().map(TimelineRow::position), 7).await.unwrap();
        if rows.is_empty() {
            break;
        }
        found.extend(rows);
    }
    assert_eq!(found, all);
    assert_eq!(store.timeline(ws, ThreadId::from_u128(5), None, 10).await.unwrap(), []);
}

/// Every read is of one state, also while somebody writes: nothing is missing before its last row. A row committed
/// between two looks of one read would be passed over for good by whoever goes on after that last row.
pub async fn who_follows_a_timeline_misses_nothing(database: Arc<dyn Database>) {
    const ROUNDS: usize = 200;
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let thread = tale.open("followed").await;
    let ws = tale.sequencer.workspace_id;
    let is_written = std::cell::Cell::new(false);
    let writing = async {
        for n in 0..ROUNDS {
            // A message and another event in one commit: who sees the second has to see the first.
            let change = if n % 2 == 0 { Status::Blocked } else { Status::Active };
            let both = [("una", chat(thread, "one", &["una"])), ("olga", become_(thread, change))];
            let both = both.map(|(by, command)| tale.envelope(by, command)).to_vec();
            tale.sequencer.run(both).await.1.unwrap();
        }
        is_written.set(true);
        tale.sequencer.mirror.timeline_of(thread)
    };
    let following = async {
        let (mut found, mut looks): (Vec<TimelineRow>, Vec<Vec<TimelineRow>>) = Default::default();
        loop {
            let is_last = is_written.get();
            looks.push(store.timeline(ws, thread, None, u32::MAX).await.unwrap());
            let after = found.last().map(TimelineRow::position);
            let rows = store.timeline(ws, thread, after, 50).await.unwrap();
            if rows.is_empty() && is_last {
                return (found, looks);
            }
            found.extend(rows);
        }
    };
    let (wanted, (found, looks)) = futures_util::future::join(writing, following).await;
    assert!(wanted.len() >= 2 * ROUNDS && looks.len() > 2, "{} rows, {} looks", wanted.len(), looks.len());
    for look in looks {
        let places: Vec<_> = look.iter().map(TimelineRow::position).collect();
        let all: Vec<_> = wanted.iter().take(look.len()).map(TimelineRow::position).collect();
        assert_eq!(places, all, "rows are missing before the last one");
    }
    assert_eq!(found, wanted);
}

/// The threads whose last message is beyond one's cursor, newest first.
pub async fn inboxes(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    for agent in ["ann", "bob", "cem", "una", "olga", "nobody"].map(name) {
        let unread = |thread: &Thread| {
            let cursor = thread.members.get(&agent)?.cursor;
            (cursor < thread.seq).then(|| InboxRow { thread: thread.clone(), cursor })
        };
        let wanted: Vec<_> = mirror.threads.values().rev().filter_map(unread).collect();
        assert_eq!(store.inbox(ws, agent.clone()).await.unwrap(), wanted, "{agent}");
    }
}

/// At most 200 rows, the newest, however many threads have to be looked through.
pub async fn an_inbox_ends_at_its_limit(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    for n in 0..9 {
        let batch: Vec<_> = (0..50).map(|_| tale.envelope("olga", create("many"))).collect();
        tale.sequencer.run(batch).await.1.unwrap();
        tale.sequencer.wall = tale.sequencer.wall.plus_ms(n + 1);
    }
    let threads: Vec<ThreadId> = tale.sequencer.mirror.threads.keys().copied().collect();
    let quiet = |n: usize| n.is_multiple_of(4);
    for some in threads.iter().enumerate().filter(|(n, _)| !quiet(*n)).collect::<Vec<_>>().chunks(50) {
        let batch = some.iter().map(|(_, id)| tale.envelope("olga", chat(**id, "x", &["una"])));
        let batch = batch.collect();
        tale.sequencer.run(batch).await.1.unwrap();
    }
    let found: Vec<_> = store.inbox(ws, name("una")).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| row.thread.thread_id).collect();
    let unread = threads.iter().enumerate().rev().filter(|(n, _)| !quiet(*n)).map(|(_, id)| *id);
    assert_eq!(found, unread.take(200).collect::<Vec<_>>());
}

/// The earliest due time of what is neither held, running nor over; and rows by status, state and result.
pub async fn what_is_due_next_and_how_much_there_is(database: Arc<dyn Database>) {
    let (store, mut tale) = busy(&database).await;
    let ws = tale.sequencer.workspace_id;
    check_counts(&store, &tale).await;
    tale.step((9, 1, 0)).await;
    for thread in tale.sequencer.mirror.threads.keys().copied().collect::<Vec<_>>() {
        tale.tell("olga", become_(thread, Status::Blocked)).await;
        check_counts(&store, &tale).await;
    }
    assert_eq!(
        store.next_due(ws, Timestamp::default()).await.unwrap(),
        None,
        "everything is held back, running or over"
    );
}

async fn check_counts(store: &Arc<dyn Store>, tale: &Story) {
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    let due = mirror.wakes.values().filter(|wake| wake.state == WakeState::Pending && !wake.held);
    let mut due: Vec<Timestamp> = due.map(|wake| wake.due_at).collect();
    due.sort();
    for after in std::iter::once(Timestamp::default()).chain(due.iter().copied()) {
        let next = due.iter().copied().find(|at| *at > after);
        assert_eq!(store.next_due(ws, after).await.unwrap(), next, "after {after}");
    }
    let counts = store.counts(ws).await.unwrap();
    let mut threads: BTreeMap<String, u64> = BTreeMap::new();
    for thread in mirror.threads.values() {
        *threads.entry(thread.status.to_string()).or_default() += 1;
    }
    let mut wakes: BTreeMap<String, u64> = BTreeMap::new();
    for wake in mirror.wakes.values() {
        let kind = wake.result.map_or_else(|| wake.state.to_string(), |result| result.to_string());
        *wakes.entry(kind).or_default() += 1;
    }
    assert_eq!((counts.threads, counts.wakes), (threads, wakes));
}

/// Each agent's first due wake comes before anybody's second, so that whoever has many does not hide the others.
pub async fn a_claim_sees_each_agents_first(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let threads = [tale.open("one").await, tale.open("two").await, tale.open("three").await];
    for thread in threads {
        tale.post(thread, "olga", "go", &["ann"]).await.unwrap();
    }
    tale.post(threads[2], "olga", "go", &["bob"]).await.unwrap();
    tale.post(threads[1], "olga", "go", &["cem"]).await.unwrap();
    let (facts, _) = load(&store, ws, Keys::from([Key::LiveWakes])).await;
    let live: Vec<&str> = facts.live_wakes().unwrap().map(|wake| wake.agent.as_str()).collect();
    let mut first = live[..3].to_vec();
    first.sort_unstable();
    assert_eq!((first, &live[3..]), (vec!["ann", "bob", "cem"], &["ann", "ann"][..]));
}

/// Who runs, or is about to, waits for its own end: whatever more it has to do, and for how long, whoever is free is seen.
pub async fn a_claim_sees_who_is_free(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let thread = tale.open("one").await;
    tale.post(thread, "olga", "go", &["ann"]).await.unwrap();
    let free = tale.sequencer.mirror.wakes.values().next().unwrap().clone();
    let mut rows = Vec::new();
    for n in 0..u128::from(LIVE_WAKES_MAX) {
        let [first, second] = [2 * n + 1, 2 * n + 2].map(WakeId::from_u128);
        let waits = Wake {
            wake_id: second,
            agent: name(&format!("busy-{n}")),
            due_at: free.due_at.plus_ms(-60_000),
            ..free.clone()
        };
        let is_claimed = n % 2 == 0;
        let state = if is_claimed { WakeState::Pending } else { WakeState::Running };
        let busy = Wake { wake_id: first, state, ..waits.clone() };
        rows.extend(is_claimed.then(|| RowChange::Lease(lease_of(&busy))));
        rows.extend([RowChange::Wake(busy), RowChange::Wake(waits)]);
    }
    write(&store, ws, rows).await;
    let (facts, _) = load(&store, ws, Keys::from([Key::LiveWakes])).await;
    let agents: Vec<&str> = facts.live_wakes().unwrap().map(|wake| wake.agent.as_str()).collect();
    assert!(agents.contains(&"ann"), "those that run are seen and hide it");
    let max = usize::try_from(LIVE_WAKES_MAX).unwrap();
    assert_eq!(
        agents.len(),
        2 * max,
        "every one that runs or is claimed, and as many others as a claim looks at"
    );
}

fn lease_of(wake: &Wake) -> Lease {
    Lease {
        wake_id: wake.wake_id,
        agent: wake.agent.clone(),
        supervisor: "sup".into(),
        incarnation: "life-1".into(),
        fence: 1,
        holds: wake.holds,
        door: None,
        is_in_doubt: false,
        is_called: false,
        is_told_to_stop: false,
        urgent_seq: 0,
        until: wake.due_at.plus_ms(3_600_000),
    }
}

/// Rows as they stand, whatever led to them.
async fn write(store: &Arc<dyn Store>, ws: WorkspaceId, rows: Vec<RowChange>) {
    let set = WriteSet { rows, batch_id: [8; 16], ..WriteSet::default() };
    let mut set = Some(set);
    let work = Probe::new(Keys::new(), move |_| Step::Write(set.take().unwrap_or_default()));
    probe(store, ws, work).await.1.unwrap();
}

/// What a claim decides on: everything running, everything leased, and what is due and not held back.
pub async fn a_claim_sees_what_is_leased_and_held(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let [one, two] = [tale.open("one").await, tale.open("two").await];
    tale.post(one, "olga", "leased, then held", &["ann"]).await.unwrap();
    let leased = tale.claim(1).await.remove(0);
    tale.tell("olga", become_(one, Status::Blocked)).await.unwrap();
    tale.post(one, "olga", "held", &["bob"]).await.unwrap();
    tale.post(two, "olga", "due", &["ann", "cem"]).await.unwrap();
    let (facts, _) = load(&store, ws, Keys::from([Key::LiveWakes])).await;
    let mut live: Vec<_> =
        facts.live_wakes().unwrap().map(|wake| (wake.agent.as_str(), wake.thread_id)).collect();
    live.sort();
    assert_eq!(live, [("ann", one), ("ann", two), ("cem", two)]);
    assert_eq!(facts.lease(leased.wake_id), Some(&leased));
    // The agent is taken: its second wake must wait.
    let agents: Vec<_> = tale.claim(9).await.into_iter().map(|lease| lease.agent).collect();
    assert_eq!(agents, [name("cem")]);
    let seq = tale.sequencer.mirror.threads[&one].seq;
    tale.tell("ann", Command::AckRead(AckRead { thread_id: one, seq })).await.unwrap();
    assert_eq!(tale.claim(9).await.len(), 1, "now it is free");
}

/// What asked for a wake in any stretch of a thread: the messages for that agent which were not taken back, the one that
/// ends last first.
pub async fn what_asked_for_a_wake(database: Arc<dyn Database>) {
    let (store, tale) = busy(&database).await;
    let mut tale = Story { sequencer: tale.sequencer.reopened(store.clone()), told: tale.told };
    let thread = tale.open("asks").await;
    for n in 0..60_u8 {
        tale.step((13, n, n)).await;
        let to = [AGENTS[usize::from(n % 4)]];
        tale.post(thread, "olga", "to one", if n % 3 == 0 { &[] } else { &to }).await.unwrap();
        if n % 5 == 0 {
            tale.step((11, 0, n)).await;
        }
    }
    let (ws, mirror) = (tale.sequencer.workspace_id, &tale.sequencer.mirror);
    let mut found_some = 0;
    for thread in mirror.threads.values() {
        for (agent, member) in &thread.members {
            for (from_seq, to_seq) in [(1, thread.seq), (2, 5), (thread.seq, thread.seq), (9, 1)] {
                let key = AsksKey {
                    thread_id: thread.thread_id,
                    agent: agent.clone(),
                    role: member.role,
                    from_seq,
                    to_seq,
                };
                let of_thread = mirror.messages.range((thread.thread_id, 0)..=(thread.thread_id, u64::MAX));
                let mut wanted: Vec<_> = of_thread
                    .map(|(_, stored)| &stored.message)
                    .filter(|message| {
                        let head = &message.head;
                        (from_seq..=to_seq).contains(&head.seq)
                            && head.kind != interlock_core::thread::MessageKind::System
                            && interlock_core::thread::is_for(thread, head, agent)
                            && message.withdrawal.is_none()
                    })
                    .map(|message| (message.head.expires_at, message.head.seq))
                    .collect();
                wanted.sort_by_key(|(at, seq)| std::cmp::Reverse((at.is_none(), *at, *seq)));
                let (facts, _) = load(&store, ws, Keys::from([Key::Asks(key.clone())])).await;
                let asks = facts.asks(&key).unwrap().iter();
                assert_eq!(asks.map(|ask| (ask.expires_at, ask.seq)).collect::<Vec<_>>(), wanted, "{key:?}");
                found_some += wanted.len();
            }
        }
    }
    assert!(found_some > 200, "{found_some}");
}
