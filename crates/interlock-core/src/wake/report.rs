//! Rules of what a supervisor reports: what an attempt's end means for its wake and its thread.

use super::claim::over;
use super::{
    Evidence, Lease, Outcome, RELEASES_MAX, Wake, WakeResult, WakeState, intervene, on_wait_again, session,
};
use crate::command::{Envelope, Report, ReportWake};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts};
use crate::guard;
use crate::id::WakeId;
use crate::reason::{Reason, Refusal};
use crate::thread::{Status, StatusChange, status_events};
use crate::time::Now;

/// The exit code by which a command agent asks to be tried again (docs/command-agents.md).
const TRY_AGAIN: i32 = 75;

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
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    match command.report {
        Report::Started { lane } => {
            expect_state(wake, WakeState::Pending)?;
            may_start(facts, wake, lease, now)?;
            let mut events = vec![Event::WakeDispatched {
                wake_id,
                thread_id,
                agent: agent.clone(),
                attempt: wake.attempts.saturating_add(1),
                lane,
                supervisor: lease.supervisor.clone(),
                fence: lease.fence,
            }];
            if lease.is_called {
                events.push(Event::WakeAccepted { wake_id, thread_id, agent, evidence: Evidence::Call });
            }
            Ok(Decision::of(events))
        }
        Report::Accepted { evidence, session_id } => {
            expect_state(wake, WakeState::Running)?;
            let mut events = Vec::from_iter(accepted(wake, evidence));
            if let Some(session_id) = session_id {
                events.extend(session::bind(facts, wake, session_id)?);
            }
            Ok(if events.is_empty() { Decision::unchanged() } else { Decision::of(events) })
        }
        Report::Ended { outcome, usage, is_session_total } => {
            let mut decision = match intervene::ended(wake, outcome) {
                Some(decision) => decision,
                None => over_with(facts, env, wake, lease, outcome, now)?,
            };
            if let Some(event) = session::used(facts, wake, usage, is_session_total)? {
                decision.events.insert(0, event);
            }
            Ok(decision)
        }
    }
}

/// What the end of an attempt means for its wake: it waits again without having lost an attempt, or it has used one.
fn over_with(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    lease: &Lease,
    outcome: Outcome,
    now: &Now,
) -> Result<Decision, Stop> {
    match outcome {
        Outcome::Halted => given_back(facts, wake, lease, None, Reason::Halted, now),
        Outcome::NotStarted if wake.releases < RELEASES_MAX => {
            given_back(facts, wake, lease, None, Reason::NotStarted, now)
        }
        Outcome::SessionGone => match session::release(facts, wake, Reason::SessionGone)? {
            Some(released) => given_back(facts, wake, lease, Some(released), Reason::SessionGone, now),
            None => ended(facts, env, wake, outcome, now),
        },
        Outcome::SessionBusy if wake.releases < RELEASES_MAX => match session::when_busy(facts, wake, now)? {
            session::Busy::Wait(event) => waits_again(facts, wake, lease, vec![event], now),
            session::Busy::Fresh(released) => {
                given_back(facts, wake, lease, released, Reason::SessionBusy, now)
            }
        },
        _ => ended(facts, env, wake, outcome, now),
    }
}

fn lost(wake: &Wake, fence: u64) -> Refusal {
    Refusal::new(Reason::LeaseLost, format!("the claim {fence} of `{}` is over", wake.wake_id))
        .hint("end the agent's process; another claim has the wake")
}

/// Since a claim ran out, another wake of the agent may have been handed out; since a thread was blocked, nothing is
/// dispatched in it, and its claims from before start nothing later. Whatever happened, an agent that runs or is
/// about to run elsewhere is not started.
fn may_start(facts: &Facts, wake: &Wake, lease: &Lease, now: &Now) -> Result<(), Stop> {
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
    let is_taken = |other: &Wake| {
        other.state == WakeState::Running || facts.lease(other.wake_id).is_some_and(|l| l.until > now.wall)
    };
    let mut others = facts.live_wakes()?.filter(|w| w.agent == wake.agent && w.wake_id != wake.wake_id);
    if !lease.may_start(wake) || others.any(is_taken) {
        return Err(lost(wake, lease.fence).into());
    }
    Ok(())
}

/// The wake's own token was used: its runtime has accepted, whatever the supervisor sees. A call may be quicker than
/// the report that the process was started; then its claim keeps it until that report.
pub(crate) fn note_call(facts: &Facts, wake_id: WakeId) -> Result<Decision, Stop> {
    let Some(wake) = facts.wake(wake_id)? else { return Ok(Decision::unchanged()) };
    if let Some(event) = accepted(wake, Evidence::Call) {
        return Ok(Decision::of(vec![event]));
    }
    let claim = facts.lease(wake_id).filter(|lease| wake.state == WakeState::Pending && !lease.is_called);
    let effects = claim.map(|lease| Effect::Lease(Lease { is_called: true, ..lease.clone() }));
    Ok(Decision { effects: Vec::from_iter(effects), ..Decision::unchanged() })
}

fn accepted(wake: &Wake, evidence: Evidence) -> Option<Event> {
    (wake.state == WakeState::Running && wake.ladder.accepted_at.is_none()).then(|| Event::WakeAccepted {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        evidence,
    })
}

fn expect_state(wake: &Wake, state: WakeState) -> Result<(), Refusal> {
    if wake.state == state {
        return Ok(());
    }
    Err(Refusal::new(Reason::WakeWrongState, format!("`{}` is {} and not {state}", wake.wake_id, wake.state)))
}

fn ended(facts: &Facts, env: &Envelope, wake: &Wake, outcome: Outcome, now: &Now) -> Result<Decision, Stop> {
    let mut events = Vec::new();
    let mut effects = vec![Effect::Unlease(wake.wake_id)];
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    let has_started = !matches!(outcome, Outcome::SpawnFailed | Outcome::NotStarted | Outcome::SessionBusy);
    if has_started {
        expect_state(wake, WakeState::Running)?;
    }
    if outcome == (Outcome::Exited { code: 0 }) {
        events.extend(accepted(wake, Evidence::Exit));
    }
    let failure = failure(wake, outcome);
    let exit_code = if let Outcome::Exited { code } = outcome { Some(code) } else { None };
    let attempt = wake.attempts.max(1);
    let is_final = matches!(outcome, Outcome::TurnFailed { fault } if !fault.is_retryable());
    let tries_left = has_started && !is_final && attempt <= facts.policy.wake_retries_max;
    match failure {
        None => {
            let result = if wake.is_fallback { WakeResult::FallbackSpawned } else { WakeResult::Triggered };
            events.push(Event::WakeFinished { wake_id, thread_id, agent, result, reason: None, exit_code });
            turn(facts, env, wake, None, now, &mut events)?;
        }
        Some(reason) if tries_left => {
            let due_at = now.wall.plus_ms(facts.policy.backoff_ms(attempt));
            events.push(Event::WakeAttemptFailed {
                wake_id,
                thread_id,
                agent,
                attempt,
                reason,
                exit_code,
                due_at,
            });
            on_wait_again(facts, wake, now, &mut events, &mut effects)?;
        }
        Some(reason) => {
            let result = WakeResult::Failed;
            events.push(Event::WakeFinished {
                wake_id,
                thread_id,
                agent,
                result,
                reason: Some(reason),
                exit_code,
            });
            turn(facts, env, wake, Some(reason), now, &mut events)?;
        }
    }
    Ok(Decision { effects, ..Decision::of(events) })
}

/// The wake is due again at once and no attempt is consumed; what is given up with it comes first.
fn given_back(
    facts: &Facts,
    wake: &Wake,
    lease: &Lease,
    first: Option<Event>,
    reason: Reason,
    now: &Now,
) -> Result<Decision, Stop> {
    let mut events = Vec::from_iter(first);
    events.push(Event::WakeReleased {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        reason,
    });
    waits_again(facts, wake, lease, events, now)
}

fn waits_again(
    facts: &Facts,
    wake: &Wake,
    lease: &Lease,
    mut events: Vec<Event>,
    now: &Now,
) -> Result<Decision, Stop> {
    let mut effects = Vec::from_iter(over(lease));
    on_wait_again(facts, wake, now, &mut events, &mut effects)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// Why an attempt that ended so has failed; nothing when the agent did its part.
fn failure(wake: &Wake, outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Exited { code: 0 } if wake.ladder.seen_at.is_some() => None,
        Outcome::Exited { code: 0 } => Some(Reason::NotAcked),
        Outcome::Exited { code: TRY_AGAIN } => Some(Reason::TryAgain),
        Outcome::Exited { .. } => Some(Reason::ExitedWithError),
        Outcome::Signalled { .. } => Some(Reason::KilledBySignal),
        Outcome::NotAccepted => Some(Reason::NotAccepted),
        Outcome::RunTimeExceeded => Some(Reason::RunTimeExceeded),
        Outcome::SpawnFailed => Some(Reason::SpawnFailed),
        Outcome::NotStarted => Some(Reason::NotStarted),
        Outcome::Halted => Some(Reason::Halted),
        Outcome::SessionGone => Some(Reason::SessionGone),
        Outcome::SessionBusy => Some(Reason::SessionBusy),
        Outcome::TurnFailed { fault } => Some(fault.reason()),
    }
}

/// A turn is over: a failed one blocks its thread, one too many without progress does too.
fn turn(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    failure: Option<Reason>,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let Some(thread) = facts.thread(wake.thread_id)? else { return Ok(()) };
    let Some(reason) = failure else { return guard::on_turn(facts, env, thread, now, events) };
    // What becomes of somebody who was removed is no concern of the thread's any more.
    if thread.status != Status::Active || !thread.members.contains_key(&wake.agent) {
        return Ok(());
    }
    let body = format!(
        "`{}` could not be woken: {}. See: interlock log {}",
        wake.agent,
        reason.title(),
        wake.wake_id
    );
    let change = StatusChange::guard(thread, Reason::WakeFailed, &body);
    status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    Ok(())
}
