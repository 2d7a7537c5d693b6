//! One day: what is on the agenda happens, and leads to more.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::command::Command;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::thread::Status;
use interlock_core::wake::{Wake, WakeState};
use interlock_core::{Event, Timestamp};

use super::agenda::{Agenda, What};
use super::cast::Character;
use super::dice::Dice;
use super::journal::Journal;
use super::supervisor::{Process, Supervisor};
use super::{check, day};
use crate::world::{World, name};

/// Who is managed.
pub(super) const AGENTS: [&str; 4] = ["ann", "bob", "cem", "dan"];
/// How long there is trouble.
pub(super) const TROUBLE_MS: i64 = 15 * 60 * 1_000;
/// How long a day may take to become quiet after that: many times what waits, retries, guards and budgets add up to.
const CALM_MS: i64 = 5 * 24 * 60 * 60 * 1_000;
/// So many things happen at most, so that a day that goes round in circles is found out.
const STEPS_MAX: u32 = 40_000;

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the day of its own")]
pub(super) struct Simulation {
    pub(super) world: World,
    pub(super) dice: Dice,
    pub(super) threads: Vec<ThreadId>,
    pub(super) processes: Vec<Process>,
    pub(super) supervisors: Vec<Supervisor>,
    pub(super) characters: BTreeMap<&'static str, Character>,
    pub(super) is_calm: bool,
    pub(super) agenda: Agenda,
    /// What the test itself saw.
    pub(super) journal: Journal,
    /// Whether the server in which live turns run is there.
    pub(super) has_codex: bool,
    /// Whether it takes in nothing that it is told.
    pub(super) is_codex_deaf: bool,
    pub(super) commits: u64,
    /// The time that nobody puts forward or back.
    time: Timestamp,
    /// By how much the servers' clock is ahead of it.
    ahead_ms: i64,
    /// By how much the server of each supervisor errs about that clock.
    pub(super) errs_ms: Vec<i64>,
    /// How far the ledger was looked through.
    seen: usize,
    ends_at: Timestamp,
    is_told: bool,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut world = World::new();
        world.policy = day::policy(&mut dice);
        let characters = day::team(&mut world, &mut dice).into_iter().collect();
        let supervisors = day::supervisors(&mut world, &mut dice);
        let errs_ms = day::servers(&supervisors, &mut dice);
        let is_codex_deaf = dice.chance(15);
        let start = world.now();
        let mut day = Self {
            world,
            dice,
            threads: Vec::new(),
            processes: Vec::new(),
            supervisors,
            characters,
            is_calm: false,
            agenda: Agenda::default(),
            journal: Journal::default(),
            has_codex: true,
            is_codex_deaf,
            commits: 0,
            time: start,
            ahead_ms: 0,
            errs_ms,
            seen: 0,
            ends_at: start.plus_ms(TROUBLE_MS + CALM_MS),
            is_told: false,
        };
        day.open_threads();
        day.plan(start);
        day
    }

    /// The same, told step by step on standard error.
    pub(super) fn told(seed: u64) -> Self {
        Self { is_told: true, ..Self::new(seed) }
    }

    /// The time that nobody puts forward or back: that of the processes and supervisors.
    pub(super) const fn now(&self) -> Timestamp {
        self.time
    }

    /// To the end of the day.
    pub(super) fn run(&mut self) {
        let mut count = 0;
        while let Some((at, what)) = self.agenda.next() {
            count += 1;
            assert!(at <= self.ends_at && count < STEPS_MAX, "it does not become quiet: {what:?} at {at:?}");
            self.time = at;
            let ahead_ms = self.ahead_ms + self.errs_ms[self.server_of(what)];
            self.world.advance_ms(at.plus_ms(ahead_ms).ms_since(self.world.now()));
            if let Some(later) = self.stands_still(what) {
                self.agenda.put(later, what);
                continue;
            }
            self.leases_end();
            self.happens(what);
            self.tell(what);
            self.note();
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
            What::Start { supervisor, life, wake, fence } => self.starts(supervisor, life, (wake, fence)),
            What::Step { process } => self.steps(process),
            What::Overdue { process, is_accept } => self.is_overdue(process, is_accept),
            What::Stopped { process } => self.is_stopped(process),
            What::Renew { supervisor, life } => self.renews(supervisor, life),
            What::Crash { supervisor } => self.crashes(supervisor),
            What::Restart { supervisor } => self.restarts(supervisor),
            What::CutOff { supervisor, ms } => {
                self.supervisors[supervisor].cut_off_until = Some(self.time.plus_ms(ms));
            }
            What::Freeze { supervisor, ms, is_machine } => self.freezes(supervisor, ms, is_machine),
            What::Thaw { supervisor } => {
                let life = self.supervisors[supervisor].life;
                self.renews(supervisor, life);
            }
            What::Clock { ms } => self.ahead_ms += ms,
            What::CodexDies => self.codex_dies(),
            What::CodexBack => self.has_codex = true,
            What::Interrupt => self.interrupts(),
            What::LoseSight => self.loses_sight(),
            What::CannotWait { process } => self.calls_out(process),
            What::Remind => self.reminds(),
            What::Person => self.person_acts(),
            What::Types => self.person_types(),
            What::Typed { agent, session, is_closed } => self.has_typed(agent, session, is_closed),
            What::Storm => self.storm(),
            What::Calm => self.becomes_calm(),
        }
    }

    /// The server that hears of it: that of the supervisor on whose machine it happens, else the first one.
    fn server_of(&self, what: What) -> usize {
        match what {
            What::Claim { supervisor, .. }
            | What::Start { supervisor, .. }
            | What::Renew { supervisor, .. }
            | What::Thaw { supervisor } => supervisor,
            What::Step { process } | What::Overdue { process, .. } | What::Stopped { process } => {
                self.processes[process].machine
            }
            _ => 0,
        }
    }

    /// Until when what this is about stands still, when it does.
    fn stands_still(&self, what: What) -> Option<Timestamp> {
        let (machine, is_program) = match what {
            What::Claim { supervisor, .. }
            | What::Start { supervisor, .. }
            | What::Renew { supervisor, .. }
            | What::Crash { supervisor } => (supervisor, true),
            What::Overdue { process, .. } | What::Stopped { process } => {
                (self.processes[process].machine, true)
            }
            What::Step { process } => (self.processes[process].machine, false),
            _ => return None,
        };
        let (until, is_machine) = self.supervisors[machine].frozen_until?;
        (until > self.time && (is_program || is_machine)).then_some(until)
    }

    pub(super) fn choose_thread(&mut self) {
        self.world.thread_id = self.dice.one(&self.threads);
    }

    /// People go home: what they have stopped goes on, what breaks stays whole, and fragile agents are mended.
    fn becomes_calm(&mut self) {
        self.is_calm = true;
        self.has_codex = true;
        self.journal.person_acts();
        drop(self.world.give("olga", Command::ResumeAgents { since: None }));
        for character in self.characters.values_mut().filter(|one| **one == Character::Fragile) {
            *character = Character::Diligent;
        }
        self.supervisors.iter_mut().for_each(|one| one.lacks.clear());
    }

    /// Nothing runs, nothing is held, and nothing that may be started waits.
    fn is_quiet(&self) -> bool {
        let is_open = |wake: &Wake| wake.state == WakeState::Running || wake.is_in_doubt();
        let waits = self.world.rows.live().any(|wake| !wake.held || is_open(wake));
        let is_at_rest = |one: &Supervisor| one.is_up && !one.is_frozen(self.time) && one.held.is_empty();
        // A turn that nobody follows runs until its lease is over.
        let runs = self.processes.iter().any(|one| one.is_alive && one.is_live());
        !waits && !runs && self.supervisors.iter().all(is_at_rest)
    }

    /// Note what was written, and tell the supervisors: a commit that makes a wake due ends their waiting, unless the word
    /// is lost.
    fn note(&mut self) {
        let mut is_news = false;
        for event in self.world.entries[self.seen..].iter().flatten() {
            is_news |= event.concerns_supervisors();
            self.journal.note(event, &self.world.rows, self.world.now());
            check::event(&self.journal, &self.processes, event);
        }
        self.seen = self.world.entries.len();
        for supervisor in 0..self.supervisors.len() {
            if is_news && self.supervisors[supervisor].is_up && self.dice.chance(85) {
                let life = self.supervisors[supervisor].life;
                let at = self.time.plus_ms(self.dice.ms(1, 20));
                self.agenda.put(at, What::Claim { supervisor, life, is_poll: false });
            }
        }
    }

    /// For whoever looks for a fault.
    fn tell(&self, what: What) {
        let news = &self.world.entries[self.seen..];
        let is_poll = matches!(what, What::Claim { .. } | What::Renew { .. } | What::Remind);
        if !self.is_told || (is_poll && news.is_empty()) {
            return;
        }
        let start = self.ends_at.plus_ms(-TROUBLE_MS - CALM_MS);
        let seconds = self.time.ms_since(start) / 1_000;
        eprintln!("{:>3}:{:02} {}", seconds / 60, seconds % 60, self.in_short(&format!("{what:?}")));
        for event in news.iter().flatten() {
            eprintln!("         {}", self.in_short(&line(event)));
        }
    }

    /// With numbers in the place of ids.
    fn in_short(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (n, id) in self.threads.iter().enumerate() {
            text = text.replace(&id.to_string(), &format!("thread {n}"));
        }
        for (n, id) in self.world.rows.wakes.keys().enumerate() {
            text = text.replace(&id.to_string(), &format!("wake {n}"));
        }
        text
    }

    /// The threads with where they stand.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (ThreadId, Status)> {
        self.threads.iter().map(|id| (*id, self.world.rows.threads[id].status))
    }

    /// The wakes of this agent for which something runs.
    pub(super) fn running(&self, agent: &str) -> Vec<WakeId> {
        let agent: AgentName = name(agent);
        let theirs = self.processes.iter().filter(|process| process.is_alive && process.agent == agent);
        theirs.map(|process| process.wake).collect()
    }
}

/// An event in one line, without what nobody reads.
fn line(event: &Event) -> String {
    let mut value = serde_json::to_value(event).unwrap();
    let all = value.as_object_mut().unwrap();
    all.retain(|key, value| !key.ends_with("digest") && !value.is_null());
    if let Some(message) = all.get_mut("message").and_then(|message| message.as_object_mut()) {
        let kept = ["seq", "from", "to", "to_role", "event_type", "hops", "expires_at", "priority"];
        message.retain(|key, _| kept.contains(&key.as_str()));
    }
    let kind = all.remove("kind").unwrap();
    format!("{} {}", kind.as_str().unwrap(), serde_json::Value::from(all.clone()))
}
