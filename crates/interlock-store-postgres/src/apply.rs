//! Rows from a write set: one statement per table, whatever the number of rows.

use std::collections::BTreeMap;

use interlock_core::Event;
use interlock_core::facts::{Position, RowChange};
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{Message, Withdrawal};
use interlock_core::wake::Wake;
use interlock_ledger::TILE_WIDTH;
use interlock_store::{StoreError, WriteSet};
use tokio_postgres::types::ToSql;

use crate::error::text;
use crate::row::signed;
use crate::{job, session, snapshot, webhook};

type Bytes = Vec<Vec<u8>>;
type Texts = Vec<String>;
type Numbers = Vec<i64>;

/// A statement with its parameters after the workspace.
pub(crate) type Written = (&'static str, Vec<Box<dyn ToSql + Sync + Send>>);

const ENTRIES: &str = "INSERT INTO ledger_entry (ws, idx, leaf, envelope)
    SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[])";
const TILES: &str = "INSERT INTO ledger_tile (ws, level, n, width, hashes)
    SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])
    ON CONFLICT (ws, level, n) DO UPDATE SET width = excluded.width, hashes = excluded.hashes";
const CHECKPOINT: &str = "INSERT INTO ledger_checkpoint (ws, size, note, batch_id) VALUES ($1, $2, $3, $4)";
const HEAD: &str =
    "UPDATE workspace SET size = $2, last_leaf = $3, last_at = $4, last_count = $5, batch_id = $6
    WHERE pk = $1";
const AGENTS: &str = "INSERT INTO agent (ws, name, doc, launch, salt)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[])
    ON CONFLICT (ws, name) DO UPDATE SET doc = excluded.doc, launch = excluded.launch, salt = excluded.salt";
// Title and salt are written once: they never change.
const THREADS: &str = "INSERT INTO thread (ws, id, status, doc, title, salt)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[], $6::bytea[])
    ON CONFLICT (ws, id) DO UPDATE SET status = excluded.status, doc = excluded.doc";
const MEMBERS: &str =
    "INSERT INTO member (ws, agent, thread) SELECT $1, * FROM unnest($2::text[], $3::bytea[])
    ON CONFLICT DO NOTHING";
const MESSAGES: &str = "INSERT INTO message (ws, thread, seq, id, idx, n, head, body, data, salt, extra)
    SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[],
    $8::text[], $9::text[], $10::bytea[], $11::text[])";
const WITHDRAWALS: &str = "UPDATE message m
    SET withdrawn = w.doc, withdrawn_text = w.words, withdrawn_salt = w.salt
    FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bytea[]) AS w (thread, id, doc, words, salt)
    WHERE m.ws = $1 AND m.id = w.id AND m.thread = w.thread";
const UNMEMBERS: &str = "DELETE FROM member m USING unnest($2::text[], $3::bytea[]) AS u (agent, thread)
    WHERE m.ws = $1 AND m.agent = u.agent AND m.thread = u.thread";
// Of one agent's answers the first stays.
const ANSWERS: &str = "INSERT INTO answer (ws, thread, target, agent, doc)
    SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING";
const HALT: &str =
    "INSERT INTO halt (ws, doc) VALUES ($1, $2) ON CONFLICT (ws) DO UPDATE SET doc = excluded.doc";
const NO_HALT: &str = "DELETE FROM halt WHERE ws = $1";
const FINDINGS: &str = "INSERT INTO finding (ws, thread, id, reported_seq, doc)
    SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::text[])
    ON CONFLICT (ws, thread, id) DO UPDATE SET doc = excluded.doc";
const WAKES: &str = "INSERT INTO wake (ws, id, thread, agent, state, result, due_at, held, urgent, doc)
    SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bool[],
    $9::bool[], $10::text[]) ON CONFLICT (ws, id) DO UPDATE SET state = excluded.state, result = excluded.result,
    due_at = excluded.due_at, held = excluded.held, urgent = excluded.urgent, doc = excluded.doc";
const TIMELINE: &str = "INSERT INTO timeline (ws, thread, idx, n, at, count, event)
    SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])";
const USED: &str = "INSERT INTO idempotency (ws, key, fingerprint, idx)
    SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[])";
const LEASES: &str = "INSERT INTO lease (ws, wake, doc) SELECT $1, * FROM unnest($2::bytea[], $3::text[])
    ON CONFLICT (ws, wake) DO UPDATE SET doc = excluded.doc";
const SESSIONS: &str = "INSERT INTO session (ws, agent, session, terminal, seen_at, doc)
    SELECT $1, * FROM unnest($2::text[], $3::bytea[], $4::bool[], $5::bigint[], $6::text[])
    ON CONFLICT (ws, agent, session) DO UPDATE SET terminal = excluded.terminal, seen_at = excluded.seen_at,
    doc = excluded.doc";
const UNSESSIONS: &str = "DELETE FROM session s USING unnest($2::text[], $3::bytea[]) AS u (agent, session)
    WHERE s.ws = $1 AND s.agent = u.agent AND s.session = u.session";
const SUPERVISORS: &str =
    "INSERT INTO supervisor (ws, name, doc) SELECT $1, * FROM unnest($2::text[], $3::text[])
    ON CONFLICT (ws, name) DO UPDATE SET doc = excluded.doc";
const UNSUPERVISORS: &str = "DELETE FROM supervisor WHERE ws = $1 AND name = ANY($2)";
const JOBS: &str = "INSERT INTO job (ws, id, kind, name, state, due_at, doc)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])
    ON CONFLICT (ws, id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, doc = excluded.doc";
const JOB_TOTALS: &str =
    "INSERT INTO job_totals (ws, doc) VALUES ($1, $2) ON CONFLICT (ws) DO UPDATE SET doc = excluded.doc";
const SNAPSHOTS: &str = "INSERT INTO snapshot (ws, id, stage, doc, text, salt)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[], $6::bytea[])";
const UNJOBS: &str = "DELETE FROM job WHERE ws = $1 AND id = ANY($2)";
const WEBHOOKS: &str = "INSERT INTO webhook (ws, id, doc, url, salt, seeds, progress)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[])
    ON CONFLICT (ws, id) DO UPDATE SET doc = excluded.doc, url = excluded.url, salt = excluded.salt,
    seeds = excluded.seeds, progress = excluded.progress";
const UNWEBHOOKS: &str = "DELETE FROM webhook WHERE ws = $1 AND id = ANY($2)";
const UNLEASES: &str = "DELETE FROM lease WHERE ws = $1 AND wake = ANY($2)";

/// The statements that write everything of a batch.
pub(crate) fn statements(set: &WriteSet) -> Result<Vec<Written>, StoreError> {
    let mut written = Vec::new();
    ledger(set, &mut written);
    let mut rows = Rows::default();
    for row in &set.rows {
        rows.add(row)?;
    }
    rows.into_statements(&mut written);
    Ok(written)
}

fn ledger(set: &WriteSet, written: &mut Vec<Written>) {
    let Some(last) = set.entries.last() else { return };
    let (mut idx, mut leaves, mut envelopes) = (Numbers::new(), Bytes::new(), Bytes::new());
    for entry in &set.entries {
        idx.push(signed(entry.index));
        leaves.push(entry.leaf.as_bytes().to_vec());
        envelopes.push(entry.envelope.clone());
    }
    written.push((ENTRIES, vec![Box::new(idx), Box::new(leaves), Box::new(envelopes)]));
    let (mut level, mut n, mut width, mut hashes) =
        (Numbers::new(), Numbers::new(), Numbers::new(), Bytes::new());
    // The partial tile of the leaves is read from the entries.
    for tile in set.tiles.iter().filter(|tile| tile.level > 0 || tile.width == TILE_WIDTH) {
        level.push(i64::from(tile.level));
        n.push(signed(tile.index));
        width.push(i64::from(tile.width));
        hashes.push(tile.hashes.clone());
    }
    if !n.is_empty() {
        written.push((TILES, vec![Box::new(level), Box::new(n), Box::new(width), Box::new(hashes)]));
    }
    let size = signed(last.index + 1);
    if let Some(note) = &set.checkpoint {
        written.push((
            CHECKPOINT,
            vec![Box::new(size), Box::new(note.clone()), Box::new(set.batch_id.to_vec())],
        ));
    }
    let (at, count) = (set.last_at.at.as_millis(), i64::from(set.last_at.count));
    let leaf = last.leaf.as_bytes().to_vec();
    written.push((
        HEAD,
        vec![Box::new(size), Box::new(leaf), Box::new(at), Box::new(count), Box::new(set.batch_id.to_vec())],
    ));
}

/// The changed rows as columns. A row that is named twice is written as it was last: one statement touches a row once.
#[derive(Default)]
struct Rows {
    agents: BTreeMap<String, (String, String, Vec<u8>)>,
    threads: BTreeMap<Vec<u8>, (String, String, String, Vec<u8>)>,
    /// Whether each takes part after this batch.
    members: BTreeMap<(String, Vec<u8>), bool>,
    messages: MessageColumns,
    withdrawals: (Bytes, Bytes, Texts, Texts, Bytes),
    answers: (Bytes, Bytes, Texts, Texts),
    /// Whether all agents are stopped; the last one counts.
    halts: Vec<Option<String>>,
    findings: BTreeMap<(Vec<u8>, Vec<u8>), (i64, String)>,
    wakes: BTreeMap<Vec<u8>, WakeColumns>,
    timeline: TimelineColumns,
    used: (Bytes, Bytes, Numbers),
    leases: BTreeMap<Vec<u8>, Option<String>>,
    sessions: BTreeMap<(String, Vec<u8>), Option<session::Columns>>,
    supervisors: BTreeMap<String, Option<String>>,
    jobs: BTreeMap<Vec<u8>, Option<job::Columns>>,
    job_totals: Option<String>,
    snapshots: snapshot::Columns,
    webhooks: BTreeMap<Vec<u8>, Option<webhook::Columns>>,
}

impl Rows {
    fn add(&mut self, row: &RowChange) -> Result<(), StoreError> {
        match row {
            RowChange::Agent(agent) => {
                let columns =
                    (text("agent", agent)?, text("agent", &agent.launch)?, agent.launch_salt.0.to_vec());
                self.agents.insert(agent.name.to_string(), columns);
            }
            RowChange::Thread(thread) => {
                let (status, title) = (thread.status.as_str().to_owned(), thread.title.clone());
                let columns = (status, text("thread", thread)?, title, thread.title_salt.0.to_vec());
                self.threads.insert(thread.thread_id.to_bytes().to_vec(), columns);
            }
            RowChange::Member(agent, thread) => {
                self.members.insert((agent.to_string(), thread.to_bytes().to_vec()), true);
            }
            RowChange::Unmember(agent, thread) => {
                self.members.insert((agent.to_string(), thread.to_bytes().to_vec()), false);
            }
            RowChange::Withdrawal(thread, id, withdrawal) => self.add_withdrawal(*thread, *id, withdrawal)?,
            RowChange::Message(message, position) => self.add_message(message, position)?,
            RowChange::Answer(thread, to, answer) => {
                self.answers.0.push(thread.to_bytes().to_vec());
                self.answers.1.push(to.to_bytes().to_vec());
                self.answers.2.push(answer.agent.to_string());
                self.answers.3.push(text("answer", answer)?);
            }
            RowChange::Halt(halt) => {
                self.halts.push(halt.as_ref().map(|halt| text("halt", halt)).transpose()?);
            }
            RowChange::Wake(wake) => self.add_wake(wake)?,
            RowChange::Finding(finding) => {
                let key = (finding.thread_id.to_bytes().to_vec(), finding.finding_id.to_bytes().to_vec());
                self.findings.insert(key, (signed(finding.reported_seq), text("finding", finding)?));
            }
            RowChange::Timeline(thread, position, event) => self.add_happened(*thread, position, event)?,
            RowChange::Idempotency(key, fingerprint, index) => {
                self.used.0.push(key.as_bytes().to_vec());
                self.used.1.push(fingerprint.as_bytes().to_vec());
                self.used.2.push(signed(*index));
            }
            RowChange::Lease(lease) => {
                self.leases.insert(lease.wake_id.to_bytes().to_vec(), Some(text("lease", lease)?));
            }
            RowChange::Session(one) => {
                self.sessions.insert(session::key(&one.key()), Some(session::Columns::of(one)?));
            }
            RowChange::Unsession(key) => drop(self.sessions.insert(session::key(key), None)),
            RowChange::Supervisor(name, supervisor) => {
                let doc = supervisor.as_ref().map(|one| text("supervisor", one)).transpose()?;
                self.supervisors.insert(name.clone(), doc);
            }
            RowChange::Job(job) => {
                self.jobs.insert(job.job_id.to_bytes().to_vec(), Some(job::Columns::of(job)?));
            }
            RowChange::Unjob(id) => drop(self.jobs.insert(id.to_bytes().to_vec(), None)),
            RowChange::JobTotals(totals) => self.job_totals = Some(text("job_totals", totals)?),
            RowChange::Snapshot(taken) => self.snapshots.add(taken)?,
            RowChange::Webhook(one) => {
                let columns = webhook::Columns::of(one)?;
                self.webhooks.insert(one.webhook_id.to_bytes().to_vec(), Some(columns));
            }
            RowChange::Unwebhook(id) => drop(self.webhooks.insert(id.to_bytes().to_vec(), None)),
            RowChange::Unlease(wake) => drop(self.leases.insert(wake.to_bytes().to_vec(), None)),
        }
        Ok(())
    }

    fn add_withdrawal(
        &mut self,
        thread: ThreadId,
        id: MessageId,
        withdrawal: &Withdrawal,
    ) -> Result<(), StoreError> {
        let columns = &mut self.withdrawals;
        columns.0.push(thread.to_bytes().to_vec());
        columns.1.push(id.to_bytes().to_vec());
        columns.2.push(text("withdrawal", withdrawal)?);
        columns.3.push(withdrawal.text.clone());
        columns.4.push(withdrawal.text_salt.0.to_vec());
        Ok(())
    }

    fn add_happened(
        &mut self,
        thread: ThreadId,
        position: &Position,
        event: &Event,
    ) -> Result<(), StoreError> {
        let columns = &mut self.timeline;
        columns.0.push(thread.to_bytes().to_vec());
        columns.1.push(signed(position.index));
        columns.2.push(i64::from(position.n));
        columns.3.push(position.at.at.as_millis());
        columns.4.push(i64::from(position.at.count));
        columns.5.push(text("timeline", event)?);
        Ok(())
    }

    fn add_wake(&mut self, wake: &Wake) -> Result<(), StoreError> {
        let (thread, agent) = (wake.thread_id.to_bytes().to_vec(), wake.agent.to_string());
        let result = wake.result.map(|result| result.as_str().to_owned());
        let (state, due) = (wake.state.as_str().to_owned(), wake.due_at.as_millis());
        let columns = (thread, agent, state, result, due, wake.held, wake.is_urgent, text("wake", wake)?);
        self.wakes.insert(wake.wake_id.to_bytes().to_vec(), columns);
        Ok(())
    }

    fn add_message(&mut self, message: &Message, position: &Position) -> Result<(), StoreError> {
        let columns = &mut self.messages;
        columns.0.push(message.thread_id.to_bytes().to_vec());
        columns.1.push(signed(message.head.seq));
        columns.2.push(message.head.message_id.to_bytes().to_vec());
        columns.3.push(signed(position.index));
        columns.4.push(i64::from(position.n));
        columns.5.push(text("message", &message.head)?);
        columns.6.push(message.text.body.clone());
        columns.7.push(message.text.data.clone());
        columns.8.push(message.text.salt.0.to_vec());
        columns.9.push(message.text.extra.clone());
        Ok(())
    }

    fn into_statements(self, written: &mut Vec<Written>) {
        let mut put = |sql, values: Option<Values>| written.extend(values.map(|values| (sql, values)));
        put(AGENTS, agents(self.agents));
        put(THREADS, threads(self.threads));
        let (there, gone) = self.members.into_iter().partition::<Vec<_>, _>(|(_, is_there)| *is_there);
        put(MEMBERS, members(there));
        put(UNMEMBERS, members(gone));
        put(MESSAGES, messages(self.messages));
        // After the messages: one may be taken back in the batch that posts it.
        let (threads, ids, docs, words, salts) = self.withdrawals;
        let ids_are_empty = ids.is_empty();
        let columns = || vec![boxed(threads), boxed(ids), boxed(docs), boxed(words), boxed(salts)];
        put(WITHDRAWALS, some(ids_are_empty, columns));
        let (threads, targets, agents, docs) = self.answers;
        let has_answers = !docs.is_empty();
        let columns = || vec![boxed(threads), boxed(targets), boxed(agents), boxed(docs)];
        put(ANSWERS, has_answers.then(columns));
        match self.halts.into_iter().next_back() {
            Some(Some(doc)) => put(HALT, Some(vec![boxed(doc)])),
            Some(None) => put(NO_HALT, Some(Vec::new())),
            None => {}
        }
        put(FINDINGS, findings(self.findings));
        put(WAKES, wakes(self.wakes));
        put(TIMELINE, timeline(self.timeline));
        let (keys, fingerprints, places) = self.used;
        put(USED, some(keys.is_empty(), || vec![boxed(keys), boxed(fingerprints), boxed(places)]));
        let (mut held, mut docs, mut free) = (Bytes::new(), Texts::new(), Bytes::new());
        for (wake, doc) in self.leases {
            if let Some(doc) = doc {
                held.push(wake);
                docs.push(doc);
            } else {
                free.push(wake);
            }
        }
        put(LEASES, some(held.is_empty(), || vec![boxed(held), boxed(docs)]));
        put(UNLEASES, some(free.is_empty(), || vec![boxed(free)]));
        let (gone, there): (Vec<_>, Vec<_>) =
            self.supervisors.into_iter().partition(|(_, doc)| doc.is_none());
        let gone: Texts = gone.into_iter().map(|(name, _)| name).collect();
        put(UNSUPERVISORS, some(gone.is_empty(), || vec![boxed(gone)]));
        let (names, docs): (Texts, Texts) =
            there.into_iter().filter_map(|(name, doc)| Some((name, doc?))).unzip();
        put(SUPERVISORS, some(docs.is_empty(), || vec![boxed(names), boxed(docs)]));
        let (gone, there) = session::columns(self.sessions);
        put(UNSESSIONS, gone);
        put(SESSIONS, there);
        let (gone, there) = webhook::columns(self.webhooks);
        put(UNWEBHOOKS, gone);
        put(WEBHOOKS, there);
        let (gone, over, open) = job::columns(self.jobs);
        put(UNJOBS, gone);
        put(JOBS, over);
        put(JOBS, open);
        put(JOB_TOTALS, self.job_totals.map(|doc| vec![boxed(doc)]));
        put(SNAPSHOTS, self.snapshots.into_values());
    }
}

/// The columns of a statement.
pub(crate) type Values = Vec<Box<dyn ToSql + Sync + Send>>;

/// One column.
pub(crate) fn boxed<T: ToSql + Sync + Send + 'static>(column: T) -> Box<dyn ToSql + Sync + Send> {
    Box::new(column)
}

/// A table's columns, unless there is no row for it.
pub(crate) fn some(is_empty: bool, values: impl FnOnce() -> Values) -> Option<Values> {
    (!is_empty).then(values)
}

fn agents(rows: BTreeMap<String, (String, String, Vec<u8>)>) -> Option<Values> {
    let (mut names, mut docs, mut launches, mut salts) =
        (Texts::new(), Texts::new(), Texts::new(), Bytes::new());
    for (name, (doc, launch, salt)) in rows {
        names.push(name);
        docs.push(doc);
        launches.push(launch);
        salts.push(salt);
    }
    some(names.is_empty(), || vec![boxed(names), boxed(docs), boxed(launches), boxed(salts)])
}

fn threads(rows: BTreeMap<Vec<u8>, (String, String, String, Vec<u8>)>) -> Option<Values> {
    let (mut ids, mut states, mut docs) = (Bytes::new(), Texts::new(), Texts::new());
    let (mut titles, mut salts) = (Texts::new(), Bytes::new());
    for (id, (status, doc, title, salt)) in rows {
        ids.push(id);
        states.push(status);
        docs.push(doc);
        titles.push(title);
        salts.push(salt);
    }
    some(ids.is_empty(), || vec![boxed(ids), boxed(states), boxed(docs), boxed(titles), boxed(salts)])
}

fn members(rows: Vec<((String, Vec<u8>), bool)>) -> Option<Values> {
    let (agents, threads): (Texts, Bytes) = rows.into_iter().map(|(key, _)| key).unzip();
    some(agents.is_empty(), || vec![boxed(agents), boxed(threads)])
}

fn messages(columns: MessageColumns) -> Option<Values> {
    let (threads, seqs, ids, places, numbers, heads, bodies, data, salts, extra) = columns;
    some(threads.is_empty(), || {
        let mut values = vec![boxed(threads), boxed(seqs), boxed(ids), boxed(places), boxed(numbers)];
        values.extend([boxed(heads), boxed(bodies), boxed(data), boxed(salts), boxed(extra)]);
        values
    })
}

fn findings(rows: BTreeMap<(Vec<u8>, Vec<u8>), (i64, String)>) -> Option<Values> {
    let (mut threads, mut ids, mut seqs, mut docs) =
        (Bytes::new(), Bytes::new(), Numbers::new(), Texts::new());
    for ((thread, id), (seq, doc)) in rows {
        threads.push(thread);
        ids.push(id);
        seqs.push(seq);
        docs.push(doc);
    }
    some(ids.is_empty(), || vec![boxed(threads), boxed(ids), boxed(seqs), boxed(docs)])
}

fn timeline(columns: TimelineColumns) -> Option<Values> {
    let (threads, places, numbers, times, counts, events) = columns;
    some(threads.is_empty(), || {
        vec![boxed(threads), boxed(places), boxed(numbers), boxed(times), boxed(counts), boxed(events)]
    })
}

type MessageColumns = (Bytes, Numbers, Bytes, Numbers, Numbers, Texts, Texts, Texts, Bytes, Texts);
type TimelineColumns = (Bytes, Numbers, Numbers, Numbers, Numbers, Texts);
type WakeColumns = (Vec<u8>, String, String, Option<String>, i64, bool, bool, String);

fn wakes(rows: BTreeMap<Vec<u8>, WakeColumns>) -> Option<Values> {
    let (mut ids, mut threads, mut agents, mut states) =
        (Bytes::new(), Bytes::new(), Texts::new(), Texts::new());
    let (mut results, mut dues, mut docs) = (Vec::<Option<String>>::new(), Numbers::new(), Texts::new());
    let (mut helds, mut urgents) = (Vec::<bool>::new(), Vec::<bool>::new());
    for (id, (thread, agent, state, result, due, held, urgent, doc)) in rows {
        ids.push(id);
        threads.push(thread);
        agents.push(agent);
        states.push(state);
        results.push(result);
        dues.push(due);
        helds.push(held);
        urgents.push(urgent);
        docs.push(doc);
    }
    some(ids.is_empty(), || {
        let mut values = vec![boxed(ids), boxed(threads), boxed(agents), boxed(states)];
        values.extend([boxed(results), boxed(dues), boxed(helds), boxed(urgents), boxed(docs)]);
        values
    })
}
