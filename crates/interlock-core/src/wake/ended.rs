//! Rules of how an attempt ended: whether the wake is over, is tried again through the same door, or goes on through the
//! next one.

use super::claim::{deferred, over};
use super::report::{accepted, expect_state};
use super::{
    Door, Evidence, Lease, Outcome, RELEASES_MAX, TurnFault, Wake, WakeResult, WakeState, doubt,
    on_wait_again, placement, session,
};
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts};
use crate::guard;
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, hand_on, status_events};
use crate::time::Now;

/// The exit code by which a command agent asks to be tried again (docs/command-agents.md).
const TRY_AGAIN: i32 = 75;

/// Why nothing was started for a claim: a person, or what blocked the thread meanwhile, has had it refused; else something
/// stands in the way where it was to run.
fn why_not_started(facts: &Facts, wake: &Wake, lease: &Lease) -> Result<Reason, Stop> {
    if wake.state != WakeState::Pending {
        return Ok(Reason::NotStarted);
    }
    let is_held = wake.held || !lease.may_start(wake);
    Ok(match facts.halt()? {
        Some(_) => Reason::Halted,
        None if is_held => Reason::HeldBack,
        None => Reason::NotStarted,
    })
}

/// What the end of an attempt means for its wake: it waits again without having lost an attempt, or it has used one.
pub(super) fn over_with(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    lease: &Lease,
    outcome: Outcome,
    now: &Now,
) -> Result<Decision, Stop> {
    let door = session::door_of(facts, wake, lease)?;
    let back = |first, reason| given_back(facts, wake, lease, first, reason, now);
    if wake.is_in_doubt()
        && let Some(decision) = doubt::looked(facts, env, wake, outcome, now)?
    {
        return Ok(decision);
    }
    match outcome {
        Outcome::Halted => back(Vec::new(), Reason::Halted),
        Outcome::CannotRun { lacks } => {
            expect_state(wake, WakeState::Pending)?;
            let events = vec![placement::declined(wake, &lease.supervisor, lacks)];
            waits_again(facts, wake, lease, (events, wake.is_in_doubt()), now)
        }
        Outcome::NotStarted => match why_not_started(facts, wake, lease)? {
            Reason::NotStarted if wake.releases >= RELEASES_MAX => {
                ended(facts, env, wake, door, outcome, now)
            }
            reason => back(Vec::new(), reason),
        },
        // What it was lost with stays the reason: it was found to be gone with it.
        Outcome::NotRunning if wake.releases < RELEASES_MAX => {
            expect_state(wake, WakeState::Pending)?;
            back(Vec::new(), Reason::LeaseExpired)
        }
        Outcome::DoorUnavailable if wake.releases < RELEASES_MAX => {
            let reason = Reason::DoorUnavailable;
            // Of other doors nobody says so; then nothing was started.
            let moved =
                if door == Door::Live { session::move_on(facts, wake, door, reason)? } else { Vec::new() };
            back(moved, reason)
        }
        Outcome::SessionGone => {
            let released = session::give_up(facts, wake, door, Reason::SessionGone)?;
            if released.is_empty() {
                return ended(facts, env, wake, door, outcome, now);
            }
            back(released, Reason::SessionGone)
        }
        Outcome::SessionBusy if wake.releases < RELEASES_MAX => busy(facts, env, (wake, lease), door, now),
        Outcome::InDoubt => doubt::unknown(facts, env, wake, now),
        Outcome::TurnFailed { fault: TurnFault::ModelRateLimited, reset_in_ms } => {
            expect_state(wake, WakeState::Running)?;
            match guard::pause(&facts.policy, facts.agent(&wake.agent)?, reset_in_ms, now.wall) {
                Some(until) => {
                    let event = deferred(wake, Reason::ModelQuota, until);
                    waits_again(facts, wake, lease, (vec![event], false), now)
                }
                None => ended(facts, env, wake, door, outcome, now),
            }
        }
        _ => ended(facts, env, wake, door, outcome, now),
    }
}

/// Somebody else is in the session.
fn busy(
    facts: &Facts,
    env: &Envelope,
    (wake, lease): (&Wake, &Lease),
    door: Door,
    now: &Now,
) -> Result<Decision, Stop> {
    match session::when_busy(facts, wake, door, now)? {
        session::Busy::Wait(events) => waits_again(facts, wake, lease, (events, wake.is_in_doubt()), now),
        // It may be its own turn that keeps the session busy.
        session::Busy::Fresh(_) if wake.is_in_doubt() => doubt::unknown(facts, env, wake, now),
        session::Busy::Fresh(released) => given_back(facts, wake, lease, released, Reason::SessionBusy, now),
    }
}

/// What follows from a failed attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The same door, after this pause.
    Again(i64),
    /// The next door, at once.
    Door,
    /// Nothing more.
    Over,
}

/// Where a failed attempt leads. Only what the runtime had not accepted speaks against the door: what fails later, or
/// because of the model's service or our tools, fails through every door.
fn next(facts: &Facts, wake: &Wake, door: Door, reason: Reason, is_accepted: bool) -> Next {
    let retries = facts.policy.wake_retries_max;
    let is_turn = reason.fails_through_every_door(is_accepted);
    let failed_turns = wake.failed_turns.saturating_add(u32::from(is_turn));
    let unaccepted = wake.unaccepted.saturating_add(u32::from(!is_turn));
    let again = |failures: u32| Next::Again(facts.policy.backoff_ms(failures));
    match door {
        Door::Spawn if failed_turns.saturating_add(unaccepted) > retries => Next::Over,
        Door::Spawn => again(failed_turns.saturating_add(unaccepted)),
        Door::Live | Door::Resume if is_turn && failed_turns > retries => Next::Over,
        Door::Live | Door::Resume if is_turn => again(failed_turns),
        Door::Live if unaccepted > retries => Next::Door,
        Door::Resume if unaccepted >= facts.policy.resume_attempts_max => Next::Door,
        Door::Live | Door::Resume => again(unaccepted),
    }
}

impl Reason {
    /// Whether a failed attempt with this reason says nothing against the door that it went through.
    pub(super) const fn fails_through_every_door(self, is_accepted: bool) -> bool {
        is_accepted
            || matches!(
                self,
                Self::ModelUnauthorized
                    | Self::ModelRateLimited
                    | Self::ModelUnavailable
                    | Self::ToolsUnavailable
            )
    }
}

fn ended(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    door: Door,
    outcome: Outcome,
    now: &Now,
) -> Result<Decision, Stop> {
    let has_started = !matches!(
        outcome,
        Outcome::SpawnFailed
            | Outcome::NotStarted
            | Outcome::NotRunning
            | Outcome::SessionBusy
            | Outcome::DoorUnavailable
    );
    if has_started {
        expect_state(wake, WakeState::Running)?;
    }
    let mut events = Vec::new();
    if outcome == (Outcome::Exited { code: 0 }) {
        events.extend(accepted(wake, Evidence::Exit));
    }
    let is_accepted = wake.ladder.accepted_at.is_some() || !events.is_empty();
    let exit_code = if let Outcome::Exited { code } = outcome { Some(code) } else { None };
    let Some(reason) = failure(wake, outcome) else {
        events.push(finished(wake, result(wake), None, exit_code));
        turn(facts, env, wake, None, now, &mut events)?;
        return Ok(Decision { effects: vec![Effect::Unlease(wake.wake_id)], ..Decision::of(events) });
    };
    let is_final = matches!(outcome, Outcome::TurnFailed { fault, .. } if !fault.is_retryable());
    let next =
        if has_started && !is_final { next(facts, wake, door, reason, is_accepted) } else { Next::Over };
    if next == Next::Over {
        events.push(finished(wake, WakeResult::Failed, Some(reason), exit_code));
        turn(facts, env, wake, Some(reason), now, &mut events)?;
        return Ok(Decision { effects: vec![Effect::Unlease(wake.wake_id)], ..Decision::of(events) });
    }
    let pause_ms = if let Next::Again(pause_ms) = next { pause_ms } else { 0 };
    events.push(Event::WakeAttemptFailed {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        attempt: wake.attempts.max(1),
        reason,
        exit_code,
        due_at: now.wall.plus_ms(pause_ms),
    });
    if next == Next::Door {
        let why = if door == Door::Resume { Reason::ResumeFailed } else { reason };
        events.extend(session::move_on(facts, wake, door, why)?);
    }
    let mut effects = vec![Effect::Unlease(wake.wake_id)];
    on_wait_again(facts, wake, now, &mut events, &mut effects)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// The label of a wake that went well.
fn result(wake: &Wake) -> WakeResult {
    let failed = |change: &super::DoorChange| change.reason != Reason::DoorUnavailable;
    if wake.is_fallback_run() {
        WakeResult::FallbackSpawned
    } else if wake.door_changes.iter().any(failed) {
        WakeResult::FallbackResumed
    } else {
        WakeResult::Triggered
    }
}

fn finished(wake: &Wake, result: WakeResult, reason: Option<Reason>, exit_code: Option<i32>) -> Event {
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    Event::WakeFinished { wake_id, thread_id, agent, result, reason, exit_code }
}

/// The wake is due again at once and no attempt is consumed; what is given up with it comes first.
fn given_back(
    facts: &Facts,
    wake: &Wake,
    lease: &Lease,
    mut events: Vec<Event>,
    reason: Reason,
    now: &Now,
) -> Result<Decision, Stop> {
    // Whoever was to look for what was begun, and did not come to it, leaves the doubt to the next claim.
    let has_not_looked = matches!(reason, Reason::Halted | Reason::HeldBack | Reason::NotStarted);
    let is_in_doubt = wake.is_in_doubt() && has_not_looked;
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    events.push(Event::WakeReleased { wake_id, thread_id, agent, reason, is_in_doubt });
    waits_again(facts, wake, lease, (events, is_in_doubt), now)
}

/// The claim is over and the wake waits; one that stays in doubt does, whatever has become of what it was for.
fn waits_again(
    facts: &Facts,
    wake: &Wake,
    lease: &Lease,
    (mut events, is_in_doubt): (Vec<Event>, bool),
    now: &Now,
) -> Result<Decision, Stop> {
    let mut effects = Vec::from_iter(over(lease));
    if is_in_doubt {
        doubt::on_wait(facts, wake, now, &mut events, &mut effects)?;
    } else {
        on_wait_again(facts, wake, now, &mut events, &mut effects)?;
    }
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
        Outcome::CannotRun { .. } => Some(Reason::CannotRunHere),
        Outcome::NotStarted | Outcome::NotRunning => Some(Reason::NotStarted),
        Outcome::Halted => Some(Reason::Halted),
        Outcome::SessionGone => Some(Reason::SessionGone),
        Outcome::SessionBusy => Some(Reason::SessionBusy),
        Outcome::DoorUnavailable => Some(Reason::DoorUnavailable),
        Outcome::InDoubt => Some(Reason::WakeInDoubt),
        Outcome::TurnFailed { fault, .. } => Some(fault.reason()),
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
    let Some(reason) = failure else { return guard::on_turn(facts, env, (thread, wake), now, events) };
    // What becomes of somebody who was removed is no concern of the thread's any more.
    if !thread.members.contains_key(&wake.agent) {
        return Ok(());
    }
    let body = format!(
        "`{}` could not be woken: {}. See: interlock log {}",
        wake.agent,
        reason.title(),
        wake.wake_id
    );
    if thread.status != Status::Active {
        return hand_on(facts, env, thread, (&wake.agent, &body), now, events);
    }
    let change = StatusChange::guard(Reason::WakeFailed, &body, wake.chain.clone());
    status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    Ok(())
}
