//! What must hold in every run of the simulation.

use interlock_core::actor::AgentName;
use interlock_core::id::WakeId;
use interlock_core::thread::{Member, MessageHead, MessageState, Status, Thread};
use interlock_core::wake::{WakeResult, WakeState};
use interlock_core::{Event, Reason};

use super::run::Simulation;
use crate::world::Claim;

/// Kinds of events that a day is about.
pub(super) const HAPPENS: &[&str] = &[
    "wake.requested",
    "wake.joined",
    "wake.dispatched",
    "wake.accepted",
    "wake.seen",
    "wake.acted",
    "wake.attempt_failed",
    "wake.released",
    "wake.deferred",
    "wake.finished",
    "workspace.halted",
    "workspace.resumed",
    "thread.message_withdrawn",
    "thread.participant_removed",
];
/// How wakes end.
pub(super) const ENDS: &[WakeResult] = &[
    WakeResult::Triggered,
    WakeResult::AlreadyActive,
    WakeResult::Failed,
    WakeResult::Superseded,
    WakeResult::Expired,
];
/// Why threads are blocked.
pub(super) const BLOCKS: &[Reason] =
    &[Reason::NoProgress, Reason::IdenticalFindings, Reason::RepeatedMessages, Reason::WakeFailed];
/// Why wakes are put off.
pub(super) const PUTS_OFF: &[Reason] = &[Reason::HumanActive, Reason::ToldByHook];

/// Nobody runs twice.
pub(super) fn may_start(day: &Simulation, agent: &AgentName) {
    assert!(!day.is_running(agent.as_str()), "{agent} is started while it runs");
}

/// No wake enters a session in which a person typed just now, whatever else is the matter.
pub(super) fn was_claimed(day: &Simulation, claim: &Claim) {
    let wake = day.world.wake(claim.wake_id);
    let thread = &day.world.rows.threads[&wake.thread_id];
    let Some(bound) = thread.members.get(&wake.agent).and_then(|member| member.session) else { return };
    for ((agent, session), at) in &day.typed {
        let is_quiet = day.world.now().ms_since(*at) >= day.world.policy.human_quiet_ms;
        assert!(
            is_quiet || *session != bound || *agent != wake.agent.as_str() || wake.in_doubt_since.is_some(),
            "{agent} is woken in the session in which a person typed at {at:?}: {wake:?}"
        );
    }
}

/// A wake is for something that its agent has not read, the first time at least, and not in a thread where work rests.
pub(super) fn was_started(day: &Simulation, wake: WakeId) {
    let wake = day.world.wake(wake);
    let thread = &day.world.rows.threads[&wake.thread_id];
    assert_eq!(thread.status, Status::Active, "{} was started in a thread that is not active", wake.wake_id);
    assert!(day.world.rows.halt.is_none(), "{} was started while all were stopped", wake.wake_id);
    // What a person stopped in the middle goes on, read or not.
    let was_stopped = wake.reason == Some(Reason::Halted);
    let is_first = wake.attempts == 1 && wake.releases == 0 && !was_stopped && wake.ladder.seen_at.is_none();
    let Some(member) = thread.members.get(&wake.agent).filter(|_| is_first && !wake.is_standing) else {
        return;
    };
    assert!(
        unread(day, thread, &wake.agent, member).next().is_some(),
        "{} was woken for nothing: {wake:?}",
        wake.agent
    );
}

/// After every step.
pub(super) fn always(day: &Simulation) {
    people_are_waited_for_so_long_only(day);
    let limit = day.world.policy.turns_without_progress_max;
    for thread in day.world.rows.threads.values() {
        assert!(thread.guard.turns <= limit + 4, "{} turns without progress", thread.guard.turns);
        assert!(
            thread.guard.turns < limit || thread.status != Status::Active,
            "a thread with {} turns without progress is active",
            thread.guard.turns
        );
    }
}

/// A wake that waits for a person waits no longer than it may, and has used no attempt up by that.
fn people_are_waited_for_so_long_only(day: &Simulation) {
    let max = day.world.policy.session_defer_max_ms;
    for wake in day.world.rows.live().filter(|wake| wake.reason == Some(Reason::HumanActive)) {
        if let Some(since) = wake.deferred_since.filter(|_| wake.state == WakeState::Pending) {
            assert!(wake.due_at <= since.plus_ms(max), "{wake:?}");
        }
    }
}

/// When everybody has become calm.
pub(super) fn at_the_end(day: &Simulation) {
    for (id, status) in day.statuses() {
        let thread = &day.world.rows.threads[&id];
        match status {
            Status::Active => everything_was_read(day, thread),
            Status::Blocked => assert!(thread.owner.is_some(), "nobody has to act in {id}"),
            Status::Resolved | Status::Closed => {
                let live = day.world.rows.live().find(|wake| wake.thread_id == id);
                assert!(live.is_none(), "{live:?} lives in a thread that is over");
            }
        }
    }
    each_wake_ends_once(day);
    let running = day.processes.iter().filter(|process| process.is_alive).count();
    assert_eq!(running, 0, "processes that nobody holds");
}

/// No wake was lost: who could be woken has read what was for it.
fn everything_was_read(day: &Simulation, thread: &Thread) {
    for (agent, member) in thread.members.iter().filter(|(_, member)| member.managed) {
        let left: Vec<_> = unread(day, thread, agent, member).map(|head| head.seq).collect();
        assert!(
            left.is_empty(),
            "{agent} was never woken for {left:?} in {}: {:#?}",
            thread.thread_id,
            story(day, thread, agent)
        );
    }
}

/// What a thread and one of its participants went through, for whoever looks for a fault.
fn story(day: &Simulation, thread: &Thread, agent: &AgentName) -> Vec<String> {
    let is_theirs = |event: &Event| {
        let text = format!("{event:?}");
        event.thread_id() == Some(thread.thread_id)
            && (text.contains(agent.as_str())
                || matches!(event, Event::MessagePosted { .. } | Event::StatusChanged { .. }))
    };
    let all = day.world.entries.iter().zip(&day.world.times);
    let theirs = all.flat_map(|(events, at)| events.iter().map(move |event| (at, event)));
    theirs
        .filter(|(_, event)| is_theirs(event))
        .map(|(at, event)| format!("{at:?} {}", serde_json::to_string(event).unwrap()))
        .collect()
}

/// What is for this participant, still counts, and was not read.
fn unread<'d>(
    day: &'d Simulation,
    thread: &Thread,
    agent: &AgentName,
    member: &Member,
) -> impl Iterator<Item = &'d MessageHead> {
    let (id, agent, role, cursor) = (thread.thread_id, agent.clone(), member.role, member.cursor);
    let from = cursor.max(member.since_seq);
    let now = day.world.now();
    let all = day.world.rows.messages.range((id, from + 1)..=(id, u64::MAX));
    all.map(|(_, (message, _))| message)
        .filter(move |message| {
            let head = &message.head;
            let is_for = match head.to_role {
                Some(to) => to == role,
                None => head.to.is_empty() || head.to.contains(&agent),
            };
            is_for
                && head.from != agent
                && message.state(now) == MessageState::Live
                && head.kind != interlock_core::thread::MessageKind::System
        })
        .map(|message| &message.head)
}

fn each_wake_ends_once(day: &Simulation) {
    let mut asked: Vec<WakeId> = Vec::new();
    let mut ended: Vec<WakeId> = Vec::new();
    for event in day.world.entries.iter().flatten() {
        match event {
            Event::WakeRequested { wake_id, .. } => asked.push(*wake_id),
            Event::WakeFinished { wake_id, .. } => ended.push(*wake_id),
            _ => {}
        }
    }
    let waiting = day.world.rows.live().filter(|wake| wake.state == WakeState::Pending && wake.held);
    ended.extend(waiting.map(|wake| wake.wake_id));
    asked.sort_unstable();
    ended.sort_unstable();
    let left: Vec<_> =
        asked.iter().filter(|wake| !ended.contains(wake)).map(|id| day.world.wake(*id)).collect();
    assert!(left.is_empty(), "these neither ended nor wait for their threads: {left:?}");
    assert_eq!(asked, ended, "each wake ends once");
}
