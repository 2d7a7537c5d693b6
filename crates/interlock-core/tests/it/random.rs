//! Random sequences of commands: what must hold whatever anybody does, in whatever order.
//!
//! `World::run` checks the invariants after every command, and that declared keys suffice and decisions repeat.

use std::collections::BTreeMap;

use interlock_core::actor::Role;
use interlock_core::facts::{Facts, Key, Keys, Position};
use interlock_core::id::{MessageId, SessionId, WakeId};
use interlock_core::session::{Observed, Session};
use interlock_core::thread::{Status, ThreadRole, event_type as et};
use interlock_core::wake::{Ask, Evidence, Outcome, TurnFault, Usage, WakeState};
use interlock_core::{Command, Event, Reason, Timestamp, evolve};
use proptest::prelude::*;
use serde_json::json;

use crate::rows::Rows;
use crate::world::{Claim, Post, World, finding_id};

const AGENTS: [&str; 3] = ["ann", "bob", "cem"];
/// A wake that nobody looked at for longer has not waited for a person meanwhile.
const LOOKED_AT_MS_MAX: i64 = 30_000;
const PEOPLE: [&str; 5] = ["ann", "bob", "cem", "una", "olga"];

/// One thing that somebody may do. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Open(usize),
    Say { thread: usize, from: usize, to: usize, in_run: usize },
    Fix { thread: usize, commit: usize },
    Find { thread: usize, id: usize, path: usize },
    Verify { thread: usize, id: usize },
    Reject { thread: usize, id: usize },
    Ack { thread: usize, who: usize, back: u64 },
    Status { thread: usize, who: usize, to: usize },
    Order { thread: usize, to: usize, how: usize },
    Cancel { thread: usize, who: usize, back: usize },
    Join { thread: usize, who: usize },
    Leave { thread: usize, who: usize },
    Pause(usize),
    Resume(usize),
    Claim { sup: usize, life: usize, limit: u32 },
    Start(usize),
    Accept(usize),
    End(usize, usize),
    Renew(usize),
    Call(usize),
    Wait(i64),
    Again(usize),
    Halt,
    GoOn,
    Answer { thread: usize, from: usize, back: usize },
    See { who: usize, session: u128, what: usize, named: usize, ago_ms: u64 },
    Override { thread: usize, who: usize, to: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0..8_usize).prop_map(Op::Open),
        8 => (0..4_usize, 0..5_usize, 0..7_usize, 0..8_usize)
            .prop_map(|(thread, from, to, in_run)| Op::Say { thread, from, to, in_run }),
        5 => (0..4_usize, 0..5_u128, 0..6_usize, 0..6_usize, prop_oneof![Just(0_u64), Just(19_999), Just(20_000)])
            .prop_map(|(who, session, what, named, ago_ms)| Op::See { who, session, what, named, ago_ms }),
        1 => (0..4_usize, 0..5_usize, 0..3_usize).prop_map(|(thread, who, to)| Op::Override { thread, who, to }),
        2 => (0..4_usize, 0..4_usize).prop_map(|(thread, commit)| Op::Fix { thread, commit }),
        3 => (0..4_usize, 0..4_usize, 0..2_usize).prop_map(|(thread, id, path)| Op::Find { thread, id, path }),
        1 => (0..4_usize, 0..4_usize).prop_map(|(thread, id)| Op::Verify { thread, id }),
        1 => (0..4_usize, 0..4_usize).prop_map(|(thread, id)| Op::Reject { thread, id }),
        6 => (0..4_usize, 0..5_usize, 0..3_u64).prop_map(|(thread, who, back)| Op::Ack { thread, who, back }),
        3 => (0..4_usize, 0..5_usize, 0..8_usize).prop_map(|(thread, who, to)| Op::Status { thread, who, to }),
        4 => (0..4_usize, 0..4_usize, 0..6_usize).prop_map(|(thread, to, how)| Op::Order { thread, to, how }),
        3 => (0..4_usize, 0..5_usize, 0..3_usize).prop_map(|(thread, who, back)| Op::Cancel { thread, who, back }),
        2 => (0..4_usize, 0..4_usize).prop_map(|(thread, who)| Op::Join { thread, who }),
        2 => (0..4_usize, 0..4_usize).prop_map(|(thread, who)| Op::Leave { thread, who }),
        3 => (0..4_usize).prop_map(Op::Pause),
        3 => (0..4_usize).prop_map(Op::Resume),
        8 => (0..3_usize, 0..3_usize, 0..4_u32).prop_map(|(sup, life, limit)| Op::Claim { sup, life, limit }),
        8 => (0..6_usize).prop_map(Op::Start),
        3 => (0..6_usize).prop_map(Op::Accept),
        8 => (0..6_usize, 0..14_usize).prop_map(|(claim, how)| Op::End(claim, how)),
        3 => (0..6_usize).prop_map(Op::Renew),
        1 => (0..6_usize).prop_map(Op::Call),
        6 => prop_oneof![Just(1_i64), Just(2_000), Just(8_000), Just(59_999), Just(60_000), Just(-5_000), Just(300_000)]
            .prop_map(Op::Wait),
        2 => (0..6_usize).prop_map(Op::Again),
        1 => Just(Op::Halt),
        2 => Just(Op::GoOn),
        3 => (0..4_usize, 0..5_usize, 0..6_usize).prop_map(|(thread, from, back)| Op::Answer { thread, from, back }),
    ]
}

/// A world with what random steps need to refer to.
struct Random {
    w: World,
    threads: Vec<interlock_core::id::ThreadId>,
    claims: Vec<Claim>,
    /// For each claim how long the ledger was when it was made.
    claimed_at: Vec<usize>,
    keyed: Vec<(interlock_core::Envelope, interlock_core::Reply)>,
    /// For each wake that waits for whoever has its session: since when, and when it was last looked at. Kept by what
    /// happened, and not by what the rules remember.
    waits: BTreeMap<WakeId, (Timestamp, Timestamp)>,
    /// How much of the ledger was gone through for that.
    noted: usize,
}

impl Random {
    fn new() -> Self {
        let mut w = World::new();
        w.policy = interlock_core::policy::Policy {
            turns_without_progress_max: 6,
            wakes_per_minute_max: 5,
            auto_wakes_max: 3,
            backlog_wakes_max: 2,
            causal_hops_max: 3,
            identical_messages_max: 4,
            thread_tokens_max: 500,
            agent_tokens_per_day_max: 700,
            quota_pauses_max: 2,
            agents_running_max: 2,
            ..interlock_core::policy::Policy::default()
        };
        for text in AGENTS {
            w.agent(text).managed();
        }
        w.agent("una").unmanaged();
        w.person("olga", Role::Operator);
        let mut random = Self {
            w,
            threads: Vec::new(),
            claims: Vec::new(),
            claimed_at: Vec::new(),
            keyed: Vec::new(),
            waits: BTreeMap::new(),
            noted: 0,
        };
        random.step(&Op::Open(0));
        random
    }

    fn run(ops: &[Op]) -> Self {
        let mut random = Self::new();
        for op in ops {
            random.step(op);
        }
        random
    }

    fn choose(&mut self, thread: usize) {
        self.w.thread_id = self.threads[thread % self.threads.len()];
    }

    /// The claims made last are the ones most likely spoken of.
    fn claim(&self, number: usize) -> Option<Claim> {
        self.claims.iter().rev().nth(number % self.claims.len().max(1)).cloned()
    }

    /// A message of the thread, counted from its end.
    fn message(&self, back: usize) -> Option<MessageId> {
        let thread = self.w.thread_id;
        let of_thread = self.w.rows.messages.range((thread, 0)..=(thread, u64::MAX));
        of_thread.rev().nth(back).map(|(_, (message, _))| message.head.message_id)
    }

    /// What is started was claimed after its thread was blocked last.
    fn start(&mut self, number: usize) {
        let Some(claim) = self.claim(number) else { return };
        let place = self.claims.len() - 1 - number % self.claims.len();
        let since = self.entries_since(self.claimed_at[place]);
        if self.w.started(&claim).is_ok() {
            assert_eq!(self.w.rows.halt, None, "{} was started while all were stopped", claim.wake_id);
            let (wake, now) = (self.w.wake(claim.wake_id), self.w.now());
            let counts = |ask: &Ask| !ask.is_withdrawn && ask.expires_at.is_none_or(|at| at > now);
            assert!(wake.is_standing || wake.asks.iter().any(counts), "{} was over: {wake:?}", wake.wake_id);
            let thread = self.w.wake(claim.wake_id).thread_id;
            let is_block = |event: &Event| matches!(event, Event::StatusChanged { thread_id, to, .. } if *thread_id == thread && *to != Status::Active);
            assert!(!since.iter().any(is_block), "{} was held back since it was claimed", claim.wake_id);
        }
    }

    fn entries_since(&self, first: usize) -> Vec<Event> {
        self.w.entries[first..].concat()
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Open(kind) => self.open(kind),
            Op::Say { thread, from, to, in_run } => self.say(thread, PEOPLE[from], to, in_run),
            Op::Fix { thread, commit } => {
                self.choose(thread);
                drop(self.w.post("ann", Post::fix(&format!("{commit:07}"))));
            }
            Op::Find { thread, id, path } => {
                self.choose(thread);
                drop(self.w.post("bob", Post::finding(finding_id(id as u128), &format!("file-{path}"))));
            }
            Op::Verify { thread, id } => {
                self.choose(thread);
                drop(self.w.post("bob", Post::verified(finding_id(id as u128))));
            }
            Op::Reject { thread, id } => {
                self.choose(thread);
                let data = json!({"finding_id": finding_id(id as u128), "commit": "0000000", "message": "m"});
                drop(self.w.post("bob", Post::event(et::FINDING_REJECTED, data)));
            }
            Op::Ack { thread, who, back } => {
                self.choose(thread);
                let seq = self.w.thread().seq.saturating_sub(back);
                drop(self.w.ack(PEOPLE[who], seq));
            }
            Op::Status { thread, who, to } => {
                self.choose(thread);
                // Back to active is as likely as all others together, or everything would soon be over.
                let to = Status::ALL.get(to).copied().unwrap_or(Status::Active);
                drop(self.w.status(PEOPLE[who], to));
            }
            Op::Order { thread, to, how } => {
                self.choose(thread);
                let post = Post::chat("now").to(&[PEOPLE[to]]).expires_in([1, 2_000, 8_000][how % 3]);
                let post = if how % 2 == 0 { post.urgent() } else { post };
                let post = match self.message(how) {
                    Some(old) if how > 2 => post.instead_of(old),
                    _ => post,
                };
                drop(self.w.post("olga", post));
            }
            Op::Cancel { thread, who, back } => {
                self.choose(thread);
                let Some(id) = self.message(back) else { return };
                drop(self.w.cancels(PEOPLE[who], id));
            }
            Op::Join { thread, who } => {
                self.choose(thread);
                drop(self.w.adds("olga", PEOPLE[who], ThreadRole::Participant));
            }
            Op::Leave { thread, who } => {
                self.choose(thread);
                drop(self.w.removes("olga", PEOPLE[who]));
                let is_gone = !self.w.thread().members.contains_key(&crate::world::name(PEOPLE[who]));
                let thread_id = self.w.thread_id;
                assert!(
                    !is_gone || self.w.pending_of(PEOPLE[who]).iter().all(|wake| wake.thread_id != thread_id)
                );
            }
            Op::Claim { sup, life, limit } => {
                let at = self.w.entries.len();
                let is_halted = self.w.rows.halt.is_some();
                let made =
                    self.w.claim_in(["s1", "s2", "s3"][sup], ["life-1", "life-1", "life-2"][life], limit);
                assert!(!is_halted || made.is_empty(), "handed out while all were stopped");
                self.note_waits();
                for claim in &made {
                    self.nobody_is_disturbed(claim);
                }
                self.claimed_at.resize(self.claims.len() + made.len(), at);
                self.claims.extend(made);
            }
            Op::Pause(thread) | Op::Resume(thread) => {
                self.choose(thread);
                let is_pause = matches!(op, Op::Pause(_));
                drop(self.w.status("olga", if is_pause { Status::Blocked } else { Status::Active }));
            }
            Op::Wait(ms) => self.w.advance_ms(ms),
            Op::Halt => drop(self.w.give("olga", Command::HaltAgents)),
            Op::GoOn => drop(self.w.give("olga", Command::ResumeAgents { since: None })),
            Op::Answer { thread, from, back } => {
                self.choose(thread);
                let mut post = Post::chat("about that");
                post.0.in_reply_to = self.message(back);
                post.0.terms.parents = (0..back).filter_map(|back| self.message(back)).collect();
                drop(self.w.post(PEOPLE[from], post));
            }
            Op::See { who, session, what, named, ago_ms } => self.see(who, session, what, named, ago_ms),
            Op::Override { thread, who, to } => {
                self.choose(thread);
                drop(self.w.overrides(PEOPLE[who], AGENTS[to], "it cannot wait"));
            }
            Op::Start(number) => self.start(number),
            Op::Again(number) => self.again(number),
            Op::Accept(_) | Op::End(..) | Op::Renew(_) | Op::Call(_) => self.supervise(op),
        }
        self.note_waits();
    }

    fn note_waits(&mut self) {
        let now = self.w.now();
        for event in self.w.entries[self.noted..].iter().flatten() {
            match event {
                Event::WakeDeferred {
                    wake_id, reason: Reason::HumanActive | Reason::SessionBusy, ..
                } => {
                    let wait = self.waits.entry(*wake_id).or_insert((now, now));
                    let is_broken = now.ms_since(wait.1) > LOOKED_AT_MS_MAX;
                    *wait = (if is_broken { now } else { wait.0 }, now);
                }
                Event::WakeDeferred {
                    reason: Reason::ToldByHook | Reason::ToldInTurn | Reason::FallbackLimit,
                    ..
                }
                | Event::WakeAccepted { evidence: Evidence::Hook | Evidence::Turn, .. } => {}
                Event::WakeDeferred { wake_id, .. }
                | Event::WakeAccepted { wake_id, .. }
                | Event::WakeAttemptFailed { wake_id, .. }
                | Event::WakeRetryRequested { wake_id, .. }
                | Event::WakeReleased { wake_id, reason: Reason::Halted | Reason::LeaseExpired, .. } => {
                    self.waits.remove(wake_id);
                }
                Event::StatusChanged { thread_id, to, .. } if *to != Status::Active => {
                    self.waits.retain(|wake, _| self.w.wake(*wake).thread_id != *thread_id);
                }
                _ => {}
            }
        }
        self.noted = self.w.entries.len();
    }

    fn see(&mut self, who: usize, session: u128, what: usize, named: usize, ago_ms: u64) {
        let mut seen = World::sight(PEOPLE[who], session, Observed::ALL[what]);
        seen.ago_ms = ago_ms;
        seen.wake_id = (named > 3).then(|| self.claim(named).map(|claim| claim.wake_id)).flatten();
        seen.threads = self.threads.iter().copied().take(named).collect();
        self.w.observes(PEOPLE[who], &seen).unwrap();
    }

    /// What was handed out goes into no session that a person holds, and was either waited with for long enough, or
    /// wanted by an operator all the same.
    fn nobody_is_disturbed(&self, claim: &Claim) {
        let (wake, now) = (self.w.wake(claim.wake_id), self.w.now());
        let is_held =
            |session: &&Session| session.is_held(&self.w.policy, now) && session.agent == wake.agent;
        let held: Vec<&Session> = self.w.rows.sessions.values().filter(is_held).collect();
        if wake.is_override || held.is_empty() {
            return;
        }
        let (since, looked_at) = self.waits[&wake.wake_id];
        let is_fallback = wake.is_fallback_run();
        assert!(now.ms_since(since) >= self.w.policy.session_defer_max_ms, "{wake:?} beside {held:?}");
        assert!(is_fallback || now.ms_since(looked_at) <= LOOKED_AT_MS_MAX, "{wake:?} beside {held:?}");
        let resumed = self.w.rows.threads[&wake.thread_id].members[&wake.agent].session;
        assert!(resumed.is_none() || held.iter().all(|session| session.session_id != resumed));
    }

    fn supervise(&mut self, op: &Op) {
        let (Op::Accept(n) | Op::End(n, _) | Op::Renew(n) | Op::Call(n)) = *op else { return };
        let Some(claim) = self.claim(n) else { return };
        match *op {
            Op::Accept(n) if n % 2 == 0 => drop(self.w.accepted(&claim, Evidence::Output)),
            // A runtime with sessions; now and then it begins a new one.
            Op::Accept(n) => {
                let session = SessionId::from_u128(u128::try_from(n % 5).unwrap());
                drop(self.w.in_session(&claim, session));
            }
            Op::Renew(_) => drop(self.w.renew(&claim)),
            Op::Call(_) => {
                let call = Command::NoteCall { wake_id: claim.wake_id };
                drop(self.w.give(claim.agent.as_str(), call));
            }
            Op::End(_, how) => {
                let outcomes = [
                    Outcome::Exited { code: 0 },
                    Outcome::Exited { code: 0 },
                    Outcome::Exited { code: 1 },
                    Outcome::Exited { code: 75 },
                    Outcome::Signalled { signal: 9 },
                    Outcome::NotAccepted,
                    Outcome::SpawnFailed,
                    Outcome::Halted,
                    Outcome::NotStarted,
                    Outcome::SessionGone,
                    Outcome::SessionBusy,
                    Outcome::TurnFailed { fault: TurnFault::ModelUnavailable, reset_in_ms: None },
                    Outcome::TurnFailed { fault: TurnFault::ModelRateLimited, reset_in_ms: None },
                    Outcome::TurnFailed { fault: TurnFault::ModelRateLimited, reset_in_ms: Some(9_000) },
                ];
                let usage = Usage { input_tokens: 20, output_tokens: 15 * (how as u64 % 3), ..Usage::NONE };
                drop(self.w.ended_with(&claim, outcomes[how], usage));
            }
            _ => {}
        }
    }

    fn open(&mut self, kind: usize) {
        let parts: &[(&str, ThreadRole)] = &[
            ("ann", ThreadRole::Participant),
            ("bob", ThreadRole::Coordinator),
            ("cem", ThreadRole::Participant),
            ("una", ThreadRole::Participant),
        ];
        if self.threads.len() < 4 {
            let thread = self.w.open("olga", &parts[..4 - kind % 3]);
            self.threads.push(thread);
        }
    }

    fn say(&mut self, thread: usize, from: &str, to: usize, in_run: usize) {
        self.choose(thread);
        let post = match to {
            0..5 => Post::chat("x").to(&[PEOPLE[to]]),
            5 => Post::chat("x").for_role(ThreadRole::Coordinator),
            _ => Post::chat("x"),
        };
        self.w.acting = self.claim(in_run).filter(|claim| claim.agent.as_str() == from).map(|c| c.wake_id);
        let mut command = post.0;
        command.thread_id = self.w.thread_id;
        self.w.key = Some(format!("key-{}", self.keyed.len()));
        let role = if from == "olga" { Role::Operator } else { Role::Participant };
        let envelope = self.w.envelope(from, role, Command::PostMessage(command));
        self.w.acting = None;
        if let Ok(done) = self.w.run(&envelope) {
            self.keyed.push((envelope, done.reply));
        }
    }

    /// A caller that did not hear the answer asks again.
    fn again(&mut self, number: usize) {
        let Some((envelope, reply)) = self.keyed.iter().rev().nth(number).cloned() else { return };
        let entries = self.w.entries.len();
        let done = self.w.run(&envelope).unwrap();
        assert_eq!((done.reply, done.replayed.is_some()), (reply, true));
        assert_eq!(self.w.entries.len(), entries);
    }
}

/// Every event with where it stands.
fn positions(w: &World) -> Vec<(Position, &Event)> {
    let mut all = Vec::new();
    for (index, (events, at)) in (0..).zip(w.entries.iter().zip(&w.times)) {
        all.extend((0..).zip(events).map(|(n, event)| (Position { index, n, at: *at }, event)));
    }
    all
}

fn keys_of(event: &Event) -> Keys {
    let mut keys = Keys::new();
    if let Some(id) = event.thread_id() {
        keys.extend([Key::Thread(id), Key::ThreadWakes(id), Key::Findings(id)]);
    }
    if let Event::WakeFinished { wake_id, .. } = event {
        keys.insert(Key::Wake(*wake_id));
    }
    // What these change besides: how the agent stands.
    if let Event::WakeFinished { agent, .. }
    | Event::WakeUsed { agent, .. }
    | Event::WakeDeferred { agent, .. } = event
    {
        keys.insert(Key::Agent(agent.clone()));
    }
    keys
}

/// Rows folded in one piece.
fn fold_at_once(w: &World, events: &[(Position, Event)]) -> Rows {
    let mut facts = Facts::new(w.policy.clone());
    for (position, event) in events {
        evolve(&mut facts, event, position).unwrap();
    }
    let mut rows = Rows::default();
    rows.apply(facts.take_changes());
    rows
}

/// Rows folded event by event, each from what is stored.
fn fold_singly(w: &World, events: &[(Position, Event)]) -> Rows {
    let mut rows = Rows::default();
    for (position, event) in events {
        let mut facts = Facts::new(w.policy.clone());
        rows.load(&keys_of(event), w.now(), &[], &mut facts);
        evolve(&mut facts, event, position).unwrap();
        rows.apply(facts.take_changes());
    }
    rows
}

/// Everything but the free text, which the ledger does not hold.
fn without_text(rows: &Rows) -> String {
    let agents: Vec<_> = rows.agents.values().collect();
    let threads: Vec<_> = rows.threads.values().collect();
    let wakes: Vec<_> = rows.wakes.values().collect();
    let findings: Vec<_> = rows.findings.values().filter(|findings| !findings.is_empty()).collect();
    let heads: Vec<_> = rows.messages.values().map(|(message, _)| &message.head).collect();
    serde_json::to_string(&(agents, threads, wakes, findings, heads)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never a contradiction, never a fact that was not declared; the invariants hold after every step.
    #[test]
    fn whatever_anybody_does(ops in proptest::collection::vec(op(), 1..90)) {
        let random = Random::run(&ops);
        prop_assert!(random.w.rows.live().all(|wake| wake.state != WakeState::Finished));
        let ends = |event: &Event| if let Event::WakeFinished { wake_id, .. } = event { Some(*wake_id) } else { None };
        let mut ended: Vec<_> = random.w.entries.iter().flatten().filter_map(ends).collect();
        let count = ended.len();
        ended.sort_unstable();
        ended.dedup();
        prop_assert_eq!(ended.len(), count, "a wake ends twice");
    }

    /// The rows are what the ledger says: folded at once, singly, and from the written form alone.
    #[test]
    fn folding_the_ledger_gives_the_rows(ops in proptest::collection::vec(op(), 1..60)) {
        let random = Random::run(&ops);
        let events: Vec<_> = positions(&random.w).into_iter().map(|(p, event)| (p, event.clone())).collect();
        let rows = random.w.rows.projected();
        prop_assert_eq!(&fold_at_once(&random.w, &events), &rows);
        prop_assert_eq!(&fold_singly(&random.w, &events), &rows);
        let written: Vec<_> = events
            .iter()
            .map(|(p, event)| {
                let text = serde_json::to_string(event).unwrap();
                (*p, serde_json::from_str::<Event>(&text).unwrap())
            })
            .collect();
        prop_assert_eq!(without_text(&fold_at_once(&random.w, &written)), without_text(&rows));
    }

    /// The same commands at the same times give the same ledger.
    #[test]
    fn the_same_steps_give_the_same_ledger(ops in proptest::collection::vec(op(), 1..60)) {
        let (one, two) = (Random::run(&ops).w, Random::run(&ops).w);
        prop_assert_eq!(&one.entries, &two.entries);
        prop_assert_eq!(&one.times, &two.times);
        prop_assert_eq!(&one.rows, &two.rows);
    }
}
