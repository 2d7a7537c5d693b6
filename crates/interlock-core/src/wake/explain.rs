//! Why somebody was woken in a thread, or was not: derived from the rows alone, so that it is true whoever asks.

use super::{Halt, Supervisor, Wake, WakeResult, WakeState, is_anybody_there};
use crate::actor::{AgentName, closed_set};
use crate::id::WakeId;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::thread::{Member, Thread};
use crate::time::Timestamp;

closed_set! {
    /// One thing that explains why a participant is woken, or is not.
    Why {
        /// Everything that is for it was read.
        NothingUnread = "nothing_unread",
        /// No supervisor runs it.
        Unmanaged = "unmanaged",
        /// The thread is over.
        ThreadEnded = "thread_ended",
        /// A person stopped all agents.
        Halted = "halted",
        /// Its thread is not active, and somebody else must act, or only agents ask for it.
        Held = "held",
        /// It is due later.
        Waits = "waits",
        /// It is due, and nobody has begun yet.
        Due = "due",
        /// Its process runs.
        Runs = "runs",
        /// Its process is being stopped, because a person ended the wake.
        Stops = "stops",
        /// Something is unread and nothing asks for it to be woken.
        NotAsked = "not_asked",
        /// How its last wake ended.
        Ended = "ended",
    }
}

/// One reason, in words and for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// What it is.
    pub why: Why,
    /// In words; lower case, without the participant's name and without times.
    pub detail: String,
    /// The wake it is about.
    pub wake_id: Option<WakeId>,
    /// The reason behind it.
    pub reason: Option<Reason>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// How many agents' messages led to one another before that wake; 0 = it is about none, or a person asked for it.
    pub hops: u32,
}

impl Because {
    /// The same, about this wake.
    fn of(self, wake: &Wake) -> Self {
        let hops = wake.chain.as_ref().map_or(0, |chain| chain.hops);
        Self { wake_id: Some(wake.wake_id), hops, ..self }
    }
}

/// What is known of a participant.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its thread.
    pub thread: &'a Thread,
    /// Its name.
    pub name: &'a AgentName,
    /// Its part in the thread.
    pub member: &'a Member,
    /// How many messages are unread for it.
    pub unread: u64,
    /// Its wakes in the thread that are not over.
    pub live: &'a [Wake],
    /// Its last wake in the thread that is over.
    pub last: Option<&'a Wake>,
    /// That all agents are stopped.
    pub halt: Option<&'a Halt>,
    /// The supervisors that were heard of, and the policy that says which of them are there.
    pub supervisors: (&'a [Supervisor], &'a Policy),
}

/// Everything that explains it, what counts now first.
pub fn explain(subject: &Subject<'_>, now: Timestamp) -> Vec<Because> {
    let mut all = Vec::new();
    let live = subject.live.iter().max_by_key(|wake| wake.state == WakeState::Running);
    if subject.unread == 0 {
        all.push(plain(Why::NothingUnread, "has read everything that is for it"));
    }
    match live {
        Some(wake) if wake.state == WakeState::Running => all.push(runs(wake)),
        _ if !subject.member.managed => {
            all.push(plain(
                Why::Unmanaged,
                "is run by nobody here, so nobody wakes it: it reads when it looks",
            ));
        }
        _ if !subject.thread.status.takes_messages() => {
            let detail = format!("the thread is {}: nobody is woken in it", subject.thread.status);
            all.push(Because { since: Some(subject.thread.updated_at), ..plain(Why::ThreadEnded, detail) });
        }
        Some(wake) => {
            all.extend(subject.halt.map(halted));
            all.push(waits(subject, wake, now));
        }
        None if subject.unread > 0 => all.push(not_asked(subject)),
        None => {}
    }
    all.extend(subject.last.map(ended));
    all
}

fn plain(why: Why, detail: impl Into<String>) -> Because {
    Because { why, detail: detail.into(), wake_id: None, reason: None, since: None, until: None, hops: 0 }
}

fn halted(halt: &Halt) -> Because {
    let detail = format!("`{}` has stopped all agents: nobody is woken until they are let go on", halt.by);
    Because { since: Some(halt.at), reason: Some(Reason::Halted), ..plain(Why::Halted, detail) }
}

fn runs(wake: &Wake) -> Because {
    let (why, detail) = match &wake.cancelled {
        Some(person) => {
            (Why::Stops, format!("runs, and is being stopped because `{}` ended the wake", person.by))
        }
        None if wake.ladder.seen_at.is_some() => {
            (Why::Runs, "runs, and has read what it was woken for".to_owned())
        }
        None => (Why::Runs, format!("runs, attempt {}", wake.attempts)),
    };
    Because { since: wake.ladder.dispatched_at, ..plain(why, detail) }.of(wake)
}

fn waits(subject: &Subject<'_>, wake: &Wake, now: Timestamp) -> Because {
    let about = |why, detail: String| plain(why, detail).of(wake);
    if wake.is_in_doubt() && wake.due_at <= now {
        let detail = match &wake.cancelled {
            Some(person) => format!(
                "ran when its supervisor was lost: somebody looks whether it still does, to stop it because `{}` ended the wake",
                person.by
            ),
            None => "ran when its supervisor was lost: somebody looks whether it still does".to_owned(),
        };
        return Because {
            reason: Some(Reason::WakeInDoubt),
            since: wake.in_doubt_since,
            ..about(Why::Due, detail)
        };
    }
    if wake.held && !subject.thread.is_held_for(subject.name) {
        let detail = "must act, and is not woken for what agents alone say while the thread is blocked";
        let reason = subject.thread.reason;
        return Because { reason, since: Some(wake.requested_at), ..about(Why::Held, detail.to_owned()) };
    }
    if wake.held {
        let acts = subject
            .thread
            .owner
            .as_ref()
            .map_or_else(String::new, |owner| format!(", and `{owner}` must act"));
        let detail = format!("is not woken while the thread is {}{acts}", subject.thread.status);
        let since = subject.thread.escalation.as_ref().map(|escalation| escalation.since);
        return Because { reason: subject.thread.reason, since, ..about(Why::Held, detail) };
    }
    if wake.due_at > now {
        let what = if wake.attempts > 0 { "is tried again" } else { "is woken" };
        let detail = format!("{what} later");
        let until = Some(wake.due_at);
        return Because {
            reason: wake.reason,
            since: Some(wake.requested_at),
            until,
            ..about(Why::Waits, detail)
        };
    }
    if wake.reason == Some(Reason::FallbackLimit) {
        let detail = "is due: it waits until one of the agents that run in fresh sessions in the place of others has ended";
        return Because {
            reason: wake.reason,
            since: Some(wake.due_at),
            ..about(Why::Waits, detail.to_owned())
        };
    }
    let (supervisors, policy) = subject.supervisors;
    if !is_anybody_there(policy, supervisors, wake.on.as_ref(), now) {
        let lacks = wake.on.as_ref().map_or_else(String::new, |label| format!(" with the label `{label}`"));
        let detail = format!("is due, and no supervisor{lacks} is there");
        return Because { since: Some(wake.due_at), ..about(Why::Due, detail) };
    }
    let detail = "is due: it waits for a supervisor with room, or for its process in another thread to end";
    Because { since: Some(wake.due_at), ..about(Why::Due, detail.to_owned()) }
}

fn not_asked(subject: &Subject<'_>) -> Because {
    let detail = match subject.last.and_then(|wake| wake.result) {
        _ if subject.member.owed.is_some() => {
            "its last wake came to nothing: it is woken again once the thread is made active"
        }
        None => "was not woken: what is unread asks for nobody to be woken",
        Some(WakeResult::Failed) => "is not woken again for what its last wake was for, which failed",
        Some(WakeResult::Cancelled) => {
            "is not woken again for what its last wake was for, which a person ended"
        }
        Some(_) => "has left something unread, and nothing asks for it to be woken again",
    };
    plain(Why::NotAsked, detail)
}

fn ended(wake: &Wake) -> Because {
    let detail = match (wake.result, &wake.cancelled) {
        (Some(WakeResult::Unknown), _) => "nobody saw how its last turn ended, and it may go on".to_owned(),
        (_, Some(person)) => format!("its last wake was ended by `{}`: {}", person.by, person.text),
        (Some(WakeResult::Triggered), _) => "was woken, and read what it was woken for".to_owned(),
        (Some(WakeResult::AlreadyActive), _) => {
            "had read the messages by itself before it was woken".to_owned()
        }
        (Some(WakeResult::FallbackSpawned), _) => {
            "was woken in a fresh session, because its own could not be used".to_owned()
        }
        (Some(WakeResult::FallbackResumed), _) => {
            "was woken in its session, which a live server had not taken it to".to_owned()
        }
        (Some(WakeResult::Expired), _) => "was not woken: the time of what asked for it was over".to_owned(),
        (Some(WakeResult::Superseded), _) if wake.reason.is_none() => {
            "an earlier wake took its last one in".to_owned()
        }
        (Some(WakeResult::Failed), _) => match wake.attempts {
            0 => "could not be woken: nothing was started".to_owned(),
            1 => "could not be woken in 1 attempt".to_owned(),
            n => format!("could not be woken in {n} attempts"),
        },
        (result, _) => format!("its last wake ended as {}", result.map_or("over", WakeResult::as_str)),
    };
    let (since, reason) = (wake.ladder.finished_at, wake.reason);
    Because { reason, since, ..plain(Why::Ended, detail) }.of(wake)
}
