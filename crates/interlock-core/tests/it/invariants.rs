//! What must hold after every command, whatever it was. Every test of this crate checks it on the way.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::actor::AgentName;
use interlock_core::guard::is_deferral;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::limits::QUOTA_PAUSE_MS_MAX;
use interlock_core::thread::Status;
use interlock_core::wake::WakeState;
use interlock_core::{Reason, Timestamp};

use crate::rows::Rows;

/// What must not go back, as it was before a command.
pub(crate) struct Before {
    cursors: BTreeMap<(ThreadId, AgentName), u64>,
    fences: BTreeMap<WakeId, u64>,
}

impl Before {
    pub(crate) fn of(rows: &Rows) -> Self {
        let members = rows.threads.iter().flat_map(|(id, thread)| {
            thread.members.iter().map(|(agent, member)| ((*id, agent.clone()), member.cursor))
        });
        Self { cursors: members.collect(), fences: fences(rows) }
    }
}

pub(crate) fn check(before: &Before, after: &Rows, now: Timestamp) {
    one_pending_wake_per_agent_and_thread(after);
    one_live_lease_per_agent(after, now);
    one_running_wake_per_agent(after);
    what_was_ended_is_looked_for_at_most(after);
    nobody_runs_beside_what_may_go_on(after);
    blocked_threads_have_owners(after);
    sequences_have_no_gaps(after);
    cursors_never_go_back(before, after);
    fences_never_go_back(before, after);
    ended_threads_have_no_pending_wakes(after);
    members_are_who_takes_part(after);
    only_participants_are_waited_for(after);
    what_is_put_off_is_not_lost(after, now);
}

/// A wake that a guard put off has a due time that comes, uses nothing up, and is none that a person waits for.
fn what_is_put_off_is_not_lost(rows: &Rows, now: Timestamp) {
    let for_agents = [Reason::AutoWakeBudget, Reason::WakeBacklog];
    for wake in rows.live().filter(|wake| wake.state == WakeState::Pending) {
        // One that was given back because its session is in use is due at once.
        let puts_off = |reason: &Reason| is_deferral(*reason) && *reason != Reason::SessionBusy;
        let Some(reason) = wake.reason.filter(puts_off) else { continue };
        assert!(wake.due_before.is_some(), "{wake:?}");
        assert!(wake.due_at.ms_since(now) <= QUOTA_PAUSE_MS_MAX, "{wake:?}");
        assert!(wake.chain.is_some() || !for_agents.contains(&reason), "a person waits: {wake:?}");
    }
}

fn members_are_who_takes_part(rows: &Rows) {
    let noted: BTreeSet<_> = rows.members.iter().cloned().collect();
    let threads = rows.threads.values();
    let are = threads.flat_map(|thread| thread.members.keys().map(|name| (name.clone(), thread.thread_id)));
    assert_eq!(are.collect::<BTreeSet<_>>(), noted);
}

/// Only a turn that nobody follows may wait although a person has ended it.
fn what_was_ended_is_looked_for_at_most(rows: &Rows) {
    for wake in rows.live().filter(|wake| wake.state == WakeState::Pending) {
        assert!(wake.cancelled.is_none() || wake.is_in_doubt(), "{wake:?}");
    }
}

/// Nobody runs beside a turn of theirs that may go on.
fn nobody_runs_beside_what_may_go_on(rows: &Rows) {
    let may_go_on: BTreeSet<_> =
        rows.live().filter(|wake| wake.is_in_doubt()).map(|wake| &wake.agent).collect();
    for wake in rows.live().filter(|wake| wake.state == WakeState::Running) {
        assert!(!may_go_on.contains(&wake.agent), "{} runs beside a turn that may go on", wake.agent);
    }
}

fn only_participants_are_waited_for(rows: &Rows) {
    // A turn that may go on is looked for, whoever left.
    for wake in rows.live().filter(|wake| wake.state == WakeState::Pending && !wake.is_in_doubt()) {
        let members = &rows.threads[&wake.thread_id].members;
        assert!(members.contains_key(&wake.agent), "{} waits for somebody who left", wake.wake_id);
    }
}

fn one_pending_wake_per_agent_and_thread(rows: &Rows) {
    let mut seen = BTreeSet::new();
    // What a person has ended is for nothing any more.
    for wake in rows.live().filter(|wake| wake.state == WakeState::Pending && wake.cancelled.is_none()) {
        assert!(
            seen.insert((&wake.agent, wake.thread_id)),
            "{} has two pending wakes in {}",
            wake.agent,
            wake.thread_id
        );
    }
}

fn one_live_lease_per_agent(rows: &Rows, now: Timestamp) {
    let mut seen = BTreeSet::new();
    for lease in rows.leases.values().filter(|lease| lease.until > now) {
        assert!(seen.insert(&lease.agent), "{} is held twice: {:?}", lease.agent, rows.leases);
    }
}

fn one_running_wake_per_agent(rows: &Rows) {
    let mut seen = BTreeSet::new();
    for wake in rows.live().filter(|wake| wake.state == WakeState::Running) {
        assert!(seen.insert(&wake.agent), "{} runs twice", wake.agent);
    }
}

fn blocked_threads_have_owners(rows: &Rows) {
    for thread in rows.threads.values() {
        assert_eq!(thread.owner.is_some(), thread.status == Status::Blocked, "{thread:?}");
        assert_eq!(thread.reason.is_some(), thread.status != Status::Active, "{thread:?}");
    }
}

fn sequences_have_no_gaps(rows: &Rows) {
    for (id, thread) in &rows.threads {
        let seqs = rows.messages.range((*id, 0)..=(*id, u64::MAX)).map(|((_, seq), _)| *seq);
        assert!(seqs.eq(1..=thread.seq), "{id} has gaps");
        for (agent, member) in &thread.members {
            assert!(member.cursor <= thread.seq, "{agent} has read what is not there");
            assert!(rows.members.contains(&(agent.clone(), *id)), "{agent} has no member row");
        }
    }
}

fn cursors_never_go_back(before: &Before, after: &Rows) {
    for ((id, agent), before) in &before.cursors {
        // Who was removed has no cursor any more.
        let now = after.threads[id].members.get(agent).map(|member| member.cursor);
        assert!(now.is_none_or(|cursor| cursor >= *before), "{agent} went back in {id}");
    }
}

/// While a wake lives, a claim has a higher fence than every claim before it.
fn fences_never_go_back(before: &Before, after: &Rows) {
    let after = fences(after);
    for (id, fence) in &before.fences {
        assert!(after.get(id).is_none_or(|new| new >= fence), "the fence of {id} went back");
    }
}

fn fences(rows: &Rows) -> BTreeMap<WakeId, u64> {
    let fence = |id| rows.leases.get(id).map_or(0, |lease| lease.fence);
    rows.live().map(|wake| (wake.wake_id, wake.fence.max(fence(&wake.wake_id)))).collect()
}

fn ended_threads_have_no_pending_wakes(rows: &Rows) {
    for wake in rows.live().filter(|wake| wake.state == WakeState::Pending) {
        let thread = &rows.threads[&wake.thread_id];
        let status = thread.status;
        let is_wanted = status.takes_messages() || wake.is_in_doubt();
        assert!(is_wanted, "{} waits for a thread that is {status}", wake.wake_id);
        let is_held = status == interlock_core::thread::Status::Blocked && wake.is_by_agents_alone();
        assert_eq!(
            wake.held,
            is_held || thread.is_held_for(&wake.agent),
            "{} in a thread that is {status}",
            wake.wake_id
        );
    }
}
