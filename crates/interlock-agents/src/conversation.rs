//! What a thread's messages mean to the two agents. Pure: messages in, state out.

use std::collections::{BTreeMap, BTreeSet};

use interlock_api::v1::message::MessageView;
use interlock_core::actor::AgentName;
use interlock_core::thread::{MessageKind, event_type as et};
use interlock_core::time::Timestamp;
use serde_json::Value;

use crate::check::{Finding, Severity};
use crate::mailbox::Thread;

/// Fields of a task's data.
const TASK_FIELDS: [&str; 5] = ["checks", "review_only", "branch", "base", "commit"];

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Who wants it.
    pub author: AgentName,
    /// The message that says so.
    pub seq: u64,
    /// When it was said.
    pub at: Timestamp,
    /// The check commands, when they are named.
    pub checks: Option<Vec<String>>,
    /// Whether nothing is to be changed.
    pub review_only: bool,
    /// The branch to work on.
    pub branch: Option<String>,
    /// The commit the branch began at.
    pub base: Option<String>,
    /// The commit to look at, in review-only mode.
    pub commit: Option<String>,
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits to be mended.
    Open,
    /// Its addressee cannot mend it.
    Unresolved,
    /// It is mended.
    Verified,
}

/// A finding of the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// What it is.
    pub finding: Finding,
    /// Where it stands.
    pub state: State,
    /// The last message about it.
    pub seq: u64,
    /// How often a fix was turned down.
    pub rejections: usize,
    /// What was last said about it.
    pub remark: String,
}

/// A request to look at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The message.
    pub seq: u64,
    /// When it was posted.
    pub at: Timestamp,
    /// Who asks.
    pub from: AgentName,
    /// The commit.
    pub commit: String,
}

/// The thread as one agent sees it.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The task, when there is one.
    pub task: Option<Task>,
    /// Every finding, in the order in which they were reported.
    pub findings: Vec<Known>,
    /// The commits that were announced.
    pub announced: BTreeSet<String>,
    /// This agent's own requests to look at a commit.
    pub own_requests: Vec<Request>,
    /// The newest request for this agent.
    pub request: Option<Request>,
    /// Messages for this agent that ask for something: chat, findings, rejections, requests, unresolved findings.
    pub calls: Vec<Call>,
    /// The agent that spoke of findings last, other than this one.
    pub critic: Option<AgentName>,
}

/// A message that asks this agent for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The message.
    pub seq: u64,
    /// Whether it is free text.
    pub is_chat: bool,
}

impl Conversation {
    /// Reads a thread as `me`.
    pub fn of(thread: &Thread, me: &AgentName) -> Self {
        let mut talk = Self {
            task: task(thread, me),
            findings: Vec::new(),
            announced: BTreeSet::new(),
            own_requests: Vec::new(),
            request: None,
            calls: Vec::new(),
            critic: None,
        };
        let mut places = BTreeMap::new();
        for message in thread.messages.iter().filter(|message| message.kind != MessageKind::System) {
            talk.hear(thread, me, message, &mut places);
        }
        talk
    }

    fn hear(
        &mut self,
        thread: &Thread,
        me: &AgentName,
        message: &MessageView,
        places: &mut BTreeMap<String, usize>,
    ) {
        let is_own = message.from == *me;
        let is_for_me = !is_own && is_for(thread, me, message);
        let kind = message.event_type.as_deref();
        match kind {
            Some(et::FIX_PUSHED) => self.announced.extend(text(message, "commit")),
            Some(et::RE_REVIEW_REQUESTED) => self.requested(message, is_own, is_for_me),
            Some(et::FINDING_REPORTED) => self.reported(message, places),
            Some(et::FINDING_VERIFIED) => self.settled(message, places, State::Verified),
            Some(et::FINDING_REJECTED) => self.settled(message, places, State::Open),
            Some(et::FINDING_UNRESOLVED) => self.settled(message, places, State::Unresolved),
            _ => {}
        }
        let is_criticism =
            matches!(kind, Some(et::FINDING_REPORTED | et::FINDING_VERIFIED | et::FINDING_REJECTED));
        if is_criticism && !is_own {
            self.critic = Some(message.from.clone());
        }
        let is_chat = message.kind == MessageKind::Chat;
        let asks = is_chat
            || matches!(
                kind,
                Some(
                    et::FINDING_REPORTED
                        | et::FINDING_REJECTED
                        | et::RE_REVIEW_REQUESTED
                        | et::FINDING_UNRESOLVED
                )
            );
        if is_for_me && asks {
            self.calls.push(Call { seq: message.seq, is_chat });
        }
    }

    fn requested(&mut self, message: &MessageView, is_own: bool, is_for_me: bool) {
        let Some(commit) = text(message, "commit") else { return };
        let request = Request { seq: message.seq, at: message.posted_at, from: message.from.clone(), commit };
        if is_own {
            self.own_requests.push(request);
        } else if is_for_me {
            self.request = Some(request);
        }
    }

    fn reported(&mut self, message: &MessageView, places: &mut BTreeMap<String, usize>) {
        let Some(id) = text(message, "finding_id") else { return };
        let severity = match text(message, "severity").as_deref() {
            Some("low") => Severity::Low,
            Some("medium") => Severity::Medium,
            _ => Severity::High,
        };
        let line = message.data.get("line").and_then(Value::as_u64).unwrap_or(0);
        let finding = Finding {
            path: text(message, "path").unwrap_or_default(),
            line: u32::try_from(line).unwrap_or(0),
            rule: text(message, "rule").unwrap_or_default(),
            severity,
            message: text(message, "message").unwrap_or_default(),
        };
        let place = *places.entry(id.clone()).or_insert(self.findings.len());
        let known = Known {
            id,
            remark: finding.message.clone(),
            finding,
            state: State::Open,
            seq: message.seq,
            rejections: 0,
        };
        match self.findings.get_mut(place) {
            Some(slot) => *slot = Known { rejections: slot.rejections, ..known },
            None => self.findings.push(known),
        }
    }

    fn settled(&mut self, message: &MessageView, places: &BTreeMap<String, usize>, state: State) {
        let place = text(message, "finding_id").and_then(|id| places.get(&id).copied());
        let Some(known) = place.and_then(|place| self.findings.get_mut(place)) else { return };
        known.state = state;
        known.seq = message.seq;
        known.rejections += usize::from(state == State::Open);
        known.remark = text(message, "message").unwrap_or_default();
    }
}

/// Whether a message is for an agent: by name, by part, or because it is for everybody.
fn is_for(thread: &Thread, me: &AgentName, message: &MessageView) -> bool {
    let by_role = message.to_role.is_some_and(|role| thread.peer(me).is_some_and(|peer| peer.role == role));
    message.to.contains(me) || by_role || (message.to.is_empty() && message.to_role.is_none())
}

/// The newest message with a task's data; without any, the first free text for this agent.
fn task(thread: &Thread, me: &AgentName) -> Option<Task> {
    let chat = || {
        let messages = thread.messages.iter();
        messages.filter(|message| message.kind == MessageKind::Chat && message.from != *me)
    };
    let has_fields = |message: &&MessageView| TASK_FIELDS.iter().any(|name| message.data.contains_key(*name));
    let message = chat().rfind(has_fields).or_else(|| chat().find(|message| is_for(thread, me, message)))?;
    let checks = message
        .data
        .get("checks")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>());
    Some(Task {
        author: message.from.clone(),
        seq: message.seq,
        at: message.posted_at,
        checks: checks.filter(|checks| !checks.is_empty()),
        review_only: message.data.get("review_only").and_then(Value::as_bool).unwrap_or(false),
        branch: text(message, "branch"),
        base: text(message, "base"),
        commit: text(message, "commit"),
    })
}

fn text(message: &MessageView, name: &str) -> Option<String> {
    let text = message.data.get(name).and_then(Value::as_str)?;
    (!text.is_empty()).then(|| text.to_owned())
}
