//! How an attempt gets in: a process of its own, or a turn in the server of its runtime, which goes on when its supervisor
//! dies and is looked for by the next life.

use interlock_core::command::Report;
use interlock_core::id::{SessionId, WakeId};
use interlock_core::wake::{Door, Evidence, Outcome, TurnFault};

use super::agenda::What;
use super::cast::{Step, is_before_start, steps};
use super::check;
use super::run::Simulation;
use super::supervisor::Process;
use crate::world::Claim;

/// The supervisor on whose machine the runtime's server is.
const AT_CODEX: usize = 0;
/// By which a turn is remembered that somebody cut off.
const CUT_OFF: i32 = 2;
/// By which one is remembered that we have cut off ourselves.
const CUT_BY_US: i32 = 3;
/// How long that server is away when it dies.
const CODEX_AWAY_MS: i64 = 40_000;

impl Simulation {
    /// Begin an attempt of which nothing was begun before.
    pub(super) fn enters(&mut self, supervisor: usize, claim: &Claim) {
        let planned = claim.lease.door.unwrap();
        let steps = steps(self.characters[claim.agent.as_str()], &mut self.dice);
        if let Some(&Step::End(outcome)) = steps.first()
            && is_before_start(outcome)
        {
            return self.tells(supervisor, claim.wake_id, Self::ended(outcome), true);
        }
        let mut used = None;
        if planned == Door::Live {
            let is_there = self.has_codex && supervisor == AT_CODEX;
            if is_there && self.is_session_taken(claim) {
                return self.tells(supervisor, claim.wake_id, Self::ended(Outcome::SessionBusy), true);
            }
            if is_there && self.supervisors[supervisor].is_cut_off(self.now()) {
                // Nothing is sent before the server knows of it.
                return self.tells(supervisor, claim.wake_id, Self::ended(Outcome::NotStarted), true);
            }
            if !is_there && self.dice.chance(50) {
                return self.tells(supervisor, claim.wake_id, Self::ended(Outcome::DoorUnavailable), true);
            }
            // The next lesser door may be used at once.
            let lesser = if self.bound(claim).is_some() { Door::Resume } else { Door::Spawn };
            used = (!is_there).then_some(lesser);
        }
        check::may_start(self, claim);
        let door = used.unwrap_or(planned);
        let steps = if door == Door::Live && self.is_codex_deaf { vec![Step::Hang] } else { steps };
        self.begins(supervisor, claim, door, steps);
        self.tells_start(supervisor, claim.wake_id, used);
    }

    fn begins(&mut self, supervisor: usize, claim: &Claim, door: Door, steps: Vec<Step>) {
        let process = self.processes.len();
        let fresh = SessionId::from_u128(process as u128 + 1);
        let session = self.bound(claim).filter(|_| door != Door::Spawn).unwrap_or(fresh);
        self.processes.push(Process {
            agent: claim.agent.clone(),
            thread: self.world.wake(claim.wake_id).thread_id,
            wake: claim.wake_id,
            fence: claim.lease.fence,
            door,
            session,
            machine: supervisor,
            follower: Some(supervisor),
            begun_at: self.now(),
            deadline: self.supervisors[supervisor].held[&claim.wake_id].until,
            followed_since: self.now(),
            is_alive: true,
            has_accepted: false,
            steps: steps.into(),
            end: None,
        });
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&claim.wake_id) {
            hold.process = Some(process);
        }
        let now = self.now();
        let (accept, run) = (self.world.policy.accept_timeout_ms, self.world.policy.run_ms_max);
        self.agenda.put(now.plus_ms(accept), What::Overdue { process, is_accept: true });
        self.agenda.put(now.plus_ms(run), What::Overdue { process, is_accept: false });
        self.goes_on(process);
        if door == Door::Live {
            self.disturbs(supervisor);
        }
    }

    /// What may happen while a live turn runs, more often than it would at any time.
    fn disturbs(&mut self, supervisor: usize) {
        let process = self.processes.len() - 1;
        let all = [
            What::Crash { supervisor },
            What::CodexDies,
            What::Interrupt,
            What::LoseSight,
            What::Types,
            What::CannotWait { process },
        ];
        if !self.is_calm && self.dice.chance(18) {
            let (at, what) = (self.now().plus_ms(self.dice.ms(100, 8_000)), self.dice.one(&all));
            self.agenda.put(at, what);
        }
    }

    /// The session that the claim's agent goes on in.
    fn bound(&self, claim: &Claim) -> Option<SessionId> {
        let thread = self.world.wake(claim.wake_id).thread_id;
        self.world.rows.threads[&thread].members.get(&claim.agent)?.session
    }

    /// Whether a person is at work in the session, as its server sees.
    fn is_session_taken(&self, claim: &Claim) -> bool {
        let (policy, now) = (&self.world.policy, self.world.now());
        let is_override = self.world.wake(claim.wake_id).is_override;
        let bound = self.bound(claim).filter(|_| !is_override);
        bound.is_some_and(|bound| self.journal.is_in_way(policy, claim.agent.as_str(), Some(bound), now))
    }

    /// Look for what an earlier life may have begun, before anything is begun again.
    pub(super) fn looks(&mut self, supervisor: usize, claim: &Claim) {
        let wake = claim.wake_id;
        let is_there = self.has_codex && supervisor == AT_CODEX;
        if !is_there || (!self.is_calm && self.dice.chance(10)) {
            // Nobody answers: it is looked for again; where its server is gone, nothing of it lives.
            let is_gone = !self.has_codex && self.dice.chance(50);
            let outcome = if is_gone { Outcome::DoorUnavailable } else { Outcome::NotStarted };
            return self.tells(supervisor, wake, Self::ended(outcome), true);
        }
        if !self.is_calm && self.dice.chance(5) {
            return self.tells(supervisor, wake, Self::ended(Outcome::InDoubt), true);
        }
        match self.processes.iter().rposition(|one| one.wake == wake && one.is_live()) {
            Some(process) if self.processes[process].is_alive => self.follows(supervisor, claim, process),
            Some(process) => match self.processes[process].end {
                Some(Outcome::Signalled { signal: CUT_OFF })
                    if !self.journal.cancelled.contains_key(&wake) =>
                {
                    self.tells(supervisor, wake, Self::ended(Outcome::InDoubt), true);
                }
                Some(Outcome::Signalled { .. }) | None => self.is_not_running(supervisor, wake),
                Some(end) => {
                    self.follows(supervisor, claim, process);
                    self.tells(supervisor, wake, Self::ended(end), true);
                }
            },
            None => self.is_not_running(supervisor, wake),
        }
    }

    /// It is proved not to run.
    fn is_not_running(&mut self, supervisor: usize, wake: WakeId) {
        self.tells(supervisor, wake, Self::ended(Outcome::NotRunning), true);
    }

    /// It is found: what it does is followed from here on.
    fn follows(&mut self, supervisor: usize, claim: &Claim, process: usize) {
        let now = self.now();
        let one = &mut self.processes[process];
        (one.follower, one.fence, one.has_accepted) = (Some(supervisor), claim.lease.fence, true);
        one.followed_since = now;
        let session_id = Some(one.session);
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&claim.wake_id) {
            hold.process = Some(process);
            one.deadline = hold.until;
        }
        // Whoever follows it gives it what is left of its time.
        let wake = self.world.wake(claim.wake_id);
        let left = wake.run_ms_left(&self.world.policy, &claim.lease, self.world.now());
        self.agenda.put(now.plus_ms(left), What::Overdue { process, is_accept: false });
        self.tells_start(supervisor, claim.wake_id, None);
        self.tells(
            supervisor,
            claim.wake_id,
            Report::Accepted { evidence: Evidence::Event, session_id },
            false,
        );
    }

    /// It is ended by us: with its lease, or because its supervisor has lost it.
    pub(super) fn cuts(&mut self, process: usize) {
        let one = &mut self.processes[process];
        if one.is_alive {
            (one.is_alive, one.end) = (false, Some(Outcome::Signalled { signal: CUT_BY_US }));
        }
    }

    /// The server in which live turns run dies, and they with it.
    pub(super) fn codex_dies(&mut self) {
        if self.is_calm || !self.has_codex {
            return;
        }
        self.has_codex = false;
        self.agenda.put(self.now().plus_ms(CODEX_AWAY_MS), What::CodexBack);
        for process in 0..self.processes.len() {
            if self.processes[process].is_live() && self.processes[process].is_alive {
                self.ends(process, Outcome::Signalled { signal: 9 });
            }
        }
    }

    /// Somebody at the terminal ends the turn that runs there.
    pub(super) fn interrupts(&mut self) {
        let live = self.processes.iter().position(|one| one.is_live() && one.is_alive);
        let Some(process) = live.filter(|_| !self.is_calm) else { return };
        if self.processes[process].follower.is_some() {
            let end = Outcome::TurnFailed { fault: TurnFault::TurnIncomplete, reset_in_ms: None };
            self.ends(process, end);
        } else {
            self.ends(process, Outcome::Signalled { signal: CUT_OFF });
        }
    }

    /// The connection breaks for good; the turn goes on, and nobody hears of it.
    pub(super) fn loses_sight(&mut self) {
        let live = |one: &Process| one.is_live() && one.is_alive && one.follower.is_some();
        let Some(process) = self.processes.iter().position(live).filter(|_| !self.is_calm) else { return };
        let wake: WakeId = self.processes[process].wake;
        if let Some(supervisor) = self.processes[process].follower.take() {
            self.tells(supervisor, wake, Self::ended(Outcome::InDoubt), true);
        }
    }
}
