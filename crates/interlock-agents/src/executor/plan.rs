//! What the executor does next. Pure.

use interlock_core::actor::AgentName;
use interlock_core::thread::{ThreadRole, event_type as et};
use serde_json::json;

use crate::check::{Finding, Severity};
use crate::conversation::{Conversation, State};
use crate::git::short;
use crate::mailbox::{Post, Thread};
use crate::repair::Wanted;

/// Fixes of one finding that may be turned down before it is given up.
const REJECTIONS_MAX: usize = 2;

/// What a wake asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether somebody asked in free text, so that the obvious is done first.
    pub is_start: bool,
    /// What is to be mended.
    pub mend: Vec<Wanted>,
}

/// What is to be done, if anything was asked since this agent last handed its work over.
pub fn plan(talk: &Conversation) -> Option<Plan> {
    let wish = talk.task.as_ref()?;
    if wish.review_only {
        return None;
    }
    let handed_over = talk.own_requests.last().map_or(0, |request| request.seq);
    let calls: Vec<_> = talk.calls.iter().filter(|call| call.seq > handed_over).collect();
    if calls.is_empty() {
        return None;
    }
    Some(Plan { is_start: calls.iter().any(|call| call.is_chat), mend: wanted(talk) })
}

/// The findings to mend, in the order in which mending one may settle those after it.
pub(super) fn wanted(talk: &Conversation) -> Vec<Wanted> {
    // Somebody who speaks up after a finding was given up wants it tried again.
    let asked = talk.calls.iter().filter(|call| call.is_chat).map(|call| call.seq).max().unwrap_or(0);
    let is_wanted = |known: &&crate::conversation::Known| match known.state {
        State::Open => true,
        State::Unresolved => known.seq < asked,
        State::Verified => false,
    };
    let mut wanted: Vec<Wanted> = talk
        .findings
        .iter()
        .filter(is_wanted)
        .map(|known| Wanted { finding_id: known.id.clone(), finding: known.finding.clone() })
        .collect();
    wanted.sort_by_key(|one| rank(&one.finding));
    wanted
}

/// What does not compile comes first, for nothing else can be judged until it does; what a revert brings back may need
/// the compiler's hints or the formatter; and a command nobody knows may complain about any of it.
fn rank(finding: &Finding) -> u8 {
    match finding.rule.as_str() {
        rule if rule.starts_with("check:") => 4,
        rule if rule.starts_with("test:") => 1,
        "rustfmt" => 3,
        _ if finding.severity == Severity::High => 0,
        _ => 2,
    }
}

/// Why a finding is not tried once more.
pub(super) fn hopeless(talk: &Conversation, id: &str) -> Option<String> {
    let known = talk.findings.iter().find(|known| known.id == id)?;
    (known.state == State::Open && known.rejections >= REJECTIONS_MAX)
        .then(|| format!("{} fixes were turned down", known.rejections))
}

/// Who looks at the work: whoever did before, else whoever leads, else any other agent.
fn reviewer(thread: &Thread, talk: &Conversation, me: &AgentName) -> Option<AgentName> {
    let author = talk.task.as_ref().map(|task| &task.author);
    let is_other = |name: &AgentName| name != me && Some(name) != author;
    if let Some(critic) = talk.critic.as_ref().filter(|name| thread.peer(name).is_some()) {
        return Some(critic.clone());
    }
    let mut others: Vec<_> = thread.peers.iter().filter(|peer| is_other(&peer.name)).collect();
    others.sort_by_key(|peer| (!peer.managed, peer.role != ThreadRole::Coordinator));
    others.first().map(|peer| peer.name.clone())
}

/// Who hears of progress: the person who asked, for that wakes nobody; else the reviewer.
pub(super) fn listener(thread: &Thread, talk: &Conversation, me: &AgentName) -> Option<AgentName> {
    let author = talk.task.as_ref().map(|task| &task.author).filter(|author| *author != me);
    let person = author.and_then(|author| thread.peer(author)).filter(|peer| !peer.managed);
    person.map(|peer| peer.name.clone()).or_else(|| reviewer(thread, talk, me))
}

/// The request to look at a commit.
pub(super) fn review_request(
    thread: &Thread,
    talk: &Conversation,
    me: &AgentName,
    thread_id: &str,
    commit: &str,
    said: &str,
) -> Post {
    let round = talk.own_requests.len() + 1;
    let body = if said.is_empty() {
        format!("Nothing to change from my side; please look at {}.", short(commit))
    } else {
        format!("Please look at {}: {said}.", short(commit))
    };
    Post {
        key: format!("re_review:{thread_id}:{round}:{commit}"),
        event_type: Some(et::RE_REVIEW_REQUESTED),
        to: reviewer(thread, talk, me).into_iter().collect(),
        body,
        data: json!({"commit": commit}).as_object().cloned().unwrap_or_default(),
    }
}

/// Where a finding is, for people.
pub(super) fn place(finding: &Finding) -> String {
    match (finding.path.as_str(), finding.line) {
        ("", _) => "the repository".to_owned(),
        (path, 0) => path.to_owned(),
        (path, line) => format!("{path}:{line}"),
    }
}
