//! What must hold after each step, over what was measured; every text is something that did not.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

/// A message: its `seq` and its id.
pub(super) type Place = (u64, String);

/// The head of a ledger: how many entries it has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: String,
}

/// Commits of the branch, and those that a thread was told of.
#[derive(Debug, Clone, Default)]
pub(super) struct Commits {
    pub(super) made: Vec<String>,
    pub(super) told: Vec<String>,
}

impl Commits {
    /// Each was made once and told once.
    fn faults(&self) -> Vec<String> {
        let made: BTreeSet<&String> = self.made.iter().collect();
        let told: BTreeSet<&String> = self.told.iter().collect();
        let mut faults = Faults::default();
        faults.unless(told.len() == self.told.len(), || "a commit was announced twice".into());
        faults.unless(made == told, || {
            format!("the branch has {} commits, {} were announced", made.len(), told.len())
        });
        faults.0
    }
}

/// Collects what does not hold.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }
}

/// A server killed in the middle of a turn.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Notes that were acknowledged, the repeated one last.
    pub(super) acknowledged: Vec<Place>,
    /// Notes that are there in the end.
    pub(super) there: Vec<Place>,
    /// Messages of the job that were read before the kill.
    pub(super) heard: Vec<Place>,
    /// Messages of the job afterwards.
    pub(super) job: Vec<Place>,
    /// The head that was signed before the kill.
    pub(super) before: Head,
    /// The root over as many entries as it had, afterwards.
    pub(super) root_then: Option<String>,
    /// Whether nothing of the agent outlived its server.
    pub(super) has_agent_ended: bool,
    /// Whether the turn was started again.
    pub(super) is_started_again: bool,
    /// How the turn ended.
    pub(super) result: String,
    pub(super) commits: Commits,
}

impl Server {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        let lost = self.acknowledged.iter().filter(|place| !self.there.contains(place)).count();
        faults.unless(lost == 0, || format!("{lost} acknowledged notes are not there"));
        faults.unless(self.there.len() == self.acknowledged.len(), || {
            format!("{} notes are there, {} were posted", self.there.len(), self.acknowledged.len())
        });
        faults.unless(is_gapless(&self.there) && is_gapless(&self.job), || "a sequence has a gap".into());
        let lost = self.heard.iter().filter(|place| !self.job.contains(place)).count();
        faults.unless(lost == 0, || format!("{lost} messages of the job are not there"));
        faults.unless(self.root_then.as_ref() == Some(&self.before.root), || {
            format!("the first {} entries are not those that were signed before", self.before.size)
        });
        faults.unless(self.has_agent_ended, || "the agent outlived its server".into());
        faults.unless(self.is_started_again, || "the turn was not started again".into());
        faults.unless(self.result == "triggered", || format!("the turn ended with `{}`", self.result));
        faults.0.extend(self.commits.faults());
        faults.0
    }
}

/// 1, 2, 3 and so on.
fn is_gapless(places: &[Place]) -> bool {
    places.iter().map(|(seq, _)| *seq).eq(1..=places.len() as u64)
}

/// An agent killed in the middle of its turn.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    /// Why the attempt failed, as the ledger has it.
    pub(super) reason: String,
    /// Attempts in the end.
    pub(super) attempts: u32,
    /// How the turn ended.
    pub(super) result: String,
    /// The process of the attempt that was killed, and of the next.
    pub(super) processes: (u32, Option<u32>),
}

impl Agent {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        faults.unless(self.reason == "KILLED_BY_SIGNAL", || {
            format!("the attempt failed with `{}`", self.reason)
        });
        faults.unless(self.attempts == 2, || format!("there were {} attempts", self.attempts));
        faults.unless(self.result == "triggered", || format!("the turn ended with `{}`", self.result));
        faults.unless(self.processes.1 != Some(self.processes.0), || "it is the same process".into());
        faults.0
    }
}

/// Two agents that repeat themselves.
#[derive(Debug, Clone)]
pub(super) struct Repeat {
    pub(super) status: String,
    /// Why the thread is blocked.
    pub(super) reason: String,
    /// Who said why, and what.
    pub(super) words: String,
    /// Who must act now.
    pub(super) owner: Option<String>,
    /// Who is asked to.
    pub(super) person: String,
    /// Finished wakes.
    pub(super) turns: u64,
    /// Wakes that were asked for afterwards and are held, of as many as there should be.
    pub(super) held: (usize, usize),
    /// Processes of the two that live.
    pub(super) alive: usize,
}

impl Repeat {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        faults.unless(self.status == "blocked", || format!("the thread is {}", self.status));
        // What a person or this run itself says is no guard.
        let is_guard = !["", "PAUSED", "BY_REQUEST", "LEASH_REACHED", "NOT_CONVERGED", "WAKE_FAILED"]
            .contains(&self.reason.as_str());
        faults.unless(is_guard, || format!("no guard blocked it, but `{}`", self.reason));
        faults.unless(!self.words.is_empty(), || "nobody says why".into());
        faults.unless(self.turns > 1, || format!("they took {} turns", self.turns));
        faults.unless(self.owner.as_ref() == Some(&self.person), || "nobody is asked to look at it".into());
        let (held, asked) = self.held;
        faults.unless(held == asked && asked > 0, || {
            format!("of {asked} wakes asked for afterwards {held} are held")
        });
        faults.unless(self.alive == 0, || format!("{} of the two still run", self.alive));
        faults.0
    }
}

/// A byte of an exported copy changed.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// The entry whose byte was changed.
    pub(super) changed: u64,
    /// The entry and the code that verification named, or what it said instead.
    pub(super) named: Result<(u64, String), String>,
    /// Whether the copy verifies as it was, with this head.
    pub(super) untouched: Result<Head, String>,
    /// Bytes in which the two copies differ.
    pub(super) different: usize,
}

impl Ledger {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        faults.unless(self.different == 1, || format!("{} bytes differ", self.different));
        match &self.named {
            Ok((entry, _)) => faults.unless(*entry == self.changed, || {
                format!("entry {} was changed, verification names {entry}", self.changed)
            }),
            Err(said) => faults.0.push(format!("verification names no entry: {said}")),
        }
        if let Err(error) = &self.untouched {
            faults.0.push(format!("the untouched copy does not verify: {error}"));
        }
        faults.0
    }
}

/// The job, when everything was done to it.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) is_resolved: bool,
    /// Tests that pass and fail on the branch, as this process ran them.
    pub(super) tests: (u64, u64),
    pub(super) commits: Commits,
    /// Whether the whole ledger verifies, with this head.
    pub(super) ledger: Result<Head, String>,
    /// The head that was signed before, and the root over as many entries now.
    pub(super) before: Option<(Head, Option<String>)>,
}

impl Job {
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Faults::default();
        faults.unless(self.is_resolved, || "the thread is not resolved".into());
        let (passed, failed) = self.tests;
        faults.unless(failed == 0 && passed > 0, || format!("{passed} tests pass and {failed} fail"));
        faults.unless(!self.commits.made.is_empty(), || "nothing was committed".into());
        faults.0.extend(self.commits.faults());
        if let Err(error) = &self.ledger {
            faults.0.push(format!("the ledger does not verify: {error}"));
        }
        let is_prefix = self.before.as_ref().is_none_or(|(head, root)| root.as_ref() == Some(&head.root));
        faults.unless(is_prefix, || "the ledger does not begin as it was exported before".into());
        faults.0
    }
}
