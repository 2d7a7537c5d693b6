//! Rules of what a supervisor reports: what an attempt's end means for its wake and its thread.

use super::{Door, Evidence, Lane, Lease, Wake, WakeState, ended, intervene, session, urgent};
use crate::command::{Envelope, Report, ReportWake};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts};
use crate::guard;
use crate::id::WakeId;
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest, last_words};
use crate::time::Now;

/// A supervisor that holds the wake says what it observed.
pub(crate) fn report(
    facts: &Facts,
    env: &Envelope,
    command: &ReportWake,
    now: &Now,
) -> Result<Decision, Stop> {
    let wake = facts.wake(command.wake_id)?.ok_or_else(|| {
        Refusal::new(Reason::WakeNotFound, format!("there is no wake `{}`", command.wake_id))
    })?;
    let held = facts
        .lease(command.wake_id)
        .filter(|lease| lease.fence == command.fence && lease.incarnation == command.incarnation);
    let Some(lease) = held else { return Err(lost(wake, command.fence).into()) };
    match &command.report {
        Report::Started { lane, door } => started(facts, wake, lease, *lane, *door, now),
        Report::Accepted { evidence, session_id } => {
            expect_state(wake, WakeState::Running)?;
            let mut events = Vec::from_iter(accepted(wake, *evidence));
            if let Some(session_id) = session_id {
                events.extend(session::bind(facts, wake, *session_id)?);
            }
            Ok(if events.is_empty() { Decision::unchanged() } else { Decision::of(events) })
        }
        Report::Told { wake_id, seq } => urgent::taken_in(facts, wake, (*wake_id, *seq), now),
        Report::Ended { outcome, usage, is_session_total, last_message } => {
            let mut decision = match intervene::ended(wake, *outcome) {
                Some(decision) => decision,
                None => ended::over_with(facts, env, wake, lease, *outcome, now)?,
            };
            let last_message = last_message.as_deref();
            decision.events.splice(0..0, last_message.and_then(|text| said(env, wake, text)));
            if let Some((event, usage)) = session::used(facts, wake, *usage, *is_session_total)? {
                decision.events.insert(0, event);
                guard::on_usage(facts, env, wake, usage, now, &mut decision.events)?;
            }
            Ok(decision)
        }
    }
}

/// What the agent said last, where its process ran; with a salt of its own, because what the end leads to may have others.
fn said(env: &Envelope, wake: &Wake, text: &str) -> Option<Event> {
    let text = last_words(text).filter(|_| wake.state == WakeState::Running)?;
    let text_salt = Salt::derive(&env.entropy, u32::MAX);
    Some(Event::WakeSaid {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        text_digest: digest(&text_salt, &[text.as_bytes()]),
        text,
        text_salt,
    })
}

/// A process was started for it, or a server of its runtime is about to be told of it.
fn started(
    facts: &Facts,
    wake: &Wake,
    lease: &Lease,
    lane: Lane,
    used: Option<Door>,
    now: &Now,
) -> Result<Decision, Stop> {
    expect_state(wake, WakeState::Pending)?;
    may_start(facts, wake, lease, now)?;
    let planned = session::door_of(facts, wake, lease)?;
    let mut events = Vec::new();
    let mut door = planned;
    if let Some(used) = used.filter(|used| *used != planned) {
        events = session::move_on(facts, wake, planned, Reason::DoorUnavailable)?;
        let is_next = |event: &Event| matches!(event, Event::WakeDoorChanged { to, .. } if *to == used);
        // What was to be looked for is found where it was begun, and nothing else is begun on that claim.
        if planned != Door::Live || lease.is_in_doubt || !events.iter().any(is_next) {
            return Err(wrong_door(wake, planned, used).into());
        }
        door = used;
    }
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    events.push(Event::WakeDispatched {
        wake_id,
        thread_id,
        agent: agent.clone(),
        attempt: wake.attempts.saturating_add(1),
        lane,
        supervisor: lease.supervisor.clone(),
        fence: lease.fence,
        door: Some(door),
    });
    if lease.is_called {
        events.push(Event::WakeAccepted { wake_id, thread_id, agent, evidence: Evidence::Call });
    }
    Ok(Decision::of(events))
}

fn wrong_door(wake: &Wake, planned: Door, used: Door) -> Refusal {
    let detail = format!("`{}` was to go through the door {planned}, not through {used}", wake.wake_id);
    Refusal::new(Reason::WakeWrongState, detail).hint(
        "end the agent's process; in the place of `live` the next lesser door may be used, of others none",
    )
}

fn lost(wake: &Wake, fence: u64) -> Refusal {
    Refusal::new(Reason::LeaseLost, format!("the claim {fence} of `{}` is over", wake.wake_id))
        .hint("end the agent's process; another claim has the wake")
}

/// Since a claim ran out, another wake of the agent may have been handed out; since a thread was blocked, nothing is
/// dispatched in it, and its claims from before start nothing later. Whatever happened, an agent that runs, may run or is
/// about to run elsewhere is not started.
fn may_start(facts: &Facts, wake: &Wake, lease: &Lease, now: &Now) -> Result<(), Stop> {
    let is_taken = |other: &Wake| {
        other.state == WakeState::Running
            || (other.is_in_doubt() && !lease.is_in_doubt)
            || facts.lease(other.wake_id).is_some_and(|l| l.until > now.wall)
    };
    let mut others = facts.live_wakes()?.filter(|w| w.agent == wake.agent && w.wake_id != wake.wake_id);
    if others.any(is_taken) {
        return Err(lost(wake, lease.fence).into());
    }
    if lease.is_in_doubt && lease.until > now.wall {
        // It was looked for and found: nothing is started, whatever has become of what it was for.
        return Ok(());
    }
    // What was asked for may have ended between the claim and this report.
    if lease.until <= now.wall || wake.over(now.wall).is_some() {
        return Err(lost(wake, lease.fence).into());
    }
    if facts.halt()?.is_some() {
        return Err(Refusal::new(Reason::Halted, "all agents are stopped: nothing is started")
            .hint("end the agent's process; let agents go on with: interlock resume")
            .into());
    }
    if wake.held {
        return Err(Refusal::new(
            Reason::WakeWrongState,
            format!("`{}` is held back while its thread is not active", wake.wake_id),
        )
        .hint("end the agent's process; the wake is due again when the thread is active")
        .into());
    }
    if !lease.may_start(wake) {
        return Err(lost(wake, lease.fence).into());
    }
    Ok(())
}

/// The wake's own token was used: its runtime has accepted, whatever the supervisor sees. A call may be quicker than
/// the report that the process was started; then its claim keeps it until that report. Through the live door nothing is
/// sent before that report, so a call from before it is no answer: a session shakes hands with our tools as it is loaded.
pub(crate) fn note_call(facts: &Facts, env: &Envelope, wake_id: WakeId) -> Result<Decision, Stop> {
    let Some(wake) = facts.wake(wake_id)? else { return Ok(Decision::unchanged()) };
    // What a former attempt's process does proves nothing of this one.
    if !is_held(facts, env, wake_id) {
        return Ok(Decision::unchanged());
    }
    if let Some(event) = accepted(wake, Evidence::Call) {
        return Ok(Decision::of(vec![event]));
    }
    let counts = |lease: &&Lease| !lease.is_called && lease.door != Some(Door::Live);
    let claim = facts.lease(wake_id).filter(|_| wake.state == WakeState::Pending).filter(counts);
    let effects = claim.map(|lease| Effect::Lease(Lease { is_called: true, ..lease.clone() }));
    Ok(Decision { effects: Vec::from_iter(effects), ..Decision::unchanged() })
}

/// Whether the claim that the caller's process was started on still holds, as far as its token tells claims apart.
fn is_held(facts: &Facts, env: &Envelope, wake_id: WakeId) -> bool {
    let holds = |fence| facts.lease(wake_id).is_some_and(|lease| lease.fence == fence && !lease.is_over());
    env.actor.fence.is_none_or(holds)
}

/// A process whose claim is over changes nothing more: another attempt may be at work, or the wake has ended.
pub(crate) fn expect_held(facts: &Facts, env: &Envelope) -> Result<(), Stop> {
    let Some(wake_id) = env.actor.wake_id.filter(|_| env.actor.fence.is_some()) else { return Ok(()) };
    if facts.wake(wake_id)?.is_some() && is_held(facts, env, wake_id) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::LeaseLost,
        format!("the claim of `{wake_id}` that this token belongs to is over"),
    )
    .hint("end the process; what is left to do comes with another wake, and another token")
    .into())
}

pub(super) fn accepted(wake: &Wake, evidence: Evidence) -> Option<Event> {
    (wake.state == WakeState::Running && wake.ladder.accepted_at.is_none()).then(|| Event::WakeAccepted {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        evidence,
    })
}

pub(super) fn expect_state(wake: &Wake, state: WakeState) -> Result<(), Refusal> {
    if wake.state == state {
        return Ok(());
    }
    Err(Refusal::new(Reason::WakeWrongState, format!("`{}` is {} and not {state}", wake.wake_id, wake.state)))
}
