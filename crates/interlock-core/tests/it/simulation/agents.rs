//! What agents do while they run.

use interlock_core::command::{Command, CreateThread, Report, ThreadAction};
use interlock_core::thread::{Status, ThreadKind, ThreadRole};
use interlock_core::wake::{Evidence, Outcome, Usage};
use interlock_core::{Reason, Reply};

use super::agenda::What;
use super::cast::Step;
use super::run::{AGENTS, Simulation};
use crate::world::{Post, finding_id, name};

/// More threads nobody opens in a day.
const THREADS_MAX: usize = 12;

impl Simulation {
    pub(super) fn goes_on(&mut self, process: usize) {
        let ms = if self.dice.chance(5) { self.dice.ms(5_000, 60_000) } else { self.dice.ms(10, 4_000) };
        self.agenda.put(self.now().plus_ms(ms), What::Step { process });
    }

    pub(super) fn is_overdue(&mut self, process: usize, is_accept: bool) {
        let one = &self.processes[process];
        if !one.is_alive || one.follower.is_none() || (is_accept && one.has_accepted) {
            return;
        }
        let outcome = if is_accept { Outcome::NotAccepted } else { Outcome::RunTimeExceeded };
        self.ends(process, outcome);
    }

    /// It is over, and whoever follows it says so.
    pub(super) fn ends(&mut self, process: usize, outcome: Outcome) {
        let usage = Usage {
            input_tokens: self.dice.below(300) as u64,
            output_tokens: self.dice.below(100) as u64,
            ..Usage::NONE
        };
        let one = &mut self.processes[process];
        (one.is_alive, one.end) = (false, Some(outcome));
        let wake = one.wake;
        if let Some(supervisor) = one.follower {
            // No throw of its own: days go on as they went before there were words.
            let last_message = usage.output_tokens.is_multiple_of(2).then(|| "all is done".to_owned());
            let report = Report::Ended { outcome, usage: Some(usage), is_session_total: false, last_message };
            self.tells(supervisor, wake, report, true);
        }
    }

    pub(super) fn steps(&mut self, process: usize) {
        if !self.processes[process].is_alive {
            return;
        }
        let Some(step) = self.processes[process].steps.pop_front() else { return };
        match step {
            Step::End(outcome) => return self.ends(process, outcome),
            Step::Hang => return,
            Step::Print => self.prints(process),
            _ => self.calls(process, step),
        }
        self.processes[process].has_accepted = true;
        if self.processes[process].is_alive {
            self.goes_on(process);
        }
    }

    fn prints(&mut self, process: usize) {
        let one = &self.processes[process];
        let (wake, session_id) = (one.wake, Some(one.session));
        if let Some(supervisor) = one.follower {
            let report = Report::Accepted { evidence: Evidence::Output, session_id };
            self.tells(supervisor, wake, report, false);
        }
    }

    /// The agent uses its wake's token.
    fn calls(&mut self, process: usize, step: Step) {
        let one = &self.processes[process];
        let (agent, wake) = (one.agent.as_str().to_owned(), one.wake);
        self.world.thread_id = one.thread;
        (self.world.acting, self.world.fence) = (Some(wake), Some(one.fence));
        drop(self.world.give(&agent, Command::NoteCall { wake_id: wake }));
        match step {
            Step::Ack => self.reads(&agent),
            Step::Fix | Step::Find | Step::Verify => self.works(&agent, step),
            Step::SetStatus | Step::Override | Step::Assign | Step::Wake | Step::Open => {
                self.leads(&agent, step);
            }
            _ => self.speaks(&agent, step),
        }
        (self.world.acting, self.world.fence) = (None, None);
    }

    /// Somebody acknowledges everything that is there.
    pub(super) fn reads(&mut self, agent: &str) {
        let (thread, seq) = (self.world.thread_id, self.world.thread().seq);
        if self.world.ack(agent, seq).is_ok() {
            self.journal.read.insert((thread, name(agent)), seq);
        }
    }

    fn speaks(&mut self, agent: &str, step: Step) {
        let post = match step {
            Step::SayToAll => Post::chat(&format!("I have seen {} of it", self.world.entries.len())),
            Step::SayAgain => Post::chat("acknowledged"),
            Step::SayToOne => Post::chat("what do you think?").to(&[self.dice.one(&AGENTS)]),
            Step::SayElsewhere => {
                self.choose_thread();
                Post::chat(&format!("from the other thread, {}", self.world.entries.len()))
            }
            Step::Order => self.order(agent),
            _ => return,
        };
        drop(self.world.post(agent, post));
    }

    /// An order: urgent, for a while, or in the place of the last one.
    pub(super) fn order(&mut self, by: &str) -> Post {
        let mut post =
            Post::chat(&format!("do this, {}", self.world.entries.len())).to(&[self.dice.one(&AGENTS)]);
        if self.dice.chance(20) {
            post = post.urgent();
        }
        if self.dice.chance(20) {
            let ms = self.dice.one(&[1, 1_000, 30_000, 600_000]);
            post = post.expires_in(ms);
        }
        match self.last_of(by) {
            Some(old) if self.dice.chance(20) => post.instead_of(old),
            _ => post,
        }
    }

    fn works(&mut self, agent: &str, step: Step) {
        let known = self.world.findings().iter().map(|finding| finding.finding_id).collect::<Vec<_>>();
        let known = (!known.is_empty()).then(|| self.dice.one(&known));
        let post = match step {
            Step::Fix => {
                // Work comes to an end: who always had another commit to announce would always make progress.
                self.commits += u64::from(!self.is_calm && self.dice.chance(25));
                Post::fix(&format!("{:07}", self.commits))
            }
            Step::Find if self.is_calm => return,
            Step::Find => {
                let id = self.world.entries.len() as u128;
                let path = self.dice.one(&["a.rs", "b.rs", "c.rs"]);
                Post::finding(finding_id(id), path)
            }
            _ => match known {
                Some(finding) => Post::verified(finding),
                None => return,
            },
        };
        drop(self.world.post(agent, post));
    }

    fn leads(&mut self, agent: &str, step: Step) {
        // Where it was woken, or somewhere else.
        if self.dice.chance(40) {
            self.choose_thread();
        }
        let other = self.dice.one(&AGENTS);
        match step {
            Step::SetStatus => {
                let to = self.dice.one(&[Status::Active, Status::Active, Status::Active, Status::Blocked]);
                let to = if self.dice.chance(2) { Status::Resolved } else { to };
                drop(self.world.status_for(agent, to, Reason::ByRequest, None));
            }
            Step::Override => {
                let why = "coordinator_override: it goes on";
                drop(self.world.operates(agent, ThreadAction::Unblock, why, None));
            }
            Step::Assign => drop(self.world.assigns(agent, other)),
            Step::Wake => drop(self.world.trigger(agent, other)),
            _ if self.threads.len() < THREADS_MAX => self.opens(agent, other),
            _ => {}
        }
    }

    /// A thread of its own, with a person in it or without.
    fn opens(&mut self, agent: &str, other: &str) {
        let mut participants = vec![(name(agent), ThreadRole::Coordinator)];
        for who in [other, "olga"] {
            if who != agent && (who != "olga" || self.dice.chance(50)) {
                participants.push((name(who), ThreadRole::Participant));
            }
        }
        let command = CreateThread { title: "more".into(), kind: ThreadKind::Workflow, participants };
        let Ok(done) = self.world.give(agent, Command::CreateThread(command)) else { return };
        if let Reply::Thread(id) = done.reply {
            self.threads.push(id);
            self.world.thread_id = id;
            drop(self.world.post(agent, Post::chat("let us talk here")));
        }
    }
}
