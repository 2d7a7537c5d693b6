//! Rules of observing sessions: what a sign of life leaves behind, and what a person's own session is told of.

use super::{Activity, Observed, Place, Session, SessionKey};
use crate::actor::{AgentName, Role};
use crate::command::{Envelope, ObserveSession};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Key, Keys, Reply};
use crate::id::{ThreadId, WakeId};
use crate::limits::{OBSERVED_AGO_MS_MAX, SESSION_THREADS_MAX, SESSION_WRITE_MS, SESSIONS_OF_AGENT_MAX};
use crate::reason::{Reason, Refusal};
use crate::time::{Now, Timestamp};
use crate::wake::{self, Wake, WakeState};

/// What an observation needs to know.
pub(crate) fn keys(env: &Envelope, command: &ObserveSession, keys: &mut Keys) {
    keys.insert(Key::Sessions(command.agent.clone()));
    if command.agent != env.actor.name || env.actor.role == Role::Supervisor {
        keys.insert(Key::Agent(command.agent.clone()));
    }
    keys.extend(wakes_named(env, command).map(Key::Wake));
    keys.extend(command.threads.iter().flat_map(|id| [Key::Thread(*id), Key::ThreadWakes(*id)]));
}

/// What an observation needs to know besides: whether a turn runs that may be told of the wake that it names.
pub(crate) fn told_keys(facts: &Facts, env: &Envelope, command: &ObserveSession) -> Keys {
    let wakes = wakes_named(env, command).filter_map(|id| facts.wake(id).ok().flatten());
    wakes.filter(|wake| may_be_told(command, wake)).map(|wake| Key::ThreadWakes(wake.thread_id)).collect()
}

/// What a sign of life needs to know besides: who has to make room for a session that nobody heard of before, and who
/// holds the wakes that wait.
pub(crate) fn more_keys(facts: &Facts, agent: &AgentName, key: &SessionKey, threads: &[ThreadId]) -> Keys {
    let mut keys = Keys::new();
    if facts.session(key).is_ok_and(|session| session.is_none()) {
        keys.insert(Key::OldestSessions);
    }
    for id in threads {
        let wakes = facts.thread_wakes(*id).into_iter().flatten();
        let theirs = wakes.filter(|wake| wake.agent == *agent && wake.state == WakeState::Pending);
        keys.extend(theirs.map(|wake| Key::Wake(wake.wake_id)));
    }
    keys
}

/// The wakes by which a turn is told to be ours: the caller's own, and the one that stands in the prompt.
fn wakes_named(env: &Envelope, command: &ObserveSession) -> impl Iterator<Item = WakeId> {
    [env.actor.wake_id, command.wake_id].into_iter().flatten()
}

/// The agent says that it is there. Written down at once when it says something else than before, and otherwise only now
/// and then: however often it says so, its row is seldom written.
pub(crate) fn heartbeat(facts: &Facts, env: &Envelope, is_active: bool, now: &Now) -> Result<Decision, Stop> {
    let key: SessionKey = (env.actor.name.clone(), None);
    let before = facts.session(&key)?;
    let place = if env.actor.wake_id.is_some() { Place::Ours } else { Place::Terminal };
    let mut after = before.cloned().unwrap_or_else(|| Session::new(key, place, now.wall));
    (after.place, after.is_active, after.seen_at) = (place, Some(is_active), after.seen_at.max(now.wall));
    Ok(Decision { effects: written(facts, before, after)?, ..Decision::unchanged() })
}

/// Somebody saw what happens in a session: the agent itself, or a supervisor that runs it.
pub(crate) fn observe(
    facts: &Facts,
    env: &Envelope,
    command: &ObserveSession,
    now: &Now,
) -> Result<Decision, Stop> {
    may_observe(facts, env, command)?;
    let ago_ms = i64::try_from(command.ago_ms).unwrap_or(i64::MAX);
    if ago_ms > OBSERVED_AGO_MS_MAX {
        let detail = format!("`ago_ms` is {ago_ms}, at most {OBSERVED_AGO_MS_MAX} are taken");
        return Err(Refusal::new(Reason::LimitExceeded, detail).into());
    }
    let is_ours = is_ours(facts, env, command)?;
    let key: SessionKey = (command.agent.clone(), command.session_id);
    let before = facts.session(&key)?;
    let place = if is_ours { Place::Ours } else { Place::Terminal };
    let mut after = before.cloned().unwrap_or_else(|| Session::new(key, place, now.wall.plus_ms(-ago_ms)));
    see(&mut after, command, is_ours, now.wall.plus_ms(-ago_ms));
    let (told, events) = if is_ours { Default::default() } else { tell(facts, command, &mut after, now)? };
    if !told.is_empty() && command.observed == Observed::TurnEnded {
        // With that it goes on.
        after.activity = Activity::Busy;
    }
    let is_held = after.is_held(&facts.policy, now.wall);
    let effects = written(facts, before, after)?;
    Ok(Decision { events, effects, reply: Reply::Observed { is_ours, told, is_held }, replayed: None })
}

/// Nobody speaks for another but a supervisor, and that for agents that supervisors run.
fn may_observe(facts: &Facts, env: &Envelope, command: &ObserveSession) -> Result<(), Stop> {
    let name = &command.agent;
    let is_supervisor = env.actor.role == Role::Supervisor;
    if *name == env.actor.name && !is_supervisor {
        return Ok(());
    }
    if !is_supervisor {
        let detail = format!("only `{name}` itself and its supervisor say what happens in its sessions");
        return Err(Refusal::new(Reason::RoleMissing, detail).hint("leave out `agent`").into());
    }
    match facts.agent(name)? {
        None => Err(Refusal::new(Reason::AgentNotFound, format!("there is no agent `{name}`")).into()),
        Some(agent) if !agent.is_managed() => {
            Err(Refusal::new(Reason::RuntimeUnmanaged, format!("`{name}` is run by no supervisor")).into())
        }
        Some(_) => Ok(()),
    }
}

/// Whether the turn is a wake's: by the caller's own token, or by the wake that its prompt names, when that runs now.
fn is_ours(facts: &Facts, env: &Envelope, command: &ObserveSession) -> Result<bool, Stop> {
    for id in wakes_named(env, command) {
        let is_live = facts.wake(id)?.is_some_and(|wake| {
            let is_started = wake.state == WakeState::Running || facts.lease(id).is_some();
            wake.agent == command.agent && wake.state != WakeState::Finished && is_started
        });
        if is_live || env.actor.wake_id == Some(id) {
            return Ok(true);
        }
        if let Some(wake) = facts.wake(id)?.filter(|wake| may_be_told(command, wake))
            && wake::is_for_a_turn(facts, wake)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a turn of the agent's that runs may be told of this wake, in words that name it.
fn may_be_told(command: &ObserveSession, wake: &Wake) -> bool {
    wake.is_urgent && wake.agent == command.agent && wake.state == WakeState::Pending
}

fn see(session: &mut Session, command: &ObserveSession, is_ours: bool, at: Timestamp) {
    session.runtime = command.runtime.or(session.runtime);
    session.seen_at = session.seen_at.max(at);
    if !is_ours {
        session.place = Place::Terminal;
    }
    let is_news = at >= session.activity_at;
    let activity = match command.observed {
        Observed::HumanPrompt | Observed::TurnStarted => Activity::Busy,
        Observed::WaitingApproval => Activity::WaitingApproval,
        Observed::Opened | Observed::TurnEnded | Observed::Closed => Activity::Idle,
    };
    if command.observed == Observed::HumanPrompt && !is_ours {
        session.human_at = session.human_at.max(Some(at));
    }
    // What comes late says nothing about now.
    if is_news {
        session.is_open = command.observed != Observed::Closed;
        // An approval that is waited for belongs to the turn that runs.
        let goes_on = activity == Activity::WaitingApproval && session.activity != Activity::Idle;
        session.is_our_turn = activity != Activity::Idle && (is_ours || (goes_on && session.is_our_turn));
        (session.activity, session.activity_at) = (activity, at);
    }
}

/// Threads in which something waits: a person's own prompt brings all of them along, the end of a turn those that no end of
/// a turn has told of before, whatever a prompt brought along, because nobody knows whether it was heard. And what becomes
/// of the wakes that wait for them: they are not needed once the agent acknowledges in time.
fn tell(
    facts: &Facts,
    command: &ObserveSession,
    session: &mut Session,
    now: &Now,
) -> Result<(Vec<ThreadId>, Vec<Event>), Stop> {
    let (mut told, mut events) = (Vec::new(), Vec::new());
    let is_reminder = command.observed == Observed::HumanPrompt;
    for id in command.threads.iter().take(SESSION_THREADS_MAX) {
        let Some(thread) = facts.thread(*id)? else { continue };
        let Some(member) = thread.members.get(&command.agent) else { continue };
        let last = session.told_at_end.get(id).copied().unwrap_or_default().max(member.cursor);
        if member.cursor >= thread.seq || (!is_reminder && last >= thread.seq) {
            continue;
        }
        told.push(*id);
        session.told.insert(*id, thread.seq);
        if !is_reminder {
            session.told_at_end.insert(*id, thread.seq);
        }
        events.extend(wake::on_hook(facts, thread, &command.agent, now)?);
    }
    while session.told.len() > SESSION_THREADS_MAX {
        let first = session.told.keys().find(|id| !told.contains(id)).copied();
        first.map(|id| session.told.remove(&id));
        if first.is_none() {
            break;
        }
    }
    session.told_at_end.retain(|id, _| session.told.contains_key(id));
    Ok((told, events))
}

/// What has to be written: nothing for a sign of life that says what the last one said a moment before. A session that
/// nobody heard of makes room for itself: of its agent, and of all.
fn written(facts: &Facts, before: Option<&Session>, after: Session) -> Result<Vec<Effect>, Stop> {
    let Some(before) = before else {
        let mut effects: Vec<Effect> =
            facts.oldest_sessions()?.map(|gone| Effect::ForgetSession(gone.key())).collect();
        let mut others: Vec<&Session> = facts.sessions_of(&after.agent)?.collect();
        // Those that nobody sits at first, then those that were silent for longest.
        others.sort_by_key(|session| (session.is_terminal(), session.seen_at));
        let beyond = (others.len() + 1).saturating_sub(SESSIONS_OF_AGENT_MAX);
        effects.extend(others.iter().take(beyond).map(|gone| Effect::ForgetSession(gone.key())));
        effects.push(Effect::Session(Box::new(after)));
        return Ok(effects);
    };
    let same = Session { seen_at: before.seen_at, ..after.clone() };
    let is_due = after.seen_at.ms_since(before.seen_at) >= SESSION_WRITE_MS;
    Ok(if same == *before && !is_due { Vec::new() } else { vec![Effect::Session(Box::new(after))] })
}
