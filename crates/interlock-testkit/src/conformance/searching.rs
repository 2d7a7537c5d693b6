//! Searching: whatever the index holds, what is found is what a look at every message finds.

use std::sync::Arc;

use interlock_core::actor::AgentName;
use interlock_core::command::CancelMessage;
use interlock_core::search::{INDEX_VERSION, TextQuery};
use interlock_core::thread::{Message, MessageKind, MessageState, Status};
use interlock_core::{Command, Timestamp};
use interlock_store::{IndexFill, IndexMark, Search, Store, StoredMessage, fill_index, search};
use serde_json::json;

use super::reading::become_;
use crate::story::{chat, create};
use crate::{Database, Mirror, Sequencer, Story};

const WORDS: [&str; 12] = [
    "parser",
    "Parse",
    "broken",
    "the",
    "fix",
    "lib.rs",
    "src/lib.rs",
    "12",
    "Ärger",
    "修正",
    "it's",
    "\"quoted\"",
];
const QUERIES: [&str; 20] = [
    "parser",
    "pars*",
    "the parser",
    "\"the parser\"",
    "\"parser the\"",
    "\"the pars\"*",
    "src/lib.rs",
    "lib rs",
    "1*",
    "ÄRGER",
    "修",
    "正修",
    "it's",
    "quoted",
    "AND",
    "x* OR",
    "broken -fix",
    "par",
    "*par*",
    "the broken fix 12",
];

/// Numbers that are the same at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(n).unwrap()).unwrap()
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn text(&mut self) -> String {
        let words: Vec<&str> = (0..=self.below(5)).map(|_| self.one(&WORDS)).collect();
        words.join(self.one(&[" ", ", ", "\n"]))
    }
}

/// Posts, events and changes of status in a few threads; `una` takes no part in the last of them.
async fn talk(tale: &mut Story, dice: &mut Dice, rounds: usize) {
    for _ in 0..rounds {
        tale.sequencer.wall = tale.sequencer.wall.plus_ms(i64::try_from(dice.below(3)).unwrap());
        let threads: Vec<_> = tale.sequencer.mirror.threads.keys().copied().collect();
        let thread = dice.one(&threads);
        let by = dice.one(&["ann", "bob", "una", "olga"]);
        let mut post = chat(thread, &dice.text(), &[]);
        match dice.below(8) {
            0 => post = become_(thread, dice.one(&[Status::Active, Status::Blocked])),
            1 => {
                let Command::PostMessage(event) = &mut post else { unreachable!() };
                (event.kind, event.event_type) =
                    (MessageKind::Event, Some(dice.one(&["note.taken", "note_taken"]).into()));
                let data = json!({"where": dice.text(), "deep": [{"n": 12}, true, dice.text()]});
                event.data = data.as_object().cloned();
            }
            2 => {
                if let Some(last) =
                    tale.sequencer.mirror.messages.range((thread, 0)..=(thread, u64::MAX)).last()
                {
                    let message_id = last.1.message.head.message_id;
                    post = Command::CancelMessage(CancelMessage {
                        thread_id: thread,
                        message_id,
                        text: "parser".into(),
                    });
                }
            }
            3 => {
                let Command::PostMessage(order) = &mut post else { unreachable!() };
                order.terms.expires_in_ms = Some(20);
            }
            _ => {}
        }
        // Refusals are part of it.
        tale.tell(by, post).await;
    }
}

async fn begun(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story, Dice) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    tale.open("one").await;
    tale.open("two").await;
    let Command::CreateThread(mut fewer) = create("without una") else { unreachable!() };
    fewer.participants.truncate(2);
    tale.tell("olga", Command::CreateThread(fewer)).await.unwrap();
    (store, tale, Dice(7))
}

/// With nothing in the index, with everything, and with some: always what a look at every message finds.
pub async fn searches_find_what_is_there(database: Arc<dyn Database>) {
    let (store, mut tale, mut dice) = begun(&database).await;
    let ws = tale.sequencer.workspace_id;
    talk(&mut tale, &mut dice, 120).await;
    let size = store.ledger_head(ws).await.unwrap().size;
    assert_eq!(store.index_mark(ws, INDEX_VERSION).await.unwrap(), IndexMark { mark: 0, size });
    check_all(&store, &tale, &mut dice, 40).await;
    let before = store.dump(ws).await.unwrap();
    assert!(!fill_index(store.as_ref(), ws).await.unwrap(), "so few are taken in at once");
    assert_eq!(store.index_mark(ws, INDEX_VERSION).await.unwrap(), IndexMark { mark: size, size });
    assert_eq!(store.dump(ws).await.unwrap(), before, "the index is in no dump");
    check_all(&store, &tale, &mut dice, 50).await;
    talk(&mut tale, &mut dice, 60).await;
    check_all(&store, &tale, &mut dice, 50).await;
    drop(store);
    let store = database.open().await;
    fill_index(store.as_ref(), ws).await.unwrap();
    check_all(&store, &tale, &mut dice, 50).await;
}

/// An index of an earlier version is made anew, one of a later version is left alone; what is found is the same.
pub async fn an_index_of_another_version_does_not_count(database: Arc<dyn Database>) {
    let (store, mut tale, mut dice) = begun(&database).await;
    let ws = tale.sequencer.workspace_id;
    talk(&mut tale, &mut dice, 60).await;
    let size = store.ledger_head(ws).await.unwrap().size;
    let wrong = |version| IndexFill {
        version,
        from: 0,
        to: size,
        entries: (0..size).map(|index| (index, "nothing of this".into())).collect(),
    };
    store.fill_index(ws, wrong(INDEX_VERSION - 1)).await.unwrap();
    assert_eq!(store.index_mark(ws, INDEX_VERSION).await.unwrap().mark, 0);
    check_all(&store, &tale, &mut dice, 20).await;
    fill_index(store.as_ref(), ws).await.unwrap();
    assert_eq!(store.index_mark(ws, INDEX_VERSION).await.unwrap().mark, size);
    check_all(&store, &tale, &mut dice, 20).await;
    // What does not go on from the mark changes nothing.
    let late = IndexFill { version: INDEX_VERSION, from: size - 1, to: size + 5, entries: Vec::new() };
    store.fill_index(ws, late).await.unwrap();
    assert_eq!(store.index_mark(ws, INDEX_VERSION).await.unwrap().mark, size);
    store.fill_index(ws, wrong(INDEX_VERSION + 1)).await.unwrap();
    fill_index(store.as_ref(), ws).await.unwrap();
    assert_eq!(
        store.index_mark(ws, INDEX_VERSION + 1).await.unwrap().mark,
        size,
        "the later version's stays"
    );
    check_all(&store, &tale, &mut dice, 20).await;
}

/// Two workspaces with the same words: neither finds the other's.
pub async fn searches_stay_in_their_workspace(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tales = Vec::new();
    for number in [1, 2] {
        let mut tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
        let thread = tale.open("same").await;
        tale.post(thread, "olga", &format!("same words {number}"), &[]).await.unwrap();
        fill_index(store.as_ref(), tale.sequencer.workspace_id).await.unwrap();
        tales.push(tale);
    }
    for (number, tale) in (1..).zip(&tales) {
        let ask = Search { text: Some(TextQuery::parse("same").unwrap()), limit: 10, ..Search::default() };
        let found = search(store.as_ref(), tale.sequencer.workspace_id, &ask).await.unwrap().messages;
        let bodies: Vec<_> = found.iter().map(|stored| stored.message.text.body.as_str()).collect();
        assert_eq!(bodies, [format!("same words {number}")]);
    }
}

async fn check_all(store: &Arc<dyn Store>, tale: &Story, dice: &mut Dice, searches: usize) {
    let mut hits = 0;
    for _ in 0..searches {
        hits += check(store, tale, dice).await;
    }
    assert!(hits > searches, "the searches find too little to mean anything: {hits}");
}

async fn check(store: &Arc<dyn Store>, tale: &Story, dice: &mut Dice) -> usize {
    let mirror = &tale.sequencer.mirror;
    let threads: Vec<_> = mirror.threads.keys().copied().collect();
    let name = |text: &str| AgentName::parse(text).unwrap();
    let times: Vec<Timestamp> =
        mirror.messages.values().map(|stored| stored.message.head.posted_at).collect();
    let query = Some(dice.one(&QUERIES)).filter(|_| dice.below(4) > 0);
    let mut maybe = |odds: usize| dice.below(odds) == 0;
    let [reader, thread, from, kind, status, state, since, until] = [2, 6, 4, 8, 4, 4, 6, 6].map(&mut maybe);
    let mut ask = Search {
        text: query.map(|text| TextQuery::parse(text).unwrap()),
        reader: reader.then(|| name(dice.one(&["ann", "una", "nobody"]))),
        thread: thread.then(|| dice.one(&threads)),
        from: from.then(|| name(dice.one(&["ann", "bob", "olga"]))),
        event_type: kind.then(|| dice.one(&["note.taken", "note_taken"]).to_owned()),
        status: status.then(|| dice.one(&[Status::Active, Status::Blocked])),
        state: state.then(|| dice.one(&[MessageState::Live, MessageState::Cancelled, MessageState::Expired])),
        since: since.then(|| dice.one(&times)),
        until: until.then(|| dice.one(&times)),
        now: tale.sequencer.wall,
        limit: dice.one(&[1, 7, 200]),
        ..Search::default()
    };
    let wanted = by_looking(mirror, &ask, query);
    let mut found: Vec<StoredMessage> = Vec::new();
    loop {
        let page = search(store.as_ref(), tale.sequencer.workspace_id, &ask).await.unwrap();
        assert!(page.messages.len() <= usize::try_from(ask.limit).unwrap());
        found.extend(page.messages);
        ask.before = page.next;
        if ask.before.is_none() {
            break;
        }
    }
    assert_eq!(found, wanted, "{query:?} {ask:?}");
    wanted.len()
}

/// Every message, one by one.
fn by_looking(mirror: &Mirror, ask: &Search, query: Option<&str>) -> Vec<StoredMessage> {
    let fits = |stored: &&StoredMessage| {
        let (message, head) = (&stored.message, &stored.message.head);
        let thread = &mirror.threads[&message.thread_id];
        ask.reader.as_ref().is_none_or(|reader| thread.members.contains_key(reader))
            && ask.thread.is_none_or(|id| id == message.thread_id)
            && ask.from.as_ref().is_none_or(|from| *from == head.from)
            && ask.event_type.as_ref().is_none_or(|kind| head.event_type.as_deref() == Some(kind.as_str()))
            && ask.status.is_none_or(|status| thread.status == status)
            && ask.state.is_none_or(|state| message.state(ask.now) == state)
            && ask.since.is_none_or(|since| head.posted_at >= since)
            && ask.until.is_none_or(|until| head.posted_at < until)
            && query.is_none_or(|query| says(message, query))
    };
    let mut found: Vec<_> = mirror.messages.values().filter(fits).cloned().collect();
    found.sort_by_key(|stored| std::cmp::Reverse((stored.index, stored.n)));
    found
}

/// The same in other words: each text of the message written as ` word word `, each phrase looked for in it.
fn says(message: &Message, query: &str) -> bool {
    let mut texts = vec![spaced(&message.text.body)];
    if !message.text.data.is_empty() {
        let data: serde_json::Value = serde_json::from_str(&message.text.data).unwrap();
        // Words of names in the data are not searched; none of them is asked for here.
        let strings = data.to_string().replace("\\n", " ");
        texts.extend(strings.split('"').map(spaced));
    }
    phrases(query).into_iter().all(|phrase| texts.iter().any(|text| text.contains(&phrase)))
}

fn phrases(query: &str) -> Vec<String> {
    let mut phrases = Vec::new();
    for (n, part) in query.split('"').enumerate() {
        let pieces: Vec<&str> = if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
        for piece in pieces {
            let has_star = (n % 2 == 1
                && query.split('"').nth(n + 1).is_some_and(|rest| rest.starts_with('*')))
                || (n % 2 == 0 && piece.ends_with('*'));
            let phrase = spaced(piece);
            if !phrase.trim().is_empty() {
                phrases.push(if has_star { phrase.trim_end().to_owned() } else { phrase });
            }
        }
    }
    phrases
}

fn spaced(text: &str) -> String {
    let mut out = String::from(" ");
    for char in text.to_lowercase().chars() {
        if ('\u{4E00}'..='\u{9FFF}').contains(&char) {
            out = format!("{} {char} ", out.trim_end());
        } else if char.is_alphanumeric() {
            out.push(char);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}
