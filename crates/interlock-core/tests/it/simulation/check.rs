//! What must hold in every run of the simulation, measured from what the test itself saw.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::id::WakeId;
use interlock_core::thread::{Member, MessageHead, MessageKind, MessageState, Status, Thread};
use interlock_core::wake::{Door, WakeResult, WakeState};
use interlock_core::{Event, Reason};

use super::journal::Journal;
use super::run::{AGENTS, Simulation};
use super::supervisor::Process;
use crate::world::Claim;

/// How long after a person has ended a wake its process may run on: until it is renewed or its lease is over, and then the
/// time that it has to end.
const STOPPED_MS: i64 = 85_000;
/// By how much the servers' clock is put back in a day at most, and what of a turn's time is counted anew by that.
const CLOCK_BACK_MS: i64 = 70_000;
/// How long after the last look at a wake that waits for a person the next one may come, for the wait to count on.
const LOOKED_MS: i64 = 30_000;

/// Nobody runs twice, whatever door and whichever supervisor; a turn of which nobody can tell any more, and a person was
/// told so, is the person's.
pub(super) fn may_start(day: &Simulation, claim: &Claim) {
    if day.world.wake(claim.wake_id).state == WakeState::Finished {
        // It was over between the claim and the start: that is refused as soon as it is told, and the process ends.
        return;
    }
    let is_known = |wake: &WakeId| day.world.wake(*wake).result != Some(WakeResult::Unknown);
    let running: Vec<WakeId> = day.running(claim.agent.as_str()).into_iter().filter(is_known).collect();
    assert!(running.is_empty(), "{} is started for {} beside {running:?}", claim.agent, claim.wake_id);
}

/// Whether somebody is at work in the session that this claim goes on in.
pub(super) fn is_typed_in(day: &Simulation, claim: &Claim) -> bool {
    let wake = day.world.wake(claim.wake_id);
    let members = &day.world.rows.threads[&wake.thread_id].members;
    let bound = members.get(&wake.agent).and_then(|member| member.session);
    let enters = claim.lease.door != Some(Door::Spawn) && !wake.is_override;
    let (policy, now) = (&day.world.policy, day.world.now());
    bound
        .filter(|_| enters)
        .is_some_and(|bound| day.journal.is_in_way(policy, wake.agent.as_str(), Some(bound), now))
}

/// A wake enters no session in which a person is at work, and goes past that person only after it has waited for as long
/// as it must.
pub(super) fn was_claimed(day: &Simulation, claim: &Claim) {
    let wake = day.world.wake(claim.wake_id);
    if claim.lease.is_in_doubt {
        // Nothing is begun on it: it is looked whether something runs.
        return;
    }
    assert!(
        !is_typed_in(day, claim),
        "{} enters a session in which a person is at work: {wake:?}",
        wake.agent
    );
    let (policy, now) = (&day.world.policy, day.world.now());
    if wake.is_override || !day.journal.is_in_way(policy, wake.agent.as_str(), None, now) {
        return;
    }
    let wait = day.journal.waits.get(&wake.wake_id);
    let waited = wait
        .filter(|wait| wait.is_over || now.ms_since(wait.looked_at) < LOOKED_MS)
        .map_or(0, |wait| now.ms_since(wait.since));
    assert!(
        waited >= policy.session_defer_max_ms,
        "{} goes past a person after {waited} ms ({wait:?}): {wake:?}",
        wake.agent
    );
}

/// A wake is for something that its agent has not read, the first time at least, and not in a thread where work rests.
pub(super) fn was_started(day: &Simulation, claim: &Claim) {
    let wake = day.world.wake(claim.wake_id);
    let thread = &day.world.rows.threads[&wake.thread_id];
    let acts = thread.status == Status::Blocked && thread.owner.as_ref() == Some(&wake.agent);
    let is_looked_for = claim.lease.is_in_doubt;
    assert!(
        thread.status == Status::Active || (acts && thread.reason != Some(Reason::Paused)) || is_looked_for,
        "{} was started in a thread where it rests",
        wake.wake_id
    );
    assert!(
        day.world.rows.halt.is_none() || is_looked_for,
        "{} was started while all were stopped",
        wake.wake_id
    );
    assert!(
        !day.journal.cancelled.contains_key(&wake.wake_id) || is_looked_for,
        "{wake:?} was ended by a person"
    );
    was_told(day, claim);
    // What a person stopped in the middle goes on, read or not.
    let was_stopped = wake.reason == Some(Reason::Halted);
    // Whoever has to act, or had, is woken for Interlock's own word.
    let asked = day.world.rows.messages.get(&(wake.thread_id, wake.seq));
    let is_told = asked.is_some_and(|(asked, _)| asked.head.kind == MessageKind::System);
    // An attempt that a quota cut short goes on too.
    let is_first = !is_told
        && wake.history.len() == 1
        && wake.releases == 0
        && !was_stopped
        && wake.ladder.seen_at.is_none();
    let Some(member) = thread.members.get(&wake.agent).filter(|_| is_first && !wake.is_standing && !acts)
    else {
        return;
    };
    assert!(
        unread(day, thread, &wake.agent, member).next().is_some(),
        "{} was woken for nothing: {wake:?}",
        wake.agent
    );
}

/// Only the latest claim of a wake is listened to.
pub(super) fn was_told(day: &Simulation, claim: &Claim) {
    let latest = day.journal.fences[&claim.wake_id];
    assert_eq!(claim.lease.fence, latest, "a claim from the past was listened to: {claim:?}");
}

/// Whoever was told that this wake is the answer gets one that a process can still run for.
pub(super) fn covers(day: &Simulation, wake: WakeId) {
    let row = day.world.wake(wake);
    let is_ended = day.journal.cancelled.contains_key(&wake);
    assert!(
        row.state != WakeState::Finished && !is_ended,
        "the answer was a wake that a person has ended: {row:?}"
    );
}

/// Something was just written into the ledger.
pub(super) fn event(journal: &Journal, processes: &[Process], event: &Event) {
    if let Event::WakeFinished { wake_id, result, .. } = event {
        let was_cancelled = journal.cancelled.contains_key(wake_id);
        assert!(
            !was_cancelled
                || matches!(
                    result,
                    WakeResult::Cancelled
                        | WakeResult::Unknown
                        | WakeResult::Superseded
                        | WakeResult::Expired
                ),
            "{wake_id} was ended by a person, and ends {result}"
        );
        let runs_on = processes.iter().any(|one| one.is_alive && one.is_live() && one.wake == *wake_id);
        assert!(*result == WakeResult::Unknown || !runs_on, "{wake_id} ends {result} while its turn goes on");
    }
}

/// After every step.
pub(super) fn always(day: &Simulation) {
    nobody_runs_twice(day);
    what_was_ended_ends(day);
    guards_hold(day);
    turns_end_in_time(day);
}

/// However often its supervisor is lost, and whoever finds it: a live turn has its time, and then at most a lease.
fn turns_end_in_time(day: &Simulation) {
    let policy = &day.world.policy;
    let most = policy.run_ms_max + policy.lease_ms + CLOCK_BACK_MS;
    for one in day.processes.iter().filter(|one| one.is_alive && one.is_live()) {
        let ms = day.now().ms_since(one.begun_at);
        assert!(ms < most, "the turn for {} runs for {ms} ms", one.wake);
        let over = day.now().ms_since(one.deadline);
        assert!(over <= 0, "the turn for {} runs on {over} ms after its lease", one.wake);
    }
}

fn nobody_runs_twice(day: &Simulation) {
    // Nor does one run that was begun for what is over, and whose start nobody has heard of yet.
    let is_begun = |one: &&Process| {
        let wake = day.world.wake(one.wake);
        wake.result != Some(WakeResult::Unknown)
            && (wake.state != WakeState::Finished || wake.fence == one.fence)
    };
    for agent in AGENTS {
        let theirs = day.processes.iter().filter(|one| one.is_alive && one.agent.as_str() == agent);
        let running: Vec<WakeId> = theirs.filter(is_begun).map(|one| one.wake).collect();
        assert!(running.len() <= 1, "{agent} runs for {running:?} at once");
    }
}

fn what_was_ended_ends(day: &Simulation) {
    for process in day.processes.iter().filter(|process| process.is_alive && process.follower.is_some()) {
        let Some(at) = day.journal.cancelled.get(&process.wake) else { continue };
        let frozen = day.supervisors[process.machine].is_frozen(day.now());
        // While nobody follows it, nobody can end it.
        let ms = day.now().ms_since((*at).max(process.followed_since));
        assert!(
            frozen || ms < STOPPED_MS,
            "a process runs {ms} ms after a person has ended {}",
            process.wake
        );
    }
}

/// In no thread, and not in all of them together, do agents go on for ever without a person and without getting on.
fn guards_hold(day: &Simulation) {
    let limit = usize::try_from(day.world.policy.turns_without_progress_max).unwrap();
    for thread in day.world.rows.threads.values() {
        let turns = usize::try_from(thread.guard.turns).unwrap();
        assert!(
            turns < limit || thread.status != Status::Active,
            "{turns} turns without progress, and active"
        );
    }
    let Journal { turns, progress, .. } = day.journal;
    let most = (day.threads.len() + progress) * (limit + AGENTS.len() + 6);
    assert!(turns <= most, "{turns} turns without a person's word, {progress} times with progress");
}

/// When everybody has become calm.
pub(super) fn at_the_end(day: &Simulation) {
    for (id, status) in day.statuses() {
        let thread = &day.world.rows.threads[&id];
        match status {
            Status::Active => everything_was_read(day, thread),
            Status::Blocked => somebody_has_to_act(day, thread),
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

/// A person, or an agent that was told.
fn somebody_has_to_act(day: &Simulation, thread: &Thread) {
    let owner = thread.owner.as_ref().expect("nobody has to act");
    let Some(member) = thread.members.get(owner).filter(|member| member.managed) else { return };
    let is_person = |member: &Member| !member.managed;
    if !thread.members.values().any(is_person) && day.world.policy.escalation_owner.is_none() {
        return;
    }
    let all = day.world.rows.messages.range((thread.thread_id, 0)..=(thread.thread_id, u64::MAX));
    let told = all.map(|(_, (message, _))| &message.head).filter(|head| head.kind == MessageKind::System);
    let last = told.map(|head| head.seq).next_back().unwrap_or_default();
    let key = (thread.thread_id, owner.clone());
    let up_to = |of: &BTreeMap<_, u64>| of.get(&key).copied().unwrap_or_default();
    // A person who ended its wake knows that it was not told.
    let read = up_to(&day.journal.read).max(up_to(&day.journal.stopped));
    assert!(
        read.max(member.since_seq) >= last || thread.reason == Some(Reason::Paused),
        "{owner} has to act in a blocked thread and was never told: {:#?}",
        story(day, thread, owner)
    );
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

/// What is for this participant, still counts, was not read as far as the test saw, and was not stopped by a person.
fn unread<'d>(
    day: &'d Simulation,
    thread: &Thread,
    agent: &AgentName,
    member: &Member,
) -> impl Iterator<Item = &'d MessageHead> {
    let (id, agent, role) = (thread.thread_id, agent.clone(), member.role);
    let up_to = |of: &BTreeMap<_, u64>| of.get(&(id, agent.clone())).copied().unwrap_or_default();
    let from = up_to(&day.journal.read).max(up_to(&day.journal.stopped)).max(member.since_seq);
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
                && head.kind != MessageKind::System
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
    let left: Vec<_> = asked
        .iter()
        .filter(|wake| ended.binary_search(wake).is_err())
        .map(|id| day.world.wake(*id))
        .collect();
    assert!(left.is_empty(), "these neither ended nor wait for their threads: {left:?}");
    assert_eq!(asked, ended, "each wake ends once");
}
