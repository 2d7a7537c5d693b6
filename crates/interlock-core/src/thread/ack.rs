//! Rules of acknowledging: the agent's own word that it has read.

use super::visible;
use crate::command::{AckRead, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::reason::{Reason, Refusal};
use crate::wake;

/// A cursor moves forward to `seq`; a smaller one is no change, one beyond the last message is refused.
pub(crate) fn ack(facts: &Facts, env: &Envelope, command: &AckRead) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    let Some(member) = thread.members.get(&env.actor.name) else {
        return Err(Refusal::new(
            Reason::ParticipantMissing,
            format!("`{}` is no participant of the thread and has no cursor in it", env.actor.name),
        )
        .hint("post a message to join")
        .into());
    };
    if command.seq > thread.seq {
        return Err(Refusal::new(
            Reason::CursorAhead,
            format!("the thread's last message is {}, `seq` {} is beyond it", thread.seq, command.seq),
        )
        .into());
    }
    if command.seq <= member.cursor {
        return Ok(Decision::unchanged());
    }
    let mut events = vec![Event::CursorMoved {
        thread_id: command.thread_id,
        agent: env.actor.name.clone(),
        seq: command.seq,
    }];
    let effects = wake::on_ack(facts, env, thread.thread_id, command.seq, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}
