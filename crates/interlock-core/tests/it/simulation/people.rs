//! What people do in a day: order, pause, resume, resolve, take back, end wakes and ask for them again, stop everything,
//! sit at terminals, and write all at once.

use interlock_core::actor::Role;
use interlock_core::command::{RemindOwner, ThreadAction};
use interlock_core::id::{MessageId, SessionId, WakeId};
use interlock_core::session::Observed;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{WakeResult, WakeState};
use interlock_core::{Command, Reason, Reply};

use super::agenda::What;
use super::check;
use super::run::{AGENTS, Simulation};
use crate::world::{Done, Post, World, name};

impl Simulation {
    /// A person does one thing.
    pub(super) fn person_acts(&mut self) {
        self.journal.person_acts();
        self.choose_thread();
        let agent = self.dice.one(&AGENTS);
        match self.dice.below(22) {
            0..=4 => {
                let order = self.order("olga");
                drop(self.world.post("olga", order));
            }
            5 => drop(self.world.post("olga", Post::chat("how is it going?"))),
            6 => drop(self.world.status("olga", Status::Blocked)),
            7 | 8 => drop(self.world.status("olga", Status::Active)),
            9 => self.takes_back(),
            10 => self.wakes(agent, None),
            11 => self.wakes(agent, Some("it cannot wait")),
            12 => self.joins_or_leaves(),
            13 if self.dice.chance(40) => drop(self.world.give("olga", Command::HaltAgents)),
            13 => drop(self.world.give("olga", Command::ResumeAgents { since: None })),
            14 | 15 => self.ends_a_wake(),
            16 | 17 => self.asks_again(),
            18 => drop(self.world.assigns("olga", agent)),
            19 => drop(self.world.status_for("olga", Status::Blocked, Reason::Paused, None)),
            20 => self.operates(agent),
            _ if self.dice.chance(20) => drop(self.world.status("olga", Status::Resolved)),
            _ => drop(self.world.post("una", Post::chat("me too"))),
        }
    }

    fn operates(&mut self, agent: &str) {
        let owner = self.dice.chance(50).then(|| name(agent));
        let (action, why) = match self.dice.below(10) {
            0..=4 => (ThreadAction::Unblock, "go on"),
            5..=8 => (ThreadAction::Escalate { owner }, "look at it"),
            _ => (ThreadAction::Close, "human_override: it is over"),
        };
        drop(self.world.operates("olga", action, why, None));
    }

    fn wakes(&mut self, agent: &str, why: Option<&str>) {
        let asked = match why {
            Some(why) => self.world.overrides("olga", agent, why),
            None => self.world.trigger("olga", agent),
        };
        self.is_covered(asked.ok());
    }

    /// A person ends a wake, most likely one that runs.
    fn ends_a_wake(&mut self) {
        let live: Vec<(WakeId, WakeState)> =
            self.world.rows.live().map(|wake| (wake.wake_id, wake.state)).collect();
        let running: Vec<_> =
            live.iter().filter(|(_, state)| *state == WakeState::Running).copied().collect();
        let from = if running.is_empty() || self.dice.chance(30) { live } else { running };
        if from.is_empty() {
            return;
        }
        let (wake, _) = self.dice.one(&from);
        if self.world.ends("olga", wake).is_ok() {
            self.journal.cancelled.insert(wake, self.now());
            if self.dice.chance(50) {
                // And wants its agent to begin anew.
                self.world.thread_id = self.world.wake(wake).thread_id;
                let agent = self.world.wake(wake).agent.clone();
                self.wakes(agent.as_str(), None);
            }
        }
    }

    /// A person asks again for a wake that came to nothing, or waits.
    fn asks_again(&mut self) {
        let is_meant = |result: Option<WakeResult>| result.is_none_or(WakeResult::may_be_retried);
        let all = self.world.rows.wakes.values().filter(|wake| is_meant(wake.result));
        let all: Vec<WakeId> = all.map(|wake| wake.wake_id).collect();
        if !all.is_empty() {
            let wake = self.dice.one(&all);
            let asked = self.world.retries("olga", wake);
            self.is_covered(asked.ok());
        }
    }

    /// What somebody was told would run is to run.
    fn is_covered(&self, asked: Option<Done>) {
        if let Some(Reply::Wake(wake)) = asked.map(|done| done.reply) {
            check::covers(self, wake);
        }
    }

    /// The last message of somebody in the thread.
    pub(super) fn last_of(&self, who: &str) -> Option<MessageId> {
        let thread = self.world.thread_id;
        let all = self.world.rows.messages.range((thread, 0)..=(thread, u64::MAX));
        let last = all.rev().find(|(_, (message, _))| message.head.from.as_str() == who);
        last.map(|(_, (message, _))| message.head.message_id)
    }

    fn takes_back(&mut self) {
        if let Some(id) = self.last_of("olga") {
            drop(self.world.cancels("olga", id));
        }
    }

    fn joins_or_leaves(&mut self) {
        let agent = self.dice.one(&AGENTS);
        if self.dice.chance(70) {
            drop(self.world.adds("olga", agent, ThreadRole::Participant));
        } else {
            drop(self.world.removes("olga", agent));
        }
    }

    /// A person sends a prompt in an agent's session: the one of a thread, or one that Interlock has never heard of. Its
    /// hooks tell, and name the thread where something may wait; or the supervisor that sees it in the runtime's server.
    pub(super) fn person_types(&mut self) {
        self.journal.person_acts();
        self.choose_thread();
        let agent = self.dice.one(&AGENTS);
        let bound = self.world.thread().members.get(&name(agent)).and_then(|member| member.session);
        let own = SessionId::from_u128(1_000_000 + self.dice.below(2) as u128);
        let session = bound.filter(|_| self.dice.chance(70)).unwrap_or(own);
        let now = self.world.now();
        let sitting = self.journal.sittings.entry((agent, session)).or_default();
        sitting.turn_since = Some(now);
        if self.dice.chance(20) {
            let seen = World::sight(agent, session.as_u128(), Observed::TurnStarted);
            let told = self.world.give_as("desk", Role::Supervisor, Command::ObserveSession(seen));
            told.unwrap();
        } else {
            sitting.typed_at = Some(now);
            self.hooks_tell(agent, session, Observed::HumanPrompt);
        }
        // Now and then nobody tells of the end.
        if self.dice.chance(90) {
            let at = self.now().plus_ms(self.dice.ms(100, 60_000));
            let is_closed = self.dice.chance(30);
            self.agenda.put(at, What::Typed { agent, session, is_closed });
        }
        // And who types once goes on.
        if !self.is_calm && self.dice.chance(60) {
            self.agenda.put(self.now().plus_ms(self.dice.ms(1_000, 25_000)), What::Types);
        }
    }

    /// A hook tells what it sees, and where something may wait. Says whether the session heard that something does: the
    /// answer may be lost when it is written down already that the session was told.
    fn hooks_tell(&mut self, agent: &str, session: SessionId, observed: Observed) -> bool {
        let mut seen = World::sight(agent, session.as_u128(), observed);
        seen.threads.extend(Some(self.world.thread_id).filter(|_| self.dice.chance(50)));
        let told = match self.world.observes(agent, &seen).unwrap().reply {
            Reply::Observed { told, .. } => told,
            other => panic!("{other:?}"),
        };
        if told.is_empty() {
            return false;
        }
        if !self.is_calm && self.dice.chance(25) {
            self.journal.unheard.insert(observed);
            return false;
        }
        if self.dice.chance(50) {
            self.reads(agent);
        }
        true
    }

    /// Something comes for an agent whose turn runs.
    pub(super) fn calls_out(&mut self, process: usize) {
        self.journal.person_acts();
        let one = &self.processes[process];
        let agent = one.agent.as_str().to_owned();
        self.world.thread_id = one.thread;
        drop(self.world.post("olga", Post::chat("stop that, look here first").to(&[&agent]).urgent()));
    }

    pub(super) fn has_typed(&mut self, agent: &'static str, session: SessionId, is_closed: bool) {
        self.choose_thread();
        if self.hooks_tell(agent, session, Observed::TurnEnded) {
            // It goes on with what it was told.
            let at = self.now().plus_ms(self.dice.ms(100, 60_000));
            return self.agenda.put(at, What::Typed { agent, session, is_closed });
        }
        if let Some(sitting) = self.journal.sittings.get_mut(&(agent, session)) {
            sitting.turn_since = None;
        }
        if is_closed {
            self.world.sees(agent, session.as_u128(), Observed::Closed);
            self.journal.sittings.remove(&(agent, session));
        }
    }

    /// The server looks whether somebody who must act is to be told again.
    pub(super) fn reminds(&mut self) {
        let blocked = self.threads.iter().filter_map(|id| {
            let escalation = self.world.rows.threads[id].escalation.as_ref()?;
            Some(RemindOwner { thread_id: *id, since: escalation.since })
        });
        for command in blocked.collect::<Vec<_>>() {
            self.world.give_as("interlock", Role::Supervisor, Command::RemindOwner(command)).unwrap();
        }
        self.tells_of_stranded();
    }

    /// And whether somebody is to be told that a wake waits in vain.
    fn tells_of_stranded(&mut self) {
        for wake_id in self.world.rows.live().map(|wake| wake.wake_id).collect::<Vec<_>>() {
            self.world.give_as("interlock", Role::Supervisor, Command::NoteStranded { wake_id }).unwrap();
        }
    }

    /// Many messages at once, in all threads.
    pub(super) fn storm(&mut self) {
        self.journal.person_acts();
        for _ in 0..self.dice.below(12) + 3 {
            self.choose_thread();
            let post = match self.dice.below(4) {
                0 => Post::chat("everybody"),
                1 => Post::chat("lead").for_role(ThreadRole::Coordinator),
                _ => Post::chat("you").to(&[self.dice.one(&AGENTS)]),
            };
            drop(self.world.post("olga", post));
        }
    }
}
