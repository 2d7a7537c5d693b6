//! How a day begins: who works, by which rules, where, and what will go wrong.

use interlock_core::Timestamp;
use interlock_core::actor::Role;
use interlock_core::agent::{Label, Runtime};
use interlock_core::policy::Policy;
use interlock_core::thread::ThreadRole;
use interlock_core::wake::{Door, Lack};

use super::agenda::What;
use super::cast::Character;
use super::dice::Dice;
use super::run::{AGENTS, Simulation, TROUBLE_MS};
use super::supervisor::Supervisor;
use crate::world::{World, name};

/// By how much a server may err about the clock of its database, when its answers are slow.
const ERR_MS: i64 = 2_000;
/// The label that some agents ask for.
pub(super) const LABEL: &str = "gpu";

/// The rules of the day: now and then tighter ones, so that every guard has something to do.
pub(super) fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy::default();
    let mut now_and_then = |set: &dyn Fn(&mut Policy)| {
        if dice.chance(15) {
            set(&mut policy);
        }
    };
    now_and_then(&|policy| policy.thread_tokens_max = 1_000);
    now_and_then(&|policy| policy.agent_tokens_per_day_max = 2_000);
    now_and_then(&|policy| policy.fallbacks_running_max = 1);
    now_and_then(&|policy| policy.causal_hops_max = 6);
    now_and_then(&|policy| policy.backlog_wakes_max = 2);
    now_and_then(&|policy| policy.wakes_per_minute_max = 2);
    now_and_then(&|policy| policy.auto_wakes_max = 3);
    now_and_then(&|policy| policy.agents_running_max = 2);
    now_and_then(&|policy| policy.quota_pauses_max = 1);
    now_and_then(&|policy| policy.escalation_reminder_ms = 60_000);
    now_and_then(&|policy| policy.escalation_owner = Some(name("olga")));
    policy
}

/// The people and agents of the day.
pub(super) fn team(world: &mut World, dice: &mut Dice) -> Vec<(&'static str, Character)> {
    let mut team = Vec::new();
    for agent in AGENTS {
        let runtime = dice.one(&[Runtime::Codex, Runtime::Codex, Runtime::Claude, Runtime::Command]);
        let label = dice.chance(10).then_some(LABEL);
        world.agent(agent).run_as(runtime, label);
        team.push((agent, dice.one(&Character::ALL)));
    }
    world.agent("una").unmanaged();
    world.agent("olga").role(Role::Operator).unmanaged();
    team
}

/// Two supervisors on two machines, or one alone. The first has the server in which live turns run.
pub(super) fn supervisors(world: &mut World, dice: &mut Dice) -> Vec<Supervisor> {
    let mut all = vec![Supervisor::new("desk")];
    if dice.chance(70) {
        all.push(Supervisor::new("cellar"));
    }
    let is_alone = all.len() == 1;
    for (n, one) in all.iter_mut().enumerate() {
        one.tells_holds = dice.chance(70);
        if n > 0 && dice.chance(50) {
            one.doors = Door::OF_EVERY_SUPERVISOR.to_vec();
        }
        for agent in AGENTS {
            if !is_alone && dice.chance(8) {
                one.lacks.insert(agent, (dice.one(&[Lack::Program, Lack::Directory]), false));
            }
        }
    }
    world.claimants.entry("desk".into()).or_default().labels.insert(Label::parse(LABEL).unwrap());
    all
}

/// By how much the server of each supervisor errs about the clock that all of them share: the first not at all, another
/// on some days.
pub(super) fn servers(supervisors: &[Supervisor], dice: &mut Dice) -> Vec<i64> {
    let err = |n: usize| if n > 0 && dice.chance(50) { dice.ms(-ERR_MS, ERR_MS) } else { 0 };
    (0..supervisors.len()).map(err).collect()
}

impl Simulation {
    /// The threads that people have opened, with ever fewer agents in them.
    pub(super) fn open_threads(&mut self) {
        let mut all = vec![("una", ThreadRole::Participant), ("olga", ThreadRole::Participant)];
        all.extend(AGENTS.map(|agent| (agent, ThreadRole::Participant)));
        all[2].1 = ThreadRole::Coordinator;
        for n in 0..=self.dice.below(3) {
            let thread = self.world.open("olga", &all[..all.len() - n]);
            self.threads.push(thread);
        }
    }

    /// What goes wrong, and what people do, at times left to chance.
    pub(super) fn plan(&mut self, start: Timestamp) {
        for supervisor in 0..self.supervisors.len() {
            self.begin_life(supervisor);
            self.at_times(4, start, |_| What::Crash { supervisor });
            self.at_times(4, start, |dice| {
                let ms = dice.one(&[500, 30_000, 61_000, 200_000]);
                What::CutOff { supervisor, ms }
            });
            self.at_times(3, start, |dice| {
                let (ms, is_machine) = (dice.one(&[5_000, 59_000, 70_000, 300_000]), dice.chance(60));
                What::Freeze { supervisor, ms, is_machine }
            });
        }
        // A clock that is put forward by more than one supervisor leaves another to notice the end of its leases
        // promises what cannot be kept, so it is not by more where there are several.
        let is_one = self.supervisors.len() == 1;
        let is_told = self.supervisors.iter().all(|one| one.tells_holds);
        let steps: &[i64] =
            if is_one { &[-30_000, 12_000, 90_000, 600_000] } else { &[-30_000, -2_000, 2_000, 6_000] };
        if is_told && self.dice.chance(40) {
            self.at_times(3, start, |dice| What::Clock { ms: dice.one(steps) });
        }
        self.at_times(16, start, |_| What::Person);
        for _ in 0..6 {
            let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
            self.agenda.put(at, What::Person);
        }
        self.at_times(3, start, |_| What::Storm);
        self.at_times(12, start, |_| What::Types);
        self.at_times(3, start, |_| What::CodexDies);
        self.at_times(4, start, |_| What::Interrupt);
        self.at_times(2, start, |_| What::LoseSight);
        for minute in 1..=30 {
            self.agenda.put(start.plus_ms(minute * 60_000), What::Remind);
        }
        self.agenda.put(start.plus_ms(TROUBLE_MS), What::Calm);
    }

    /// Fewer times than that, anywhere in the time of trouble.
    fn at_times(&mut self, below: usize, start: Timestamp, what: impl Fn(&mut Dice) -> What) {
        for _ in 0..self.dice.below(below) {
            let at = start.plus_ms(self.dice.ms(0, TROUBLE_MS));
            let what = what(&mut self.dice);
            self.agenda.put(at, what);
        }
    }
}
