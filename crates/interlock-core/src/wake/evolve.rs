//! What a wake's row becomes.

use super::{
    Ask, Chain, DoorChange, Evidence, Halt, Ladder, LastMessage, Wake, WakeResult, WakeState, history,
    placement,
};
use crate::actor::AgentName;
use crate::event::Event;
use crate::facts::{Corrupt, Facts, Position};
use crate::guard;
use crate::id::{ThreadId, WakeId};
use crate::reason::Reason;
use crate::thread::{Member, Owed, Status};
use crate::time::Timestamp;

/// Apply an event of this module; others are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    let at = position.at.at;
    match event {
        Event::WakeRequested { thread_id, agent, seq, is_standing, .. } => {
            requested(facts, event, at);
            // This wake carries it from here on, and leaves it owed again when it comes to nothing.
            if let Some(member) = facts.thread_mut(*thread_id)?.members.get_mut(agent) {
                member.owed = member.owed.filter(|owed| !is_standing && owed.seq != *seq);
            }
        }
        Event::WakeJoined { wake_id, .. } => {
            joined(facts.wake_mut(*wake_id)?, event);
            let_go(facts, *wake_id)?;
        }
        Event::WakeAttemptFailed { wake_id, reason, exit_code, due_at, .. } => {
            attempt_over(facts, *wake_id, Some(*reason), at)?;
            let wake = facts.wake_mut(*wake_id)?;
            wake.state = WakeState::Pending;
            wake.deferred_since = None;
            (wake.due_at, wake.reason, wake.exit_code) = (*due_at, Some(*reason), *exit_code);
            history::ended(wake, at);
        }
        Event::WakeReleased { wake_id, reason, is_in_doubt, .. } => {
            guard::not_begun(facts, *wake_id)?;
            released(facts, *wake_id, *reason, *is_in_doubt, at)?;
        }
        Event::WakeDeferred { wake_id, reason, due_at, .. } => {
            guard::not_begun(facts, *wake_id)?;
            deferred(facts.wake_mut(*wake_id)?, *reason, *due_at, at);
        }
        Event::WakeDeclined { wake_id, supervisor, .. } => {
            let wake = facts.wake_mut(*wake_id)?;
            wake.reason = Some(Reason::CannotRunHere);
            placement::note(wake, supervisor, at);
        }
        Event::WakeStranded { wake_id, .. } => facts.wake_mut(*wake_id)?.stranded_at = Some(at),
        Event::WakeUsed { wake_id, usage, .. } => {
            let wake = facts.wake_mut(*wake_id)?;
            wake.usage = Some(wake.usage.unwrap_or_default().plus(*usage));
        }
        Event::WakeOverridden { wake_id, due_at, .. } => {
            let wake = facts.wake_mut(*wake_id)?;
            (wake.is_override, wake.due_at) = (true, *due_at);
        }
        Event::SessionReleased { wake_id, .. } => facts.wake_mut(*wake_id)?.is_fallback = true,
        Event::WakeFinished { .. } => finished(facts, event, at)?,
        Event::WakeRetryRequested { .. } | Event::WakeCancelRequested { .. } => {
            history::intervened(facts, event, at)?;
            if let Event::WakeRetryRequested { wake_id, .. } = event {
                let_go(facts, *wake_id)?;
            }
        }
        Event::WakeSaid { wake_id, text, text_salt, .. } => {
            let said = Box::new(LastMessage { text: text.clone(), salt: text_salt.0 });
            facts.wake_mut(*wake_id)?.last_message = Some(said);
        }
        Event::WakeRecounted { wake_id, forgotten, .. } => facts.wake_mut(*wake_id)?.forgotten = *forgotten,
        Event::MessageWithdrawn { thread_id, seq, .. } => withdrawn(facts, *thread_id, *seq)?,
        Event::WorkspaceHalted { by, .. } => facts.set_halt(Some(Halt { at, by: by.clone() })),
        Event::WorkspaceResumed { .. } => facts.set_halt(None),
        Event::StatusChanged { .. } | Event::OwnerAssigned { .. } => held(facts, event)?,
        _ => steps(facts, event, at)?,
    }
    Ok(())
}

/// The steps of an attempt: through which door it went, and how far.
fn steps(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    match event {
        Event::WakeDispatched { .. } => dispatched(facts, event, at)?,
        Event::WakeDoorChanged { wake_id, from, to, reason, .. } => {
            let wake = facts.wake_mut(*wake_id)?;
            wake.door_changes.push(DoorChange { from: *from, to: *to, reason: *reason, at });
            wake.unaccepted = 0;
        }
        Event::WakeAccepted { wake_id, thread_id, agent, evidence } => {
            accepted(facts.wake_mut(*wake_id)?, *evidence, at);
            // A hook's session is its person's, and a turn that runs shows its life by itself.
            if !evidence.is_of_a_waiting_wake() {
                note(facts, *thread_id, agent, |member| member.note_life(at))?;
            }
        }
        Event::WakeSeen { wake_id, .. } => facts.wake_mut(*wake_id)?.ladder.seen_at = Some(at),
        Event::WakeActed { wake_id, .. } => facts.wake_mut(*wake_id)?.ladder.acted_at = Some(at),
        _ => {}
    }
    Ok(())
}

/// Its process was started, or a server of its runtime told of it.
fn dispatched(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    if let Event::WakeDispatched { wake_id, attempt, lane, fence, door, supervisor, .. } = event {
        let wake = facts.wake_mut(*wake_id)?;
        if wake.state != WakeState::Pending {
            return Err(Corrupt(format!("{wake_id} is {} and cannot be dispatched", wake.state)));
        }
        wake.state = WakeState::Running;
        wake.due_before = None;
        wake.reason = wake.reason.filter(|reason| !guard::is_deferral(*reason));
        (wake.attempts, wake.lane, wake.fence) = (*attempt, Some(*lane), *fence);
        (wake.door, wake.supervisor) = (*door, Some(supervisor.clone()));
        history::began(wake, supervisor, at);
        wake.last_message = None;
        wake.turn_since = wake.in_doubt_since.take().and(wake.turn_since.or(wake.ladder.dispatched_at));
        wake.ladder.dispatched_at = Some(at);
        wake.ladder.told_at = None;
        wake.ladder.accepted_at = None;
        wake.ladder.evidence = None;
        // Somebody can run it.
        wake.declined_by.clear();
        wake.declined_since = None;
        wake.stranded_at = None;
    }
    Ok(())
}

/// An attempt has ended by itself: what it says of its door, and of the session that it ran in.
fn attempt_over(
    facts: &mut Facts,
    wake_id: WakeId,
    failure: Option<Reason>,
    at: Timestamp,
) -> Result<(), Corrupt> {
    let wake = facts.wake_mut(wake_id)?;
    if wake.state != WakeState::Running {
        return Ok(());
    }
    let is_accepted = wake.ladder.accepted_at.is_some();
    let (thread_id, agent) = (wake.thread_id, wake.agent.clone());
    let is_elsewhere = failure.is_some_and(|reason| reason.fails_through_every_door(is_accepted));
    match failure {
        Some(_) if is_elsewhere => wake.failed_turns = wake.failed_turns.saturating_add(1),
        Some(_) => wake.unaccepted = wake.unaccepted.saturating_add(1),
        None => {}
    }
    // What the model's service does is no fault of the session.
    let counts = failure.is_none_or(|reason| !reason.fails_through_every_door(false));
    note(facts, thread_id, &agent, |member| {
        if is_accepted {
            member.note_life(at);
        }
        if counts {
            member.note_attempt(at, failure.is_none());
        }
    })
}

/// Note something on a participant; of somebody who was removed meanwhile nothing is noted.
fn note(
    facts: &mut Facts,
    thread_id: ThreadId,
    agent: &AgentName,
    change: impl FnOnce(&mut Member),
) -> Result<(), Corrupt> {
    if let Some(member) = facts.thread_mut(thread_id)?.members.get_mut(agent) {
        change(member);
    }
    Ok(())
}

/// What a wake was for that came to nothing stays to be told to its agent, unless it has read it by itself.
fn owe(facts: &mut Facts, thread_id: ThreadId, agent: &AgentName, owed: Option<Owed>) -> Result<(), Corrupt> {
    let Some(owed) = owed else { return Ok(()) };
    if let Some(member) = facts.thread_mut(thread_id)?.members.get_mut(agent)
        && owed.seq > member.cursor
    {
        member.owed = Some(member.owed.map_or(owed, |before| before.and(owed)));
    }
    Ok(())
}

/// It is over; what came to nothing is owed.
fn finished(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    if let Event::WakeFinished { wake_id, thread_id, result, reason, exit_code, .. } = event {
        if result.is_turn() {
            attempt_over(facts, *wake_id, *reason, at)?;
        }
        let wake = facts.wake_mut(*wake_id)?;
        wake.state = WakeState::Finished;
        (wake.result, wake.reason, wake.exit_code) = (Some(*result), *reason, *exit_code);
        history::ended(wake, at);
        wake.ladder.finished_at = Some(at);
        let came_to_nothing = matches!(result, WakeResult::Failed | WakeResult::Unknown)
            || *reason == Some(Reason::ThreadEnded);
        let owed = came_to_nothing.then(|| Owed { seq: wake.seq, until: wake.until() });
        let agent = wake.agent.clone();
        facts.forget_live(*wake_id, *thread_id);
        owe(facts, *thread_id, &agent, owed)?;
    }
    Ok(())
}

/// A message that asked for wakes asks for them no longer.
fn withdrawn(facts: &mut Facts, thread_id: ThreadId, seq: u64) -> Result<(), Corrupt> {
    let wakes = facts.thread_wakes(thread_id)?;
    let asked: Vec<WakeId> =
        wakes.filter(|wake| wake.asks.iter().any(|ask| ask.seq == seq)).map(|wake| wake.wake_id).collect();
    for wake_id in asked {
        let asks = &mut facts.wake_mut(wake_id)?.asks;
        asks.iter_mut().filter(|ask| ask.seq == seq).for_each(|ask| ask.is_withdrawn = true);
    }
    Ok(())
}

/// A further message, or several, ask for it.
fn joined(wake: &mut Wake, event: &Event) {
    if let Event::WakeJoined { seq, expires_at, is_urgent, is_standing, forgotten, chain, due_at, .. } = event
    {
        wake.chain = Chain::joined(wake.chain.take(), chain.clone());
        // Whom no guard of agents' wakes throttles: what put it off for them is over.
        if wake.chain.is_none() && wake.reason.is_some_and(guard::is_for_agents_alone) {
            wake.is_due_again();
        }
        match forgotten {
            Some(gone) => wake.forget(*gone),
            None => asked(wake, *seq, *expires_at, *is_standing),
        }
        wake.is_urgent |= *is_urgent;
        if let Some(due_at) = due_at {
            // Nobody was told of this one.
            (wake.due_at, wake.ladder.told_at) = (*due_at, None);
            (wake.ladder.accepted_at, wake.ladder.evidence) = (None, None);
        }
        wake.seq = wake.seq.max(*seq);
        // A later message is unread again.
        wake.ladder.seen_at = None;
    }
}

fn requested(facts: &mut Facts, event: &Event, at: Timestamp) {
    if let Event::WakeRequested {
        wake_id,
        thread_id,
        agent,
        seq,
        cause,
        due_at,
        held,
        expires_at,
        is_urgent,
        is_standing,
        on,
        chain,
    } = event
    {
        let mut wake = Wake {
            wake_id: *wake_id,
            agent: agent.clone(),
            thread_id: *thread_id,
            seq: *seq,
            cause: cause.clone(),
            state: WakeState::Pending,
            requested_at: at,
            due_at: *due_at,
            held: *held,
            attempts: 0,
            releases: 0,
            fence: 0,
            holds: 0,
            lane: None,
            door: None,
            door_changes: Vec::new(),
            unaccepted: 0,
            failed_turns: 0,
            supervisor: None,
            in_doubt_since: None,
            turn_since: None,
            ladder: Ladder::default(),
            result: None,
            reason: None,
            exit_code: None,
            deferred_since: None,
            is_fallback: false,
            asks: Vec::new(),
            forgotten: None,
            is_standing: false,
            is_urgent: *is_urgent,
            is_override: false,
            usage: None,
            history: Vec::new(),
            retries: None,
            retried: None,
            cancelled: None,
            last_message: None,
            on: on.clone(),
            declined_by: Vec::new(),
            declined_since: None,
            stranded_at: None,
            chain: chain.clone(),
            due_before: None,
        };
        asked(&mut wake, *seq, *expires_at, *is_standing);
        facts.insert_wake(wake);
    }
}

/// A message, or somebody without one, asks for the wake.
fn asked(wake: &mut Wake, seq: u64, expires_at: Option<Timestamp>, is_standing: bool) {
    if is_standing {
        wake.is_standing = true;
    } else {
        wake.ask(Ask { seq, expires_at, is_withdrawn: false });
    }
}

/// The runtime took it, or a session of the agent was told of it.
fn accepted(wake: &mut Wake, evidence: Evidence, at: Timestamp) {
    (wake.ladder.accepted_at, wake.ladder.evidence) = (Some(at), Some(evidence));
    if !evidence.is_of_a_waiting_wake() {
        // Whatever it waited for, it waits no longer; and what could not wait has its turn.
        wake.waits_for_else();
    }
}

/// It waits until then; how long it waits for a session is counted from the first time, as long as it waits for nothing
/// else.
fn deferred(wake: &mut Wake, reason: Reason, due_at: Timestamp, at: Timestamp) {
    wake_waits(wake);
    match reason {
        Reason::SessionBusy | Reason::HumanActive => {
            wake.deferred_since = Some(wake.waited_since(at).unwrap_or(at));
        }
        // From here on it waits for the session, and no longer for its person.
        Reason::ToldByHook => {
            (wake.deferred_since, wake.ladder.told_at) = (None, wake.ladder.told_at.or(Some(at)));
        }
        Reason::ToldInTurn | Reason::FallbackLimit => {}
        Reason::ModelQuota | Reason::BudgetSpent => wake.waits_for_else(),
        // So short that an operator's word holds.
        _ => wake.deferred_since = None,
    }
    wake.due_before.get_or_insert(wake.due_at);
    (wake.reason, wake.due_at) = (Some(reason), due_at);
    history::ended(wake, at);
}

/// It waits again; what it was started for does not count as an attempt.
const fn wake_waits(wake: &mut Wake) {
    if matches!(wake.state, WakeState::Running) {
        wake.attempts = wake.attempts.saturating_sub(1);
    }
    wake.state = WakeState::Pending;
}

/// Its process is gone through no fault of the agent's: the attempt does not count.
fn released(
    facts: &mut Facts,
    wake_id: WakeId,
    reason: Reason,
    is_in_doubt: bool,
    at: Timestamp,
) -> Result<(), Corrupt> {
    let wake = facts.wake_mut(wake_id)?;
    wake_waits(wake);
    // A person may stop agents, or pause a thread, as often as they like.
    let is_decided = matches!(reason, Reason::Halted | Reason::HeldBack);
    wake.releases = wake.releases.saturating_add(u32::from(!is_decided));
    if is_decided || reason == Reason::LeaseExpired {
        wake.waits_for_else();
    }
    wake.reason = Some(reason);
    wake.in_doubt_since = is_in_doubt.then_some(at);
    history::ended(wake, at);
    Ok(())
}

/// A thread's status has changed, or who must act in it.
fn held(facts: &mut Facts, event: &Event) -> Result<(), Corrupt> {
    match event {
        Event::StatusChanged { thread_id, to, reason, owner, .. } => {
            let owner = owner.as_ref().filter(|_| *reason != Reason::Paused);
            hold(facts, *thread_id, *to != Status::Active, owner)
        }
        Event::OwnerAssigned { thread_id, owner, .. } => {
            let is_paused =
                facts.thread(*thread_id)?.is_some_and(|thread| thread.reason == Some(Reason::Paused));
            hold(facts, *thread_id, true, Some(owner).filter(|_| !is_paused))
        }
        _ => Ok(()),
    }
}

/// A wake that was held back as agents' doing is not any more when somebody else asks too, and its agent must act.
fn let_go(facts: &mut Facts, wake_id: WakeId) -> Result<(), Corrupt> {
    let Some(wake) = facts.wake(wake_id)?.filter(|wake| wake.held && !wake.is_by_agents_alone()) else {
        return Ok(());
    };
    let is_held = facts.thread(wake.thread_id)?.is_none_or(|thread| thread.is_held_for(&wake.agent));
    facts.wake_mut(wake_id)?.held = is_held;
    Ok(())
}

/// Wakes of a thread that is not active wait until it is again, but for those that call whoever must act in it.
fn hold(
    facts: &mut Facts,
    thread_id: ThreadId,
    is_held: bool,
    owner: Option<&AgentName>,
) -> Result<(), Corrupt> {
    let held = |wake: &Wake| is_held && (owner != Some(&wake.agent) || wake.is_by_agents_alone());
    let changed: Vec<(WakeId, bool)> = facts
        .thread_wakes(thread_id)?
        .filter(|wake| wake.held != held(wake))
        .map(|wake| (wake.wake_id, held(wake)))
        .collect();
    for (wake_id, held) in changed {
        let wake = facts.wake_mut(wake_id)?;
        wake.held = held;
        wake.holds = wake.holds.saturating_add(u32::from(held));
        if held && wake.state == WakeState::Pending {
            wake.waits_for_else();
        }
    }
    Ok(())
}
