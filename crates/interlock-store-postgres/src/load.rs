//! Facts from rows: one statement per kind of key, all sent at once.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::facts::{Facts, Key, Keys, Known, Used};
use interlock_core::id::{JobId, MessageId, ThreadId, WakeId};
use interlock_core::job::{Job, JobTotals};
use interlock_core::session::Session;
use interlock_core::text::Digest;
use interlock_core::wake::{self, Asks, AsksKey, Halt, Lease, Supervisor, Wake};
use interlock_core::webhook::Webhook;
use interlock_core::{Event, Timestamp, limits};
use interlock_store::StoreError;
use tokio_postgres::Row;

use crate::error::{corrupt, document};
use crate::pool::Line;
use crate::row::{self, bytes, get, number, signed};
use crate::snapshot;

// Rows that are looked up by lists of keys are looked up one by one, each by the whole of its index: asked for as a list, the
// planner reads every row of the workspace instead as long as it has no statistics, because it takes all tables for small.
const USED: &str = "SELECT i.key, i.fingerprint, i.idx,
    (SELECT e.envelope FROM ledger_entry e WHERE e.ws = $1 AND e.idx = i.idx)
    FROM unnest($2::bytea[]) AS k (key)
    CROSS JOIN LATERAL (SELECT * FROM idempotency i WHERE i.ws = $1 AND i.key = k.key LIMIT 1) AS i";
const AGENTS: &str = "SELECT a.name, a.doc, a.launch, a.salt FROM unnest($2::text[]) AS k (name)
    CROSS JOIN LATERAL (SELECT * FROM agent a WHERE a.ws = $1 AND a.name = k.name LIMIT 1) AS a";
const THREADS: &str = "SELECT t.id, t.doc, t.title, t.salt FROM unnest($2::bytea[]) AS k (id)
    CROSS JOIN LATERAL (SELECT * FROM thread t WHERE t.ws = $1 AND t.id = k.id LIMIT 1) AS t";
const THREAD_WAKES: &str = "SELECT w.thread, w.doc FROM unnest($2::bytea[]) AS k (thread)
    CROSS JOIN LATERAL (SELECT * FROM wake w WHERE w.ws = $1 AND w.thread = k.thread AND w.state <> 'finished' OFFSET 0) AS w
    ORDER BY w.id";
const FINDINGS: &str = "SELECT f.thread, f.doc FROM unnest($2::bytea[]) AS k (thread)
    CROSS JOIN LATERAL (SELECT * FROM finding f WHERE f.ws = $1 AND f.thread = k.thread OFFSET 0) AS f
    ORDER BY f.reported_seq, f.id";
const MESSAGES: &str =
    "SELECT m.id, m.thread, m.head, m.withdrawn IS NOT NULL FROM unnest($2::bytea[]) AS k (id)
    CROSS JOIN LATERAL (SELECT * FROM message m WHERE m.ws = $1 AND m.id = k.id LIMIT 1) AS m";
const WAKES: &str = "SELECT w.id, w.doc, (SELECT l.doc FROM lease l WHERE l.ws = $1 AND l.wake = w.id)
    FROM unnest($2::bytea[]) AS k (id)
    CROSS JOIN LATERAL (SELECT * FROM wake w WHERE w.ws = $1 AND w.id = k.id LIMIT 1) AS w";
const HALT: &str = "SELECT doc FROM halt WHERE ws = $1 LIMIT $2";
// Running ones first and all of them: the rule that no agent runs twice needs every one. Then those claimed and not
// started: they count although they may be held back by now, or not among the first. Then what is due, the urgent in a
// lane of their own: however many others are due, these are looked at. Of both each agent's first before anybody's second:
// however many wakes of one are due, others' are looked at. Of who runs, or is about to, what runs is the first.
const LIVE: &str = "WITH busy AS (SELECT agent FROM wake WHERE ws = $1 AND state = 'running'
    UNION SELECT w.agent FROM lease l JOIN wake w ON w.ws = l.ws AND w.id = l.wake
    WHERE l.ws = $1 AND w.state = 'pending' AND NOT w.held
    AND w.due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    (SELECT 1, 0::bigint, w.id, w.doc, l.doc FROM wake w LEFT JOIN lease l ON l.ws = w.ws AND l.wake = w.id
    WHERE w.ws = $1 AND w.state = 'running')
    UNION ALL (SELECT 2, 0, w.id, w.doc, l.doc FROM lease l JOIN wake w ON w.ws = l.ws AND w.id = l.wake
    WHERE l.ws = $1 AND w.state = 'pending')
    UNION ALL (SELECT 3, row_number() OVER (ORDER BY d.turn, d.due_at, d.id), d.id, d.doc, NULL FROM
    (SELECT w.id, w.due_at, w.doc, row_number() OVER (PARTITION BY w.agent ORDER BY w.due_at, w.id)
    + (w.agent IN (SELECT agent FROM busy))::int AS turn FROM wake w
    WHERE w.ws = $1 AND w.state = 'pending' AND NOT w.held
    AND w.urgent AND w.due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.ws = w.ws AND l.wake = w.id)) d
    ORDER BY d.turn, d.due_at, d.id LIMIT $2)
    UNION ALL (SELECT 4, row_number() OVER (ORDER BY d.turn, d.due_at, d.id), d.id, d.doc, NULL FROM
    (SELECT w.id, w.due_at, w.doc, row_number() OVER (PARTITION BY w.agent ORDER BY w.due_at, w.id)
    + (w.agent IN (SELECT agent FROM busy))::int AS turn FROM wake w
    WHERE w.ws = $1 AND w.state = 'pending' AND NOT w.held
    AND NOT w.urgent AND w.due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.ws = w.ws AND l.wake = w.id)) d
    ORDER BY d.turn, d.due_at, d.id LIMIT $2)
    ORDER BY 1, 2, 3";

const SESSIONS: &str = "SELECT doc FROM session WHERE ws = $1 AND agent = ANY($2) ORDER BY agent, session";
// With nothing to look for but whether they are wanted.
const TERMINALS: &str =
    "SELECT doc FROM session WHERE ws = $1 AND terminal AND $2::bool ORDER BY agent, session";
const SESSIONS_OLDEST: &str = "SELECT doc FROM session WHERE ws = $1
    ORDER BY seen_at DESC, agent DESC, session DESC LIMIT ($2::bigint[])[1] OFFSET ($2::bigint[])[2]";
// With nothing to look for but whether they are wanted.
const SUPERVISORS: &str = "SELECT doc FROM supervisor WHERE ws = $1 AND $2::bool ORDER BY name";
const JOBS: &str = "SELECT j.doc FROM unnest($2::bytea[]) AS k (id)
    CROSS JOIN LATERAL (SELECT * FROM job j WHERE j.ws = $1 AND j.id = k.id LIMIT 1) AS j";
// Each pair is a kind, which has no space, a space, and a name.
const JOBS_NAMED: &str = "SELECT j.doc FROM unnest($2::text[]) AS pair JOIN job j ON j.ws = $1
    AND j.kind = split_part(pair, ' ', 1) AND j.name = substr(pair, strpos(pair, ' ') + 1)
    AND j.state IN ('queued', 'running')";
// Of each state the first: those of silent workers, those that wait, and completed ones to forget.
const JOBS_DUE: &str = "(SELECT 1, due_at, id, doc FROM job WHERE ws = $1 AND state = 'running'
    AND due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint ORDER BY due_at, id LIMIT ($2::bigint[])[1])
    UNION ALL (SELECT 2, due_at, id, doc FROM job WHERE ws = $1 AND state = 'queued'
    AND due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint ORDER BY due_at, id LIMIT ($2::bigint[])[1])
    UNION ALL (SELECT 3, due_at, id, doc FROM job WHERE ws = $1 AND state = 'completed'
    AND due_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint - ($2::bigint[])[2]
    ORDER BY due_at, id LIMIT ($2::bigint[])[1])
    ORDER BY 1, 2, 3";
const JOB_TOTALS: &str = "SELECT doc FROM job_totals WHERE ws = $1 LIMIT $2";
// With nothing to look for but whether they are wanted.
const WEBHOOKS: &str =
    "SELECT doc, url, salt, seeds, progress FROM webhook WHERE ws = $1 AND $2::bool ORDER BY id";

/// The keys of a round, by kind, as statements take them.
#[derive(Default)]
pub(crate) struct Wanted {
    used: Vec<Vec<u8>>,
    agents: Vec<String>,
    threads: Vec<Vec<u8>>,
    thread_wakes: Vec<Vec<u8>>,
    findings: Vec<Vec<u8>>,
    messages: Vec<Vec<u8>>,
    wakes: Vec<Vec<u8>>,
    live_max: Option<i64>,
    sessions: Vec<String>,
    terminals: bool,
    /// How many, and behind how many that stay.
    sessions_oldest: Vec<i64>,
    supervisors: bool,
    jobs: Vec<Vec<u8>>,
    jobs_named: Vec<String>,
    /// How many of each state, and for how long completed ones are kept.
    jobs_due: Vec<i64>,
    /// Rows of what became of jobs, of which there is one at most.
    job_totals_max: Option<i64>,
    /// Rows of a halt, of which there is one at most.
    halt_max: Option<i64>,
    webhooks: bool,
    keys: Keys,
}

/// One kind's statement and the parameter it takes besides the workspace.
type Ask<'a> = (&'static str, crate::pool::Value<'a>);

impl Wanted {
    pub(crate) fn of(keys: Keys) -> Self {
        let mut wanted = Self::default();
        for key in &keys {
            match key {
                Key::Idempotency(digest) => wanted.used.push(digest.as_bytes().to_vec()),
                Key::Agent(name) => wanted.agents.push(name.to_string()),
                Key::Thread(id) => wanted.threads.push(id.to_bytes().to_vec()),
                Key::ThreadWakes(id) => wanted.thread_wakes.push(id.to_bytes().to_vec()),
                Key::Findings(id) => wanted.findings.push(id.to_bytes().to_vec()),
                Key::Message(_, id) => wanted.messages.push(id.to_bytes().to_vec()),
                Key::Wake(id) => wanted.wakes.push(id.to_bytes().to_vec()),
                // Asked for one by one, see `apart`.
                Key::Asks(_) | Key::Census => {}
                Key::Halt => wanted.halt_max = Some(1),
                Key::LiveWakes => wanted.live_max = Some(i64::from(limits::LIVE_WAKES_MAX)),
                Key::Sessions(name) => wanted.sessions.push(name.to_string()),
                Key::Terminals => wanted.terminals = true,
                Key::OldestSessions => {
                    wanted.sessions_oldest =
                        vec![i64::from(limits::SESSIONS_FORGOTTEN_MAX), i64::from(limits::SESSIONS_MAX) - 1];
                }
                Key::Supervisors => wanted.supervisors = true,
                Key::Job(id) => wanted.jobs.push(id.to_bytes().to_vec()),
                Key::JobNamed(kind, name) => wanted.jobs_named.push(format!("{kind} {name}")),
                Key::JobTotals => wanted.job_totals_max = Some(1),
                Key::Webhooks => wanted.webhooks = true,
                Key::DueJobs => {
                    wanted.jobs_due = vec![i64::from(limits::DUE_JOBS_MAX), limits::JOB_KEPT_MS];
                }
            }
        }
        Self { keys, ..wanted }
    }

    /// What is asked for one by one.
    pub(crate) fn apart(&self) -> Keys {
        self.keys.iter().filter(|key| matches!(key, Key::Asks(_) | Key::Census)).cloned().collect()
    }

    /// What to ask, always in this order; kinds that nobody wants are left out.
    pub(crate) fn asks(&self) -> Vec<Ask<'_>> {
        let lists = [
            (USED, &self.used),
            (THREADS, &self.threads),
            (THREAD_WAKES, &self.thread_wakes),
            (FINDINGS, &self.findings),
            (MESSAGES, &self.messages),
            (WAKES, &self.wakes),
            (JOBS, &self.jobs),
        ];
        let mut asks: Vec<Ask<'_>> = Vec::new();
        if !self.agents.is_empty() {
            asks.push((AGENTS, &self.agents));
        }
        for (sql, list) in lists {
            if !list.is_empty() {
                asks.push((sql, list));
            }
        }
        if !self.jobs_named.is_empty() {
            asks.push((JOBS_NAMED, &self.jobs_named));
        }
        if !self.sessions.is_empty() {
            asks.push((SESSIONS, &self.sessions));
        }
        if self.terminals {
            asks.push((TERMINALS, &self.terminals));
        }
        if !self.sessions_oldest.is_empty() {
            asks.push((SESSIONS_OLDEST, &self.sessions_oldest));
        }
        if self.supervisors {
            asks.push((SUPERVISORS, &self.supervisors));
        }
        if self.webhooks {
            asks.push((WEBHOOKS, &self.webhooks));
        }
        if !self.jobs_due.is_empty() {
            asks.push((JOBS_DUE, &self.jobs_due));
        }
        if let Some(max) = &self.job_totals_max {
            asks.push((JOB_TOTALS, max));
        }
        if let Some(max) = &self.halt_max {
            asks.push((HALT, max));
        }
        if let Some(max) = &self.live_max {
            asks.push((LIVE, max));
        }
        asks
    }

    /// Put what came back into the facts; what did not come back is not there.
    pub(crate) fn put(
        self,
        answers: Vec<(&'static str, Vec<Row>)>,
        now: Timestamp,
        facts: &mut Facts,
    ) -> Result<(), StoreError> {
        let mut found = Found::default();
        for (sql, rows) in answers {
            found.take(sql, &rows, now)?;
        }
        for key in self.keys {
            match key {
                Key::Idempotency(digest) => facts.put_used(digest, found.used.remove(&digest)),
                Key::Agent(name) => {
                    let agent = found.agents.remove(&name);
                    facts.put_agent(name, agent);
                }
                Key::Thread(id) => facts.put_thread(id, found.threads.remove(&id)),
                Key::ThreadWakes(id) => {
                    facts.put_thread_wakes(id, found.thread_wakes.remove(&id).unwrap_or_default());
                }
                Key::Findings(id) => facts.put_findings(id, found.findings.remove(&id).unwrap_or_default()),
                Key::Message(thread, id) => {
                    facts.put_message(thread, id, found.messages.remove(&(thread, id)));
                }
                Key::Wake(id) => match found.wakes.remove(&id) {
                    Some((wake, lease)) => facts.put_wake(id, Some(wake), lease),
                    None => facts.put_wake(id, None, None),
                },
                Key::Asks(_) | Key::Census => {}
                Key::Halt => facts.put_halt(found.halt.take()),
                Key::LiveWakes => facts.put_live_wakes(std::mem::take(&mut found.live)),
                Key::Sessions(name) => {
                    let sessions = found.sessions.remove(&name).unwrap_or_default();
                    facts.put_sessions(name, sessions);
                }
                Key::Terminals => facts.put_terminals(std::mem::take(&mut found.terminals)),
                Key::OldestSessions => {
                    facts.put_oldest_sessions(std::mem::take(&mut found.sessions_oldest));
                }
                Key::Supervisors => facts.put_supervisors(std::mem::take(&mut found.supervisors)),
                Key::Job(id) => facts.put_job(id, found.jobs.remove(&id)),
                Key::JobNamed(kind, name) => {
                    let id = found.jobs_named.remove(&(kind.clone(), name.clone()));
                    facts.put_job_named(kind, name, id);
                }
                Key::Webhooks => facts.put_webhooks(std::mem::take(&mut found.webhooks)),
                Key::DueJobs => facts.put_due_jobs(std::mem::take(&mut found.jobs_due)),
                Key::JobTotals => facts.put_job_totals(found.job_totals.take().unwrap_or_default()),
            }
        }
        Ok(())
    }
}

/// What is asked for one by one, and seldom wanted.
pub(crate) async fn apart(line: &Line, ws: i64, keys: &Keys, facts: &mut Facts) -> Result<(), StoreError> {
    for key in keys {
        match key {
            Key::Asks(key) => facts.put_asks(key.clone(), asks(line, ws, key).await?),
            Key::Census => facts.put_census(snapshot::census(line, ws).await?),
            _ => {}
        }
    }
    Ok(())
}

/// What asked for wakes, row by row: however long a stretch is, little of it is kept.
async fn asks(line: &Line, ws: i64, key: &AsksKey) -> Result<Vec<wake::Ask>, StoreError> {
    let sql = "SELECT head, withdrawn IS NOT NULL FROM message WHERE ws = $1 AND thread = $2 AND seq BETWEEN $3 AND $4
        ORDER BY seq";
    let mut asks = Asks::default();
    let (thread, from, to) = (key.thread_id.to_bytes().to_vec(), signed(key.from_seq), signed(key.to_seq));
    line.each(sql, &[&ws, &thread, &from, &to], |row| {
        asks.note(key, &document("message", get(row, 0)?)?, get(row, 1)?);
        Ok(())
    })
    .await?;
    Ok(asks.into_vec())
}

#[derive(Default)]
struct Found {
    used: BTreeMap<Digest, Used>,
    agents: BTreeMap<AgentName, interlock_core::agent::Agent>,
    threads: BTreeMap<ThreadId, interlock_core::thread::Thread>,
    thread_wakes: BTreeMap<ThreadId, Vec<Wake>>,
    findings: BTreeMap<ThreadId, Vec<interlock_core::thread::Finding>>,
    messages: BTreeMap<(ThreadId, MessageId), Known>,
    wakes: BTreeMap<WakeId, (Wake, Option<Lease>)>,
    live: Vec<(Wake, Option<Lease>)>,
    sessions: BTreeMap<AgentName, Vec<Session>>,
    terminals: Vec<Session>,
    sessions_oldest: Vec<Session>,
    supervisors: Vec<Supervisor>,
    jobs: BTreeMap<JobId, Job>,
    jobs_named: BTreeMap<(String, String), JobId>,
    jobs_due: Vec<Job>,
    job_totals: Option<JobTotals>,
    halt: Option<Halt>,
    webhooks: Vec<Webhook>,
}

impl Found {
    fn take(&mut self, sql: &'static str, rows: &[Row], now: Timestamp) -> Result<(), StoreError> {
        for row in rows {
            match sql {
                USED => {
                    let (digest, used) = used(row)?;
                    self.used.insert(digest, used);
                }
                AGENTS => {
                    let agent = row::agent(row, 1)?;
                    self.agents.insert(agent.name.clone(), agent);
                }
                THREADS => drop(self.threads.insert(thread_id(row, 0)?, row::thread(row, 1)?)),
                THREAD_WAKES => {
                    let wake = document("wake", get(row, 1)?)?;
                    self.thread_wakes.entry(thread_id(row, 0)?).or_default().push(wake);
                }
                FINDINGS => {
                    let finding = document("finding", get(row, 1)?)?;
                    self.findings.entry(thread_id(row, 0)?).or_default().push(finding);
                }
                MESSAGES => {
                    let id = MessageId::from_u128(u128::from_be_bytes(bytes(row, 0)?));
                    let known =
                        Known { head: document("message", get(row, 2)?)?, is_withdrawn: get(row, 3)? };
                    self.messages.insert((thread_id(row, 1)?, id), known);
                }
                WAKES => {
                    let pair = wake_and_lease(row, 1)?;
                    self.wakes.insert(pair.0.wake_id, pair);
                }
                SESSIONS => {
                    let session: Session = document("session", get(row, 0)?)?;
                    self.sessions.entry(session.agent.clone()).or_default().push(session);
                }
                TERMINALS => self.terminals.push(document("session", get(row, 0)?)?),
                SESSIONS_OLDEST => self.sessions_oldest.push(document("session", get(row, 0)?)?),
                SUPERVISORS => self.supervisors.push(document("supervisor", get(row, 0)?)?),
                JOBS => {
                    let job: Job = document("job", get(row, 0)?)?;
                    self.jobs.insert(job.job_id, job);
                }
                JOBS_NAMED => {
                    let job: Job = document("job", get(row, 0)?)?;
                    self.jobs_named.insert((job.kind, job.name.unwrap_or_default()), job.job_id);
                }
                WEBHOOKS => self.webhooks.push(crate::webhook::webhook(row)?),
                JOB_TOTALS => self.job_totals = Some(document("job_totals", get(row, 0)?)?),
                JOBS_DUE => self.jobs_due.push(document("job", get(row, 3)?)?),
                HALT => self.halt = Some(document("halt", get(row, 0)?)?),
                _ => {
                    let (wake, lease) = wake_and_lease(row, 3)?;
                    // Due by the clock that the rules are told, not by that of a moment later.
                    if get::<i32>(row, 0)? < 3 || wake.due_at <= now {
                        self.live.push((wake, lease));
                    }
                }
            }
        }
        Ok(())
    }
}

fn thread_id(row: &Row, column: usize) -> Result<ThreadId, StoreError> {
    Ok(ThreadId::from_u128(u128::from_be_bytes(bytes(row, column)?)))
}

fn wake_and_lease(row: &Row, first: usize) -> Result<(Wake, Option<Lease>), StoreError> {
    let lease: Option<&str> = get(row, first + 1)?;
    Ok((document("wake", get(row, first)?)?, lease.map(|doc| document("lease", doc)).transpose()?))
}

/// What is needed of an entry to rebuild an answer.
#[derive(serde::Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

fn used(row: &Row) -> Result<(Digest, Used), StoreError> {
    let index: u64 = number(row, 2)?;
    let envelope: Option<&[u8]> = get(row, 3)?;
    let envelope = envelope.ok_or_else(|| corrupt("idempotency", format!("entry {index} is missing")))?;
    let envelope: Envelope = serde_json::from_slice(envelope).map_err(|e| corrupt("ledger_entry", e))?;
    let fingerprint = Digest::from_bytes(bytes(row, 1)?);
    Ok((Digest::from_bytes(bytes(row, 0)?), Used { fingerprint, index, events: envelope.events }))
}
