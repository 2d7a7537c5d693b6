//! What the test itself saw in a day. The checks measure from this, and not from what the rules have written down to help
//! themselves.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::actor::AgentName;
use interlock_core::id::{FindingId, SessionId, ThreadId, WakeId};
use interlock_core::policy::Policy;
use interlock_core::session::Observed;
use interlock_core::thread::{MessageHead, event_type as et};
use interlock_core::wake::{Evidence, WakeResult};
use interlock_core::{Event, Reason, Timestamp};

use crate::rows::Rows;

/// A wake that waits for somebody at a keyboard, or for whoever else has its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// Since when.
    pub(super) since: Timestamp,
    /// When it was last looked at.
    pub(super) looked_at: Timestamp,
    /// Whether it was found to have waited for long enough.
    pub(super) is_over: bool,
}

/// A person in a session of an agent, by the clock of the server, as its hooks have told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sitting {
    /// The last prompt.
    pub(super) typed_at: Option<Timestamp>,
    /// Since when a turn of the person's runs.
    pub(super) turn_since: Option<Timestamp>,
}

impl Sitting {
    fn is_in_way(&self, policy: &Policy, now: Timestamp) -> bool {
        let younger = |at: Option<Timestamp>, ms: i64| at.is_some_and(|at| now.ms_since(at) < ms);
        younger(self.typed_at, policy.human_quiet_ms) || younger(self.turn_since, policy.human_turn_ms_max)
    }
}

#[derive(Default)]
pub(super) struct Journal {
    /// Up to which message each participant has acknowledged.
    pub(super) read: BTreeMap<(ThreadId, AgentName), u64>,
    /// Wakes that a person has ended, and when.
    pub(super) cancelled: BTreeMap<WakeId, Timestamp>,
    /// Up to which message that took the asking back.
    pub(super) stopped: BTreeMap<(ThreadId, AgentName), u64>,
    /// The highest fence handed out for each wake.
    pub(super) fences: BTreeMap<WakeId, u64>,
    /// Wakes that wait for somebody at a keyboard.
    pub(super) waits: BTreeMap<WakeId, Wait>,
    /// The sessions that people have open.
    pub(super) sittings: BTreeMap<(&'static str, SessionId), Sitting>,
    /// Turns of agents since a person's last word, over all threads.
    pub(super) turns: usize,
    /// How often something got on since then.
    pub(super) progress: usize,
    /// What hooks told of whose answer was lost, with the word of what waits in it.
    pub(super) unheard: BTreeSet<Observed>,
    /// How often a turn was ended because its lease was over.
    pub(super) deadlines: usize,
    commits: BTreeSet<(ThreadId, String)>,
    verified: BTreeSet<(ThreadId, FindingId)>,
}

impl Journal {
    /// A person did something.
    pub(super) fn person_acts(&mut self) {
        (self.turns, self.progress) = (0, 0);
    }

    /// Whether somebody is at work in this session of the agent, or in any.
    pub(super) fn is_in_way(
        &self,
        policy: &Policy,
        agent: &str,
        session: Option<SessionId>,
        now: Timestamp,
    ) -> bool {
        let theirs = self.sittings.iter().filter(|((who, _), _)| *who == agent);
        let mut meant = theirs.filter(|((_, id), _)| session.is_none_or(|session| session == *id));
        meant.any(|(_, sitting)| sitting.is_in_way(policy, now))
    }

    /// Something was written into the ledger.
    pub(super) fn note(&mut self, event: &Event, rows: &Rows, now: Timestamp) {
        match event {
            Event::WakeFinished { wake_id, thread_id, agent, result, .. } => {
                self.turns += usize::from(result.is_turn());
                self.waits.remove(wake_id);
                if *result == WakeResult::Cancelled {
                    let up_to = self.stopped.entry((*thread_id, agent.clone())).or_default();
                    *up_to = (*up_to).max(rows.wakes[wake_id].seq);
                }
            }
            Event::WakeDeferred { wake_id, reason: Reason::HumanActive | Reason::SessionBusy, .. } => {
                let wait =
                    self.waits.entry(*wake_id).or_insert(Wait { since: now, looked_at: now, is_over: false });
                wait.looked_at = now;
            }
            // It has waited for long enough, and goes on as soon as there is room.
            Event::WakeDeferred { wake_id, reason: Reason::FallbackLimit, .. } => {
                self.waits.entry(*wake_id).and_modify(|wait| wait.is_over = true);
            }
            Event::WakeAccepted { evidence: Evidence::Hook, .. } => {}
            Event::WakeDeferred { wake_id, .. }
            | Event::WakeAccepted { wake_id, .. }
            | Event::WakeRetryRequested { wake_id, .. } => drop(self.waits.remove(wake_id)),
            Event::MessagePosted { thread_id, message, .. } => self.posted(*thread_id, message),
            _ => {}
        }
    }

    /// Progress is a commit that was never announced before, and a finding that was never verified before.
    fn posted(&mut self, thread: ThreadId, message: &MessageHead) {
        let is_new = match (message.event_type.as_deref(), &message.commit, message.finding_id) {
            (Some(et::FIX_PUSHED), Some(commit), _) => self.commits.insert((thread, commit.clone())),
            (Some(et::FINDING_VERIFIED), _, Some(finding)) => self.verified.insert((thread, finding)),
            _ => false,
        };
        self.progress += usize::from(is_new);
    }
}
