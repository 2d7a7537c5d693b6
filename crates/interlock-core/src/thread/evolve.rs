//! What a thread's rows become.

use std::collections::BTreeSet;

use super::{
    Acked, Answer, Finding, FindingState, Guard, Member, Message, MessageHead, MessageText, Status, Thread,
    Withdrawal, escalation, event_type as et,
};
use crate::actor::AgentName;
use crate::event::{Event, Joined};
use crate::facts::{Corrupt, Facts, Position, RowChange};
use crate::guard::Pace;
use crate::id::{MessageId, SessionId, ThreadId};
use crate::text::Digest;
use crate::time::Timestamp;
use crate::wake::Usage;

/// Apply an event of this module; others are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    match event {
        Event::ThreadCreated { .. } => created(facts, event, position),
        Event::ParticipantAdded { thread_id, participant } => {
            let thread = facts.thread_mut(*thread_id)?;
            thread.members.insert(participant.agent.clone(), member(participant, thread.seq));
            facts.append(RowChange::Member(participant.agent.clone(), *thread_id));
        }
        Event::ParticipantRemoved { thread_id, agent, .. } => {
            let thread = facts.thread_mut(*thread_id)?;
            if thread.members.remove(agent).is_none() {
                return Err(Corrupt(format!("{agent} is removed from {thread_id} without taking part")));
            }
            thread.updated_at = position.at.at;
            facts.append(RowChange::Unmember(agent.clone(), *thread_id));
        }
        Event::MessagePosted { thread_id, message, finding_print, text, .. } => {
            posted(facts, *thread_id, message, *finding_print, text, position)?;
        }
        Event::MessageWithdrawn { thread_id, message_id, by, superseded_by, text, text_salt, .. } => {
            facts.thread_mut(*thread_id)?.updated_at = position.at.at;
            let withdrawal = Withdrawal {
                at: position.at.at,
                by: by.clone(),
                superseded_by: *superseded_by,
                text: text.clone(),
                text_salt: *text_salt,
            };
            facts.append(RowChange::Withdrawal(*thread_id, *message_id, withdrawal));
        }
        Event::CursorMoved { thread_id, agent, seq } => {
            let thread = facts.thread_mut(*thread_id)?;
            let Some(member) = thread.members.get_mut(agent) else {
                return Err(Corrupt(format!("{agent} acknowledges in {thread_id} without taking part")));
            };
            if *seq <= member.cursor || *seq > thread.seq {
                return Err(Corrupt(format!("the cursor of {agent} in {thread_id} would go to {seq}")));
            }
            member.cursor = *seq;
            member.owed = member.owed.filter(|owed| owed.seq > *seq);
            member.note_ack(Acked { seq: *seq, at: position.at.at });
        }
        Event::SessionBound { thread_id, agent, session_id, .. } => {
            session(facts, *thread_id, agent, Some((*session_id, position.at.at)))?;
        }
        Event::SessionReleased { thread_id, agent, .. } => session(facts, *thread_id, agent, None)?,
        Event::WakeUsed { thread_id, agent, usage, .. } => {
            if let Some(member) = facts.thread_mut(*thread_id)?.members.get_mut(agent) {
                member.session_usage = member.session_usage.plus(*usage);
            }
        }
        Event::StatusChanged { thread_id, from, to, reason, owner, by, .. } => {
            let thread = facts.thread_mut(*thread_id)?;
            if thread.status != *from {
                return Err(Corrupt(format!("{thread_id} is {} and not {from}", thread.status)));
            }
            thread.status = *to;
            thread.reason = (*to != Status::Active).then_some(*reason);
            thread.owner.clone_from(owner);
            thread.updated_at = position.at.at;
            escalation::began(thread, by, position.at.at);
        }
        Event::OwnerAssigned { .. } | Event::OwnerReminded { .. } => {
            escalation::changed(facts, event, position.at.at)?;
        }
        _ => {}
    }
    Ok(())
}

fn session(
    facts: &mut Facts,
    thread_id: ThreadId,
    agent: &AgentName,
    session: Option<(SessionId, Timestamp)>,
) -> Result<(), Corrupt> {
    let Some(member) = facts.thread_mut(thread_id)?.members.get_mut(agent) else {
        return Err(Corrupt(format!("{agent} has a session in {thread_id} without taking part")));
    };
    member.session = session.map(|(session_id, _)| session_id);
    member.session_at = session.map(|(_, at)| at);
    member.session_failures.clear();
    member.session_usage = Usage::default();
    Ok(())
}

fn created(facts: &mut Facts, event: &Event, position: &Position) {
    if let Event::ThreadCreated {
        thread_id, thread_kind, created_by, participants, title, title_salt, ..
    } = event
    {
        facts.insert_thread(Thread {
            thread_id: *thread_id,
            kind: *thread_kind,
            status: Status::Active,
            reason: None,
            owner: None,
            created_by: created_by.clone(),
            created_at: position.at.at,
            updated_at: position.at.at,
            seq: 0,
            members: participants.iter().map(|joined| (joined.agent.clone(), member(joined, 0))).collect(),
            guard: Guard::default(),
            escalation: None,
            title: title.clone(),
            title_salt: *title_salt,
        });
    }
}

/// Whoever joins later has nothing unread of what was said before.
fn member(joined: &Joined, seq: u64) -> Member {
    Member {
        role: joined.role,
        cursor: seq,
        managed: joined.managed,
        on: joined.on.clone(),
        since_seq: seq,
        acks: Vec::new(),
        session: None,
        session_at: None,
        session_failures: Vec::new(),
        session_usage: Usage::NONE,
        pace: Pace::default(),
        said: None,
        owed: None,
    }
}

fn posted(
    facts: &mut Facts,
    thread_id: ThreadId,
    head: &MessageHead,
    print: Option<Digest>,
    text: &MessageText,
    position: &Position,
) -> Result<(), Corrupt> {
    let thread = facts.thread_mut(thread_id)?;
    if head.seq != thread.seq + 1 {
        return Err(Corrupt(format!(
            "{thread_id} has {} messages, the next cannot be {}",
            thread.seq, head.seq
        )));
    }
    thread.seq = head.seq;
    thread.updated_at = position.at.at;
    finding(facts, thread_id, head, print)?;
    answers(facts, thread_id, head);
    let message = Message { thread_id, head: head.clone(), text: text.clone(), withdrawal: None };
    facts.append(RowChange::Message(message, *position));
    Ok(())
}

/// Whoever answers a message has acted on it, however long ago that was posted.
fn answers(facts: &mut Facts, thread_id: ThreadId, head: &MessageHead) {
    let answered: BTreeSet<&MessageId> = head.in_reply_to.iter().chain(&head.parents).collect();
    for id in answered {
        let answer = Answer {
            agent: head.from.clone(),
            message_id: head.message_id,
            seq: head.seq,
            at: head.posted_at,
        };
        facts.append(RowChange::Answer(thread_id, *id, answer));
    }
}

fn finding(
    facts: &mut Facts,
    thread_id: ThreadId,
    head: &MessageHead,
    print: Option<Digest>,
) -> Result<(), Corrupt> {
    let Some(finding_id) = head.finding_id else { return Ok(()) };
    let findings = facts.findings_mut(thread_id)?;
    let known = findings.iter().position(|finding| finding.finding_id == finding_id);
    // Another id for what was reported before goes on counting where that one stands.
    let same = findings.iter().filter(|f| Some(f.print) == print && f.state != FindingState::Verified);
    let cycles = same.map(|f| f.cycles).max().unwrap_or(0);
    let place = if let Some(place) = known {
        place
    } else {
        let print = print.ok_or_else(|| Corrupt(format!("{finding_id} was never reported")))?;
        findings.push(Finding {
            finding_id,
            thread_id,
            print,
            state: FindingState::Open,
            cycles,
            reported_seq: head.seq,
            commit: None,
        });
        findings.len() - 1
    };
    if let Some(finding) = findings.get_mut(place) {
        match head.event_type.as_deref() {
            Some(et::FINDING_REPORTED) => {
                finding.state = FindingState::Open;
                finding.cycles = cycles + 1;
            }
            Some(et::FINDING_REJECTED) => {
                finding.state = FindingState::Open;
                finding.cycles += 1;
            }
            Some(et::FINDING_VERIFIED) => {
                finding.state = FindingState::Verified;
                finding.cycles = 0;
                finding.commit.clone_from(&head.commit);
            }
            Some(et::FINDING_UNRESOLVED) => finding.state = FindingState::Unresolved,
            _ => {}
        }
    }
    facts.touch_finding(thread_id, place);
    Ok(())
}
