//! One day: what is on the agenda happens, and leads to more.

use std::collections::{BTreeMap, VecDeque};

use interlock_core::actor::Role;
use interlock_core::command::{Command, Report};
use interlock_core::id::{SessionId, ThreadId, WakeId};
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Door, Evidence, Lane, Outcome, WakeState};
use interlock_core::{Event, Reason, Timestamp};

use super::agenda::{Agenda, What};
use super::cast::{Character, Step, is_before_start, steps};
use super::check;
use super::dice::Dice;
use super::supervisor::{Hold, Process, SLOTS, Supervisor};
use crate::world::{Claim, Post, World, finding_id, name};

/// Who is managed.
pub(super) const AGENTS: [&str; 4] = ["ann", "bob", "cem", "dan"];
/// How long there is trouble.
const TROUBLE_MS: i64 = 15 * 60 * 1_000;
/// How long a day may take to become quiet after that: many times what waits, retries and guards add up to.
const CALM_MS: i64 = 24 * 60 * 60 * 1_000;
/// So many things happen at most, so that a day that goes round in circles is found out.
const STEPS_MAX: u32 = 40_000;
/// Between two polls.
const POLL_MS: i64 = 5_000;
/// Between two renewals.
const RENEW_MS: i64 = 20_000;

pub(super) struct Simulation {
    pub(super) world: World,
    pub(super) dice: Dice,
    pub(super) threads: Vec<ThreadId>,
    pub(super) processes: Vec<Process>,
    pub(super) is_calm: bool,
    pub(super) agenda: Agenda,
    /// When a person last typed in which agent's session that they still have open.
    pub(super) typed: BTreeMap<(&'static str, SessionId), Timestamp>,
    supervisors: Vec<Supervisor>,
    characters: BTreeMap<&'static str, Character>,
    /// How far the ledger was looked through for something to tell supervisors.
    seen: usize,
    commits: u64,
    ends_at: Timestamp,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut world = World::new();
        let mut characters = BTreeMap::new();
        for agent in AGENTS {
            world.agent(agent).managed();
            characters.insert(agent, dice.one(&Character::ALL));
        }
        world.agent("una").unmanaged();
        world.person("olga", Role::Operator);
        let mut all = vec![("una", ThreadRole::Participant), ("olga", ThreadRole::Participant)];
        all.extend(AGENTS.map(|agent| (agent, ThreadRole::Participant)));
        all[2].1 = ThreadRole::Coordinator;
        let threads = (0..=dice.below(3)).map(|n| world.open("olga", &all[..all.len() - n])).collect();
        let start = world.now();
        let mut day = Self {
            world,
            dice,
            threads,
            processes: Vec::new(),
            is_calm: false,
            agenda: Agenda::default(),
            typed: BTreeMap::new(),
            supervisors: vec![Supervisor::new("desk"), Supervisor::new("cellar")],
            characters,
            seen: 0,
            commits: 0,
            ends_at: start.plus_ms(TROUBLE_MS + CALM_MS),
        };
        day.plan(start);
        day
    }

    fn plan(&mut self, start: Timestamp) {
        for supervisor in 0..self.supervisors.len() {
            self.begin_life(supervisor);
            for _ in 0..self.dice.below(4) {
                let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
                self.agenda.put(at, What::Crash { supervisor });
                let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
                let ms = self.dice.one(&[500, 30_000, 61_000, 200_000]);
                self.agenda.put(at, What::CutOff { supervisor, ms });
            }
        }
        for _ in 0..self.dice.below(16) + 4 {
            let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
            self.agenda.put(at, What::Person);
        }
        for _ in 0..self.dice.below(3) {
            let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
            self.agenda.put(at, What::Storm);
        }
        for _ in 0..self.dice.below(12) {
            let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
            self.agenda.put(at, What::Types);
        }
        self.agenda.put(start.plus_ms(TROUBLE_MS), What::Calm);
    }

    /// To the end of the day.
    pub(super) fn run(&mut self) {
        let mut count = 0;
        while let Some((at, what)) = self.agenda.next() {
            count += 1;
            assert!(at <= self.ends_at && count < STEPS_MAX, "it does not become quiet: {what:?} at {at:?}");
            self.world.advance_ms(at.ms_since(self.world.now()).max(0));
            self.happens(what);
            self.tell_supervisors();
            check::always(self);
            if self.is_calm && self.is_quiet() {
                break;
            }
        }
        check::at_the_end(self);
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Claim { supervisor, life, is_poll } => self.claims(supervisor, life, is_poll),
            What::Start { supervisor, life, wake } => self.starts(supervisor, life, wake),
            What::Step { process } => self.steps(process),
            What::Overdue { process, is_accept } => self.is_overdue(process, is_accept),
            What::Renew { supervisor, life } => self.renews(supervisor, life),
            What::Crash { supervisor } => self.crashes(supervisor),
            What::Restart { supervisor } => {
                self.supervisors[supervisor].is_up = true;
                self.supervisors[supervisor].life += 1;
                self.begin_life(supervisor);
            }
            What::CutOff { supervisor, ms } => {
                self.supervisors[supervisor].cut_off_until = Some(self.world.now().plus_ms(ms));
            }
            What::Person => self.person_acts(),
            What::Types => self.person_types(),
            What::Typed { agent, session, is_closed } => self.has_typed(agent, session, is_closed),
            What::Storm => self.storm(),
            What::Calm => self.becomes_calm(),
        }
    }

    pub(super) fn choose_thread(&mut self) {
        self.world.thread_id = self.dice.one(&self.threads);
    }

    /// People go home: what they have stopped goes on, what breaks stays whole, and fragile agents are mended.
    fn becomes_calm(&mut self) {
        self.is_calm = true;
        drop(self.world.give("olga", Command::ResumeAgents { since: None }));
        for character in self.characters.values_mut().filter(|one| **one == Character::Fragile) {
            *character = Character::Diligent;
        }
    }

    /// Nothing runs, nothing is held, and nothing that may be started waits.
    fn is_quiet(&self) -> bool {
        let waits = self.world.rows.live().any(|wake| !wake.held || wake.state == WakeState::Running);
        !waits && self.supervisors.iter().all(|one| one.is_up && one.held.is_empty())
    }

    /// A commit that makes a wake due ends the supervisors' waiting, unless the word is lost.
    fn tell_supervisors(&mut self) {
        let is_news =
            |event: &Event| matches!(event, Event::WakeRequested { .. } | Event::StatusChanged { .. });
        let news = self.world.entries[self.seen..].iter().flatten().any(is_news);
        self.seen = self.world.entries.len();
        if !news {
            return;
        }
        for supervisor in 0..self.supervisors.len() {
            if self.supervisors[supervisor].is_up && self.dice.chance(85) {
                let life = self.supervisors[supervisor].life;
                let at = self.world.now().plus_ms(self.dice.ms(1, 20));
                self.agenda.put(at, What::Claim { supervisor, life, is_poll: false });
            }
        }
    }

    // Supervisors.

    fn begin_life(&mut self, supervisor: usize) {
        let life = self.supervisors[supervisor].life;
        let now = self.world.now();
        let at = now.plus_ms(self.dice.ms(0, 100));
        self.agenda.put(at, What::Claim { supervisor, life, is_poll: true });
        self.agenda.put(now.plus_ms(RENEW_MS), What::Renew { supervisor, life });
    }

    fn is_living(&self, supervisor: usize, life: u32) -> bool {
        self.supervisors[supervisor].is_up && self.supervisors[supervisor].life == life
    }

    fn claims(&mut self, supervisor: usize, life: u32, is_poll: bool) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let now = self.world.now();
        if is_poll {
            self.agenda.put(now.plus_ms(POLL_MS), What::Claim { supervisor, life, is_poll });
        }
        let one = &self.supervisors[supervisor];
        let free = SLOTS.saturating_sub(one.held.len());
        if free == 0 || one.is_cut_off(now) || !self.is_something_due() {
            return;
        }
        let made = self.world.claim_in(one.name, &one.incarnation(), u32::try_from(free).unwrap());
        // Now and then the answer is lost: nobody knows of these claims, and their leases run out.
        if !self.is_calm && self.dice.chance(3) {
            return;
        }
        for claim in made {
            check::was_claimed(self, &claim);
            let wake = claim.wake_id;
            let at = now.plus_ms(self.dice.ms(1, 400));
            self.agenda.put(at, What::Start { supervisor, life, wake });
            let until = believed(claim.lease.until);
            let hold = Hold { claim, until, process: None, untold: VecDeque::new(), is_over: false };
            self.supervisors[supervisor].held.insert(wake, hold);
        }
    }

    /// Whether a claim could lead to anything: most polls of a day find nothing.
    fn is_something_due(&self) -> bool {
        let now = self.world.now();
        self.world
            .rows
            .live()
            .any(|wake| wake.state == WakeState::Running || (!wake.held && wake.due_at <= now))
    }

    fn starts(&mut self, supervisor: usize, life: u32, wake: WakeId) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let now = self.world.now();
        let Some(hold) = self.supervisors[supervisor].held.get(&wake) else { return };
        if hold.until <= now {
            return;
        }
        let agent = hold.claim.agent.clone();
        let character = self.characters[agent.as_str()];
        let steps = steps(character, &mut self.dice);
        if let Some(&Step::End(outcome)) = steps.first()
            && is_before_start(outcome)
        {
            self.tells(supervisor, wake, ended(outcome), true);
            return;
        }
        check::may_start(self, &agent);
        let process = self.processes.len();
        let thread = self.world.wake(wake).thread_id;
        self.processes.push(Process {
            agent,
            thread,
            wake,
            supervisor,
            is_alive: true,
            has_accepted: false,
            steps: steps.into(),
        });
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
            hold.process = Some(process);
        }
        self.tells(supervisor, wake, Report::Started { lane: Lane::Trigger, door: None }, false);
        let (accept, run) = (self.world.policy.accept_timeout_ms, self.world.policy.run_ms_max);
        self.agenda.put(now.plus_ms(accept), What::Overdue { process, is_accept: true });
        self.agenda.put(now.plus_ms(run), What::Overdue { process, is_accept: false });
        self.goes_on(process);
    }

    /// Tell the server, after what it was not told yet.
    fn tells(&mut self, supervisor: usize, wake: WakeId, report: Report, is_over: bool) {
        if let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
            hold.untold.push_back(report);
            hold.is_over |= is_over;
        }
        self.delivers(supervisor, wake);
    }

    fn delivers(&mut self, supervisor: usize, wake: WakeId) {
        if self.supervisors[supervisor].is_cut_off(self.world.now()) {
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
            self.told(supervisor, &claim, report);
        }
    }

    fn told(&mut self, supervisor: usize, claim: &Claim, report: Report) {
        let wake = claim.wake_id;
        let is_start = matches!(report, Report::Started { .. });
        match self.world.report(claim, report) {
            Ok(_) if is_start => check::was_started(self, wake),
            Ok(_) => {}
            Err(refusal) if refusal.reason == Reason::LeaseLost => self.loses(supervisor, wake),
            Err(_) if is_start => {
                self.kills(supervisor, wake);
                self.tells(supervisor, wake, ended(Outcome::NotStarted), true);
            }
            Err(refusal) => assert_eq!(refusal.reason, Reason::WakeWrongState, "{refusal:?}"),
        }
    }

    fn kills(&mut self, supervisor: usize, wake: WakeId) {
        if let Some(process) = self.supervisors[supervisor].held.get(&wake).and_then(|hold| hold.process) {
            self.processes[process].is_alive = false;
        }
    }

    fn loses(&mut self, supervisor: usize, wake: WakeId) {
        self.kills(supervisor, wake);
        self.supervisors[supervisor].held.remove(&wake);
    }

    fn renews(&mut self, supervisor: usize, life: u32) {
        if !self.is_living(supervisor, life) {
            return;
        }
        let now = self.world.now();
        for wake in self.held(supervisor, |hold| hold.until <= now) {
            self.loses(supervisor, wake);
        }
        // A lease may run out before the next renewal.
        let least = self.supervisors[supervisor].held.values().map(|hold| hold.until).min();
        let next = least.map_or(now.plus_ms(RENEW_MS), |until| until.min(now.plus_ms(RENEW_MS)));
        self.agenda.put(next, What::Renew { supervisor, life });
        if self.supervisors[supervisor].is_cut_off(now) {
            return;
        }
        for wake in self.held(supervisor, |_| true) {
            let Some(hold) = self.supervisors[supervisor].held.get(&wake) else { continue };
            let claim = hold.claim.clone();
            if self.world.renew(&claim).is_empty() {
                self.loses(supervisor, wake);
            } else if let Some(hold) = self.supervisors[supervisor].held.get_mut(&wake) {
                hold.until = believed(now.plus_ms(self.world.policy.lease_ms));
            }
            self.delivers(supervisor, wake);
        }
        if self.world.rows.halt.is_some() {
            self.halts(supervisor);
        }
    }

    /// All agents are stopped: what runs is ended.
    fn halts(&mut self, supervisor: usize) {
        for wake in self.held(supervisor, |hold| hold.process.is_some() && !hold.is_over) {
            self.kills(supervisor, wake);
            self.tells(supervisor, wake, ended(Outcome::Halted), true);
        }
    }

    fn held(&self, supervisor: usize, is_meant: impl Fn(&Hold) -> bool) -> Vec<WakeId> {
        let held = self.supervisors[supervisor].held.iter();
        held.filter(|(_, hold)| is_meant(hold)).map(|(wake, _)| *wake).collect()
    }

    /// Its agents die with it.
    fn crashes(&mut self, supervisor: usize) {
        if self.is_calm || !self.supervisors[supervisor].is_up {
            return;
        }
        for process in self.processes.iter_mut().filter(|process| process.supervisor == supervisor) {
            process.is_alive = false;
        }
        self.supervisors[supervisor].held.clear();
        self.supervisors[supervisor].is_up = false;
        let at = self.world.now().plus_ms(self.dice.one(&[200, 10_000, 90_000]));
        self.agenda.put(at, What::Restart { supervisor });
    }

    // Processes.

    fn goes_on(&mut self, process: usize) {
        let ms = if self.dice.chance(5) { self.dice.ms(5_000, 60_000) } else { self.dice.ms(10, 4_000) };
        self.agenda.put(self.world.now().plus_ms(ms), What::Step { process });
    }

    /// The session that a process runs in: its thread's, where there is one, otherwise one of its own.
    fn session_of(&self, process: usize) -> SessionId {
        let one = &self.processes[process];
        let wake = self.world.wake(one.wake);
        let member = self.world.rows.threads[&one.thread].members.get(&one.agent);
        let bound = member.and_then(|member| member.session).filter(|_| wake.door == Some(Door::Resume));
        bound.unwrap_or(SessionId::from_u128(process as u128 + 1))
    }

    fn is_overdue(&mut self, process: usize, is_accept: bool) {
        let one = &self.processes[process];
        if !one.is_alive || (is_accept && one.has_accepted) {
            return;
        }
        let outcome = if is_accept { Outcome::NotAccepted } else { Outcome::RunTimeExceeded };
        self.ends(process, outcome);
    }

    fn ends(&mut self, process: usize, outcome: Outcome) {
        self.processes[process].is_alive = false;
        let (supervisor, wake) = (self.processes[process].supervisor, self.processes[process].wake);
        self.tells(supervisor, wake, ended(outcome), true);
    }

    fn steps(&mut self, process: usize) {
        if !self.processes[process].is_alive {
            return;
        }
        let Some(step) = self.processes[process].steps.pop_front() else { return };
        match step {
            Step::End(outcome) => return self.ends(process, outcome),
            Step::Hang => return,
            Step::Print => {
                let (supervisor, wake) = (self.processes[process].supervisor, self.processes[process].wake);
                let session_id = Some(self.session_of(process));
                self.tells(
                    supervisor,
                    wake,
                    Report::Accepted { evidence: Evidence::Output, session_id },
                    false,
                );
            }
            _ => self.calls(process, step),
        }
        self.processes[process].has_accepted = true;
        if self.processes[process].is_alive {
            self.goes_on(process);
        }
    }

    /// The agent uses its wake's token.
    fn calls(&mut self, process: usize, step: Step) {
        let one = &self.processes[process];
        let (agent, wake) = (one.agent.as_str().to_owned(), one.wake);
        self.world.thread_id = one.thread;
        self.world.acting = Some(wake);
        drop(self.world.give(&agent, Command::NoteCall { wake_id: wake }));
        match step {
            Step::Ack => {
                let seq = self.world.thread().seq;
                drop(self.world.ack(&agent, seq));
            }
            Step::SayToAll => {
                let words = format!("I have seen {} of it", self.world.entries.len());
                drop(self.world.post(&agent, Post::chat(&words)));
            }
            Step::SayAgain => drop(self.world.post(&agent, Post::chat("acknowledged"))),
            Step::SayToOne => {
                let to = self.dice.one(&AGENTS);
                drop(self.world.post(&agent, Post::chat("what do you think?").to(&[to])));
            }
            Step::SayElsewhere => {
                self.choose_thread();
                drop(self.world.post(&agent, Post::chat("from the other thread")));
            }
            Step::Fix => {
                // Work comes to an end: who always had another commit to announce would always make progress.
                self.commits += u64::from(!self.is_calm && self.dice.chance(25));
                drop(self.world.post(&agent, Post::fix(&format!("{:07}", self.commits))));
            }
            Step::Find => {
                let id = self.world.entries.len() as u128;
                let path = self.dice.one(&["a.rs", "b.rs", "c.rs"]);
                drop(self.world.post(&agent, Post::finding(finding_id(id), path)));
            }
            Step::Print | Step::Call | Step::End(_) | Step::Hang => {}
        }
        self.world.acting = None;
    }

    /// The threads with where they stand.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (ThreadId, Status)> {
        self.threads.iter().map(|id| (*id, self.world.rows.threads[id].status))
    }

    /// Whether a process of this agent lives.
    pub(super) fn is_running(&self, agent: &str) -> bool {
        self.processes.iter().any(|process| process.is_alive && process.agent == name(agent))
    }
}

/// A supervisor counts from when it asked, which is before the server did.
fn believed(until: Timestamp) -> Timestamp {
    until.plus_ms(-10)
}

const fn ended(outcome: Outcome) -> Report {
    Report::Ended { outcome, usage: None, is_session_total: false }
}
