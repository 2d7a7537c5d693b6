//! What supervisors do, as the program behaves: claim, begin, tell, renew, stop, die, and stand still.

use std::collections::VecDeque;

use interlock_core::command::Report;
use interlock_core::id::WakeId;
use interlock_core::wake::{Door, Lane, Outcome, Urgent, WakeState};
use interlock_core::{Reason, Timestamp};

use super::agenda::What;
use super::cast::Step;
use super::check;
use super::day::LABEL;
use super::run::{AGENTS, Simulation};
use super::supervisor::{Hold, SLOTS};
use crate::world::{Answer, Claim, name};

/// Between two polls.
const POLL_MS: i64 = 5_000;
/// The longest time without one, when nothing is due sooner at the end of a day: a poll finds nothing then.
const IDLE_MS: i64 = 60 * 60 * 1_000;
/// Between two renewals.
const RENEW_MS: i64 = 20_000;
/// How long a process has to end that was asked to.
const STOP_MS: i64 = 10_000;
/// A supervisor counts its lease from when it asked, which is before the server does.
const ASKED_MS: i64 = 10;

impl Simulation {
    pub(super) fn begin_life(&mut self, supervisor: usize) {
        let life = self.supervisors[supervisor].life;
        let at = self.now().plus_ms(self.dice.ms(0, 100));
        self.agenda.put(at, What::Claim { supervisor, life, is_poll: true });
    }

    fn is_living(&self, supervisor: usize, life: u32) -> bool {
        self.supervisors[supervisor].is_up && self.supervisors[supervisor].life == life
    }

    pub(super) fn claims(&mut self, supervisor: usize, life: u32, is_poll: bool) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let now = self.now();
        if is_poll {
            self.agenda.put(self.next_poll(), What::Claim { supervisor, life, is_poll });
        }
        let one = &self.supervisors[supervisor];
        let free = SLOTS.saturating_sub(one.held.len());
        if one.is_cut_off(now) || !self.is_something_due() {
            return;
        }
        self.tells_of_itself(supervisor);
        let one = &self.supervisors[supervisor];
        let (name, incarnation) = (one.name, one.incarnation());
        let Answer { claims: made, stop, tell } =
            self.world.asks(name, &incarnation, u32::try_from(free).unwrap());
        let is_lost = !self.is_calm && self.dice.chance(3);
        for claim in &made {
            check::was_claimed(self, claim);
            self.journal.fences.insert(claim.wake_id, claim.lease.fence);
        }
        // Now and then the answer is lost: nobody knows of these claims.
        if is_lost {
            return;
        }
        for wake in stop {
            self.stops(supervisor, wake);
        }
        for urgent in tell {
            self.tells_turn(supervisor, &urgent);
        }
        for claim in made {
            self.takes(supervisor, claim);
        }
    }

    fn takes(&mut self, supervisor: usize, claim: Claim) {
        let (now, life) = (self.now(), self.supervisors[supervisor].life);
        let (wake, fence) = (claim.wake_id, claim.lease.fence);
        let at = now.plus_ms(self.dice.ms(1, 400));
        self.agenda.put(at, What::Start { supervisor, life, wake, fence });
        let until = now.plus_ms(self.world.policy.lease_ms - ASKED_MS);
        let untold = VecDeque::new();
        let hold = Hold { claim, until, process: None, untold, is_over: false };
        self.supervisors[supervisor].held.insert(wake, hold);
        if !self.supervisors[supervisor].renews {
            self.supervisors[supervisor].renews = true;
            self.agenda.put(now.plus_ms(RENEW_MS), What::Renew { supervisor, life });
        }
    }

    /// A turn that runs is told of what cannot wait; now and then it does not take it in, or heeds it not.
    fn tells_turn(&mut self, supervisor: usize, urgent: &Urgent) {
        let hold = self.supervisors[supervisor].held.get(&urgent.running);
        let Some(process) = hold.and_then(|hold| hold.process) else { return };
        if !self.processes[process].is_alive || !self.dice.chance(60) {
            return;
        }
        if self.dice.chance(60) {
            self.processes[process].steps.push_front(Step::Ack);
        }
        let (wake_id, seq) = (urgent.wake.wake_id, urgent.wake.seq);
        self.tells(supervisor, urgent.running, Report::Told { wake_id, seq }, false);
    }

    /// The server hears of it at each of its calls.
    fn is_heard(&mut self, supervisor: usize) {
        let labels: &[&str] = if supervisor == 0 { &[LABEL] } else { &[] };
        self.world.calls(self.supervisors[supervisor].name, labels);
    }

    /// What it says of itself when it claims.
    fn tells_of_itself(&mut self, supervisor: usize) {
        self.is_heard(supervisor);
        let one = &self.supervisors[supervisor];
        let told = one.lacks.iter().filter(|(_, (_, is_told))| *is_told);
        let claimant = self.world.claimants.entry(one.name.to_owned()).or_default();
        claimant.cannot_run = told.map(|(agent, (lack, _))| (name(agent), *lack)).collect();
        let held = one.held.iter().map(|(wake, hold)| (*wake, hold.claim.lease.fence));
        claimant.holds = one.tells_holds.then(|| held.collect());
        self.world.doors.clone_from(&one.doors);
    }

    fn next_poll(&self) -> Timestamp {
        let now = self.world.now();
        let all = self.world.rows.live().filter(|wake| !wake.held || wake.is_in_doubt());
        let due_at = |is_running: bool, at: Timestamp| if is_running { now } else { at };
        let next = all.map(|wake| due_at(wake.state == WakeState::Running, wake.due_at)).min();
        let wait = next.map_or(IDLE_MS, |next| next.ms_since(now)).clamp(POLL_MS, IDLE_MS);
        self.now().plus_ms(if self.is_calm { wait } else { POLL_MS })
    }

    /// Whether a claim could lead to anything: most polls of a day find nothing.
    fn is_something_due(&self) -> bool {
        let now = self.world.now();
        let all = self.world.rows.live();
        all.into_iter().any(|wake| {
            wake.state == WakeState::Running || ((!wake.held || wake.is_in_doubt()) && wake.due_at <= now)
        })
    }

    pub(super) fn starts(&mut self, supervisor: usize, life: u32, (wake, fence): (WakeId, u64)) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let claimed =
            self.supervisors[supervisor].held.get(&wake).filter(|hold| hold.claim.lease.fence == fence);
        let Some(hold) =
            claimed.filter(|hold| hold.until > self.now() && hold.process.is_none() && !hold.is_over)
        else {
            return;
        };
        let claim = hold.claim.clone();
        let agent = AGENTS.into_iter().find(|agent| *agent == claim.agent.as_str()).unwrap();
        if let Some((lacks, is_told)) = self.supervisors[supervisor].lacks.get_mut(agent) {
            *is_told = true;
            let lacks = *lacks;
            return self.tells(supervisor, wake, Self::ended(Outcome::CannotRun { lacks }), true);
        }
        if claim.lease.is_in_doubt {
            return self.looks(supervisor, &claim);
        }
        self.enters(supervisor, &claim);
    }

    /// Tell the server, after what it was not told yet.
    pub(super) fn tells(&mut self, supervisor: usize, wake: WakeId, report: Report, is_over: bool) {
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
            hold.untold.push_back(report);
            hold.is_over |= is_over;
        }
        self.delivers(supervisor, wake);
    }

    fn delivers(&mut self, supervisor: usize, wake: WakeId) {
        if self.supervisors[supervisor].is_cut_off(self.now()) {
            return;
        }
        while let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
            let Some(report) = hold.untold.pop_front() else {
                if hold.is_over {
                    self.supervisors[supervisor].held.remove(&wake);
                }
                return;
            };
            let claim = hold.claim.clone();
            self.says(supervisor, &claim, report);
        }
    }

    fn says(&mut self, supervisor: usize, claim: &Claim, report: Report) {
        let wake = claim.wake_id;
        let is_start = matches!(report, Report::Started { .. });
        match self.world.report(claim, report) {
            Ok(_) if is_start => check::was_started(self, claim),
            Ok(_) => check::was_told(self, claim),
            Err(refusal) if refusal.reason == Reason::LeaseLost => self.loses(supervisor, wake),
            Err(_) if is_start => {
                self.kills(supervisor, wake);
                self.tells(supervisor, wake, Self::ended(Outcome::NotStarted), true);
            }
            Err(refusal) => assert_eq!(refusal.reason, Reason::WakeWrongState, "{refusal:?}"),
        }
    }

    /// Report that it was begun, in its turn.
    pub(super) fn tells_start(&mut self, supervisor: usize, wake: WakeId, door: Option<Door>) {
        self.tells(supervisor, wake, Report::Started { lane: Lane::Trigger, door }, false);
    }

    fn kills(&mut self, supervisor: usize, wake: WakeId) {
        let process = self.supervisors[supervisor].held.get(&wake).and_then(|hold| hold.process);
        let Some(process) = process else { return };
        self.cuts(process);
    }

    fn loses(&mut self, supervisor: usize, wake: WakeId) {
        self.kills(supervisor, wake);
        self.supervisors[supervisor].held.remove(&wake);
    }

    pub(super) fn renews(&mut self, supervisor: usize, life: u32) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let now = self.now();
        for wake in self.held(supervisor, |hold| hold.until <= now) {
            self.loses(supervisor, wake);
        }
        // A lease may run out before the next renewal.
        let least = self.supervisors[supervisor].held.values().map(|hold| hold.until).min();
        let next = least.map(|until| until.min(now.plus_ms(RENEW_MS)));
        self.supervisors[supervisor].renews = next.is_some();
        if let Some(next) = next {
            self.agenda.put(next, What::Renew { supervisor, life });
        }
        if self.supervisors[supervisor].is_cut_off(now) {
            return;
        }
        self.is_heard(supervisor);
        for wake in self.held(supervisor, |_| true) {
            self.renews_one(supervisor, wake);
        }
        if self.world.rows.halt.is_some() {
            self.halts(supervisor);
        }
    }

    fn renews_one(&mut self, supervisor: usize, wake: WakeId) {
        let Some(hold) = self.supervisors[supervisor].held.get(&wake) else { return };
        let claim = hold.claim.clone();
        let until = self.now().plus_ms(self.world.policy.lease_ms - ASKED_MS);
        let Some(kept) = self.world.renewed(&claim).pop() else { return self.loses(supervisor, wake) };
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
            hold.until = until;
            if let Some(process) = hold.process {
                self.processes[process].deadline = until;
            }
        }
        if kept.is_cancelled {
            self.stops(supervisor, wake);
        }
        if let Some(urgent) = kept.urgent {
            self.tells_turn(supervisor, &urgent);
        }
        self.delivers(supervisor, wake);
    }

    /// A person has ended the wake: its process is asked to end, and made to.
    fn stops(&mut self, supervisor: usize, wake: WakeId) {
        let Some(hold) = self.supervisors[supervisor].held.get(&wake) else { return };
        match hold.process {
            Some(process) => {
                let at = self.now().plus_ms(self.dice.ms(1, STOP_MS));
                self.agenda.put(at, What::Stopped { process });
            }
            // What is not begun yet is not begun; what is looked for is ended when it is found.
            None if !hold.is_over && !hold.claim.lease.is_in_doubt => {
                self.tells(supervisor, wake, Self::ended(Outcome::NotStarted), true);
            }
            None => {}
        }
    }

    pub(super) fn is_stopped(&mut self, process: usize) {
        if self.processes[process].is_alive && self.processes[process].follower.is_some() {
            self.ends(process, Outcome::Signalled { signal: 15 });
        }
    }

    /// All agents are stopped: what runs is ended.
    fn halts(&mut self, supervisor: usize) {
        for wake in self.held(supervisor, |hold| hold.process.is_some() && !hold.is_over) {
            self.kills(supervisor, wake);
            self.tells(supervisor, wake, Self::ended(Outcome::Halted), true);
        }
    }

    fn held(&self, supervisor: usize, is_meant: impl Fn(&Hold) -> bool) -> Vec<WakeId> {
        let held = self.supervisors[supervisor].held.iter();
        held.filter(|(_, hold)| is_meant(hold)).map(|(wake, _)| *wake).collect()
    }

    /// Its agents die with it, but for turns in a server of their runtime.
    pub(super) fn crashes(&mut self, supervisor: usize) {
        if self.is_calm || !self.supervisors[supervisor].is_up {
            return;
        }
        for process in self.processes.iter_mut().filter(|process| process.machine == supervisor) {
            process.is_alive &= process.is_live();
            process.follower = None;
        }
        self.supervisors[supervisor].held.clear();
        self.supervisors[supervisor].is_up = false;
        self.supervisors[supervisor].renews = false;
        let at = self.now().plus_ms(self.dice.one(&[200, 10_000, 90_000, 300_000]));
        self.agenda.put(at, What::Restart { supervisor });
    }

    pub(super) fn restarts(&mut self, supervisor: usize) {
        self.supervisors[supervisor].is_up = true;
        self.supervisors[supervisor].life += 1;
        self.begin_life(supervisor);
    }

    pub(super) fn freezes(&mut self, supervisor: usize, ms: i64, is_machine: bool) {
        if self.is_calm {
            return;
        }
        let until = self.now().plus_ms(ms);
        if self.supervisors[supervisor].frozen_until.is_none_or(|(before, _)| before < self.now()) {
            self.supervisors[supervisor].frozen_until = Some((until, is_machine));
            self.agenda.put(until, What::Thaw { supervisor });
        }
    }

    /// A shim ends its process, or its turn, by itself when the lease has passed that its supervisor renewed last.
    pub(super) fn leases_end(&mut self) {
        let now = self.now();
        for supervisor in 0..self.supervisors.len() {
            for wake in self.held(supervisor, |hold| hold.until <= now) {
                let process = self.supervisors[supervisor].held[&wake].process;
                if let Some(process) = process.filter(|process| !self.processes[*process].is_live()) {
                    self.processes[process].is_alive = false;
                }
            }
        }
        for process in 0..self.processes.len() {
            let one = &self.processes[process];
            if one.is_live() && one.is_alive && one.deadline <= now {
                self.journal.deadlines += 1;
                self.cuts(process);
            }
        }
    }

    pub(super) const fn ended(outcome: Outcome) -> Report {
        Report::Ended { outcome, usage: None, is_session_total: false, last_message: None }
    }
}
