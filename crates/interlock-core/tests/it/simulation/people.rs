//! What people do in a day: order, pause, resume, resolve, take back, stop everything, and write all at once.

use interlock_core::id::SessionId;
use interlock_core::session::Observed;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::{Command, Reply};

use super::agenda::What;
use super::run::{AGENTS, Simulation};
use crate::world::{Post, World, name};

impl Simulation {
    /// A person does one thing.
    pub(super) fn person_acts(&mut self) {
        self.choose_thread();
        match self.dice.below(14) {
            0..=4 => self.orders(),
            5 => drop(self.world.post("olga", Post::chat("how is it going?"))),
            6 => drop(self.world.status("olga", Status::Blocked)),
            7 | 8 => self.resumes(),
            9 => self.takes_back(),
            10 => {
                let agent = self.dice.one(&AGENTS);
                drop(self.world.trigger("olga", agent));
            }
            11 => self.joins_or_leaves(),
            12 if self.dice.chance(30) => drop(self.world.give("olga", Command::HaltAgents)),
            12 => drop(self.world.give("olga", Command::ResumeAgents { since: None })),
            _ if self.dice.chance(20) => drop(self.world.status("olga", Status::Resolved)),
            _ => drop(self.world.post("una", Post::chat("me too"))),
        }
    }

    fn orders(&mut self) {
        let mut post = Post::chat("do this").to(&[self.dice.one(&AGENTS)]);
        if self.dice.chance(20) {
            post = post.urgent();
        }
        if self.dice.chance(20) {
            let ms = self.dice.one(&[1, 1_000, 30_000, 600_000]);
            post = post.expires_in(ms);
        }
        drop(self.world.post("olga", post));
    }

    fn resumes(&mut self) {
        drop(self.world.status("olga", Status::Active));
    }

    fn takes_back(&mut self) {
        let thread = self.world.thread_id;
        let mine = self.world.rows.messages.range((thread, 0)..=(thread, u64::MAX));
        let last = mine.rev().find(|(_, (message, _))| message.head.from.as_str() == "olga");
        if let Some(id) = last.map(|(_, (message, _))| message.head.message_id) {
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
    /// hooks tell, and name the thread where something may wait.
    pub(super) fn person_types(&mut self) {
        self.choose_thread();
        let agent = self.dice.one(&AGENTS);
        let bound = self.world.thread().members.get(&name(agent)).and_then(|member| member.session);
        let own = SessionId::from_u128(1_000_000 + self.dice.below(2) as u128);
        let session = bound.filter(|_| self.dice.chance(70)).unwrap_or(own);
        let mut seen = World::sight(agent, session.as_u128(), Observed::HumanPrompt);
        seen.threads.extend(Some(self.world.thread_id).filter(|_| self.dice.chance(50)));
        let told = match self.world.observes(agent, &seen).unwrap().reply {
            Reply::Observed { told, .. } => told,
            other => panic!("{other:?}"),
        };
        self.typed.insert((agent, session), self.world.now());
        if !told.is_empty() && self.dice.chance(50) {
            let seq = self.world.thread().seq;
            drop(self.world.ack(agent, seq));
        }
        // Now and then nobody tells of the end.
        if self.dice.chance(90) {
            let at = self.world.now().plus_ms(self.dice.ms(100, 60_000));
            let is_closed = self.dice.chance(30);
            self.agenda.put(at, What::Typed { agent, session, is_closed });
        }
        // And who types once goes on.
        if !self.is_calm && self.dice.chance(60) {
            self.agenda.put(self.world.now().plus_ms(self.dice.ms(1_000, 25_000)), What::Types);
        }
    }

    pub(super) fn has_typed(&mut self, agent: &'static str, session: SessionId, is_closed: bool) {
        self.world.sees(agent, session.as_u128(), Observed::TurnEnded);
        if is_closed {
            self.world.sees(agent, session.as_u128(), Observed::Closed);
            self.typed.remove(&(agent, session));
        }
    }

    /// Many messages at once, in all threads.
    pub(super) fn storm(&mut self) {
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
