//! What people do in a server's threads, as a pure state machine: what the server tells goes in, what was seen comes out.
//!
//! Every client of a server hears when a thread begins to work and when it stops, whoever has it open. So nothing is
//! subscribed to, and nothing is loaded or kept loaded: at each such change the newest turn is read, and whose words
//! began it says whether it is a person's. Our own turns are reported by those who run them.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::id::SessionId;
use interlock_core::limits::OBSERVED_AGO_MS_MAX;
use interlock_core::session::Observed;
use serde_json::{Value, json};

use super::history::{self, Newest};
use super::message::{Incoming, Refused, notification, request};
use super::newest_turn;
use super::turn::GREETING_MS_MAX;
use crate::runtime::text::member;

/// Threads of one server that are watched; the one that was woken longest ago makes room.
pub(crate) const THREADS_MAX: usize = 64;
/// The pause before a turn is read again whose first words do not stand there yet.
const AGAIN_MS: u64 = 100;
/// How often that is done.
const AGAIN_MAX: u32 = 20;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// There is a connection.
    Connected,
    /// There is none any more, and perhaps no server.
    Lost {
        /// Nobody listens: the server is gone, and with it whatever ran there.
        is_gone: bool,
    },
    /// The server said something.
    Heard(Incoming),
    /// An agent's session is there.
    Known {
        /// Its thread.
        thread: SessionId,
        /// Whose it is.
        agent: AgentName,
    },
    /// A deadline may have passed.
    Timer,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Send this.
    Send(String),
    /// Tell the server what was seen.
    Observe(Sight),
    /// It does not answer: connect anew.
    Connect,
}

/// What was seen of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// In whose session.
    pub(crate) agent: AgentName,
    /// Which.
    pub(crate) thread: SessionId,
    /// What.
    pub(crate) observed: Observed,
    /// How long ago.
    pub(crate) ago_ms: u64,
}

/// Now, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The monotonic one.
    pub(crate) at_ms: u64,
    /// The wall clock, which the server's times are read by: it runs on this machine.
    pub(crate) wall_ms: u64,
}

/// What a thread was last seen doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Unknown,
    Nothing,
    /// A turn runs; it may wait for somebody to answer.
    Turn {
        waits: bool,
    },
}

#[derive(Debug)]
struct Thread {
    agent: AgentName,
    /// When it was last named, to know the oldest.
    named: u64,
    doing: Doing,
    /// A person's turn was reported, and its end was not.
    is_told: bool,
    /// Something was reported since it was last closed.
    is_open: bool,
    /// The last words of a person that were reported.
    person_at_ms: Option<u64>,
    /// How often its newest turn was read for the first words of a turn that has begun.
    reads: u32,
    /// When that is done again.
    again_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Greeting,
    Status(SessionId),
    Newest(SessionId),
}

/// What is known of the threads of one server.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    threads: BTreeMap<SessionId, Thread>,
    asked: BTreeMap<u64, Question>,
    next_id: u64,
    named: u64,
    is_greeted: bool,
    /// Until when the greeting is to be answered.
    greeting_until_ms: Option<u64>,
}

impl Watch {
    /// When to say [`Event::Timer`] next.
    pub(crate) fn timer_ms(&self) -> Option<u64> {
        self.threads.values().filter_map(|thread| thread.again_ms).chain(self.greeting_until_ms).min()
    }

    /// Take in what happened now.
    pub(crate) fn on(&mut self, now: Moment, event: Event) -> Vec<Act> {
        match event {
            Event::Connected => self.greet(now),
            Event::Lost { is_gone } => self.lost(is_gone),
            Event::Known { thread, agent } => self.know(thread, agent),
            Event::Heard(Incoming::Answer { id, result }) => self.on_answer(now, id, result),
            Event::Heard(Incoming::Notice { method, params }) if method == "thread/status/changed" => {
                let thread = SessionId::from_uuid_text(member(&params, "/threadId"));
                thread.map_or_else(Vec::new, |thread| {
                    self.on_status(thread, params.get("status").unwrap_or(&Value::Null))
                })
            }
            Event::Heard(_) => Vec::new(),
            Event::Timer => self.on_timer(now),
        }
    }

    fn ask(&mut self, question: Question, method: &str, params: &Value) -> Vec<Act> {
        self.next_id += 1;
        self.asked.insert(self.next_id, question);
        vec![Act::Send(request(self.next_id, method, params))]
    }

    fn greet(&mut self, now: Moment) -> Vec<Act> {
        self.forget();
        self.greeting_until_ms = Some(now.at_ms + GREETING_MS_MAX);
        self.ask(Question::Greeting, "initialize", &super::greeting())
    }

    fn lost(&mut self, is_gone: bool) -> Vec<Act> {
        self.forget();
        // What ran there is over with it.
        let gone = self.threads.iter_mut().filter(|_| is_gone);
        gone.filter_map(|(id, thread)| closed(thread, *id)).collect()
    }

    /// What a connection that is over had told: a later one is told anew.
    fn forget(&mut self) {
        (self.is_greeted, self.greeting_until_ms) = (false, None);
        self.asked.clear();
        for thread in self.threads.values_mut() {
            (thread.doing, thread.again_ms) = (Doing::Unknown, None);
        }
    }

    fn know(&mut self, id: SessionId, agent: AgentName) -> Vec<Act> {
        self.named += 1;
        let named = self.named;
        let thread = self.threads.entry(id).or_insert_with(|| Thread {
            agent: agent.clone(),
            named,
            doing: Doing::Unknown,
            is_told: false,
            is_open: false,
            person_at_ms: None,
            reads: 0,
            again_ms: None,
        });
        (thread.agent, thread.named) = (agent, named);
        let is_new = thread.doing == Doing::Unknown;
        if self.threads.len() > THREADS_MAX {
            let oldest = self.threads.iter().min_by_key(|(_, thread)| thread.named).map(|(id, _)| *id);
            oldest.map(|id| self.threads.remove(&id));
        }
        if is_new && self.is_greeted { self.look(id) } else { Vec::new() }
    }

    fn look(&mut self, id: SessionId) -> Vec<Act> {
        let params = json!({"threadId": id.to_uuid_text(), "includeTurns": false});
        self.ask(Question::Status(id), "thread/read", &params)
    }

    fn read(&mut self, id: SessionId) -> Vec<Act> {
        self.ask(Question::Newest(id), "thread/turns/list", &newest_turn(&id.to_uuid_text(), None))
    }

    fn on_answer(&mut self, now: Moment, id: u64, result: Result<Value, Refused>) -> Vec<Act> {
        match (self.asked.remove(&id), result) {
            (Some(Question::Greeting), Ok(_)) => {
                (self.is_greeted, self.greeting_until_ms) = (true, None);
                let threads: Vec<SessionId> = self.threads.keys().copied().collect();
                let mut acts = vec![Act::Send(notification("initialized"))];
                acts.extend(threads.into_iter().flat_map(|thread| self.look(thread)));
                acts
            }
            (Some(Question::Greeting), Err(_)) => vec![Act::Connect],
            (Some(Question::Status(thread)), Ok(answer)) => {
                let status = answer.pointer("/thread/status").unwrap_or(&Value::Null);
                self.on_status(thread, status)
            }
            (Some(Question::Newest(thread)), Ok(page)) => self.on_newest(now, thread, history::newest(&page)),
            // A thread that it knows nothing of, or whose turns cannot be read: nobody is seen there.
            (Some(Question::Status(_) | Question::Newest(_)), Err(_)) | (None, _) => Vec::new(),
        }
    }

    fn on_status(&mut self, id: SessionId, status: &Value) -> Vec<Act> {
        let Some(thread) = self.threads.get_mut(&id) else { return Vec::new() };
        let before = thread.doing;
        match member(status, "/type") {
            "active" => {
                let flags = status.get("activeFlags").and_then(Value::as_array);
                let waits = flags.is_some_and(|flags| !flags.is_empty());
                thread.doing = Doing::Turn { waits };
                match before {
                    // Its turn has been read, and is a person's.
                    Doing::Turn { waits: before } if before != waits && thread.is_told => {
                        let observed = if waits { Observed::WaitingApproval } else { Observed::TurnStarted };
                        vec![sight(thread, id, observed, 0)]
                    }
                    Doing::Turn { .. } => Vec::new(),
                    Doing::Unknown | Doing::Nothing => {
                        (thread.reads, thread.again_ms) = (0, None);
                        self.read(id)
                    }
                }
            }
            "idle" | "systemError" => {
                (thread.doing, thread.again_ms) = (Doing::Nothing, None);
                if before == Doing::Nothing { Vec::new() } else { self.read(id) }
            }
            _ => {
                (thread.doing, thread.again_ms) = (Doing::Nothing, None);
                Vec::from_iter(closed(thread, id))
            }
        }
    }

    fn on_newest(&mut self, now: Moment, id: SessionId, newest: Option<Newest>) -> Vec<Act> {
        let Some(thread) = self.threads.get_mut(&id) else { return Vec::new() };
        let Doing::Turn { waits } = thread.doing else {
            let mut acts = Vec::from_iter(newest.and_then(|newest| words(thread, id, newest, now)));
            // What runs already was begun after the thread was idle, which its own notice tells.
            if std::mem::take(&mut thread.is_told) || !acts.is_empty() {
                acts.push(sight(thread, id, Observed::TurnEnded, 0));
            }
            return acts;
        };
        let running = newest.filter(|newest| newest.is_running);
        let Some(is_ours) = running.and_then(|newest| newest.is_ours) else {
            if thread.reads < AGAIN_MAX {
                thread.reads += 1;
                thread.again_ms = Some(now.at_ms + AGAIN_MS);
                return Vec::new();
            }
            // Something works there that nobody asked for by words: compaction, a review.
            thread.is_told = true;
            return vec![sight(thread, id, Observed::TurnStarted, 0)];
        };
        if is_ours {
            // The end of a person's turn was not read before this one began.
            let was_told = std::mem::take(&mut thread.is_told);
            return if was_told { vec![sight(thread, id, Observed::TurnEnded, 0)] } else { Vec::new() };
        }
        thread.is_told = true;
        let mut acts = Vec::from_iter(running.and_then(|newest| words(thread, id, newest, now)));
        if acts.is_empty() {
            acts.push(sight(thread, id, Observed::TurnStarted, 0));
        }
        if waits {
            acts.push(sight(thread, id, Observed::WaitingApproval, 0));
        }
        acts
    }

    fn on_timer(&mut self, now: Moment) -> Vec<Act> {
        if self.greeting_until_ms.is_some_and(|until| now.at_ms >= until) {
            self.greeting_until_ms = None;
            return vec![Act::Connect];
        }
        let is_due = |thread: &Thread| thread.again_ms.is_some_and(|at| now.at_ms >= at);
        let due: Vec<SessionId> =
            self.threads.iter().filter(|(_, thread)| is_due(thread)).map(|(id, _)| *id).collect();
        let mut acts = Vec::new();
        for id in due {
            if let Some(thread) = self.threads.get_mut(&id) {
                thread.again_ms = None;
            }
            acts.extend(self.read(id));
        }
        acts
    }
}

/// Nobody can be in front of it any more.
fn closed(thread: &mut Thread, id: SessionId) -> Option<Act> {
    thread.is_told = false;
    let was_open = thread.is_open;
    let act = sight(thread, id, Observed::Closed, 0);
    thread.is_open = false;
    was_open.then_some(act)
}

fn sight(thread: &mut Thread, id: SessionId, observed: Observed, ago_ms: u64) -> Act {
    thread.is_open = true;
    Act::Observe(Sight { agent: thread.agent.clone(), thread: id, observed, ago_ms })
}

/// Words of a person that were not reported yet, and are not so old that nobody asks for them.
fn words(thread: &mut Thread, id: SessionId, newest: Newest, now: Moment) -> Option<Act> {
    let at_ms = newest.person_at_ms.filter(|at_ms| thread.person_at_ms.is_none_or(|told| *at_ms > told))?;
    thread.person_at_ms = Some(at_ms);
    let ago_ms = now.wall_ms.saturating_sub(at_ms);
    let is_recent = i64::try_from(ago_ms).is_ok_and(|ago_ms| ago_ms <= OBSERVED_AGO_MS_MAX);
    is_recent.then(|| sight(thread, id, Observed::HumanPrompt, ago_ms))
}

#[cfg(test)]
mod tests;
