//! Rules of taking a message back, and of putting another in its place.

use super::{MessageKind, Thread, may_lead, not_coordinator, visible, within};
use crate::command::{CancelMessage, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Known};
use crate::id::MessageId;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest};
use crate::time::Now;
use crate::wake;

/// Its sender, or somebody who leads the thread, takes a message back; twice is no change.
pub(crate) fn cancel(
    facts: &Facts,
    env: &Envelope,
    command: &CancelMessage,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    let known = found(facts, thread, command.message_id)?;
    may_withdraw(thread, env, known)?;
    if known.is_withdrawn {
        return Ok(Decision::unchanged());
    }
    within("the reason", &command.text, REASON_BYTES_MAX)?;
    counts(known, now)?;
    let mut events = Vec::new();
    let why = Why { superseded_by: None, text: &command.text };
    let effects = withdrawn(facts, env, thread, known, &why, now, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// The new message stands in the place of an earlier one that still counts.
pub(crate) fn supersede(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (old, new): (MessageId, MessageId),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let known = found(facts, thread, old)?;
    may_withdraw(thread, env, known)?;
    if known.is_withdrawn {
        let detail = format!("`{old}` was taken back already");
        return Err(Refusal::new(Reason::MessageWithdrawn, detail).hint("read the thread again").into());
    }
    counts(known, now)?;
    withdrawn(facts, env, thread, known, &Why { superseded_by: Some(new), text: "" }, now, events)
}

/// The message of the thread with this id.
pub(super) fn found<'f>(facts: &'f Facts, thread: &Thread, id: MessageId) -> Result<&'f Known, Stop> {
    facts.message(thread.thread_id, id)?.ok_or_else(|| {
        Refusal::new(Reason::MessageNotFound, format!("there is no message `{id}` in the thread")).into()
    })
}

fn may_withdraw(thread: &Thread, env: &Envelope, known: &Known) -> Result<(), Refusal> {
    if known.head.kind == MessageKind::System {
        let detail = "what Interlock itself said is not taken back";
        return Err(Refusal::new(Reason::ParameterInvalid, detail));
    }
    if known.head.from == env.actor.name || may_lead(thread, env) {
        return Ok(());
    }
    Err(not_coordinator(env))
}

fn counts(known: &Known, now: &Now) -> Result<(), Refusal> {
    if known.head.is_expired(now.wall) {
        let detail = format!("the time of `{}` is over already", known.head.message_id);
        return Err(Refusal::new(Reason::MessageExpired, detail).hint("post a new message"));
    }
    Ok(())
}

/// Why a message does not count any more.
struct Why<'a> {
    superseded_by: Option<MessageId>,
    text: &'a str,
}

fn withdrawn(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    known: &Known,
    why: &Why<'_>,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let text_salt = if why.text.is_empty() { Salt::default() } else { Salt::derive(&env.entropy, 0) };
    events.push(Event::MessageWithdrawn {
        thread_id: thread.thread_id,
        message_id: known.head.message_id,
        seq: known.head.seq,
        by: env.actor.name.clone(),
        superseded_by: why.superseded_by,
        text_digest: (!why.text.is_empty()).then(|| digest(&text_salt, &[why.text.as_bytes()])),
        text: why.text.to_owned(),
        text_salt,
    });
    wake::on_withdrawal(facts, thread, &known.head, now, events)
}
